"""Every kind of picture file people bring, made on the spot; and the one place where pixel ranges change."""

import contextlib
import errno
import io
import os
import random
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
import torch
from claims import refused
from PIL import Image, ImageCms, PngImagePlugin

from graftlab import images
from graftlab.errors import GraftError
from graftlab.images import (
    from_uint8,
    l1,
    open_rgb,
    psnr,
    read,
    read_recipe,
    resize,
    to_image,
    to_tensor,
    to_uint8,
    write,
)
from graftlab.images.srgb import to_srgb


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def photo(width=24, height=16, seed=0):
    """A smooth colourful picture, so that lossy formats stay close."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x + y + seed) * 255 // (width + height + seed)], -1)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixel(image, x=0, y=0):
    return tuple(np.asarray(image)[y, x].tolist())


# ---------------------------------------------------------------- reading


def test_lossless_formats_keep_every_pixel_and_lossy_ones_stay_close():
    for kind in ("PNG", "BMP", "TIFF", "PPM", "TGA"):
        image = open_rgb(encoded(photo(), kind))
        assert image.mode == "RGB"
        assert np.array_equal(image, photo()), kind
    for kind in ("JPEG", "WEBP"):
        difference = np.asarray(open_rgb(encoded(photo(), kind, quality=95)), int) - np.asarray(photo(), int)
        assert abs(difference).mean() < 4, kind


def test_sources(tmp_path):
    path = tmp_path / "été 写真 (1).PNG"
    path.write_bytes(encoded(photo(), "PNG"))
    for source in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        assert np.array_equal(open_rgb(source), photo())
    with path.open("rb") as file:
        file.read(5)
        assert np.array_equal(open_rgb(file), photo())
        assert not file.closed

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    assert np.array_equal(open_rgb(Pipe(path.read_bytes())), photo())
    lying = path.rename(tmp_path / "really-a-png.jpg")  # the content decides
    assert np.array_equal(open_rgb(lying), photo())


_UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", _UNDO)
def test_exif_orientation(orientation):
    turn = _UNDO[orientation]
    stored = photo().transpose(turn) if turn is not None else photo()
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind, tolerance in (("PNG", 0), ("TIFF", 0), ("JPEG", 30)):
        image = open_rgb(encoded(stored, kind, exif=exif))
        assert image.size == photo().size
        assert abs(np.asarray(image, int) - np.asarray(photo(), int)).max() <= tolerance, kind


def test_broken_exif_is_ignored():
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow mentions it
        assert open_rgb(data).size == photo().size


def icc(space: bytes, kind: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A small ICC version 2 profile."""
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += data
    header = bytearray(128)
    struct.pack_into(">I4xI4s4s4s", header, 0, offset + len(body), 0x02400000, kind, space, pcs)
    header[36:40] = b"acsp"
    struct.pack_into(">3i", header, 68, 63190, 65536, 54061)  # D50
    return bytes(header) + struct.pack(">I", len(tags)) + table + body


LINEAR_GRAY = icc(
    b"GRAY",
    b"mntr",
    b"XYZ ",
    {b"wtpt": struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061), b"kTRC": struct.pack(">4s4xI", b"curv", 0)},
)
_RAMP = bytes(range(256))
BLACK_INK_ONLY = icc(  # cyan, magenta and yellow leave no trace, as in no naive conversion
    b"CMYK",
    b"prtr",
    b"Lab ",
    {
        b"A2B0": struct.pack(">4s4x4B9i", b"mft1", 4, 3, 2, 0, 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
        + 4 * _RAMP
        + 8 * bytes([255, 128, 128, 0, 128, 128])  # L*, a*, b*; black varies fastest
        + 3 * _RAMP
    },
)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RED_IS_BLUE = SRGB.replace(b"rXYZ", b"temp").replace(b"bXYZ", b"rXYZ").replace(b"temp", b"bXYZ")


def test_icc_profiles_are_converted():
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    assert pixel(open_rgb(encoded(red, "PNG", icc_profile=RED_IS_BLUE))) == (0, 0, 255)
    assert pixel(open_rgb(encoded(red.convert("RGBA"), "PNG", icc_profile=RED_IS_BLUE))) == (0, 0, 255)
    assert pixel(open_rgb(encoded(red.convert("P"), "PNG", icc_profile=RED_IS_BLUE))) == (0, 0, 255)
    assert np.array_equal(open_rgb(encoded(photo(), "PNG", icc_profile=SRGB)), photo())
    assert "icc_profile" not in open_rgb(encoded(red, "PNG", icc_profile=RED_IS_BLUE)).info


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_gray_profiles(mode):
    half = Image.new("L", (4, 4), 128)
    half = Image.fromarray(np.full((4, 4), 128 * 257, np.uint16)) if mode == "I;16" else half.convert(mode)
    assert pixel(open_rgb(encoded(half, "PNG", icc_profile=LINEAR_GRAY))) == (188, 188, 188)  # linear 0.5 in sRGB


def test_profiles_that_do_not_fit_are_ignored():
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    for profile in (b"nonsense", LINEAR_GRAY, BLACK_INK_ONLY, SRGB[:200], RED_IS_BLUE[:400]):
        assert pixel(found := open_rgb(encoded(red, "PNG", icc_profile=profile))) == (255, 0, 0)
        assert found.info["notes"] == ["its colour profile is broken or for other pictures, and is not used"]
    gray = Image.new("L", (4, 4), 77)
    assert pixel(open_rgb(encoded(gray, "PNG", icc_profile=SRGB))) == (77, 77, 77)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind):
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    red, green, blue = pixel(open_rgb(encoded(cyan, kind)))
    assert red < 30
    assert min(green, blue) > 200
    assert min(pixel(open_rgb(encoded(cyan, kind, icc_profile=BLACK_INK_ONLY)))) > 250
    black = Image.new("CMYK", (16, 16), (255, 0, 0, 255))
    assert max(pixel(open_rgb(encoded(black, kind, icc_profile=BLACK_INK_ONLY)))) < 5


