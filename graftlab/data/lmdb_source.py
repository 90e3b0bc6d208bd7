"""Photos in an LMDB: LSUN's, rosinality's, and what else people keep encoded images in."""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from graftlab.data.image_source import ImageSource, LazyNames, check_bytes, content_key, printable
from graftlab.data.left_out import BOOKKEEPING, DATABASE, MISSING, PICKLE, SMALLER, Finding, LeftOut, judged
from graftlab.errors import GraftError
from graftlab.images import dimensions
from graftlab.images.plugins import HEAD
from graftlab.work.parallel import PerProcess

ACCEPTED = "a folder or zip of images, an LMDB, an index of shards, or a pack made by `graft data pack`"
LMDB_MAGIC = (0xBEEFC0DE).to_bytes(4, sys.byteorder)  # bytes 16 to 20 of data.mdb
LOOKED_AT = 20_000  # entries of which the first bytes are looked at; beyond that the keys alone tell
DATABASES, DATABASE_BYTES = 64, 48  # databases inside of one that are opened, and bytes of the entry of each
PICKLED = re.compile(rb"\x80[\x02-\x05]")  # protocol 2 and later
BOOKS = re.compile(rb"_.*|length|.*keys?|(num|n)[-_]?(samples?|images?)|meta.*|classes|labels?|names?", re.IGNORECASE)
SIZED = re.compile(rb"(\d{1,6})-(\d{5,})")  # rosinality's keys: side of the image, pixels, and its number


class LmdbSource(ImageSource):
    """The images of an LMDB: LSUN's (any key -> encoded image) or rosinality's (`256-00012`, ... and `length`).

    Opened for reading without a lock file, so nothing is written beside it; of the files beside it (`_cache_...`)
    none is opened. Values go through the same decoder as any other file: colours cannot depend on the path.
    Of several sizes the largest complete one is taken, and of databases inside none is opened.
    """

    kind = "lmdb"

    def __init__(self, path: Path) -> None:
        self.path, self.left_out = path, LeftOut()
        self._open = PerProcess(partial(_open_lmdb, path))
        with self._view() as view:
            length = view.get(b"length")
            if length is not None and next(_sizes(view), None):
                self._keys = _largest_size(path, view, bytes(length))
                if smaller := view.stat()["entries"] - len(self._keys) - 1:
                    self.left_out[SMALLER] = Finding(smaller)
            else:
                images = _images_in(view, self._open(), self.left_out)
                self._keys = _of_one_size(view, images, self.left_out)
        self.names = _KeyNames(self._keys)
        if not self._keys:
            sentence = f"{path} is an LMDB without {'images' if self.left_out else 'entries'}; give {ACCEPTED}."
            raise GraftError(" ".join(filter(None, [sentence, self.left_out.told()])))

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


class _KeyNames(LazyNames):
    """Keys as text."""

    def __init__(self, keys: list[bytes]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def name(self, index: int) -> str:
        return printable(self._keys[index].decode("utf-8", "surrogateescape"))


def _images_in(view: Any, environment: Any, left_out: LeftOut) -> list[bytes]:
    """Keys of the images. Pickles are named as such, and never opened."""
    keys = []
    for looked, (key, value) in enumerate(view.cursor().iternext()):
        key, kind = bytes(key), None
        if len(value) == DATABASE_BYTES and _is_database(environment, view, key):
            kind = DATABASE
        elif looked < LOOKED_AT and (kind := judged(bytes(value[:HEAD]), "")):
            kind = BOOKKEEPING if BOOKS.fullmatch(key) else PICKLE if PICKLED.match(value[:2]) else kind
        elif looked >= LOOKED_AT and BOOKS.fullmatch(key):
            kind = BOOKKEEPING
        if kind:
            left_out.add(kind, printable(key.decode("utf-8", "surrogateescape")))
        else:
            keys.append(key)
    return keys


def _is_database(environment: Any, view: Any, key: bytes) -> bool:
    import lmdb

    try:
        environment.open_db(key, txn=view, create=False)
    except lmdb.DbsFullError:
        return True
    except lmdb.Error:
        return False
    return True


def _of_one_size(view: Any, keys: list[bytes], left_out: LeftOut) -> list[bytes]:
    """All keys, or, if they are rosinality's, those of the largest size: other sizes are copies of the same photos,
    which must not come to lie on both sides of the hold-out. Where half of a size is missing it was given up."""
    sized = [match for key in keys if (match := SIZED.fullmatch(key))]
    counts = Counter(int(match[1]) for match in sized)
    if not sized or len(sized) < len(keys) or not all(_is_side(view, keys, side) for side in counts):
        return keys
    largest = max(side for side, count in counts.items() if 2 * count >= max(counts.values()))
    left_out.add(MISSING, "length")
    if smaller := len(keys) - counts[largest]:
        left_out[SMALLER] = Finding(smaller)
    return [match[0] for match in sized if int(match[1]) == largest]


def _is_side(view: Any, keys: list[bytes], side: int) -> bool:
    """Whether an image of this size is one: keys such as 2019-00001 may mean something else."""
    first = next(key for key in keys if key.startswith(b"%d-" % side))
    try:
        return min(dimensions(BytesIO(view.get(first)))) == side
    except GraftError:
        return False


def _sizes(view: Any) -> Iterator[int]:
    """Sides that stand before the dash of keys such as 256-00012."""
    cursor = view.cursor()
    found = cursor.first()
    while found:
        size, dash, _ = bytes(cursor.key()).partition(b"-")
        if dash and size.isdigit():
            yield int(size)
        found = cursor.set_range(size + b".")  # "." follows "-": the first key of another size


def _largest_size(path: Path, view: Any, length: bytes) -> list[bytes]:
    """Keys of the largest size of which all images are there. GraftError listing the sizes if there is none."""
    count = int(length) if length.isdigit() and len(length) < 12 else 0
    plausible = range(1, view.stat()["entries"] + 1)  # more than there are entries is a damaged number
    sizes = list(_sizes(view))
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
    """A read-only environment. One per file and process, as LMDB demands, closed with its last user."""
    try:
        import lmdb
    except ImportError as error:
        raise GraftError(f"{path} is an LMDB; to read it, pip install graftlab[lmdb].") from error
    where = os.path.realpath(path)
    with _environments_lock:
        environment = _environments.get(where)
        if environment is None:
            how: dict[str, Any] = {"readonly": True, "lock": False, "readahead": False, "max_dbs": DATABASES}
            try:
                environment = lmdb.open(where, subdir=False, create=False, **how)
            except lmdb.Error as error:
                raise GraftError(f"{path} is not a readable LMDB ({error}); copy it again.") from error
            # Touching a page beyond the end of the file would kill the process, not raise.
            if (environment.info()["last_pgno"] + 1) * environment.stat()["psize"] > os.path.getsize(where):
                environment.close()
                raise GraftError(f"{path} is shorter than its own index says; the copy did not finish.")
            _environments[where] = environment
    return environment
