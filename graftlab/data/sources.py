"""Photos in a folder or a zip, and what opens those and all other sources, told apart by their content."""

import os
import re
import tarfile
import unicodedata
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from threading import Lock

from PIL import Image

from graftlab.data.image_source import ENDS, ImageSource, check_bytes, key_of_ends, printable
from graftlab.data.left_out import (
    ARCHIVE,
    ARCHIVES,
    FORBIDDEN,
    LINK,
    OTHER,
    REMEDIES,
    RUN,
    SPECIAL,
    LeftOut,
    aside,
    is_run,
    judged,
)
from graftlab.data.lmdb_source import ACCEPTED, LMDB_MAGIC, LmdbSource
from graftlab.data.pack import Pack, looks_like_safetensors
from graftlab.data.pairs import Pairs, is_pairs
from graftlab.data.remote import url_of
from graftlab.data.shards import INDEX, ShardSource, is_index
from graftlab.errors import GraftError
from graftlab.images import LOG
from graftlab.images.plugins import HEAD, VIDEO
from graftlab.work import examples
from graftlab.work.parallel import PerProcess

FOLDER = "folder"  # to be entered
HELPED = {"HEIF", "JXL"}  # names that Pillow knows once a helper has been at work: here the content decides at any time
NOT_PHOTOS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}  # Pillow knows their names but not their pixels


def open_source(path: str | Path) -> ImageSource:
    """Open a source of photos of any type. GraftError if there are none."""
    if url_of(path):
        return ShardSource(path)
    path = Path(path)
    try:
        if path.is_dir():
            if (path / INDEX).is_file():
                return ShardSource(path / INDEX)
            if is_pairs(path):
                return Pairs(path)
            return LmdbSource(path / "data.mdb") if (path / "data.mdb").is_file() else FolderSource(path)
        if not path.exists():
            raise GraftError(f"{path} does not exist; give {ACCEPTED}.")
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(32)
            if head[16:20] == LMDB_MAGIC:
                return LmdbSource(path)
            if looks_like_safetensors(head, path.stat().st_size):
                return ShardSource(path) if is_index(path) else Pack(path)
            if not head.startswith(ARCHIVES) and tarfile.is_tarfile(path):
                raise GraftError(f"{path} is a shard without an index; make one with 'graft data index {path}'.")
            if zipfile.is_zipfile(path):
                return ZipSource(path)
            raise GraftError(f"{path} is no collection of images, but {_instead(head, path.name)}, or give {ACCEPTED}.")
    except OSError as error:
        raise GraftError(f"{path} cannot be opened ({error.strerror or error}); give {ACCEPTED}.") from error
    raise GraftError(f"{path} is no collection of images; give {ACCEPTED}.")


def _instead(head: bytes, name: str) -> str:
    """What a file is that is no source, and what to do."""
    kind = judged(head, name)
    if head.startswith(b"PK\3\4"):
        return "a zip that is cut off or damaged; fetch it again"
    if kind is None:
        return "one picture; give the folder that it is in"
    what = {OTHER: "something else", ARCHIVE: "an archive", VIDEO: "a video"}.get(kind, kind)
    return f"{what} ({REMEDIES[kind]}); give its pictures in a folder"


def open_photos(path: str | Path) -> ImageSource:
    """`open_source`, which tells the log of pictures what it leaves out."""
    source = open_source(path)
    if (told := source.left_out.told()) and source.path != examples.FOLDER:  # which nobody laid there
        LOG.warning("%s: %s", source.path, told)
    return source


# ---------------------------------------------------------------------------------------------------------- folders


class FolderSource(ImageSource):
    """Every image below a folder, in the order of their paths relative to it.

    Hidden files and folders are left out, and folders of training runs and of systems. Symbolic links are followed, and
    each folder is entered once, so a link to a folder above ends there.
    """

    kind = "folder"

    def __init__(self, path: Path) -> None:
        self.path, self.left_out = path, LeftOut()
        # macOS may store é as two characters where Linux stores one: the order must not depend on that.
        self._files = sorted(_walk(path, self.left_out), key=lambda file: (unicodedata.normalize("NFC", file), file))
        self.names = [printable(file) for file in self._files]
        if not self._files:
            sentence = f"{path} holds no images, nor do the folders in it; give {ACCEPTED}."
            raise GraftError(" ".join(filter(None, [sentence, self.left_out.told()])))

    def read(self, index: int) -> bytes:
        try:
            with (self.path / self._files[index]).open("rb") as file:
                check_bytes(os.fstat(file.fileno()).st_size, self.names[index])
                return file.read()
        except OSError as error:
            raise GraftError(f"{self.names[index]} cannot be read ({error.strerror or error}).") from error

    def key(self, index: int) -> str:
        try:
            with (self.path / self._files[index]).open("rb") as file:
                length = os.fstat(file.fileno()).st_size
                head = file.read(ENDS)
                file.seek(max(0, length - ENDS))
                return key_of_ends(length, head, file.read(ENDS))
        except OSError as error:
            raise GraftError(f"{self.names[index]} cannot be read ({error.strerror or error}).") from error


