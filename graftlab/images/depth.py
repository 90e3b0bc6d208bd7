"""Samples that are not 8 bits from black to white -> 8 bits: TIFFs of many kinds, 16-bit and 32-bit grays, floats."""

import sys
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImagePalette, TiffImagePlugin

STRIP = 2**20  # values converted at a time
SAMPLED = 2**20  # values that a scale is judged by, at most

# Full scales that floats may be meant in, and what 99 of 100 values stay below if they are; brighter ones are white.
REAL_SCALES = ((1, 8), (255, 280), (65535, 72_000))
DARK = 2**14  # a 16-bit picture without a value as large was perhaps meant in fewer bits

BITS, PHOTOMETRIC, PLANAR, COLORMAP, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 262, 284, 320, 338, 339  # TIFF's tags
WHITE_IS_ZERO, PALETTE = 0, 3  # of PHOTOMETRIC
UNSIGNED, SIGNED, REAL = 1, 2, 3  # of SAMPLE_FORMAT

# Kinds of TIFF that Pillow's decoders can take and its table lacks: order of bytes, photometric interpretation, format,
# order of bits, bits, extra samples -> mode and decoder. What the samples mean is `eight_bit`'s business.
for _order, _short, _long, _double in ((b"II", "I;16", "I;32S", "F;64F"), (b"MM", "I;16B", "I;32BS", "F;64BF")):
    for _photometric in (0, 1):
        for _key, _modes in {
            ((UNSIGNED,), 1, (16,), ()): (_short, _short),
            ((UNSIGNED,), 1, (12,), ()): ("I;16", "I;12"),
            ((UNSIGNED,), 1, (32,), ()): ("I", _long),
            ((REAL,), 1, (16,), ()): (_short, _short),
            ((REAL,), 1, (64,), ()): ("F", _double),
            ((UNSIGNED,), 1, (16, 16), (1,)): ("I", _long),
            ((UNSIGNED,), 1, (16, 16), (2,)): ("I", _long),
            ((UNSIGNED,), 1, (16, 16), (0,)): ("I", _long),  # beside gray stands something else than alpha
            ((UNSIGNED,), 1, (16, 16), ()): ("I", _long),
        }.items():
            TiffImagePlugin.OPEN_INFO.setdefault((_order, _photometric, *_key), _modes)
    TiffImagePlugin.OPEN_INFO.setdefault((_order, PALETTE, (UNSIGNED,), 1, (16,), ()), (_short, _short))


def corrected(image: ImageFile.ImageFile) -> None:
    """Set right, before pixels are decoded, what Pillow takes from the header."""
    tags: Any = getattr(image, "tag_v2", {})
    tile: Any = image.tile[0] if image.tile else None
    if tile and tile.codec_name == "libtiff" and tags.prefix == b"MM" and sys.byteorder == "little":
        native = tile.args[0].replace("BF", "F").replace("BS", "S")  # libtiff has turned the bytes round already
        image.tile = [tile._replace(args=(native, *tile.args[1:]))]
    if tile and tile.codec_name == "raw" and tags and tags.get(PLANAR) == 2 and tags.get(BITS, (8,))[0] == 16:
        order = ";16B" if tags.prefix == b"MM" else ";16L"  # a plane after the other, taken as 8 bits
        planes: Any = image.tile
        bands = [each for each in planes if each.args[0] in ("R", "G", "B", "A")]
        image.tile = [each._replace(args=(each.args[0] + order, *each.args[1:])) for each in bands] or image.tile
    if tags and image.mode == "P" and max(tags.get(COLORMAP, (256,))) < 256:  # it should have 16 bits, and has 8
        image.palette = ImagePalette.raw("RGB;L", bytes(tags[COLORMAP]))
    if image.format == "WEBP" and getattr(image, "is_animated", False):
        moving: Any = image  # where its pictures do not reach it is transparent, whether it says so or not
        moving.rawmode, moving._mode = "RGBA", "RGBA"
    key = image.info.get("transparency")
    if image.format == "PNG" and key is not None and tile:  # grays of 2 and 4 bits are spread, 16 bits of colour cut
        if tile.args in ("L;2", "L;4"):
            image.info["transparency"] = key * (85 if tile.args == "L;2" else 17)
        elif tile.args == "RGB;16B":
            image.info["transparency"] = tuple(value >> 8 for value in key)


def is_deep(image: Image.Image) -> bool:
    """Whether `eight_bit` has to look at a picture: everything but unsigned 8-bit samples in Pillow's own modes."""
    signed = getattr(image, "tag_v2", {}).get(SAMPLE_FORMAT, (UNSIGNED,))[0] == SIGNED
    return image.mode[0] in "IF" or (signed and image.mode == "L")


