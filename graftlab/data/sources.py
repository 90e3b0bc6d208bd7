"""Photos in a folder, a zip or an LMDB, distinguished by content and never by extension."""

import os
import re
import sys
import unicodedata
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any, overload
from weakref import WeakValueDictionary

from PIL import Image

from graftlab.data.image_source import ENDS, ImageSource, check_bytes, content_key, key_of_ends, printable
from graftlab.data.pack import Pack, looks_like_safetensors
from graftlab.data.pairs import Pairs, is_pairs
from graftlab.errors import GraftError
from graftlab.work.parallel import PerProcess

ACCEPTED = "a folder or zip of images, an LMDB, or a pack made by `graft data pack`"
LMDB_MAGIC = (0xBEEFC0DE).to_bytes(4, sys.byteorder)  # bytes 16 to 20 of data.mdb
NOT_PHOTOS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}  # Pillow knows their names but not their pixels


def open_source(path: str | Path) -> ImageSource:
    """Open a source of photos of any type. GraftError if there are none."""
    path = Path(path)
    try:
        if path.is_dir():
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
                return Pack(path)
            if zipfile.is_zipfile(path):
                return ZipSource(path)
    except OSError as error:
        raise GraftError(f"{path} cannot be opened ({error.strerror or error}); give {ACCEPTED}.") from error
    raise GraftError(f"{path} is no collection of images; unpack it into a folder, or give {ACCEPTED}.")


# ---------------------------------------------------------------------------------------------------------- folders


class FolderSource(ImageSource):
    """Every image below a folder, in the order of their paths relative to it.

    Hidden files and folders are left out. Symbolic links are followed, but each folder is entered only once, so links
    to a parent folder do no harm.
    """

    kind = "folder"

    def __init__(self, path: Path) -> None:
        self.path = path
        # macOS may store é as two characters where Linux stores one: the order must not depend on that.
        self._files = sorted(_walk(path), key=lambda file: (unicodedata.normalize("NFC", file), file))
        self.names = [printable(file) for file in self._files]
        if not self._files:
            raise GraftError(f"{path} holds no images, nor do the folders in it; give {ACCEPTED}.")

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


def _walk(root: Path) -> Iterator[str]:
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
            continue
        if (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                (links if entry.is_symlink() else folders).append((folder / entry.name, f"{prefix}{entry.name}/"))
            elif _is_image_name(entry.name) and entry.is_file():
                yield prefix + entry.name


@cache
def _extensions() -> frozenset[str]:
    formats = Image.registered_extensions().items()
    return frozenset(extension for extension, kind in formats if kind in Image.OPEN and kind not in NOT_PHOTOS)


def _is_image_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _extensions()


# -------------------------------------------------------------------------------------------------------------- zip


class ZipSource(ImageSource):
    """The images in a zip, in the order of their names. Nothing is extracted, so no path can lead outside it."""

    kind = "zip"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = PerProcess(partial(_open_zip, path))
        archive, _ = self._open()
        self._members = sorted(filter(_is_image_member, archive.infolist()), key=lambda member: member.filename)
        self.names = [printable(member.filename) for member in self._members]
        if not self._members:
            raise GraftError(f"{path} is a zip without images; give {ACCEPTED}.")

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


def _is_image_member(member: zipfile.ZipInfo) -> bool:
    parts = [part for part in re.split(r"[/\\]", member.filename) if part not in (".", "..")]
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not member.is_dir() and not hidden and _is_image_name(member.filename)


# ------------------------------------------------------------------------------------------------------------- LMDB


class LmdbSource(ImageSource):
    """The images of an LMDB: LSUN's (any key -> encoded image) or rosinality's (`256-00012`, ... and `length`).

    Opened for reading without a lock file, so nothing is written beside it; of the files beside it (`_cache_...`)
    none is opened. Values go through the same decoder as any other file: colours cannot depend on the path.
    Of several sizes the largest complete one is taken.
    """

    kind = "lmdb"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = PerProcess(partial(_open_lmdb, path))
        with self._view() as view:
            length = view.get(b"length")
            if length is None:
                self._keys = [bytes(key) for key in view.cursor().iternext(keys=True, values=False)]
            else:
                self._keys = _largest_size(path, view, bytes(length))
        self.names = _KeyNames(self._keys)
        if not self._keys:
            raise GraftError(f"{path} is an LMDB without entries; give {ACCEPTED}.")

    def read(self, index: int) -> bytes:
        with self._view() as view:
            return bytes(self._value(view, index))

    def key(self, index: int) -> str:
        with self._view() as view:  # a view of the map: only the ends of the value are fetched from disk
            return content_key(self._value(view, index))

    @contextmanager
    def _view(self) -> Iterator[Any]:
        """A read transaction that hands out memory, not copies."""
        environment = self._open()
        import lmdb

        try:
            with environment.begin(buffers=True) as view:
                yield view
        except lmdb.Error as error:
            raise GraftError(f"{self.path} is damaged ({error}); copy it again.") from error

    def _value(self, view: Any, index: int) -> memoryview:
        value = view.get(self._keys[index])
        if value is None:
            raise GraftError(f"{self.names[index]} is no longer in {self.path}.")
        check_bytes(len(value), self.names[index])
        return memoryview(value)


class _KeyNames(Sequence[str]):
    """Keys as text, decoded when looked at: LSUN's bedrooms alone have three million."""

    def __init__(self, keys: list[bytes]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [key.decode("utf-8", "backslashreplace") for key in self._keys[index]]
        return self._keys[index].decode("utf-8", "backslashreplace")


def _largest_size(path: Path, view: Any, length: bytes) -> list[bytes]:
    """Keys of the largest complete size. GraftError, listing the sizes, if there is none."""
    count = int(length) if length.isdigit() and len(length) < 12 else 0
    plausible = range(1, view.stat()["entries"] + 1)  # more than there are entries is a damaged number
    sizes, cursor = [], view.cursor()
    found = cursor.first()
    while found:
        size = bytes(cursor.key()).partition(b"-")[0]
        if size.isdigit():
            sizes.append(int(size))
        found = cursor.set_range(size + b".")  # "." follows "-": the first key of another size
    for side in sorted(sizes, reverse=True):
        if count in plausible and view.get(b"%d-%05d" % (side, count - 1)) is not None:
            return [b"%d-%05d" % (side, index) for index in range(count)]
    listed = ", ".join(map(str, sorted(sizes))) or "none"
    raise GraftError(
        f"{path} has no complete size (sizes begun: {listed}; images announced: {count}); prepare it again."
    )


_environments: WeakValueDictionary[str, Any] = WeakValueDictionary()
_environments_lock = Lock()


def _open_lmdb(path: Path) -> Any:
    """A read-only environment. One per file and process, as LMDB requires, closed with its last user."""
    try:
        import lmdb
    except ImportError as error:
        raise GraftError(f"{path} is an LMDB; to read it, pip install graftlab[lmdb].") from error
    where = os.path.realpath(path)
    with _environments_lock:
        environment = _environments.get(where)
        if environment is None:
            try:
                environment = lmdb.open(where, subdir=False, create=False, readonly=True, lock=False, readahead=False)
            except lmdb.Error as error:
                raise GraftError(f"{path} is not a readable LMDB ({error}); copy it again.") from error
            # Touching a page beyond the end of the file would kill the process, not raise.
            if (environment.info()["last_pgno"] + 1) * environment.stat()["psize"] > os.path.getsize(where):
                environment.close()
                raise GraftError(f"{path} is shorter than its own index says; the copy did not finish.")
            _environments[where] = environment
    return environment
