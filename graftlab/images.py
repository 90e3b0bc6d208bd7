"""Pictures: files <-> float tensors (N, 3, H, W) in [-1, 1]. The only place where pixel ranges change.

file --open_rgb--> Image (8-bit sRGB) --to_tensor--> tensor --to_uint8--> array --write--> file with its recipe
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.files import atomic_write

MAX_PIXELS = 200_000_000  # per picture, as its header states; 600 MB once decoded
SMALLEST = 8  # pixels a side, below which enlarging a picture only invents one

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
_LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}  # pixels, limits of the formats
_DRAWINGS = {"EPS", "WMF"}  # Pillow would start another program (Ghostscript) to draw them
_SOFTWARE = "graftlab"


# ---------------------------------------------------------------- file -> image


class TooLargeError(GraftError):
    """A picture of more than MAX_PIXELS."""


def open_rgb(
    source: str | Path | bytes | BinaryIO,
    name: str | None = None,  # what to call the picture in errors; None: its path
    shrink_to: int | None = None,  # short side in pixels that is enough; None: every pixel of the file
) -> Image.Image:
    """Read anything Pillow reads as an upright 8-bit sRGB picture, by content and not by extension.

    Turned as its EXIF orientation says; the embedded ICC profile (CMYK too) is converted to sRGB, a broken one is
    ignored; transparency is laid over white; 16-bit and float grays are scaled, not clipped; of an animation the first
    frame is taken. With `shrink_to`, a large JPEG is decoded at 1/2, 1/4 or 1/8, its short side never below that.
    GraftError if the file is missing, empty, damaged, cut short, no image, or above MAX_PIXELS."""
    name = name or _name(source)
    with _explained(name), _binary(source) as file, identified(file, name) as image:
        if shrink_to:
            image.draft(None, (shrink_to, shrink_to))
        image.load()
        return _upright(_srgb(image), _orientation(image))


def _name(source: str | Path | bytes | BinaryIO) -> str:
    if isinstance(source, str | Path):
        return str(source)
    return str(getattr(source, "name", "the picture"))


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn whatever goes wrong while reading into one sentence that names the picture and the remedy."""
    try:
        yield
    except GraftError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise GraftError(f"{name} does not exist: check the path.") from error
    except IsADirectoryError as error:
        raise GraftError(f"{name} is a folder: name a picture inside it.") from error
    except PermissionError as error:
        raise GraftError(f"{name} may not be read: change its permissions.") from error
    except UnidentifiedImageError as error:
        raise GraftError(f"{name} is not an image in a format known here: convert it to PNG or JPEG.") from error
    except MemoryError as error:
        raise GraftError(f"{name} does not fit in memory: make the picture smaller.") from error
    except Exception as error:  # on damaged files Pillow's readers raise nearly every type there is
        raise GraftError(f"{name} is damaged or cut short ({error}): fetch or export it again.") from error


@contextmanager
def _binary(source: str | Path | bytes | BinaryIO) -> Iterator[BinaryIO]:
    """A seekable binary file, closed at the end only if opened here."""
    if isinstance(source, str | Path):
        if Path(source).is_dir():  # Windows would speak of permissions
            raise IsADirectoryError(source)
        with Path(source).open("rb") as file:
            yield file
    elif isinstance(source, bytes):
        yield BytesIO(source)
    else:
        yield source if source.seekable() else BytesIO(source.read())


_pillow_cap = threading.Lock()


def identified(file: BinaryIO, name: str) -> Image.Image:
    """The picture with its header read and nothing decoded; empty files, drawings and huge pictures are refused."""
    if file.seek(0, 2) == 0:
        raise GraftError(f"{name} is empty (0 bytes): fetch or export it again.")
    with _pillow_cap:  # Pillow's own cap is a global, warns at 89 and fails at 179 million pixels: ours stands alone
        cap, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = cap
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise TooLargeError(
            f"{name} has {width} × {height} pixels, more than the {MAX_PIXELS // 10**6} million read here: "
            "make it smaller in another program."
        )
    if image.format in _DRAWINGS:
        raise GraftError(f"{name} is a drawing ({image.format}), not a picture of pixels: export it as PNG.")
    return image


