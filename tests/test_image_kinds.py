"""Pictures whose header says more than Pillow honours, and sound pixels among faulty metadata; all made on the spot."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from claims import refused
from PIL import Image, ImageFile, features

from graftlab.data import open_source, scan
from graftlab.images import open_rgb, read
from graftlab.images.colours import Colour, compressed, from_narrow
from graftlab.images.headers import sound

# ---------------------------------------------------------------- TIFF

WHITE_IS_ZERO, BLACK_IS_ZERO, PALETTE, LAB, SIGNED = 0, 1, 3, 8, 2  # of tags 262 and 339


def tiff(data: bytes, width: int, bits, order="<", packed=False, rows=1, parts=1, **more) -> bytes:
    """One strip of samples, or as many as there are `parts`, as a TIFF 6.0 file; `more` names tags (t262=...) in 16-bit
    numbers."""
    bits, length = [bits] if isinstance(bits, int) else bits, len(data) // parts
    strips = [data[begin * length :][:length] for begin in range(parts)]
    strips = [zlib.compress(strip) if packed else strip for strip in strips]
    begins = [8 + sum(map(len, strips[:part])) for part in range(parts)]
    tags = {256: [width], 257: [rows], 258: bits, 259: [8 if packed else 1], 262: [BLACK_IS_ZERO], 273: begins}
    tags |= {277: [len(bits)], 278: [rows], 279: list(map(len, strips))}
    tags |= {int(name[1:]): value if isinstance(value, list) else [value] for name, value in more.items()}
    data = b"".join(strips)
    data += bytes(len(data) % 2)
    entries, far, at = b"", b"", 8 + len(data) + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        packed_values = struct.pack(f"{order}{len(values)}H", *values)
        if len(packed_values) > 4:
            packed_values, far = struct.pack(f"{order}I", at + len(far)), far + packed_values
        entries += struct.pack(f"{order}HHI", tag, 3, len(values)) + packed_values.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + far


def samples(values, kind: str, order: str) -> bytes:
    return np.array(values).astype(order + kind).tobytes()


def grays(data: bytes) -> list[int]:
    pixels = np.asarray(open_rgb(data))
    assert (pixels[..., 0] == pixels[..., 2]).all()
    return pixels[0, :, 1].tolist()


def notes(data: bytes) -> str:
    return "; ".join(open_rgb(data).info.get("notes", []))


each_storage = pytest.mark.parametrize(("order", "packed"), [("<", False), (">", True)])


@each_storage
@pytest.mark.parametrize(
    ("values", "kind", "bits", "layout", "expected"),
    [
        ([0, 257, 128 * 257, 65535], "u2", 16, 1, [0, 1, 128, 255]),
        ([0, 2**24, 2**31, 2**32 - 1], "u4", 32, 1, [0, 1, 128, 255]),
        ([0, 128 * 257, 65535, 257], "u4", 32, 1, [0, 128, 255, 1]),  # 16 bits in 32, as Pillow writes them
        ([-32768, 0, 16384, 32767], "i2", 16, 2, [0, 0, 128, 255]),
        ([-128, 0, 64, 127], "i1", 8, 2, [0, 0, 129, 255]),
        ([-1, 0, 2**30, 2**31 - 1], "i4", 32, 2, [0, 0, 128, 255]),
        ([0, 0.25, 0.5, 1], "f4", 32, 3, [0, 64, 128, 255]),
        ([0, 0.25, 0.5, 1], "f8", 64, 3, [0, 64, 128, 255]),
        ([0, 0.25, 0.5, 1], "f2", 16, 3, [0, 64, 128, 255]),
    ],
)
def test_one_channel_of_any_depth_sign_and_order_of_bytes(values, kind, bits, layout, expected, packed, order):
    data = samples(values, kind, order)
    assert grays(tiff(data, 4, bits, order, packed, t339=layout)) == expected
    if layout != SIGNED:
        inverted = grays(tiff(data, 4, bits, order, packed, t339=layout, t262=WHITE_IS_ZERO))
        assert inverted == [255 - value for value in expected]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
def test_twelve_bits_packed(order, photometric):
    data = bytes.fromhex("000 800 FFF 010".replace(" ", ""))
    expected = [0, 128, 255, 1]
    assert grays(tiff(data, 4, 12, order, t262=photometric)) == [abs(255 * (1 - photometric) - v) for v in expected]


@each_storage
def test_gray_with_alpha(order, packed):
    """Straight (2) and associated (1), which is multiplied already; 8 and 16 bits."""
    for kind, one in (("u1", 1), ("u2", 257)):
        bits = [8 * int(kind[1])] * 2
        straight = samples(np.array([200, 255, 200, 0, 200, 128]) * one, kind, order)
        assert grays(tiff(straight, 3, bits, order, packed, t338=2)) == [200, 255, 227]
        associated = samples(np.array([200, 255, 0, 0, 100, 128]) * one, kind, order)
        assert grays(tiff(associated, 3, bits, order, packed, t338=1)) == [200, 255, 227]
        assert grays(tiff(straight, 3, bits, order, packed, t338=0)) == [200, 200, 200]  # something else than alpha


def test_palettes_of_sixteen_bits():
    """The colours have 16 bits, but some programs write 8; and the indices, too, may have 16."""
    colours = [0, 10, 20, 30, 40, 50, 60, 70, 80]  # red of all three, green, blue
    expected = [[0, 30, 60], [10, 40, 70], [20, 50, 80]]
    for bits, one in ((8, 257), (8, 1), (16, 257)):
        table = np.zeros((3, 2**bits), int)
        table[:, :3] = np.array(colours).reshape(3, 3) * one
        data = tiff(samples([0, 1, 2], f"u{bits // 8}", "<"), 3, bits, t262=PALETTE, t320=table.ravel().tolist())
        assert np.asarray(open_rgb(data))[0].tolist() == expected


@each_storage
def test_planes_of_sixteen_bits_one_after_the_other(order, packed):
    planes = [[10, 200, 30], [40, 50, 60], [70, 80, 90], [255, 255, 255]]  # red of three pixels, green, blue, alpha
    for count in (3, 4):
        parts = [samples([value * 257 for value in plane], "u2", order) for plane in planes[:count]]
        parts = [zlib.compress(part) if packed else part for part in parts]
        starts = [8 + sum(map(len, parts[:i])) for i in range(count)]
        extra = {"t338": 2} if count == 4 else {}
        where = {"t259": 8 if packed else 1, "t273": starts, "t279": list(map(len, parts)), "t284": 2}
        picture = open_rgb(tiff(b"".join(parts), 3, [16] * count, order, t262=2, **where, **extra))
        assert np.asarray(picture)[0].T.tolist() == planes[:3]


def test_lab():
    white, red = (255, 0, 0), (round(53.2 * 2.55), 80, 67)
    pixels = np.asarray(open_rgb(tiff(bytes([*white, *red]), 2, [8, 8, 8], t262=LAB)))[0].astype(int)
    assert np.abs(pixels - [[255] * 3, [255, 0, 0]]).max() <= 12


LEVELS = np.array([[[0, 64, 128], [255, 1, 191]], [[26, 51, 77], [102, 153, 204]]])  # 2 × 2 pixels


@each_storage
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(
    ("kind", "bits", "layout", "full"), [("f4", 32, 3, 1), ("f2", 16, 3, 255), ("f8", 64, 3, 1), ("u4", 32, 1, 65535)]
)
def test_several_channels_of_any_depth(kind, bits, layout, full, planar, packed, order):
    """Chunky or plane after plane, with alpha, and as channels that nobody names."""
    values = LEVELS / 255 * full
    for count, extra in ((3, {}), (4, {"t338": 2}), (4, {"t338": 0})):
        more = np.full((2, 2, 1), full if extra == {"t338": 2} else 0)
        table = np.concatenate([values, more][: count - 2], -1).astype(order + kind)
        for photometric in (1, 2):
            tags = {"t262": photometric, "t284": 2 if planar else 1, "t339": [layout] * count, **extra}
            data = table.transpose(2, 0, 1).tobytes() if planar else table.tobytes()
            found = open_rgb(tiff(data, 2, [bits] * count, order, packed, rows=2, parts=count if planar else 1, **tags))
            assert np.abs(np.asarray(found) - LEVELS).max() == 0
            assert ("red, green and blue" in "; ".join(found.info.get("notes", ()))) == (photometric == 1)


@pytest.mark.parametrize("order", "<>")
def test_predictors_of_several_channels(order):
    values = np.random.default_rng(0).random((5, 7, 3)).astype(order + "f4")
    numbers = values.view(order + "u4").astype("=u4")
    differences = np.diff(numbers, axis=1, prepend=np.zeros((5, 1, 3), "u4")).astype(order + "u4")
    planes = values.astype(">f4").view(np.uint8).reshape(5, 21, 4).transpose(0, 2, 1).reshape(5, 28, 3)
    of_bytes = np.diff(planes, axis=1, prepend=np.zeros((5, 1, 3), np.uint8))
    for predictor, stored in ((2, differences), (3, of_bytes)):
        found = open_rgb(tiff(stored.tobytes(), 7, [32] * 3, order, True, rows=5, t262=2, t317=predictor, t339=[3] * 3))
        assert np.array_equal(found, np.rint(values.astype(float) * 255).astype(np.uint8))


def test_a_tiff_of_another_kind_is_named_as_one():
    refused(
        "TIFF, or of a kind not read here: export it with 8 or 16 bits",
        open_rgb,
        tiff(samples([0.0] * 4, "f4", "<"), 1, [32] * 4, t262=5, t339=[3] * 4),
    )


# ---------------------------------------------------------------- scales that are judged by the values


def float_gray(**odd) -> bytes:
    """10,000 values from 0 to `top`, some of them replaced."""
    values = np.linspace(0, odd.pop("top", 1), 10_000, dtype=np.float32).reshape(100, 100)
    for place, value in odd.items():
        values.flat[int(place[1:])] = value
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    return file.getvalue()


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"p0": 1.02}, "1 of its values are above 1: white"),
        ({"p0": 255.0, "p1": 4000.0}, "2 of its values are above 1: white"),
        ({"p0": np.inf, "p1": np.nan, "p2": -np.inf}, "3 of its values are not finite"),
        ({"p0": -0.5}, "1 of its values are below 0: black"),
        ({"top": 1.3}, "above 1: white"),
        ({"top": 255, "p0": 256.5}, "its values are taken as 0 to 255; 1 of its values are above 255: white"),
        ({"top": 65535, "p0": 1e9}, "its values are taken as 0 to 65535"),
    ],
)
def test_no_single_value_changes_the_scale_of_floats(odd, said):
    """Wherever the values are usual, the picture is the ramp that it is without the odd ones."""
    top = odd.get("top", 1)
    full = 1 if top == 1.3 else top
    wanted = np.rint(np.linspace(0, top, 10_000).clip(max=full) * 255 / full)
    found = np.asarray(open_rgb(float_gray(**odd)))[..., 0].ravel()
    assert np.abs(found[10:].astype(int) - wanted[10:]).max() <= 1
    assert said in notes(float_gray(**odd))
    assert notes(float_gray()) == ""


def test_no_single_value_changes_the_scale_of_integers():
    values = np.linspace(0, 65535, 10_000).astype(np.int32).reshape(100, 100)
    values[0, 0] = 2**30
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    assert np.asarray(open_rgb(file.getvalue()))[-1, -1].tolist() == [255] * 3


def test_fewer_bits_than_the_file_could_hold_are_said_and_not_guessed():
    data = tiff(samples([0, 2048, 4095], "u2", "<"), 3, 16)
    assert grays(data) == [0, 8, 16]
    assert notes(data) == "no value is above 4095 of 65535: scale it to 16 bits if it is too dark"
    assert notes(tiff(samples([0, 2048, 40950], "u2", "<"), 3, 16)) == ""


def test_floats_without_a_number_are_refused():
    for kind, bits in (("f2", 16), ("f4", 32), ("f8", 64)):
        for count in (1, 3):
            data = tiff(samples([np.nan, -np.inf, np.inf] * count, kind, "<"), 3, [bits] * count, t339=[3] * count)
            refused("none of its values is a finite number", open_rgb, data)


# ---------------------------------------------------------------- PNG


def chunk(name: bytes, body: bytes, spoiled: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ spoiled)


def png(*extra: bytes, bits=8, kind=2, rows=b"\0\x0a\x14\x1e\xfa\x14\x1e", width=2, behind=b"", spoiled=0) -> bytes:
    """One row; `extra` chunks stand before the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, bits, kind, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows), spoiled)
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + data + behind + chunk(b"IEND", b"")


