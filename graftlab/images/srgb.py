"""Any picture that Pillow has read as upright 8-bit sRGB: depth, transparency, colour profiles, EXIF orientation."""

from functools import lru_cache
from io import BytesIO
from typing import Any, TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageCms

from graftlab.images.colours import ADOBE_RGB, BT709, HIGH_DYNAMIC_RANGE, Colour, from_narrow
from graftlab.images.depth import eight_bit, is_deep

OVER_WHITE = "it is transparent in places, which are laid over white"
UNSEEN = "it is transparent everywhere, which is not followed"
FIRST = "it holds several pictures, of which the first is read"
OF_SEVERAL = {"AVIF", "GIF", "PNG", "TIFF", "WEBP"}  # formats of animations and pages; in others there are icons, ...
STRIP = 2**22  # pixels converted at a time

Told = TypeVar("Told", int, str)


def to_srgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode -> RGB: depth, transparency, then colour. Of the metadata only `notes` are carried over."""
    icc, stated = image.info.get("icc_profile"), _stated(image)
    cicp = image.info.get("cicp") or (_numbers_in(icc) if isinstance(icc, bytes) else None)
    notes = list(image.info.get("notes", ()))
    if image.format in OF_SEVERAL and getattr(image, "is_animated", False):
        notes.append(FIRST)
    gray = image.mode[0] in "1LIF" and image.mode != "LAB"
    if is_deep(image):
        image, told = eight_bit(image)
        notes += told
    if _is_unseen(image):
        image = image.convert("RGB")
        notes.append(UNSEEN)
    transform = _transform(icc) if isinstance(icc, bytes) and not cicp else None
    space = transform.input_mode if transform else ""
    if (space == "CMYK") != (image.mode == "CMYK") or (space == "L" and not gray):
        transform = None
    if isinstance(icc, bytes) and not cicp and not transform:
        notes.append("its colour profile is broken or for other pictures, and is not used")
    if cicp and (kind := Colour(*cicp[:2]).high_dynamic_range):
        notes.append(f"{kind} is tone-mapped to sRGB")
    rows, (width, height) = max(1, STRIP // image.width), image.size
    if rows >= height:
        result = _converted(image, transform, cicp, stated, notes)
    else:  # so that there are never more than two copies of a large picture
        result = Image.new("RGB", image.size)
        for top in range(0, height, rows):
            strip = image.crop((0, top, width, min(top + rows, height)))
            result.paste(_converted(strip, transform, cicp, stated, notes), (0, top))
    result.info = {"notes": notes} if notes else {}
    return result


def _is_unseen(image: Image.Image) -> bool:
    """Whether there is a picture that alpha, left at 0 by whoever wrote it, hides whole. Animations may begin so."""
    if image.mode not in ("RGBA", "LA", "PA") or getattr(image, "is_animated", False):
        return False
    pixels: Any = image
    return (
        pixels.getchannel("A").getextrema()[1] == 0 and max(high for _, high in pixels.convert("RGB").getextrema()) > 0
    )


def _converted(
    image: Image.Image,  # of 8 bits
    transform: ImageCms.ImageCmsTransform | None,  # of its profile
    cicp: tuple[int, int, int, int] | None,  # colours in numbers
    stated: Colour,  # what else it says of them
    notes: list[str],  # OVER_WHITE is added
) -> Image.Image:
    """To RGB: transparency, then colour."""
    if image.mode == "La":  # Pillow knows no other way from there
        image = image.convert("LA")
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    if transform:
        image = transform.apply(image.convert(transform.input_mode))
    elif image.mode == "LAB":
        image = _from_lab().apply(image)
    else:
        image = image.convert("RGB")
    if cicp:
        stated = Colour(*cicp[:2])
        if not cicp[3]:
            image = Image.fromarray(from_narrow(np.asarray(image)))
    if (cicp or not transform) and not stated.is_srgb:
        image = Image.fromarray(stated.to_srgb(np.asarray(image)))
    if alpha:
        if OVER_WHITE not in notes and (np.asarray(alpha) < 255).any():
            notes.append(OVER_WHITE)
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    return image


def _numbers_in(icc: bytes) -> tuple[int, int, int, int] | None:
    """What an ICC profile of high dynamic range states in numbers (ICC.1:2022, 9.2.17); its tables do not serve."""
    for at in range(132, min(132 + 12 * int.from_bytes(icc[128:132], "big"), len(icc)), 12):
        if icc[at : at + 4] == b"cicp":
            begin = int.from_bytes(icc[at + 4 : at + 8], "big") + 8
            numbers = tuple(icc[begin : begin + 4])
            return numbers if len(numbers) == 4 and numbers[1] in HIGH_DYNAMIC_RANGE else None
    return None


def _stated(image: Image.Image) -> Colour:
    """What a PNG says in `gAMA` and `cHRM`, if it says nothing better and that is not nearly sRGB; and what cameras say
    in EXIF, that it is Adobe RGB (DCF 2.0)."""
    info = image.info
    if image.format != "PNG":
        return ADOBE_RGB if _exif(image, ExifTags.IFD.Interop, 1, "") == "R03" else Colour()
    if "srgb" in info:
        return Colour()
    gamma, (*white, rx, ry, gx, gy, bx, by) = info.get("gamma", 0), info.get("chromaticity", (0,) * 8)
    given = ((rx, ry), (gx, gy), (bx, by), tuple(white))
    near = max(abs(a - b) for pair in zip(given, BT709, strict=True) for a, b in zip(*pair, strict=True)) < 0.01
    sound = min(map(min, given)) > 0 and abs(np.linalg.det([(x, y, 1) for x, y in given[:3]])) > 0.01
    power = float(gamma) if 0.1 < gamma < 10 and abs(gamma * 2.2 - 1) > 0.05 else 13
    return Colour(given if sound and not near else 1, power)


@lru_cache(maxsize=1)
def _from_lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


@lru_cache(maxsize=8)  # the photographs of one folder share a few profiles
def _transform(icc: bytes) -> ImageCms.ImageCmsTransform | None:
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


def orientation(image: Image.Image) -> int:
    """What EXIF says of how the picture lies, 1 to 8; 1, upright, if it says nothing."""
    return _exif(image, None, ExifTags.Base.Orientation, 1)


def _exif(image: Image.Image, within: int | None, tag: int, other: Told) -> Told:
    """A fact of EXIF, of the same type as `other`, which it is if there is none."""
    try:
        exif = image.getexif()
        return type(other)((exif if within is None else exif.get_ifd(within)).get(tag, other))
    except Exception:  # unreadable EXIF says nothing about the pixels
        return other


def upright(picture: Image.Image, lying: int) -> Image.Image:
    """The picture turned by the EXIF orientation of the one it came from."""
    if (turn := _TURNS.get(lying)) is None:
        return picture
    # ImageOps.exif_transpose also rewrites the EXIF block, and fails on the odd ones cameras make
    turned = picture.transpose(turn)
    turned.info = picture.info
    return turned


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of a picture of which only the header was read, once it is upright."""
    swapped = orientation(image) in (5, 6, 7, 8) and image.format != "TIFF"  # of which Pillow tells the upright size
    return image.size[::-1] if swapped else image.size
