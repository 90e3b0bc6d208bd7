"""Any picture that Pillow has read as upright 8-bit sRGB: depth, transparency, colour profiles, EXIF orientation."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, ImageCms


def to_srgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode -> RGB: depth, transparency, then colour. Carries no metadata over."""
    icc = image.info.get("icc_profile")
    gray = image.mode[0] in "1LIF" and image.mode != "LAB"
    if image.mode[0] in "IF":
        image = _eight_bit(image)
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")

    transform = _transform(icc) if isinstance(icc, bytes) else None
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


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # unreadable EXIF says nothing about the pixels
        return 1


def upright(image: Image.Image, shot: Image.Image) -> Image.Image:
    """The picture rotated by the EXIF orientation of the one it came from."""
    orientation = _orientation(shot)
    # ImageOps.exif_transpose also rewrites the EXIF block, and fails on the odd ones cameras make
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