def test_sixteen_bit_gray_is_scaled_and_not_clipped():
    values = np.array([[0, 257, 128 * 257, 200 * 257 + 100, 65535]], np.uint16)
    expected = [0, 1, 128, 200, 255]
    for kind in ("PNG", "TIFF"):
        assert np.asarray(open_rgb(encoded(Image.fromarray(values), kind)))[0, :, 1].tolist() == expected
    big_endian = Image.frombytes("I;16B", (5, 1), values.astype(">u2").tobytes())
    assert np.asarray(open_rgb(encoded(big_endian, "TIFF")))[0, :, 0].tolist() == expected
    pgm = b"P5 5 1 65535\n" + values.astype(">u2").tobytes()
    assert np.asarray(open_rgb(pgm))[0, :, 2].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 0.5, 1.0, -1, np.nan]], np.float32), [0, 128, 255, 0, 0]),
        (np.array([[0, 128, 255]], np.float32), [0, 128, 255]),
        (np.array([[0, 65535 / 2, 65535]], np.float32), [0, 128, 255]),
        (np.array([[0, 5e5, 1e6]], np.float32), [0, 128, 255]),
        (np.array([[0, 128 * 257, 65535, -5]], np.int32), [0, 128, 255, 0]),
        (np.array([[0, 2**30, 2**31 - 1]], np.int32), [0, 128, 255]),
    ],
)
def test_float_and_32_bit_gray(values, expected):
    assert np.asarray(open_rgb(encoded(Image.fromarray(values), "TIFF")))[0, :, 0].tolist() == expected


def test_transparency_is_laid_over_white():
    pixels = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    expected = [[255, 0, 0], [255, 255, 255], [127, 127, 127]]
    image = Image.fromarray(pixels)
    assert np.asarray(open_rgb(encoded(image, "PNG")))[0].tolist() == expected
    assert np.asarray(open_rgb(encoded(image, "WEBP", lossless=True)))[0].tolist() == expected

    la = Image.fromarray(np.array([[[10, 255], [10, 0]]], np.uint8))
    assert la.mode == "LA"
    assert np.asarray(open_rgb(encoded(la, "PNG")))[0].tolist() == [[10, 10, 10], [255, 255, 255]]

    keyed = Image.new("RGB", (2, 1), (0, 255, 0))
    keyed.putpixel((0, 0), (1, 2, 3))
    data = encoded(keyed, "PNG", transparency=(0, 255, 0))
    assert np.asarray(open_rgb(data))[0].tolist() == [[1, 2, 3], [255, 255, 255]]