PLAIN = [[10, 20, 30], [250, 20, 30]]
LONG = zlib.compress(bytes(3_000_000))
FAULTS = {
    "tEXt": chunk(b"tEXt", b"Title\0a", spoiled=1),
    "zTXt": chunk(b"zTXt", b"Title\0\0" + LONG),
    "iTXt": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG),
    "iCCP": chunk(b"iCCP", b"broken\0\0" + LONG),
    "eXIf": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0", spoiled=1),
    "gAMA": chunk(b"gAMA", b"\0"),
    "cHRM": chunk(b"cHRM", b"\0"),
    "sRGB": chunk(b"sRGB", b""),
    "pHYs": chunk(b"pHYs", b"\0", spoiled=7),
    "tIME": chunk(b"tIME", bytes(7), spoiled=7),
    "prIv": chunk(b"prIv", bytes(7), spoiled=7),
    "cICP": chunk(b"cICP", b"\x0c\x0d"),
    "acTL": chunk(b"acTL", b"\0"),
    "fcTL": chunk(b"fcTL", b"\0\0\0\1" + bytes(22)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faulty_metadata_of_a_png_do_not_cost_its_pixels(name):
    for data in (png(FAULTS[name]), png(behind=FAULTS[name])):
        assert np.asarray(open_rgb(data))[0].tolist() == PLAIN
        assert notes(data).startswith(f"metadata at fault are left out ({name}: ")


def test_much_text_in_a_png():
    texts = [chunk(b"tEXt", b"k\0" + bytes(1_000_000)) for _ in range(70)]
    assert np.asarray(open_rgb(png(*texts)))[0].tolist() == PLAIN


def test_a_long_profile_is_used(tmp_path):
    """1.5 MB of it, as display profiles with tables have; red is blue in this one."""
    from test_images import RED_IS_BLUE

    profile = RED_IS_BLUE + np.random.default_rng(0).bytes(1_500_000)
    profile = struct.pack(">I", len(profile)) + profile[4:]
    data = png(chunk(b"iCCP", b"long\0\0" + zlib.compress(profile)), rows=b"\0\xff\0\0\0\0\xff")
    assert np.asarray(open_rgb(data))[0].tolist() == [[0, 0, 255], [255, 0, 0]]


def test_damaged_pixels_of_a_png_are_refused():
    whole = png(rows=b"\0" + bytes(range(6)))
    for data in (whole[:-30], whole.replace(b"IHDR", b"IHDX"), png(rows=b"\0\1")):
        refused("damaged", open_rgb, data)


def test_transparency_of_deep_and_of_shallow_pngs():
    """One value that is meant to be transparent, as stored: 16, 8, 4, 2 and 1 bits of gray, and 16 of colour."""
    key = {16: 300, 8: 30, 4: 5, 2: 2, 1: 1}
    row = {16: struct.pack(">3H", 300, 0, 65535), 8: bytes([30, 0, 255]), 4: b"\x50\xf0", 2: b"\x8c", 1: b"\x80"}
    opaque = {16: 255, 8: 255, 4: 255, 2: 255, 1: 0}
    for bits in key:
        data = png(chunk(b"tRNS", struct.pack(">H", key[bits])), bits=bits, kind=0, rows=b"\0" + row[bits], width=3)
        assert grays(data) == [255, 0, opaque[bits]]
    rows = b"\0" + struct.pack(">6H", 1000, 2000, 3000, 1000, 2000, 40000)
    assert np.asarray(open_rgb(png(bits=16, rows=rows)))[0].tolist() == [[3, 7, 11], [3, 7, 156]]
    data = png(chunk(b"tRNS", struct.pack(">3H", 1000, 2000, 3000)), bits=16, rows=rows)
    assert np.asarray(open_rgb(data))[0].tolist() == [[255] * 3, [3, 7, 156]]


@pytest.mark.parametrize("kind", [0, 2])
def test_high_dynamic_range_in_a_png(kind):
    """PQ in 16 bits: 100 nits and 203, which is a white sheet."""
    codes = [round(0.508078 * 65535), round(0.580689 * 65535)]
    rows = b"\0" + b"".join(struct.pack(">H", code) * (3 if kind else 1) for code in codes)
    data = png(chunk(b"cICP", bytes([9, 16, 0, 1])), bits=16, kind=kind, rows=rows)
    first, second = np.asarray(open_rgb(data))[0].astype(int)
    assert np.abs(first - 186).max() <= 2  # 100 / 203 of the light, in sRGB
    assert np.abs(second - 243).max() <= 1
    assert notes(data) == "PQ is tone-mapped to sRGB"


def test_numbers_for_colours_come_before_a_profile_and_may_say_nothing_new():
    from test_images import RED_IS_BLUE

    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(RED_IS_BLUE))
    assert np.asarray(open_rgb(png(chunk(b"cICP", bytes([1, 13, 0, 1])), profile)))[0].tolist() == PLAIN
    narrow = png(chunk(b"cICP", bytes([1, 13, 0, 0])), rows=b"\0\x10\x10\x10\xeb\xeb\xeb")
    assert grays(narrow) == [0, 255]
    values = np.array([0, 16, 125.5, 235, 255])
    assert from_narrow(np.rint(values * 257).astype(np.uint16)).tolist() == [0, 0, 32768, 65535, 65535]