def _walk(root: Path, left_out: LeftOut) -> Iterator[str]:
    """Image files below root as relative posix paths. Real folders come before links, so they give the names."""
    entered: set[tuple[int, int]] = set()
    folders, links = deque([(root, "")]), deque[tuple[Path, str]]()
    while folders or links:
        folder, prefix = folders.popleft() if folders else links.popleft()
        try:
            status = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:  # a folder that may not be listed hides its images, as `ls` would
            if folder == root:
                raise
            left_out.add(FORBIDDEN, printable(prefix))
            continue
        if (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        if is_run([entry.name for entry in entries]):
            left_out.add(RUN, printable(prefix) or str(root))
            continue
        for entry in entries:
            if (kind := _kind_of_entry(entry)) == FOLDER:
                (links if entry.is_symlink() else folders).append((folder / entry.name, f"{prefix}{entry.name}/"))
            elif kind:
                left_out.add(kind, printable(prefix + entry.name))
            else:
                yield prefix + entry.name


def _kind_of_entry(entry: os.DirEntry[str]) -> str | None:
    """None for an image, FOLDER, or why an entry is left out. Only plain files are opened: pipes would not return."""
    if kind := aside(Path(entry.path).parts[-2:]):
        return kind
    try:
        if entry.is_dir():
            return FOLDER
        if not entry.is_file():
            return LINK if entry.is_symlink() and not os.path.exists(entry.path) else SPECIAL
        if _is_image_name(entry.name):
            return None
        with open(entry.path, "rb") as file:
            return judged(file.read(HEAD), entry.name)
    except PermissionError:
        return FORBIDDEN
    except OSError:  # a link to itself
        return LINK


@cache
def _extensions() -> frozenset[str]:
    formats = Image.registered_extensions().items()
    photos = Image.OPEN.keys() - NOT_PHOTOS - HELPED
    return frozenset(extension for extension, kind in formats if kind in photos)


def _is_image_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _extensions()


# -------------------------------------------------------------------------------------------------------------- zip


class ZipSource(ImageSource):
    """The images in a zip, in the order of their names. Nothing is extracted, so no path can lead outside it."""

    kind = "zip"

    def __init__(self, path: Path) -> None:
        self.path, self.left_out = path, LeftOut()
        self._open = PerProcess(partial(_open_zip, path))
        archive, _ = self._open()
        self._members = sorted(_images_in(archive, self.left_out), key=lambda member: member.filename)
        self.names = [printable(member.filename) for member in self._members]
        if not self._members:
            sentence = f"{path} is a zip without images; give {ACCEPTED}."
            raise GraftError(" ".join(filter(None, [sentence, self.left_out.told()])))

    def read(self, index: int) -> bytes:
        member, name = self._members[index], self.names[index]
        check_bytes(member.file_size, name)  # zipfile never hands out more than the size a member declares
        archive, lock = self._open()
        try:
            with lock:
                return archive.read(member)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, ValueError) as error:
            raise GraftError(f"{name} in {self.path} cannot be unpacked ({error}).") from error


def _open_zip(path: Path) -> tuple[zipfile.ZipFile, Lock]:
    """An archive and the lock its readers take: they share one position in the file."""
    try:
        return zipfile.ZipFile(path), Lock()
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise GraftError(f"{path} is a damaged zip ({error}); copy it again.") from error


def _images_in(archive: zipfile.ZipFile, left_out: LeftOut) -> Iterator[zipfile.ZipInfo]:
    """Members that are images, told as those of a folder."""
    inside: dict[str, set[str]] = {}
    for name in archive.namelist():
        parts = _parts(name)
        for depth, part in enumerate(parts):
            inside.setdefault("/".join(parts[:depth]), set()).add(part)
    runs = {folder for folder, names in inside.items() if is_run(names)}
    for folder in sorted(runs):
        left_out.add(RUN, printable(folder))
    for member in archive.infolist():
        parts = _parts(member.filename)
        if member.is_dir() or any("/".join(parts[:depth]) in runs for depth in range(len(parts))):
            continue
        if kind := next(filter(None, (aside(parts[: depth + 1]) for depth in range(len(parts)))), None):
            left_out.add(kind, printable(member.filename))
        elif _is_image_name(member.filename) or not (kind := _kind_of_member(archive, member)):
            yield member
        else:
            left_out.add(kind, printable(member.filename))


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]


def _kind_of_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str | None:
    try:
        with archive.open(member) as file:
            return judged(file.read(HEAD), member.filename)
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, ValueError):
        return OTHER