@pytest.mark.parametrize("transparency", [1, bytes([255, 0, 255])])
def test_palette(transparency):
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    assert np.asarray(open_rgb(encoded(image, "PNG")))[0].tolist() == [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    data = encoded(image, "PNG", transparency=transparency)
    assert np.asarray(open_rgb(data))[0].tolist() == [[10, 20, 30], [255, 255, 255], [70, 80, 90]]


def test_one_bit_and_gray():
    bits = Image.fromarray(np.array([[True, False]]))
    assert bits.mode == "1"
    assert np.asarray(open_rgb(encoded(bits, "PNG")))[0].tolist() == [[255] * 3, [0] * 3]
    assert pixel(open_rgb(encoded(Image.new("L", (1, 1), 99), "PNG"))) == (99, 99, 99)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    first = open_rgb(data)
    assert pixel(first) == (255, 0, 0)
    assert first.info["notes"] == ["it holds several pictures, of which the first is read"]


# ---------------------------------------------------------------- what is refused


def test_missing_folder_empty_and_text(tmp_path):
    refused(r"nowhere\.png does not exist", open_rgb, tmp_path / "nowhere.png")
    assert str(tmp_path) in refused("folder", open_rgb, tmp_path)
    (tmp_path / "empty.jpg").touch()
    refused(r"empty\.jpg .*0 bytes", open_rgb, tmp_path / "empty.jpg")
    (tmp_path / "text.jpg").write_text("this is not a picture")
    refused(r"text\.jpg .*not an image", open_rgb, tmp_path / "text.jpg")
    refused("upload 7", open_rgb, b"", name="upload 7")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM"])
def test_damage_is_a_graft_error_or_nothing(kind, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 100_000)  # a damaged header may claim much: keep the test quick
    exif = {"exif": Image.Exif()} if kind in ("PNG", "JPEG", "TIFF", "WEBP") else {}
    if exif:
        exif["exif"][0x0112] = 6
    whole = encoded(photo(), kind, **exif)
    dice = random.Random(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(80):
            data = bytearray(whole)
            for _ in range(dice.randint(1, 4)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            with contextlib.suppress(GraftError):
                assert open_rgb(bytes(data)).mode == "RGB"


def test_a_header_that_claims_too_much_is_refused_at_once(tmp_path):
    resource = pytest.importorskip("resource")
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    body = b"IDAT" + zlib.compress(bytes(1000))
    data += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path = tmp_path / "bomb.png"
    path.write_bytes(data)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    refused("bomb.png .*30000 × 30000.*200 million", open_rgb, path)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB; bytes on macOS


def test_our_pixel_cap_is_the_only_one(monkeypatch, tmp_path):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    path = tmp_path / "a.png"
    path.write_bytes(encoded(photo(24, 16), "PNG"))
    assert read(path, square=True).shape == (1, 3, 16, 16)
    assert Image.MAX_IMAGE_PIXELS == 10
    monkeypatch.setattr(images, "MAX_PIXELS", 24 * 16 - 1)
    refused("24 × 16", open_rgb, path)


def test_postscript_is_not_run():
    refused("export it as PNG", open_rgb, encoded(photo(), "EPS"))


# ---------------------------------------------------------------- tensors


def test_all_values_and_the_ends_of_the_range():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), np.uint8)
    images = from_uint8(pixels)
    assert (images.dtype, images.shape, images.is_contiguous()) == (torch.float32, (2, 3, 5, 4), True)
    assert np.array_equal(to_uint8(images), pixels)
    assert torch.equal(from_uint8(torch.from_numpy(pixels)), images)
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    images = from_uint8(ramp)
    assert (images.min(), images.max()) == (-1, 1)
    assert np.array_equal(to_uint8(images), ramp)
    assert np.array_equal(to_uint8(images.double()), ramp)
    assert abs(to_uint8(images.bfloat16()).astype(int) - ramp).max() <= 1


def test_layouts_clamping_and_rounding_leave_the_input_alone():
    images = torch.tensor([-9.0, -1 + 0.6 / 127.5, 9.0]).view(1, 3, 1, 1)
    assert to_uint8(images).tolist() == [[[[0, 1, 255]]]]
    assert from_uint8(np.array([[[[0, 51, 255]]]], np.uint8)).flatten().tolist() == pytest.approx([-1, -0.6, 1])
    assert to_uint8(torch.tensor([torch.inf, -torch.inf, 0.0]).view(1, 3, 1, 1)).tolist() == [[[[255, 0, 128]]]]
    pixels = np.asarray(photo())[None]
    assert not pixels.flags.writeable
    assert np.array_equal(to_uint8(from_uint8(pixels)), pixels)
    assert np.array_equal(to_uint8(from_uint8(pixels[:, ::-1])), pixels[:, ::-1])
    images = torch.full((1, 3, 2, 2), 0.5, requires_grad=True)
    to_uint8(images)
    assert torch.equal(images, torch.full((1, 3, 2, 2), 0.5))
    pixels = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    from_uint8(pixels)
    assert pixels.sum() == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "YCbCr", "LAB"])
