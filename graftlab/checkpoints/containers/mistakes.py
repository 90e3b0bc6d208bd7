"""What people give by mistake in the place of a checkpoint, and what to do about it."""

import codecs
import os
from pathlib import Path

from graftlab.errors import GraftError

SIGNATURES = {  # first bytes -> what the file is and what to do
    b"\x1f\x8b": "is compressed with gzip: unpack it first (gunzip)",
    b"\xfd7zXZ\0": "is compressed with xz: unpack it first (unxz)",
    b"BZh": "is compressed with bzip2: unpack it first (bunzip2)",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd: unpack it first (unzstd)",
    b"7z\xbc\xaf\x27\x1c": "is a 7-Zip archive: unpack it first and give the checkpoint in it",
    b"Rar!": "is a RAR archive: unpack it first and give the checkpoint in it",
    b"\x89PNG": "is a picture (PNG), not a checkpoint",
    b"\xff\xd8\xff": "is a picture (JPEG), not a checkpoint",
    b"GIF8": "is a picture (GIF), not a checkpoint",
    b"RIFF": "is a picture, a film or sound (RIFF), not a checkpoint",
    b"II*\0": "is a picture (TIFF), not a checkpoint",
    b"MM\0*": "is a picture (TIFF), not a checkpoint",
    b"%PDF": "is a PDF document, not a checkpoint",
    b"\x89HDF": "is an HDF5 file (Keras), a kind of checkpoint that is not read",
    b"\x7fELF": "is a program, not a checkpoint",
    b"version https://git-lfs": "is a git-lfs pointer, that is a note where the file lies: fetch it with git lfs pull",
}
PAGE = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<script", b"<!--", b"<body")
PIECE = "data.pkl"  # of a PyTorch file, which is a zip file
OLDEST_TORCH = ("sys_info", "pickle", "storages", "tensors")  # members of the tar files of PyTorch before 0.1.10


def unreadable(path: Path) -> None:
    """GraftError if there is no file under this name, or one that cannot be read or is empty."""
    try:
        if path.is_symlink() and not path.exists():
            target = os.readlink(path)
            raise GraftError(
                f"{path} is a link to {target}, which is missing: fetch that file too, or give it instead."
            )
        whole = path if path.is_dir() else path.parent
        if path.name in (whole.name, PIECE) and (whole / PIECE).is_file() and (whole / "data").is_dir():
            raise GraftError(
                f"{path} is {'' if path == whole else 'a part of '}a PyTorch file that was unpacked: pack the folder "
                f"{whole.absolute().name} as a zip file again, and give that."
            )
        if path.is_dir():
            raise GraftError(f"{path} is a folder; name a checkpoint file in it.")
        if not path.exists():
            raise GraftError(f"{path}: no such file.")
        if not path.is_file():
            raise GraftError(f"{path} is no ordinary file.")
        with path.open("rb") as file:
            if not file.read(1):
                raise GraftError(f"{path} is empty; fetch it again.")
    except GraftError:
        raise
    except PermissionError:
        raise GraftError(f"{path} cannot be read: give yourself permission (chmod u+r).") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise GraftError(f"{str(path)[:300]!r} cannot be read ({error}).") from None


def recognise(data: memoryview) -> str:
    """What a file is that is no checkpoint, as the rest of a sentence without its full stop."""
    start = bytes(data[:512])
    for signature, sentence in SIGNATURES.items():
        if start.startswith(signature):
            return sentence
    if start.lstrip().lower().startswith(PAGE):
        return "is a web page, so the download failed: open the address in a browser and fetch the file itself"
    if start[257:262] == b"ustar":
        if start[:100].partition(b"\0")[0].decode("latin-1").removeprefix("./").rstrip("/") in OLDEST_TORCH:
            return "is a PyTorch file of before 2017 (tar), which is not read: load and save it with PyTorch 1 first"
        return "is a tar archive: unpack it first and give the checkpoint in it"
    if not any(start):
        return "begins with nothing but zeros: it was not fetched completely"
    if is_text(start):
        return "is a text file, not a checkpoint"
    return "is no checkpoint of a kind that is known (PyTorch, pickle, safetensors, numpy)"


def is_text(start: bytes) -> bool:
    """Whether the first bytes of a file are text; the last character may be cut off."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\t\r\n\f\ufeff" for letter in text)