def _srgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode -> RGB: depth, transparency, then colour. Carries no metadata over."""
    icc = image.info.get("icc_profile")
    gray = image.mode[0] in "1LIF" and image.mode != "LAB"
    if image.mode[0] in "IF":
        image = _eight_bit(image)
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")

    transform = _to_srgb(icc) if isinstance(icc, bytes) else None
    space = transform.input_mode if transform else ""
    if transform and ((space == "CMYK") == (image.mode == "CMYK")) and (space != "L" or gray):
        image = transform.apply(image.convert(space))
    else:
        image = image.convert("RGB")

    if alpha:
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    image.info = {}
    return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """Gray of 16 or 32 bits or float -> 8-bit L.

    Full scale is 65535 for integers (2^31 - 1 if some are larger) and for floats the first of 1, 255, 65535 that no
    value exceeds, else the largest value. Negative values and NaN become black."""
    values = np.asarray(image)
    if values.dtype.itemsize == 2:
        return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    values = np.nan_to_num(values.astype(np.float32), nan=0.0)
    scales = (65535, 2**31 - 1) if image.mode[0] == "I" else (1, 255, 65535)
    largest = float(values.max())
    scale = next((scale for scale in scales if largest <= scale), largest)
    return Image.fromarray(np.rint(values.clip(min=0) / scale * 255).astype(np.uint8))


@lru_cache(maxsize=8)  # the photographs of one folder share a few profiles
def _to_srgb(icc: bytes) -> ImageCms.ImageCmsTransform | None:
    """The transform from an ICC profile to sRGB, perceptual; None if the profile cannot be used."""
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        space = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[profile.profile.xcolor_space.strip()]
        return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), space, "RGB")
    except (ImageCms.PyCMSError, OSError, KeyError):
        return None


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # unreadable EXIF says nothing about the pixels
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    # ImageOps.exif_transpose also rewrites the EXIF block, and fails on the odd ones cameras make
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


# ---------------------------------------------------------------- image -> tensor and back


def from_uint8(array: np.ndarray | Tensor) -> Tensor:
    """uint8 (N, H, W, 3) in [0, 255] -> float32 (N, 3, H, W) in [-1, 1], on the same device."""
    pixels = array if isinstance(array, Tensor) else torch.from_numpy(np.array(array))  # may be read-only
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
        raise GraftError(f"expected uint8 pixels (N, H, W, 3), got {pixels.dtype} {tuple(pixels.shape)}.")
    return pixels.permute(0, 3, 1, 2).contiguous().float().div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> np.ndarray:
    """Float (N, 3, H, W), any precision and device -> uint8 (N, H, W, 3): clamped to [-1, 1], rounded to nearest.

    The inverse of `from_uint8`, exact for all 256 values. GraftError on NaN, which no pixel can show."""
    if not images.is_floating_point() or images.ndim != 4 or images.shape[1] != 3:
        raise GraftError(f"expected float images (N, 3, H, W), got {images.dtype} {tuple(images.shape)}.")
    images = images.detach().float()
    if images.isnan().any():
        raise GraftError("the picture contains NaN: try precision float32, or an earlier checkpoint of the model.")
    pixels = images.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def to_tensor(image: Image.Image) -> Tensor:
    """A Pillow image of any mode -> float32 (1, 3, H, W) in [-1, 1]."""
    if image.mode != "RGB" or "icc_profile" in image.info or "transparency" in image.info:
        image = _srgb(image)
    return from_uint8(np.asarray(image)[None])


def to_image(images: Tensor) -> Image.Image:
    """One picture, float (1, 3, H, W) or (3, H, W) in [-1, 1] -> Pillow image. GraftError for a larger batch."""
    batch = images[None] if images.ndim == 3 else images
    if batch.ndim == 4 and len(batch) != 1:
        raise GraftError(f"expected one picture, got a batch of {len(batch)}: take images[i : i + 1], or make a sheet.")
    return Image.fromarray(to_uint8(batch)[0])


# ---------------------------------------------------------------- sizes


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of pictures (N, 3, H, W) as a share of the full range, clamped to it first: (N,)."""
    return (a.clamp(-1, 1) - b.clamp(-1, 1)).abs().flatten(1).mean(1) / 2


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of pictures (N, 3, H, W), clamped to the range first: (N,) dB."""
    return -10 * ((a.clamp(-1, 1) - b.clamp(-1, 1)) / 2).square().flatten(1).mean(1).log10()


def resize(image: Image.Image, size: int) -> Image.Image:
    """Bring the short side to `size` pixels, smaller or larger, aspect kept (Lanczos)."""
    short = min(image.size)
    if short == size:
        return image
    width, height = (max(size, round(side * size / short)) for side in image.size)
    if size < 1 or width * height > MAX_PIXELS:
        raise GraftError(
            f"a picture of {image.width} × {image.height} pixels cannot be resized to a short side of {size}: "
            "choose another size or crop it first."
        )
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def read(
    source: str | Path | bytes | BinaryIO,
    size: int | None = None,  # short side in pixels; None: as it is
    square: bool = False,  # crop the centre to the short side
    name: str | None = None,  # for messages; None: the path
) -> Tensor:
    """A picture file, or its bytes -> float32 (1, 3, H, W) in [-1, 1]; `open_rgb` tells what is read and refused."""
    if size is not None and size < 1:
        raise GraftError(f"A picture cannot be read at a size of {size} pixels; give 1 or more.")
    image = open_rgb(source, name, shrink_to=2 * size if size else None)  # twice, so that Lanczos does the last halving
    if square:
        image = _center_square(image)
    if size is not None:
        if min(image.size) < min(SMALLEST, size):
            what = f"{name or _name(source)} has {image.width} × {image.height} pixels"
            raise GraftError(f"{what}, too few to enlarge: give a picture of {SMALLEST} or more a side.")
        image = resize(image, size)
    return to_tensor(image)


def _center_square(image: Image.Image) -> Image.Image:
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    box = (left, top, left + short, top + short)
    # An exact copy of the box; Image.crop would bring Pillow's own size warning back.
    return image.resize((short, short), Image.Resampling.NEAREST, box=box)


# ---------------------------------------------------------------- tensor -> file


def write(
    images: Tensor,
    path: str | Path,
    recipe: Mapping[str, object] | None = None,  # how the picture was made (command, seed, model); None: not told
    quality: int = 95,  # of JPEG and WebP, 1 to 100; PNG and TIFF are lossless
) -> Path:
    """Write one picture, float (1, 3, H, W) or (3, H, W) in [-1, 1], as PNG, JPEG, WebP or TIFF by extension.

    The recipe goes into the metadata as JSON, and `read_recipe` returns it. Missing folders are made; the file is
    whole or not there. GraftError for a batch, NaN, an unknown extension, and whatever the disk refuses."""
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise GraftError(f"{path} has no extension for pictures that works here: use {', '.join(FORMATS)}.")
    if not 1 <= quality <= 100:
        raise GraftError(f"quality {quality} is not between 1 and 100: 95 is a good choice.")
    image = to_image(images)
    if max(image.size) > _LONGEST_SIDE.get(kind, max(image.size)):
        raise GraftError(f"{path} would be {image.width} × {image.height} pixels, too long for {kind}: use .png.")
    data = BytesIO()  # encoded in memory first: Pillow's direct path to a file overlooks short writes on a full disk
    try:
        image.save(data, kind, **_options(kind, quality, recipe))
    except ValueError as error:  # EXIF in a JPEG ends at 64 KB
        raise GraftError(f"{path} could not be encoded ({error}): use .png.") from error
    return atomic_write(path, lambda file: file.write(data.getbuffer()))


def _options(kind: str, quality: int, recipe: Mapping[str, object] | None) -> dict[str, Any]:
    """What Pillow's writer of this format needs: compression, and the recipe where the format keeps text."""
    text = None if recipe is None else json.dumps(dict(recipe), default=str)  # ASCII, so every script survives EXIF
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("Software", _SOFTWARE)
        if text is not None:
            info.add_itxt("graftlab", text)
        return {"pnginfo": info}
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = _SOFTWARE
    if text is not None:
        exif[ExifTags.Base.ImageDescription] = text
    if kind == "TIFF":
        return {"exif": exif, "compression": "tiff_adobe_deflate"}
    return {"exif": exif, "quality": quality} | ({"subsampling": 0} if kind == "JPEG" else {})


def read_recipe(path: str | Path) -> dict[str, Any] | None:
    """The recipe `write` stored in a picture; None if there is none. GraftError if the file is no picture."""
    with _explained(str(path)), _binary(path) as file, identified(file, str(path)) as image:
        text = image.info.get("graftlab")
        exif = image.getexif() if image.format != "PNG" else {}
        if exif.get(ExifTags.Base.Software) == _SOFTWARE:
            text = exif.get(ExifTags.Base.ImageDescription)
    try:
        recipe = json.loads(text) if text else None
    except (TypeError, ValueError):  # somebody else's description
        return None
    return recipe if isinstance(recipe, dict) else None
