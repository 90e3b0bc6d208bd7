"""One file out of a zip that others made: found by its name, and nothing else of the zip reaches the disk."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from graftlab.errors import GraftError
from graftlab.hardware import require_space
from graftlab.work.files import atomic_write

MOST_COMPRESSED = 100  # weights hardly shrink: more is an attack


def extract(archive: Path, pattern: str, target: Path) -> Path:
    """Write the one file whose path ends as the pattern says ("church_pretrained/*.pth"), and return `target`.

    GraftError if the zip is damaged, tries to write outside its folder, or has no such file or several different
    ones; and if that file is a link, encrypted, or grows more than a hundredfold."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            member = choose(archive, zipped.infolist(), pattern)
            require_space(target, member.file_size)
            with zipped.open(member) as source:
                return atomic_write(target, lambda file: shutil.copyfileobj(source, file, 2**20))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise GraftError(f"{archive} is no zip that can be read ({error}); fetch it again.") from None


def choose(archive: Path, members: list[zipfile.ZipInfo], pattern: str) -> zipfile.ZipInfo:
    """The member to extract, if it and its zip are harmless."""
    for member in members:
        if outside(member.filename):
            raise GraftError(f"{archive} holds '{member.filename}', a path out of its folder; it was made to do harm.")
    found = [member for member in members if not member.is_dir() and PurePosixPath(member.filename).match(pattern)]
    files = [member for member in found if not stat.S_ISLNK(member.external_attr >> 16)]
    if found and not files:
        raise GraftError(f"{archive} holds '{found[0].filename}' as a link only, which is not followed; unpack it.")
    if not files:
        raise GraftError(f"{archive} holds no file '{pattern}'; was it the right zip?")
    if len({(member.CRC, member.file_size) for member in files}) > 1:  # a link that was packed as a copy is the same
        names = ", ".join(member.filename for member in files)
        raise GraftError(f"{archive} holds several of '{pattern}' ({names}); unpack it and add the one you mean.")
    member = files[0]
    if member.flag_bits & 1:
        raise GraftError(f"{archive} holds '{member.filename}' encrypted; unpack it with its password.")
    if member.file_size > MOST_COMPRESSED * member.compress_size:
        raise GraftError(
            f"{archive} holds '{member.filename}' compressed {MOST_COMPRESSED}:1 or more, which no weights are; it was "
            "made to do harm."
        )
    return member


def outside(name: str) -> bool:
    """Whether a path would leave the folder into which its zip is unpacked, on any system."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or (len(name) > 1 and name[1] == ":")