def eight_bit(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """One channel of any depth -> 8-bit L, LA where something is transparent, or RGB of a palette; and what to know.

    Full scale is what the header says: 2^bits - 1, or 2^(bits - 1) - 1 of signed samples. Of floats nothing is said:
    it is the first of REAL_SCALES that fits 99 of 100 values, else what those do not exceed. Of 32-bit integers it is
    65535 if those do not exceed it. Values below 0 and NaN are black, values above full scale and infinity white.
    ValueError if no value is finite."""
    tags: Any = getattr(image, "tag_v2", {})
    values, kind, bits = samples(image)
    alpha = None
    if len(tags.get(BITS, ())) == 2:  # gray and alpha, which were decoded as one number
        halves = np.ascontiguousarray(values).view(np.uint16).reshape(*values.shape, 2)  # views, not copies
        high, low = halves[..., int(sys.byteorder == "little")], halves[..., int(sys.byteorder == "big")]
        whole = tags.prefix == b"MM" and image.info["compression"] == "raw"
        values, alpha = (high, low) if whole else (low, high)
        alpha = alpha if tags.get(EXTRA_SAMPLES) in ((1,), (2,)) else None
    if tags.get(PHOTOMETRIC) == PALETTE:
        colours = np.array(tags[COLORMAP], np.uint16).reshape(3, -1).T
        return Image.fromarray((colours >> 8).astype(np.uint8)[values]), []

    with np.errstate(invalid="ignore"):  # NaN of any kind
        full, notes = full_scale(values, kind, bits)
        gray, told = scaled(values, full)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        gray = 255 - gray
    result = Image.fromarray(gray)
    if alpha is not None:
        both = Image.merge("LA", (result, Image.fromarray(scaled(alpha, full)[0])))
        associated = tags.get(EXTRA_SAMPLES) == (1,)
        result = Image.frombytes("La", both.size, both.tobytes()).convert("LA") if associated else both
    elif (key := image.info.get("transparency")) is not None:
        result.putalpha(Image.fromarray((values != key).astype(np.uint8) * np.uint8(255)))
    return result, notes + told


def samples(image: Image.Image) -> tuple[np.ndarray, int, int]:
    """The values of one channel as its file means them, which kind they are (as of SAMPLE_FORMAT), and their bits."""
    tags: Any = getattr(image, "tag_v2", {})
    values = np.asarray(image)
    bits = tags.get(BITS, (8 * values.dtype.itemsize,))
    kind = {"I": SIGNED, "F": REAL}.get(image.mode, UNSIGNED) if not tags else tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0]
    if kind == REAL and values.dtype.itemsize == 2:
        values = values.view(values.dtype.str.replace("u", "f"))
    elif kind == SIGNED and values.dtype.itemsize == 1:
        values = values.view(np.int8)
    elif kind == UNSIGNED and values.dtype == np.int32:
        values = values.view(np.uint32)
    return values, kind, bits[0]


def full_scale(values: np.ndarray, kind: int, bits: int) -> tuple[float, list[str]]:
    """The value that is white, or black if white is 0; and what to know about it."""
    if kind != REAL and bits < 32:
        full = 2 ** (bits - (kind == SIGNED)) - 1
        largest = int(values.max())
        if bits == 16 and 0 < largest < DARK:
            return full, [f"no value is above {largest} of {full}: scale it to 16 bits if it is too dark"]
        return full, []
    some = values.ravel()[:: max(1, values.size // SAMPLED)].astype(np.float64)
    some = some[np.isfinite(some)]
    if kind == REAL and not some.size and not np.isfinite(values).any():
        raise ValueError("none of its values is a finite number")
    usual = float(np.quantile(some, 0.99, method="higher")) if some.size else 0.0
    if kind == REAL:
        full = next((scale for scale, most in REAL_SCALES if usual <= most), usual)
        return full, [] if full == 1 else [f"its values are taken as 0 to {full:g}"]
    return (65535 if usual <= 65535 else 2 ** (bits - (kind == SIGNED)) - 1), []


def scaled(values: np.ndarray, full: float) -> tuple[np.ndarray, list[str]]:
    """Values from 0 to full scale -> uint8, a strip at a time; and how many were none of these."""
    result, counts = np.empty(values.shape, np.uint8), np.zeros(3, int)
    rows = max(1, STRIP // values.shape[1])
    for top in range(0, len(values), rows):
        strip: Any = values[top : top + rows].astype(np.float32 if values.dtype.itemsize < 4 else np.float64)
        finite = np.isfinite(strip)
        counts += [(~finite).sum(), (finite & (strip < 0)).sum(), (finite & (strip > full)).sum()]
        strip = np.nan_to_num(strip, nan=0.0, posinf=full, neginf=0.0).clip(0, full)
        result[top : top + rows] = np.rint(strip * (255 / full))
    what = ("not finite", "below 0: black", f"above {full:g}: white")
    return result, [f"{count:,} of its values are {each}" for count, each in zip(counts, what, strict=True) if count]
