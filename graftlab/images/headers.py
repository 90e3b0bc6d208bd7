"""What stands around the pixels of a picture file: metadata at fault are left out, facts are looked up."""

import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO

from PIL import PngImagePlugin

from graftlab.images.plugins import HEAD, VIDEO, recognise

MOST_EXIF = 2**20  # bytes in a JPEG; Pillow's time for it grows with the square
MOST_PROFILE = 2**24  # bytes of an unpacked ICC profile in a PNG
BT2100_PQ = (9, 16, 0, 1)  # primaries, transfer, matrix and range (ITU-T H.273)
MOST_BOXES = 2**24  # bytes at the beginning of an AVIF, HEIC or JPEG 2000 that are looked through
AGAIN = "fetch it again, or export it as JPEG or PNG"
MISSING = bytes(64)  # what may be missing at the end of a JPEG: a few of its blocks
STRAY = 15  # bytes that may stand before a picture, such as ends of lines; from 16 on, formats that hold others begin
BEHIND = re.compile(rb"(.{1,%d}?)(?:\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF....WEBP)" % STRAY, re.DOTALL)
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"

# How files begin that stand in the place of others, and what to do about them.
_PLACEHOLDERS = {
    rb"version https://git-lfs": "is a pointer of Git LFS, not the file itself: run 'git lfs pull'",
    rb"(?i)\s*<(!doctype html|html|head|body|script)": "is a web page, not the file itself: fetch it again",
    rb"\s*<\?xml(?!.*<svg)|\s*<Error|\s*[{\[]\s*[\"{\]}]": "is a message, not the file itself: fetch it again",
    rb"\0{256}|\0+\Z": "begins with zeros, as copies do that were cut short: fetch it again",
    rb"\0\x05\x16\x07": "is what macOS keeps beside a file, not the file itself: give the one without '._'",
}
# Those that people take for pictures and Pillow does not read.
_OTHERS = {
    rb"\x76\x2f\x31\x01": "is in OpenEXR: convert it to PNG",
    rb"#\?R(ADIANCE|GBE)": "is in Radiance HDR: convert it to PNG",
    rb"8BP[SB]": "is a Photoshop file of a kind not read here: export it as PNG",
    rb".{128}DICM": "is in DICOM: convert it to PNG",
    rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd": "is an archive: unpack it, name a picture",
    rb".{6}\0\0\{\"": "is a file of tensors, as models and codes are: name a picture; graft decode draws codes",
    rb"%PDF": "is a PDF: export its pictures as PNG",
    rb"\s*<(\?xml|svg)": "is a drawing (SVG), not a picture of pixels: export it as PNG",
    rb"II[*+]\0|MM\0[*+]": "is a damaged TIFF, or of a kind not read here: export it with 8 or 16 bits per channel",
}


def sound(file: BinaryIO) -> tuple[BinaryIO, dict[str, Any]]:
    """A picture file without the metadata at which Pillow would fail or tarry, and what its header says besides.

    Of the facts, `cicp` are primaries, transfer, matrix and full range (ITU-T H.273), and `notes` are for people."""
    file, stray = _from_its_beginning(file)
    file.seek(0)
    start = file.read(12)
    if start.startswith(PNG):
        holes, facts = _png(file)
    elif start.startswith(JPEG):
        holes, facts = _jpeg(file)
    elif re.match(rb"....ftyp(?!crx)", start, re.DOTALL):
        holes, facts = [], _numbered(file)
    else:
        holes, facts = [], _jp2(file) if start[4:8] == b"jP  " else {}
    file.seek(0)
    if holes:
        data, at, pieces = file.read(), 0, []
        for begin, end in holes:
            pieces.append(data[at:begin])
            at = end
        file = BytesIO(b"".join([*pieces, data[at:]]))
    if stray:
        facts["notes"] = [f"{stray} bytes before its beginning are left out", *facts.get("notes", ())]
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
    start = file.read(256)
    if what := placeholder(file) or _told_by(_OTHERS, start):
        return what
    kind = recognise(start)
    if kind == VIDEO:
        return "is a video: name a picture"
    if kind:
        return f"is {kind} by its first bytes, but damaged in its header, or of a kind not read here: {AGAIN}"
    return "is not an image in a format known here: convert it to PNG or JPEG"


def placeholder(file: BinaryIO) -> str | None:
    """What stands in the place of a picture or a video, and the remedy; None if it may be one."""
    file.seek(0)
    return _told_by(_PLACEHOLDERS, file.read(4096).removeprefix(b"\xef\xbb\xbf"))


def _told_by(table: dict[bytes, str], start: bytes) -> str | None:
    return next((what for begin, what in table.items() if re.match(begin, start, re.DOTALL)), None)


