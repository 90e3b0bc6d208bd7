"""Pictures: files <-> float tensors (N, 3, H, W) in [-1, 1]. The only place where pixel ranges change.

file --open_rgb--> Image (8-bit sRGB) --to_tensor--> tensor --to_uint8--> array --write--> file with its recipe
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageFile, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.images.channels import deep_colour
from graftlab.images.depth import corrected
from graftlab.images.headers import is_jpeg, sound, what_else, with_an_end
from graftlab.images.plugins import assisted
from graftlab.images.srgb import orientation, to_srgb, upright, upright_size
from graftlab.work.examples import with_examples
from graftlab.work.files import atomic_write

MAX_PIXELS = 200_000_000  # per picture, as its header states; 600 MB once decoded
STRIP = 2**20  # pixels converted at a time, so that copies of large pictures stay small
MAX_STREAM = 2**29  # bytes read of what cannot seek
LOG = logging.getLogger(__name__)  # of what people should know about pictures that are read
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

    Turned as its EXIF orientation says; the embedded ICC profile (CMYK too), or the colours that it names in numbers,
    are converted to sRGB, a broken profile is ignored; transparency is laid over white; deep and float grays are scaled
    as their header says (`depth.eight_bit`); of an animation the first frame is taken. Metadata at fault are left out,
    and the last bytes of a JPEG may be missing: of that and whatever else people should know, `info["notes"]` of the
    result is a list, if there is something. With `shrink_to`, a large JPEG is decoded at 1/2, 1/4 or 1/8, its short
    side never below that.
    GraftError if the file is missing, empty, damaged, cut short, no image, no file, or above MAX_PIXELS."""
    name = name or _name(source)
    with _explained(name), _binary(source) as file:
        try:
            return _decoded(file, name, shrink_to)
        except OSError:
            if not is_jpeg(file):
                raise
            picture = _decoded(with_an_end(file), name, shrink_to)
            picture.info.setdefault("notes", []).append("its last bytes are missing")
            return picture


def _decoded(file: BinaryIO, name: str, shrink_to: int | None) -> Image.Image:
    with identified(file, name) as image:
        if shrink_to:
            image.draft(None, (shrink_to, shrink_to))
        image.load()
        picture, lying = to_srgb(image), orientation(image)
    del image  # which frees its pixels before there are more
    return upright(picture, lying)