def test_gamma_and_chromaticities_of_a_png():
    """Linear light; Adobe RGB, which has another green; what says the same as sRGB, or nonsense, changes nothing."""
    linear = png(chunk(b"gAMA", struct.pack(">I", 100_000)), rows=b"\0" + bytes([0, 55, 255] * 2))
    assert np.asarray(open_rgb(linear))[0, 0].tolist() == [0, 128, 255]
    adobe = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000))
    green = png(adobe, rows=b"\0\xff\xff\xff\x80\xc8\x80")
    white, found = np.asarray(open_rgb(green))[0].astype(int).tolist()
    assert white == [255] * 3
    assert np.abs(np.array(found) - [76, 200, 124]).max() <= 1  # linear: 1.3984 R - 0.3984 G, G, 1.0429 B - 0.0429 G
    srgb = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
    for extra in (
        [chunk(b"gAMA", struct.pack(">I", 45455)), srgb],
        [chunk(b"cHRM", bytes(32))],
        [chunk(b"sRGB", b"\0"), adobe],
    ):
        assert np.asarray(open_rgb(png(*extra)))[0].tolist() == PLAIN


# ---------------------------------------------------------------- colours by number


def test_wide_primaries_and_linear_light_become_srgb():
    display_p3 = np.array([[[255, 255, 255], [128, 128, 128], [234, 51, 35]]], np.uint8)  # the last is sRGB's red
    assert np.abs(Colour(12, 13).to_srgb(display_p3).astype(int) - [[[255] * 3, [128] * 3, [255, 0, 0]]]).max() <= 2
    linear = np.array([[[0] * 3, [round(0.2158605 * 65535)] * 3, [65535] * 3]], np.uint16)
    assert Colour(1, 8).to_srgb(linear)[0, :, 0].tolist() == [0, 128, 255]
    assert Colour(1, 1).is_srgb
    assert Colour(2, 2).is_srgb