def test_large_pictures_become_srgb_in_strips(mode, monkeypatch):
    """And to the same pixels, with transparency and profile."""
    if mode in ("I;16", "F"):
        ramp = np.linspace(0, 1, 600).reshape(20, 30)
        image = Image.fromarray(ramp.astype(np.float32) if mode == "F" else (60_000 * ramp).astype(np.uint16))
    elif mode == "LAB":
        image = Image.merge("LAB", photo().resize((30, 20)).split())
    else:
        image = photo().resize((30, 20)).convert(mode)
    if mode in ("L", "P", "RGB"):
        image.info["transparency"] = image.getpixel((3, 3))
    if mode in ("RGB", "RGBA"):
        image.info["icc_profile"] = RED_IS_BLUE
    whole = np.asarray(to_srgb(image))
    monkeypatch.setattr("graftlab.images.srgb.STRIP", 100)  # three rows
    assert np.array_equal(np.asarray(to_srgb(image)), whole)
    assert len(np.unique(whole)) > 1


def test_large_pictures_are_converted_and_compared_in_strips(monkeypatch):
    a, b = torch.rand(2, 2, 3, 37, 11, generator=torch.Generator().manual_seed(0)) * 2.4 - 1.2
    at_once = to_uint8(a), l1(a, b), psnr(a, b)
    monkeypatch.setattr("graftlab.images.STRIP", 5 * 11 * 2)
    in_strips = to_uint8(a), l1(a, b), psnr(a, b)
    assert np.array_equal(in_strips[0], at_once[0])
    for found, wanted in zip(in_strips[1:], at_once[1:], strict=True):
        assert found.shape == (2,)
        assert torch.allclose(found, wanted, rtol=1e-6)
    difference = a.clamp(-1, 1) - b.clamp(-1, 1)
    assert torch.allclose(in_strips[1], difference.abs().mean((1, 2, 3)) / 2)
    assert torch.allclose(in_strips[2], -10 * (difference / 2).square().mean((1, 2, 3)).log10())
    a[1, 2, 36, 10] = torch.nan
    refused("NaN", to_uint8, a)


def test_wrong_shapes_and_types():
    for pixels in (np.zeros((1, 2, 2, 3)), np.zeros((2, 2, 3), np.uint8), np.zeros((1, 3, 2, 2), np.uint8)):
        refused("", from_uint8, pixels)
    for batch in (torch.zeros(1, 1, 2, 2), torch.zeros(1, 3, 2, 2, dtype=torch.uint8)):
        refused("", to_uint8, batch)
    for batch in (torch.zeros(2, 3, 4, 4), torch.zeros(4, 4)):
        refused("", to_image, batch)


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(("size", "expected"), [(32, (48, 32)), (5, (8, 5))])
def test_resize_short_side(size, expected):
    assert resize(photo(24, 16), size).size == expected
    assert resize(photo(16, 24), size).size == expected[::-1]


def test_resize_averages_and_refuses_the_absurd():
    stripes = Image.fromarray(np.tile(np.array([[[0] * 3], [[255] * 3]], np.uint8), (32, 64, 1)))
    assert abs(np.asarray(resize(stripes, 8), int) - 127).max() < 20
    refused("", resize, photo(), 0)
    refused("crop", resize, Image.new("RGB", (1, 3000)), 1024)


def test_read_size_and_square(tmp_path):
    path = tmp_path / "a.jpg"
    photo(300, 200).save(path, quality=95)
    assert read(path).shape == (1, 3, 200, 300)
    assert read(path, size=64).shape == (1, 3, 64, 96)
    assert read(path, size=64, square=True).shape == (1, 3, 64, 64)
    assert read(str(path), square=True).shape == (1, 3, 200, 200)
    assert torch.equal(read(path, square=True), read(path)[..., 50:250])
    whole = read(path)
    assert whole.dtype == torch.float32
    assert (whole.min() >= -1) & (whole.max() <= 1) & (whole.min() < -0.9)


def test_read_is_nearly_as_sharp_as_if_every_pixel_were_decoded(tmp_path):
    path = tmp_path / "a.jpg"
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8))
    noise.resize((800, 600), Image.Resampling.NEAREST).save(path, quality=95)
    full = to_tensor(resize(open_rgb(path), 150))
    assert 0 < (read(path, size=150) - full).abs().mean() < 0.1  # 0.05; decoding at 150 directly gives 0.16


