"""TIFFs with several channels of floats, or of other samples that Pillow knows in one channel alone.

Their directory is written anew, so that Pillow reads the channels beside each other as one of grays, or each by itself.
"""

import struct
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

from graftlab.errors import GraftError
from graftlab.images.depth import BITS, EXTRA_SAMPLES, PHOTOMETRIC, PLANAR, SAMPLE_FORMAT, corrected, full_scale, scaled
from graftlab.images.depth import samples as samples_of
from graftlab.images.srgb import upright

WIDTH, HEIGHT, COMPRESSION, ORIENTATION, SAMPLES, PREDICTOR, TILE_WIDTH, PROFILE = (
    256,
    257,
    259,
    274,
    277,
    317,
    322,
    34675,
)
PIECES = {273, 279, 324, 325}  # where strips and tiles begin, and how long they are
DIFFERENCES, OF_BYTES = 2, 3  # of PREDICTOR
GRAY, RGB = 1, 2  # of PHOTOMETRIC
LONG = 4  # the type of a number of 32 bits


def deep_colour(file: BinaryIO, name: str, most: int) -> Image.Image | None:
    """A TIFF of several channels, of any depth that is read of grays, as 8-bit RGB or RGBA; None if it is another file.

    The first three are red, green and blue, of two the first is gray; further ones are left out, unless the header says
    that they are alpha. Colours are scaled together, as grays are (`depth.eight_bit`). GraftError above `most`."""
    file.seek(0)
    data = file.read()
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    tags: Any = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    file.seek(tags.next)
    tags.load(file)
    bits, kinds, count = tags.get(BITS, ()), tags.get(SAMPLE_FORMAT, (1,)), tags.get(SAMPLES, 1)
    known = (tags.prefix, GRAY, kinds[:1], 1, bits[:1], ()) in TiffImagePlugin.OPEN_INFO
    if not known or len({*bits}) > 1 or len({*kinds}) > 1 or count < 2 or tags.get(PHOTOMETRIC) not in (GRAY, RGB):
        return None
    width, height, planar = tags[WIDTH], tags[HEIGHT], tags.get(PLANAR) == 2
    if width * height * count > most:
        raise GraftError(f"{name} has {width} × {height} pixels of {count} channels, too many: make it smaller.")
    predictor = 1 if planar or tags.get(COMPRESSION, 1) == 1 else tags.get(PREDICTOR, 1)
    if predictor != 1 and TILE_WIDTH in tags:
        return None

    grays = [_gray(data, tags, 1, plane, count) for plane in range(count)] if planar else [_gray(data, tags, count)]
    values, depth, kind = [], 0, 0
    for gray in grays:
        each, kind, depth = samples_of(gray)
        values.append(_restored(each, predictor, count, tags.prefix == b"MM"))
    table = np.stack(values, -1) if planar else values[0].reshape(height, width, count)
    colours = table[..., :3] if count > 2 else table[..., :1].repeat(3, -1)
    with np.errstate(invalid="ignore"):
        full, notes = full_scale(colours, kind, depth)
        pixels, told = scaled(colours, full)
        extra = tags.get(EXTRA_SAMPLES, ())
        alpha = next((count - len(extra) + place for place, what in enumerate(extra) if what in (1, 2)), None)
        if alpha is not None:
            opaque = full_scale(table[..., alpha], kind, depth)[0]
            pixels = np.concatenate([pixels, scaled(table[..., alpha : alpha + 1], opaque)[0]], -1)
    if count > 2 and tags[PHOTOMETRIC] == GRAY:
        notes.append("its first three channels are taken as red, green and blue")
    image = Image.fromarray(pixels)
    if alpha is not None and extra[0] == 1:  # associated
        image = Image.frombytes("RGBa", image.size, image.tobytes()).convert("RGBA")
    image = upright(image, tags.get(ORIENTATION, 1))
    image.info.update(notes=[*notes, *told], icc_profile=tags.get(PROFILE))
    return image


def _gray(data: bytes, tags: Any, times: int, plane: int = 0, planes: int = 1) -> Image.Image:
    """A channel, or `times` of them beside each other, as grays that are decoded."""
    order = ">" if tags.prefix == b"MM" else "<"
    change = {WIDTH: tags[WIDTH] * times, TILE_WIDTH: tags.get(TILE_WIDTH, 0) * times, SAMPLES: 1, PHOTOMETRIC: GRAY}
    change |= {BITS: tags[BITS][0], SAMPLE_FORMAT: tags.get(SAMPLE_FORMAT, (1,))[0], PLANAR: 1}
    change |= {} if planes > 1 else {PREDICTOR: 1}
    (at,) = struct.unpack(order + "I", data[4:8])
    (count,) = struct.unpack(order + "H", data[at : at + 2])
    entries = b""
    for begin in range(at + 2, at + 2 + 12 * count, 12):
        entry = data[begin : begin + 12]
        tag, kind, length, value = struct.unpack(order + "HHI4s", entry)
        if tag in change:
            entry = struct.pack(order + "HHII", tag, LONG, 1, change[tag])
        elif tag in PIECES and planes > 1:
            size, part = (4 if kind == LONG else 2), length // planes
            begin = begin + 8 if length * size <= 4 else struct.unpack(order + "I", value)[0]
            some = data[begin + plane * part * size :][: part * size]
            where = some.ljust(4, b"\0") if len(some) <= 4 else struct.pack(order + "I", begin + plane * part * size)
            entry = struct.pack(order + "HHI4s", tag, kind, part, where)
        if tag not in (EXTRA_SAMPLES, ORIENTATION):
            entries += entry
    directory = struct.pack(order + "H", len(entries) // 12) + entries + bytes(4)
    data += bytes(len(data) % 2)
    image: Any = Image.open(BytesIO(data[:4] + struct.pack(order + "I", len(data)) + data[8:] + directory))
    corrected(image)
    image.load()
    return image


def _restored(values: np.ndarray, predictor: int, count: int, swapped: bool) -> np.ndarray:
    """(H, W) values of which a compressor has stored differences of neighbours, `count` apart (TIFF 6.0, 14), or
    those of their bytes, most significant ones first (Adobe's Technical Note 3)."""
    if predictor == DIFFERENCES:
        whole = values.view(f"u{values.dtype.itemsize}").reshape(len(values), -1, count)
        return whole.cumsum(1, dtype=whole.dtype).view(values.dtype)
    if predictor == OF_BYTES:
        size = values.dtype.itemsize
        stored = (values.byteswap() if swapped else values).view(np.uint8).reshape(len(values), -1, count)
        planes = stored.cumsum(1, dtype=np.uint8).reshape(len(values), size, -1)
        return planes.transpose(0, 2, 1).copy().view(values.dtype.newbyteorder(">"))[..., 0].astype(values.dtype)
    return values