def test_tone_mapping_leaves_what_is_dark_and_bends_what_is_bright():
    light = np.linspace(0, 1000 / 203, 1000)[:, None] * [1, 0.5, 0.25]
    mapped = compressed(light)
    dark = light[:, 0] <= 0.8
    assert np.allclose(mapped[dark], light[dark])
    assert np.allclose(mapped[:, 1:], mapped[:, :1] * [0.5, 0.25])  # hues stay
    steps = np.diff(mapped[:, 0])
    assert (steps > 0).all()
    assert (steps[1:] / steps[:-1]).min() > 0.95  # no corner
    assert mapped[-1, 0] == pytest.approx(1)


def test_high_dynamic_range_in_an_avif():
    """Pillow writes no numbers for colours but BT.709's: they are overwritten."""
    features = pytest.importorskip("PIL.features")
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    file = io.BytesIO()
    Image.new("RGB", (32, 32), (148, 148, 148)).save(file, "AVIF", quality=100, subsampling="4:4:4")
    data = bytearray(file.getvalue())
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", 9, 16)
    assert np.abs(np.asarray(open_rgb(bytes(data))).astype(int) - 243).max() <= 2
    assert notes(bytes(data)) == "PQ is tone-mapped to sRGB"


# ---------------------------------------------------------------- JPEG, and what is no picture