def _name(source: str | Path | bytes | BinaryIO) -> str:
    return str(source if isinstance(source, str | Path) else getattr(source, "name", "the picture"))


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn any error while reading into one sentence that names the picture and the remedy."""
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
    except MemoryError as error:
        raise GraftError(f"{name} does not fit in memory: make the picture smaller.") from error
    except Exception as error:  # on damaged files Pillow's readers raise nearly every type there is
        reason = " ".join(str(error).split())  # of some readers a paragraph
        raise GraftError(f"{name} is damaged or cut short ({reason}): fetch or export it again.") from error


@contextmanager
def _binary(source: str | Path | bytes | BinaryIO) -> Iterator[BinaryIO]:
    """A seekable binary file, closed at the end only if opened here."""
    if isinstance(source, str | Path):
        path = Path(with_examples(str(source)))
        if path.is_dir():  # Windows would speak of permissions
            raise IsADirectoryError(source)
        if path.exists() and not path.is_file():  # it might never end, or never begin
            raise GraftError(f"{source} is a pipe or a device: save the picture in a file and name that.")
        with path.open("rb") as file:
            yield file
    elif isinstance(source, bytes):
        yield BytesIO(source)
    else:
        yield source if source.seekable() else BytesIO(source.read(MAX_STREAM))


_pillow_cap = threading.Lock()


def identified(file: BinaryIO, name: str) -> Image.Image:
    """The picture with its header read and nothing decoded; empty files, drawings and huge pictures are refused."""
    if file.seek(0, 2) == 0:
        raise GraftError(f"{name} is empty (0 bytes): fetch or export it again.")
    file, facts = sound(file)
    with _pillow_cap:  # Pillow's own cap is a global, warns at 89 and fails at 179 million pixels: ours stands alone
        cap, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image: Any = assisted(file, name) or Image.open(file)
        except UnidentifiedImageError as error:
            if (image := deep_colour(file, name, MAX_PIXELS)) is None:
                raise GraftError(f"{name} {what_else(file)}.") from error
        finally:
            Image.MAX_IMAGE_PIXELS = cap
    image.info.update(facts)
    if isinstance(image, ImageFile.ImageFile):  # not what a camera's raw file was developed to
        corrected(image)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise TooLargeError(
            f"{name} has {width} × {height} pixels, more than the {MAX_PIXELS // 10**6} million read here: "
            "make it smaller in another program."
        )
    if image.format in _DRAWINGS:
        raise GraftError(f"{name} is a drawing ({image.format}), not a picture of pixels: export it as PNG.")
    return image


# ---------------------------------------------------------------- image -> tensor and back


def from_uint8(array: np.ndarray | Tensor) -> Tensor:
    """uint8 (N, H, W, 3) in [0, 255] -> float32 (N, 3, H, W) in [-1, 1], on the same device."""
    pixels = array if isinstance(array, Tensor) else torch.from_numpy(np.array(array))  # may be read-only
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
        raise GraftError(f"expected uint8 pixels (N, H, W, 3), got {pixels.dtype} {tuple(pixels.shape)}.")
    images = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return images.div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> np.ndarray:
    """Float (N, 3, H, W), any precision and device -> uint8 (N, H, W, 3): clamped to [-1, 1], rounded to nearest.

    The inverse of `from_uint8`, exact for all 256 values. GraftError on NaN, which no pixel can show."""
    if not images.is_floating_point() or images.ndim != 4 or images.shape[1] != 3:
        raise GraftError(f"expected float images (N, 3, H, W), got {images.dtype} {tuple(images.shape)}.")
    pixels = np.empty((len(images), *images.shape[2:], 3), np.uint8)
    for rows in _strips(images):
        strip = images[:, :, rows].detach().float()
        if strip.isnan().any():
            raise GraftError("the picture contains NaN: try precision float32, or an earlier checkpoint of the model.")
        strip = strip.clamp(-1, 1).add_(1).mul_(127.5).round_().to(torch.uint8)
        pixels[:, rows] = strip.permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def _strips(images: Tensor) -> Iterator[slice]:
    """The rows of pictures (N, C, H, W), about STRIP pixels at a time."""
    count, _, height, width = images.shape
    step = max(1, STRIP // max(1, count * width))
    return (slice(top, top + step) for top in range(0, height, step))


def to_tensor(image: Image.Image) -> Tensor:
    """A Pillow image of any mode -> float32 (1, 3, H, W) in [-1, 1]."""
    if image.mode != "RGB" or "icc_profile" in image.info or "transparency" in image.info:
        image = to_srgb(image)
    return from_uint8(np.asarray(image)[None])


def to_image(images: Tensor) -> Image.Image:
    """One picture, float (1, 3, H, W) or (3, H, W) in [-1, 1] -> Pillow image. GraftError for a larger batch."""
    batch = images[None] if images.ndim == 3 else images
    if batch.ndim == 4 and len(batch) != 1:
        raise GraftError(f"expected one picture, got a batch of {len(batch)}: take images[i : i + 1], or make a sheet.")
    return Image.fromarray(to_uint8(batch)[0])


# ---------------------------------------------------------------- sizes and differences


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of pictures (N, 3, H, W) as a share of the full range, clamped to it first: (N,)."""
    return _mean(torch.abs, a, b)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of pictures (N, 3, H, W), clamped to the range first: (N,) dB."""
    return -10 * _mean(torch.square, a, b).log10()


def _mean(measure: Callable[[Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """The mean over each picture of a measure of differences, as shares of the full range: (N,)."""
    sums = [
        measure((a[:, :, rows].clamp(-1, 1) - b[:, :, rows].clamp(-1, 1)) / 2).flatten(1).sum(1) for rows in _strips(a)
    ]
    return torch.stack(sums).sum(0) / a.shape[1:].numel()


def resize(image: Image.Image, size: int) -> Image.Image:
    """Scale the short side to `size` pixels, down or up, keeping the aspect ratio (Lanczos)."""
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
    """A picture file, or its bytes -> float32 (1, 3, H, W) in [-1, 1]; `open_rgb` says what is read and refused.

    Its notes go to the log of this module."""
    if size is not None and size < 1:
        raise GraftError(f"A picture cannot be read at a size of {size} pixels; give 1 or more.")
    image = open_rgb(source, name, shrink_to=2 * size if size else None)  # twice, so that Lanczos does the last halving
    if notes := image.info.get("notes"):
        LOG.warning("%s: %s.", name or _name(source), "; ".join(notes))
    if square:
        short = min(image.size)
        left, top = ((side - short) // 2 for side in image.size)
        box = (left, top, left + short, top + short)
        # An exact copy of the box; Image.crop would bring Pillow's own size warning back.
        image = image.resize((short, short), Image.Resampling.NEAREST, box=box)
    if size is not None:
        if min(image.size) < min(SMALLEST, size):
            what = f"{name or _name(source)} has {image.width} × {image.height} pixels"
            raise GraftError(f"{what}, too few to enlarge: give a picture of {SMALLEST} or more a side.")
        image = resize(image, size)
    return to_tensor(image)


def dimensions(source: str | Path | bytes | BinaryIO, name: str | None = None) -> tuple[int, int]:
    """Width and height of a picture file, upright, pixels, from its header alone. GraftError as `read`."""
    name = name or _name(source)
    with _explained(name), _binary(source) as file, identified(file, name) as image:
        return upright_size(image)


# ---------------------------------------------------------------- tensor -> file


def write(
    images: Tensor,
    path: str | Path,
    recipe: Mapping[str, object] | None = None,  # how the picture was made (command, seed, model); None: not told
    quality: int = 95,  # of JPEG and WebP, 1 to 100; PNG and TIFF are lossless
) -> Path:
    """Write one picture, float (1, 3, H, W) or (3, H, W) in [-1, 1], as PNG, JPEG, WebP or TIFF by extension.

    The recipe goes into the metadata as JSON, and `read_recipe` returns it. Missing folders are created; the file is
    complete or absent. GraftError for a batch, NaN, an unknown extension, and write errors."""
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


def to_png(images: Tensor) -> bytes:
    """One picture, float (1, 3, H, W) or (3, H, W) in [-1, 1], as the bytes of a PNG file."""
    data = BytesIO()
    to_image(images).save(data, "PNG")
    return data.getvalue()


def to_webp(images: Tensor, quality: int = 80) -> bytes:
    """The same as a WebP of this quality (1 to 100), as fast as it can be encoded."""
    data = BytesIO()
    to_image(images).save(data, "WEBP", quality=quality, method=0)
    return data.getvalue()


def _options(kind: str, quality: int, recipe: Mapping[str, object] | None) -> dict[str, Any]:
    """Options for Pillow's writer of this format: compression, and the recipe if the format stores text."""
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


def read_recipe(source: str | Path | bytes, name: str | None = None) -> dict[str, Any] | None:
    """The recipe `write` stored in a picture; None if there is none. GraftError if the file is not a picture."""
    name = name or _name(source)
    with _explained(name), _binary(source) as file, identified(file, name) as image:
        text = image.info.get("graftlab")
        exif = image.getexif() if image.format != "PNG" else {}
        if exif.get(ExifTags.Base.Software) == _SOFTWARE:
            text = exif.get(ExifTags.Base.ImageDescription)
    try:
        recipe = json.loads(text) if text else None
    except (TypeError, ValueError, RecursionError):  # somebody else's description
        return None
    return recipe if isinstance(recipe, dict) else None
