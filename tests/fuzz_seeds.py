"""Small files of every kind that Pillow and FFmpeg write here, for `fuzz_inputs.py` to begin with."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from importlib import import_module
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin
from test_image_kinds import tiff

WIDTH, HEIGHT = 40, 28
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "I;16", "F")
TIFFS = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "group4", "lzma", "zstd", "webp")
CODECS = {  # file -> codec, format of its pixels, options
    "h264.mp4": ("libx264", "yuv420p", {"bf": "3", "g": "6"}),
    "ten.mp4": ("libx264", "yuv420p10le", {}),
    "hevc.mkv": ("libx265", "yuv420p", {"x265-params": "log-level=none"}),
    "h264.ts": ("libx264", "yuv420p", {"g": "6"}),
    "h264.flv": ("libx264", "yuv420p", {}),
    "h264.h264": ("libx264", "yuv420p", {}),
    "field.mpg": ("mpeg2video", "yuv420p", {"flags": "+ildct+ilme"}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {"bf": "2"}),
    "alpha.webm": ("libvpx-vp9", "yuva420p", {}),
    "vp8.webm": ("libvpx", "yuv420p", {}),
    "av1.mkv": ("libsvtav1", "yuv420p", {"preset": "12"}),
    "vp9.ivf": ("libvpx-vp9", "yuv420p", {}),
    "prores.mov": ("prores_ks", "yuva444p10le", {}),
    "rle.mov": ("qtrle", "argb", {}),
    "mjpeg.mov": ("mjpeg", "yuvj420p", {}),
    "ffv1.mkv": ("ffv1", "gray16le", {}),
    "huff.avi": ("huffyuv", "rgb24", {}),
    "wmv.wmv": ("wmv2", "yuv420p", {}),
    "v.gif": ("gif", "rgb8", {}),
    "v.apng": ("apng", "rgba", {}),
    "zmbv.avi": ("zmbv", "bgr0", {}),
    "dnx.mxf": ("mpeg2video", "yuv422p", {}),
    "theora.nut": ("snow", "yuv420p", {"strict": "experimental"}),
    "raw.y4m": ("wrapped_avframe", "yuv420p", {}),
}


def scene(mode: str = "RGB", shift: int = 0) -> Image.Image:
    """A few shapes with something of everything: smooth, sharp, noise."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(shift).integers(0, 40, (HEIGHT, WIDTH))
    planes = [(6 * (x + shift)) % 256, 8 * y, np.where((x - 20) ** 2 + (y - 14) ** 2 < 80, 215, 20) + noise]
    colour = Image.fromarray(np.stack(planes, 2).clip(0, 255).astype(np.uint8))
    if mode in ("RGBA", "LA"):
        colour.putalpha(Image.fromarray((6 * x).clip(0, 255).astype(np.uint8)))
        return colour.convert(mode)
    if mode == "I;16":
        return Image.fromarray((x * 1500 + y).astype(np.uint16))
    if mode == "F":
        return Image.fromarray((x / WIDTH).astype(np.float32))
    if mode == "LAB":
        turn = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        return ImageCms.applyTransform(colour, turn)  # type: ignore[return-value]
    return colour.convert(mode)


def pictures() -> Iterator[tuple[str, bytes]]:
    """A name and the bytes of every format, mode and option that Pillow writes."""
    Image.init()  # makes all formats known
    for helper in ("pillow_heif", "pillow_jxl"):
        with suppress(ImportError):
            getattr(import_module(helper), "register_heif_opener", lambda: None)()
    exif = Image.Exif()
    exif[274], exif[270] = 6, "a description"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in sorted({*Image.SAVE} - {"PDF", "PALM", "MPO", "EPS"}):
        for mode in MODES:
            yield from saved(f"{mode}.{kind.lower()}", mode, kind)
    for mode in MODES:
        for compression in TIFFS:
            yield from saved(f"{mode}-{compression}.tiff", mode, "TIFF", compression=compression)
    facts = {"exif": exif, "icc_profile": profile}
    more = [scene("RGBA", shift) for shift in (3, 6, 9)]
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF"):
        yield from saved(f"facts.{kind.lower()}", "RGB", kind, **facts)
    for kind in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        yield from saved(f"more.{kind.lower()}", "RGBA", kind, save_all=True, append_images=more, duration=70)
    yield from saved("lossless.webp", "RGBA", "WEBP", lossless=True, exact=True)
    yield from saved("progressive.jpeg", "RGB", "JPEG", progressive=True, subsampling=2, restart_marker_blocks=2)
    yield from saved("progressive-cmyk.jpeg", "CMYK", "JPEG", progressive=True)
    yield from saved("rle.tga", "RGBA", "TGA", compression="tga_rle")
    yield from saved("big.tiff", "RGB", "TIFF", big_tiff=True)
    for planar in (1, 2):
        for kind, bits in (("f2", 16), ("f4", 32), ("f8", 64)):
            values = np.random.default_rng(bits).random((4, 8, 9)).astype(f"<{kind}").tobytes()
            tags = {"rows": 8, "packed": True, "parts": 4 if planar == 2 else 1, "t338": 2, "t339": [3] * 4}
            yield f"floats-{bits}-{planar}.tiff", tiff(values, 9, [bits] * 4, t262=2, t284=planar, t317=planar, **tags)
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "<x/>", zip=True)
    text.add(b"cICP", bytes([9, 16, 0, 1]))
    text.add(b"tRNS", bytes([0, 6, 0, 8, 0, 20]))
    yield from saved("chunks.png", "RGB", "PNG", pnginfo=text, **facts)


def saved(name: str, mode: str, kind: str, **options: object) -> Iterator[tuple[str, bytes]]:
    """What Pillow makes of it; nothing of modes and options that do not go together."""
    file = BytesIO()
    with suppress(Exception):
        scene(mode).save(file, kind, **options)  # type: ignore[arg-type]
        yield name, file.getvalue()


def videos(folder: Path) -> None:
    """A file of every codec and container, of a constant rate and of a variable one."""
    import av

    for name, (codec, pixels, options) in CODECS.items():
        for ticks in (range(0, 60, 4), (0, 1, 2, 5, 6, 30, 31, 33, 90, 91)):
            path = folder / f"{'steady' if isinstance(ticks, range) else 'odd'}-{name}"
            with suppress(Exception), av.open(str(path), "w") as out:
                stream: object = out.add_stream(codec, rate=25, options=dict(options))
                stream.width, stream.height, stream.pix_fmt = 64, 48, pixels  # type: ignore[attr-defined]
                stream.codec_context.time_base = Fraction(1, 100)  # type: ignore[attr-defined]
                for tick in ticks:
                    picture = scene("RGB", tick).resize((64, 48))
                    frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24").reformat(format=pixels)
                    frame.pts, frame.time_base = tick, Fraction(1, 100)
                    out.mux(stream.encode(frame))  # type: ignore[attr-defined]
                out.mux(stream.encode(None))  # type: ignore[attr-defined]
            if path.exists() and path.stat().st_size < 500:
                path.unlink()


def make_seeds(folder: Path) -> None:
    """Write all of them."""
    for name, data in pictures():
        (folder / name).write_bytes(data)
    videos(folder)
