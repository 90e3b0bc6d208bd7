"""What a file is by its first bytes; and pictures that Pillow reads with another package's help, where it is there."""

import re
from importlib.util import find_spec
from os.path import splitext
from typing import BinaryIO

import numpy as np
from PIL import Image

from graftlab.errors import GraftError

HEAD = 32  # bytes that tell a format
HEIC, JXL, RAW, TIFF, VIDEO = "HEIC", "JPEG XL", "camera RAW", "TIFF", "video"
HELPERS = {HEIC: ("pillow_heif", "heif"), JXL: ("pillow_jxl", "jxl"), RAW: ("rawpy", "raw")}  # module, our extra
BEGINNINGS = {  # of the formats that Pillow reads, and of others that people take for those
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "GIF": rb"GIF8[79]a",
    "WebP": rb"RIFF....WEBP",
    "BMP": rb"BM....\0\0\0\0",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "QOI": rb"qoif",
    "PNM": rb"P[1-6]\s",
    "PSD": rb"8BPS\x00\x01",
    "AVIF": rb"....ftyp(avi[fs]|(mif1|msf1).{8,12}avi[fs])",
    HEIC: rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)",
    JXL: rb"\xff\x0a|\0\0\0\x0cJXL ",
    RAW: rb"....ftypcrx |II\*\0....CR|II\x1a\0\0\0HEAPCCDR|FUJIFILMCCD-RAW|FOVb|II(RO|RS|U\0)|MMOR|\0MRM",
    TIFF: rb"II[*+]\0|MM\0[*+]",
    VIDEO: rb"....(ftyp|moov|mdat)|\x1aE\xdf\xa3|RIFF....AVI |\x00\x00\x01[\xb3\xba]|FLV\x01",
}
RECOGNISED = {kind: re.compile(beginning, re.DOTALL) for kind, beginning in BEGINNINGS.items()}
CAMERAS = re.compile(  # extensions; most of these files are TIFFs, of which Pillow would read the thumbnail
    r"\.(3fr|arw|cr[23w]|dcr|dng|erf|iiq|kdc|mef|mos|mrw|nef|nrw|orf|pef|raf|raw|rw2|rwl|sr[2fw]|x3f)", re.IGNORECASE
)


def recognise(head: bytes, name: str = "") -> str | None:
    """A picture's format by its first bytes, and of TIFFs by their name, too; "video", or None for anything else."""
    kind = next((kind for kind, beginning in RECOGNISED.items() if beginning.match(head)), None)
    return RAW if kind == TIFF and CAMERAS.fullmatch(splitext(name)[1]) else kind


def can_read(kind: str | None) -> bool:
    """Whether pictures of a format are read here, if need be by a helper that is installed."""
    return kind not in (None, VIDEO) and (kind not in HELPERS or find_spec(HELPERS[str(kind)][0]) is not None)


def remedy(kind: str) -> str:
    """How to get pictures that need help read."""
    return f"pip install 'graftlab[{HELPERS[kind][1]}]', or export as JPEG"


def assisted(file: BinaryIO, name: str) -> Image.Image | None:
    """A picture that Pillow does not read alone; None for all others.

    GraftError with the remedy if the helper is not installed."""
    file.seek(0)
    kind = recognise(file.read(HEAD), name)
    file.seek(0)
    if kind not in HELPERS:
        return None
    if not can_read(kind):
        raise GraftError(f"{name} is {kind}, which is not read here: {remedy(kind)}.")
    if kind == RAW:
        import rawpy

        with rawpy.imread(file) as raw:
            return Image.fromarray(np.asarray(raw.postprocess(use_camera_wb=True)))
    if kind == HEIC:
        import pillow_heif

        pillow_heif.register_heif_opener()
    else:
        import pillow_jxl  # noqa: F401  # which makes itself known to Pillow
    return Image.open(file)