def _from_its_beginning(file: BinaryIO) -> tuple[BinaryIO, int]:
    """A picture file without the few bytes that came before it, and how many those were: 0 where nothing is found."""
    file.seek(0)
    start = file.read(HEAD)
    if recognise(start) or not (found := BEHIND.match(start)):
        return file, 0
    file.seek(found.end(1))
    return BytesIO(file.read()), found.end(1)


def _png(file: BinaryIO) -> tuple[list[tuple[int, int]], dict[str, Any]]:
    """Chunks that nobody needs for the pixels and Pillow would fail at; facts."""
    holes, facts, faults = [], dict[str, Any](), dict[str, str]()
    reader: Any = PngImagePlugin.PngStream(BytesIO())
    at = len(PNG)
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
            if kind == b"iCCP" and data.startswith(b"ITUR_2100_PQ_FULL\0"):  # by its name (W3C, before there was cICP)
                facts.setdefault("cicp", BT2100_PQ)
            if kind == b"cICP" and not fault:
                facts["cicp"] = tuple(data)
        elif kind == b"fdAT":  # pictures of an animation are counted with its `fcTL`
            reader._seq_num = int.from_bytes(file.read(4))
        at = end
        file.seek(at)
    if faults:
        told = ", ".join(f"{kind}: {fault}" for kind, fault in faults.items())
        facts["notes"] = [f"metadata at fault are left out ({told})"]
    return holes, facts


def _fault(reader: Any, kind: bytes, data: bytes) -> str:
    """Why Pillow would refuse a chunk, or we could not use it; "" if neither."""
    if kind == b"cICP":  # which it does not read
        return "" if len(data) == 4 else f"{len(data)} bytes instead of 4"
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
    """The colours that an AVIF or HEIC states in numbers for its main picture (ISO 14496-12 and 23008-12).

    There may be other pictures, such as gain maps, with colours of their own; and a profile comes before numbers."""
    file.seek(0)
    start = file.read(MOST_BOXES)
    meta = next((start[at + 4 : end] for kind, at, end in _boxes(start) if kind == b"meta"), b"")
    there = {kind: meta[at:end] for kind, at, end in _boxes(meta)}
    inside = {kind: there[b"iprp"][at:end] for kind, at, end in _boxes(there.get(b"iprp", b""))}
    every = [(kind, inside[b"ipco"][at:end]) for kind, at, end in _boxes(inside.get(b"ipco", b""))]
    of_main = _properties(inside.get(b"ipma", b""), there.get(b"pitm", b""))
    stated = [body for place in of_main for kind, body in every[place - 1 : place] if kind == b"colr"]
    if not of_main:  # moving pictures alone
        stated = [found[1] for found in re.finditer(rb"colr(nclx.{7}|prof|rICC)", start, re.DOTALL)][:1]
    if any(body.startswith((b"prof", b"rICC")) for body in stated):
        return {}
    numbers = next((body[4:10] for body in stated if body.startswith(b"nclx") and len(body) >= 10), b"")
    return {"cicp": (*struct.unpack(">3H", numbers), 1)} if numbers else {}


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind of each box, and where its contents begin and end."""
    at = 0
    while len(data) >= at + 8:
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + size if size else len(data)
        if end < at + head:
            return
        yield kind, at + head, end
        at = end


def _properties(associations: bytes, main: bytes) -> list[int]:
    """Numbers of the properties of the main picture, from 1 on (`ipma` and `pitm`)."""
    wide, large = associations[:1] > b"\0", associations[3:4] > b"\0" and bool(associations[3] & 1)
    item, reader = int.from_bytes(main[4:8]) if main[:1] > b"\0" else int.from_bytes(main[4:6]), BytesIO(associations)
    reader.seek(4)
    for _ in range(int.from_bytes(reader.read(4))):
        found, count = int.from_bytes(reader.read(4 if wide else 2)), int.from_bytes(reader.read(1))
        places = [int.from_bytes(reader.read(2 if large else 1)) for _ in range(count)]
        if found == item:
            return [place & (0x7FFF if large else 0x7F) for place in places]
        if not count and not found:  # damaged, or at its end
            break
    return []


def _jp2(file: BinaryIO) -> dict[str, Any]:
    """The ICC profile of a JPEG 2000, which Pillow leaves out (ISO 15444-1, I.5.3.3)."""
    file.seek(0)
    start = file.read(MOST_BOXES)
    header = next((start[at:end] for kind, at, end in _boxes(start) if kind == b"jp2h"), b"")
    stated = (header[at:end] for kind, at, end in _boxes(header) if kind == b"colr")
    return next(({"icc_profile": body[3:]} for body in stated if body[:1] in (b"\2", b"\3")), {})