def test_draft_decodes_less_but_never_too_little():
    data = encoded(photo(801, 603), "JPEG", quality=90)
    for enough in (1, 50, 75, 76, 100, 150, 151, 200, 300, 301, 302, 400, 603, 900):
        short = min(open_rgb(data, shrink_to=enough).size)
        assert min(enough, 603) <= short <= 603
    assert open_rgb(data, shrink_to=75).size == (101, 76)
    assert open_rgb(data, shrink_to=150).size == (201, 151)
    assert open_rgb(data, shrink_to=301).size == (401, 302)
    assert open_rgb(data).size == (801, 603)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_rgb(encoded(photo(801, 603), "JPEG", exif=exif), shrink_to=150).size == (151, 201)
    small, full = (np.asarray(resize(open_rgb(data, shrink_to=s), 64), int) for s in (128, None))
    assert abs(small - full).mean() < 3


# ---------------------------------------------------------------- writing


RECIPE = {"command": "graft swap 山.jpg 'été'", "seed": 0, "psi": 0.7, "nested": [1, None, True]}


@pytest.mark.parametrize("name", ["写真 1.png", "c.JPEG", "d.webp", "f.tif"])
def test_write_and_read_recipe(tmp_path, name):
    images = to_tensor(photo())
    path = write(images, tmp_path / "new folder" / name, RECIPE)
    assert path == tmp_path / "new folder" / name
    assert read_recipe(path) == RECIPE
    lossless = path.suffix.lower() in (".png", ".tif", ".tiff")
    assert (read(path) - images).abs().mean() < (1e-7 if lossless else 0.05)
    assert [entry.name for entry in path.parent.iterdir()] == [name]
    with Image.open(path) as image:
        software = image.info["Software"] if image.format == "PNG" else image.getexif()[0x0131]
        assert software == "graftlab"
    write(images, path)
    assert read_recipe(path) is None


def test_recipes_of_odd_values(tmp_path):
    path = write(to_tensor(photo()), tmp_path / "a.png", {"path": tmp_path, "text": "\udcff\n\"'"})
    assert read_recipe(path) == {"path": str(tmp_path), "text": "\udcff\n\"'"}
    refused(r"\.png", write, to_tensor(photo()), tmp_path / "a.jpg", {"long": "x" * 70_000})
    assert not (tmp_path / "a.jpg").exists()
    assert len(read_recipe(write(to_tensor(photo()), tmp_path / "b.png", {"long": "x" * 70_000}))["long"]) == 70_000


def test_other_peoples_descriptions_are_no_recipe(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = '{"seed": 1}'
    photo().save(tmp_path / "a.jpg", exif=exif)
    assert read_recipe(tmp_path / "a.jpg") is None
    exif[0x0131] = "graftlab"
    exif[0x010E] = "a sunny day"
    photo().save(tmp_path / "a.jpg", exif=exif)
    assert read_recipe(tmp_path / "a.jpg") is None
    info = PngImagePlugin.PngInfo()
    info.add_itxt("graftlab", "[" * 100_000)
    photo().save(tmp_path / "a.png", pnginfo=info)
    assert read_recipe(tmp_path / "a.png") is None
    refused("does not exist", read_recipe, tmp_path / "none.png")


def test_quality(tmp_path):
    noise = from_uint8(np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8))
    for extension in ("jpg", "webp"):
        sizes = [write(noise, tmp_path / f"a.{extension}", quality=q).stat().st_size for q in (30, 95)]
        assert sizes[0] < sizes[1] / 2
    refused("quality", write, noise, tmp_path / "a.jpg", quality=101)


def test_what_write_refuses(tmp_path):
    for path in ("a.xyz", "a", "a.png.exe"):
        refused(r"\.png, \.jpg", write, to_tensor(photo()), tmp_path / path)
    refused("batch of 2", write, torch.zeros(2, 3, 4, 4), tmp_path / "a.png")
    refused("NaN", write, torch.full((1, 3, 4, 4), torch.nan), tmp_path / "a.png")
    refused(r"use \.png", write, torch.zeros(1, 3, 1, 16_384), tmp_path / "a.webp")
    refused(r"use \.png", write, torch.zeros(1, 3, 1, 65_501), tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_earlier_picture(tmp_path, monkeypatch):
    path = write(to_tensor(photo()), tmp_path / "a.png", {"seed": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused("free some space", write, to_tensor(photo(seed=9)), path, {"seed": 2})
    assert read_recipe(path) == {"seed": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