def noise(side=64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))


def jpeg(image: Image.Image, *segments: bytes, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, **options)
    data = file.getvalue()
    return data[:2] + b"".join(segments) + data[2:]


def test_the_last_bytes_of_a_jpeg_may_be_missing():
    whole = jpeg(noise())
    for cut in (1, 2, 6, 12):
        picture = np.asarray(open_rgb(whole[:-cut])).astype(int)
        assert (np.abs(picture - np.asarray(open_rgb(whole))).max(-1) > 32).mean() < 0.02
        assert notes(whole[:-cut]) == "its last bytes are missing"
    assert notes(whole) == ""
    refused("damaged or cut short", open_rgb, whole[:-400])
    progressive = jpeg(noise(), progressive=True)
    picture = np.asarray(open_rgb(progressive[:-2]))
    assert np.array_equal(picture, np.asarray(open_rgb(progressive)))
    refused("damaged or cut short", open_rgb, progressive[: len(progressive) // 2])


@pytest.mark.parametrize(
    ("kind", "stray"), [("JPEG", b"\0"), ("PNG", b"\r\n"), ("GIF", b"\xef\xbb\xbf"), ("WEBP", bytes(15))]
)
def test_stray_bytes_before_a_picture_are_left_out(stray, kind):
    file = io.BytesIO()
    noise().save(file, kind)
    assert np.array_equal(open_rgb(stray + file.getvalue()), open_rgb(file.getvalue()))
    assert notes(stray + file.getvalue()) == f"{len(stray)} bytes before its beginning are left out"


def test_too_much_exif_is_left_out():
    """Pillow puts segments together one by one: 800 take most of a minute."""
    orientation = Image.Exif()
    orientation[0x0112] = 6
    first = orientation.tobytes()
    first, more = (
        b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body for body in (first, b"Exif\0\0" + bytes(65_000))
    )
    data = jpeg(noise().resize((40, 20)), first, *[more] * 800)
    assert open_rgb(data).size == (20, 40)
    assert notes(data) == "800 of 801 segments of EXIF are left out"
    assert notes(jpeg(noise(), first)) == ""


def test_segments_that_are_too_short():
    for body in (b"JFIF\0", b"Adobe"):
        marker = b"\xff\xe0" if body.startswith(b"JFIF") else b"\xff\xee"
        assert open_rgb(jpeg(noise(), marker + struct.pack(">H", 2 + len(body)) + body)).size == (64, 64)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", r"is HEIC.*pip install .graftlab\[heif\]., or export as JPEG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "camera RAW"),
        (b"FUJIFILMCCD-RAW 0201", "camera RAW"),
        (b"Rar!\x1a\x07\x01\0", "an archive: unpack it"),
        (b"\x76\x2f\x31\x01", "OpenEXR.* PNG"),
        (b"#?RADIANCE\n", "Radiance HDR.* PNG"),
        (b"8BPS\0\1", "Photoshop.* PNG"),
        (b"\0\0\0\x20ftypisom", "is a video"),
        (b"%PDF-1.7", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "SVG"),
        (bytes(128) + b"DICM", "DICOM.* PNG"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "pointer of Git LFS.*git lfs pull"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html>", "is a web page.* fetch it again"),
        (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied', "is a message.* fetch it again"),
        (b'{"error": "not found"}', "is a message"),
        (bytes(300), "begins with zeros"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X", "macOS keeps beside a file"),
        (b"once upon a time", "not an image in a format known here"),
        (b'\xf0\1\0\0\0\0\0\0{"__metadata__":{', "is a file of tensors, as models and codes are: name a picture"),
    ],
)
def test_what_is_no_picture_is_named(start, what, monkeypatch):
    monkeypatch.setattr("graftlab.images.plugins.find_spec", lambda name: None)  # a machine without the helpers
    refused(what, open_rgb, start + bytes(200))


@pytest.mark.parametrize("kind", ["HEIF", "JXL", "AVIF", "JPEG2000", "WEBP", "PNG", "JPEG", "GIF", "TIFF", "BMP"])
def test_a_damaged_picture_is_called_one(kind):
    """In one line, whatever the reader has to say; not a video, though HEIC and those begin alike."""
    if kind in ("HEIF", "JXL"):
        helper = pytest.importorskip({"HEIF": "pillow_heif", "JXL": "pillow_jxl"}[kind])
        getattr(helper, "register_heif_opener", lambda: None)()
    file = io.BytesIO()
    noise().save(file, kind)
    for share in (0.1, 0.5, 0.9):
        refused("damaged", open_rgb, file.getvalue()[: int(share * len(file.getvalue()))], "x")
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_picture_that_alpha_hides_whole_is_shown(tmp_path):
    """As Targas and bitmaps of games and of the clipboard; what is nowhere but in alpha, or moves, is not."""
    for kind, mode in (("TGA", "RGBA"), ("PNG", "LA"), ("TIFF", "RGBA")):
        file, picture = io.BytesIO(), noise().convert(mode)
        picture.putalpha(0)
        picture.save(file, kind)
        assert np.array_equal(open_rgb(file.getvalue()), np.asarray(noise().convert(mode[:-1]).convert("RGB")))
        assert notes(file.getvalue()) == "it is transparent everywhere, which is not followed"
    file = io.BytesIO()
    Image.new("RGBA", (9, 9)).save(file, "PNG")
    assert open_rgb(file.getvalue()).getpixel((3, 3)) == (255, 255, 255)


def test_where_a_moving_webp_draws_nothing_it_is_transparent():
    """Pictures smaller than the whole, none of which has alpha: then the file does not speak of any."""
    first, second = Image.new("RGBA", (48, 32)), Image.new("RGBA", (48, 32))
    first.paste((20, 20, 20, 255), (0, 0, 8, 32))
    second.paste((30, 30, 30, 255), (8, 0, 16, 32))
    file = io.BytesIO()
    first.save(file, "WEBP", save_all=True, append_images=[second], lossless=True)
    assert not file.getvalue()[20] & 16
    picture = open_rgb(file.getvalue())
    assert [picture.getpixel((x, 9)) for x in (4, 30)] == [(20, 20, 20), (255, 255, 255)]


def test_what_a_camera_calls_adobe_rgb_is_converted():
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03", 2: b"0100"}
    file, plain = io.BytesIO(), Image.new("RGB", (32, 32), (90, 160, 120))
    plain.save(file, "JPEG", quality=100, exif=exif)
    light = (np.array((90, 160, 120)) / 255) ** (563 / 256)
    matrix = [[1.39836, -0.39836, 0], [0, 1, 0], [0, -0.04293, 1.04293]]  # Adobe RGB (1998) to BT.709, both D65
    wanted = 255 * (1.055 * (np.array(matrix) @ light).clip(0) ** (1 / 2.4) - 0.055)
    assert np.abs(open_rgb(file.getvalue()).getpixel((9, 9)) - wanted.clip(0)).max() < 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero"):
        refused("is a pipe or a device", read, path)


# ---------------------------------------------------------------- the scan


def test_the_scan_tells_notes_and_upright_sizes(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.tif", "b.jpg", "c.png", "d.webp"):
        noise().resize((64, 48)).save(tmp_path / name, exif=exif)
    (tmp_path / "e.png").write_bytes(png(FAULTS["tEXt"], rows=b"\0" + bytes(300), width=100))
    report = scan(open_source(tmp_path))
    assert (report.usable, report.width.min, report.height.max) == (5, 48, 64)
    assert report.findings["noted"].names == ["e.png: metadata at fault are left out (tEXt: wrong checksum)"]
    assert report.findings["rotated"].count == 4


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


@pytest.mark.parametrize("large", [False, True])
def test_the_colours_of_the_main_picture_count_and_not_those_of_a_gain_map(large):
    """ISO 23008-12: the main picture is item 2, whose properties are two of four; what item 1 has does not matter."""
    number, place = (">I", ">H") if large else (">H", ">B")
    first = 0x8000 if large else 0x80  # whether one has to understand it

    def meta(*properties: int) -> bytes:
        colours = [box(b"colr", b"nclx" + struct.pack(">3HB", *each, 128)) for each in ((9, 16, 9), (12, 13, 6))]
        every = box(b"ipco", colours[0] + box(b"ispe", bytes(12)) + colours[1] + box(b"colr", b"prof" + bytes(9)))
        items = [(1, [1, 2]), (2, [first | each for each in properties])]
        body = bytes([large, 0, 0, large]) + struct.pack(">I", 2)
        for item, places in items:
            body += struct.pack(number, item) + bytes([len(places)]) + b"".join(struct.pack(place, p) for p in places)
        main = box(b"pitm", bytes([large, 0, 0, 0]) + struct.pack(number, 2))
        whole = box(b"meta", bytes(4) + main + box(b"iprp", every + box(b"ipma", body)))
        return box(b"ftyp", b"avif\0\0\0\0") + box(b"free", b"colrnclx" + bytes(20)) + whole

    def stated(data: bytes) -> object:
        return sound(io.BytesIO(data))[1].get("cicp")

    assert stated(meta(2, 3)) == (12, 13, 6, 1)
    assert stated(meta(2, 1)) == (9, 16, 9, 1)
    assert stated(meta(3, 4)) is None  # a profile comes before numbers
    for cut in range(len(meta(2, 3))):
        stated(meta(2, 3)[:cut])


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "HEIF"])
def test_profiles_of_other_formats(kind):
    """AVIF and HEIC state numbers as well, which are of no use then; Pillow does not read those of JPEG 2000."""
    from test_images import RED_IS_BLUE

    file, red = io.BytesIO(), Image.new("RGB", (32, 32), (255, 0, 0))
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif not features.check({"AVIF": "avif", "JPEG2000": "jpg_2000"}[kind]):
        pytest.skip(f"this Pillow has no {kind}")
    options = {} if kind == "JPEG2000" else {"quality": 100, "icc_profile": RED_IS_BLUE}
    red.save(file, kind, **options)
    data = file.getvalue()
    if kind == "JPEG2000":  # in the place of its 15 bytes that say sRGB
        at, above = data.index(b"colr") - 4, data.index(b"jp2h") - 4
        mine = box(b"colr", b"\2\0\0" + RED_IS_BLUE)
        longer = int.from_bytes(data[above : above + 4], "big") + len(mine) - 15
        data = data[:above] + struct.pack(">I", longer) + data[above + 4 : at] + mine + data[at + 15 :]
    assert np.abs(np.asarray(open_rgb(data)).astype(int) - (0, 0, 255)).max() <= 3


@pytest.mark.parametrize("said", ["its name", "its numbers"])
def test_profiles_of_high_dynamic_range(said):
    """What came before `cICP`: a profile of which only the name counts; and numbers inside of a profile."""
    from test_images import SRGB

    name, profile = (
        (b"ITUR_2100_PQ_FULL", SRGB) if said == "its name" else (b"hdr", with_tag(SRGB, b"cicp", 9, 16, 0, 1))
    )
    rows = b"\0" + struct.pack(">6H", *[round(0.508078 * 65535)] * 3, *[round(0.580689 * 65535)] * 3)
    data = png(chunk(b"iCCP", name + b"\0\0" + zlib.compress(profile)), bits=16, rows=rows)
    first, second = np.asarray(open_rgb(data))[0].astype(int)
    assert np.abs(first - 186).max() <= 2
    assert np.abs(second - 243).max() <= 1
    plain = png(chunk(b"iCCP", b"x\0\0" + zlib.compress(with_tag(SRGB, b"cicp", 1, 13, 0, 1))))
    assert np.asarray(open_rgb(plain))[0].tolist() == PLAIN


def with_tag(profile: bytes, tag: bytes, *values: int) -> bytes:
    """An ICC profile in which a description has become a tag of these bytes."""
    data = bytearray(profile + tag + bytes(4) + bytes(values))
    place = data.index(b"cprt", 128, 400)
    data[place : place + 12] = tag + struct.pack(">II", len(profile), 8 + len(values))
    data[:4] = struct.pack(">I", len(data))
    return bytes(data)
