"""What stands around the pixels of a picture file: metadata at fault are left out, facts are looked up."""

import re
import zlib
from io import BytesIO
from typing import Any, BinaryIO

from PIL import PngImagePlugin

MOST_EXIF = 2**20  # bytes in a JPEG; Pillow's time for it grows with the square
MOST_PROFILE = 2**24  # bytes of an unpacked ICC profile in a PNG
MISSING = bytes(64)  # what may be missing at the end of a JPEG: a few of its blocks
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"

# How files begin that people take for pictures and Pillow does not read, and what to do about them.
_OTHERS = {
    rb"\x76\x2f\x31\x01": "is in OpenEXR: convert it to PNG",
    rb"....ftypavi[fs]|RIFF....WEBP": "is damaged in its header: fetch or export it again",
    rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ": "is a video: name a picture",
    rb"%PDF": "is a PDF: export its pictures as PNG",
    rb"\s*<(\?xml|svg)": "is a drawing (SVG), not a picture of pixels: export it as PNG",
    rb"\x89PNG|\xff\xd8\xff": "is damaged in its header: fetch or export it again",
    rb"II[*+]\0|MM\0[*+]": "is a damaged TIFF, or of a kind not read here: export it with 8 or 16 bits per channel",
}


def sound(file: BinaryIO) -> tuple[BinaryIO, dict[str, Any]]:
    """A picture file without the metadata at which Pillow would fail or tarry, and what its header says besides.

    Of the facts, `cicp` are primaries, transfer, matrix and full range (ITU-T H.273), and `notes` are for people."""
    file.seek(0)
    start = file.read(12)
    if start.startswith(PNG):
        holes, facts = _png(file)
    elif start.startswith(JPEG):
        holes, facts = _jpeg(file)
    else:
        holes, facts = [], _numbered(file) if re.match(rb"....ftyp(?!crx)", start, re.DOTALL) else {}
    file.seek(0)
    if holes:
        data, at, pieces = file.read(), 0, []
        for begin, end in holes:
            pieces.append(data[at:begin])
            at = end
        file = BytesIO(b"".join([*pieces, data[at:]]))
    return file, facts


def is_jpeg(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(3) == JPEG


def with_an_end(file: BinaryIO) -> BinaryIO:
    """A JPEG with something in the place of its last bytes; if more than those are missing, it remains cut short.

    A progressive one is decoded only with a marker at its end; it gets that if all of its scans have begun."""
    file.seek(0)
    data = file.read()
    parts, begun, steps = set[int](), set[tuple[int, int]](), False
    for scan in re.finditer(rb"\xff\xda\0[\x06-\x0c]([\x01-\x04])", data):  # ITU-T T.81, B.2.3
        at = scan.end() + 2 * scan[1][0]
        if at + 3 > len(data):
            break
        first, last, bits = data[at : at + 3]
        steps |= last - first < 63
        parts |= set(data[scan.end() : at : 2])
        if bits & 15 == 0:  # the last bit of these coefficients
            begun |= {(part, i) for part in data[scan.end() : at : 2] for i in range(first, last + 1)}
    return BytesIO(data + MISSING + (b"\xff\xd9" if steps and len(begun) == 64 * len(parts) else b""))


def what_else(file: BinaryIO) -> str:
    """What a file is that Pillow does not know, and the remedy."""
    file.seek(0)
    start = file.read(64)
    found = (what for begin, what in _OTHERS.items() if re.match(begin, start, re.DOTALL))
    return next(found, "is not an image in a format known here: convert it to PNG or JPEG")


def _png(file: BinaryIO) -> tuple[list[tuple[int, int]], dict[str, Any]]:
    """Chunks that nobody needs for the pixels and Pillow would fail at; facts."""
    holes, facts, faults = [], dict[str, Any](), dict[str, str]()
    reader, at = PngImagePlugin.PngStream(BytesIO()), len(PNG)
    file.seek(at)
    while len(head := file.read(8)) == 8 and re.fullmatch(rb"[A-Za-z]{4}", head[4:]) and head[4:] != b"IEND":
        kind, end = head[4:], at + 12 + int.from_bytes(head[:4], "big")
        if kind == b"IHDR" or (kind[0] & 32 and kind != b"fdAT"):  # a small letter: not needed for the pixels
            data = file.read(end - at - 8)
            data, checksum = data[:-4], data[-4:]
            whole = zlib.crc32(kind + data) == int.from_bytes(checksum, "big")
            fault = _fault(reader, kind, data) if whole else "wrong checksum"
            if fault and kind != b"IHDR":
                holes.append((at, end))
                faults[kind.decode()] = fault
            if kind == b"iCCP" and fault and whole:
                facts["icc_profile"] = _profile(data)
            if kind == b"cICP" and whole and len(data) == 4:
                facts["cicp"] = tuple(data)
        at = end
        file.seek(at)
    if faults:
        told = ", ".join(f"{kind}: {fault}" for kind, fault in faults.items())
        facts["notes"] = [f"metadata at fault are left out ({told})"]
    return holes, facts


def _fault(reader: Any, kind: bytes, data: bytes) -> str:
    """Why Pillow would refuse a chunk, "" if it would not."""
    reader.fp = BytesIO(data)
    try:
        reader.call(kind, 0, len(data))
    except AttributeError:  # a kind that it does not read
        return ""
    except Exception as error:  # nearly every type there is
        return "too long" if "too large" in str(error) or "Too much" in str(error) else str(error)
    return ""


def _profile(chunk: bytes) -> bytes | None:
    """The ICC profile in an iCCP chunk, however long its text; None if it is no profile."""
    try:
        return zlib.decompressobj().decompress(chunk[chunk.index(b"\0") + 2 :], MOST_PROFILE)
    except (ValueError, zlib.error):
        return None


def _jpeg(file: BinaryIO) -> tuple[list[tuple[int, int]], dict[str, Any]]:
    """Segments of EXIF behind the first, if there is too much of it, and those that are too short for their kind."""
    exif, short, at = [], [], 2
    file.seek(at)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] not in (0xFF, 0xDA):
        begin, at = at, at + 2 + int.from_bytes(head[2:], "big")
        name = file.read(7)[: at - begin - 4]
        if head[1] == 0xE1 and name.startswith(b"Exif\0\0"):
            exif.append((begin, at))
        if len(name) < 7 and name.startswith((b"JFIF", b"Adobe")):
            short.append((begin, at))
        file.seek(at)
    surplus = exif[1:] if sum(end - begin for begin, end in exif) > MOST_EXIF else []
    notes = ["metadata at fault are left out"] if short or surplus else []
    if surplus:
        notes = [f"{len(surplus)} of {len(exif)} segments of EXIF are left out"]
    return sorted(short + surplus), {"notes": notes} if notes else {}


def _numbered(file: BinaryIO) -> dict[str, Any]:
    """The colours that an AVIF or HEIC states in numbers (its `colr` box of kind `nclx`, ISO 23008-12)."""
    file.seek(0)
    start = file.read(2**16)
    at = start.find(b"colrnclx") + 8
    if at < 8 or len(start) < at + 7:
        return {}
    primaries, transfer, matrix = (int.from_bytes(start[at + i : at + i + 2], "big") for i in (0, 2, 4))
    return {"cicp": (primaries, transfer, matrix, 1)}
