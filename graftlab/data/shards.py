"""Photos in tar shards (the format of WebDataset), on this machine or on the web, with an index of our own.

The index knows where every picture lies and what it is, so that any of them is read alone: order, held-out pictures and
resuming are those of every other source, which a stream of shards cannot offer. It is a file of ours, in which

    places  (N, 3) int64   shard, first byte and length of each picture
    keys    (N, 32) uint8  content key of each photo
    digests (N, 8) uint8   first bytes of the SHA-256 of each picture: compared whenever one is read
    names   (B,) uint8, ends (N,) int64   their names in UTF-8, one after the other, and where each ends

and the header lists the shards: name (relative to the index, or a path or URL), bytes, sha256 and etag. It is mapped
into memory, so a million pictures take no more of it than a thousand.
"""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np

from graftlab.artifacts import check_digest, opened, parsed
from graftlab.data import remote
from graftlab.data.image_source import ImageSource, LazyNames, SourceError
from graftlab.download import CutError, read
from graftlab.errors import GraftError

KIND = "shards"
INDEX = "index.shards"  # in a folder of shards
AGAIN = "make its index again with 'graft data index'"


class Names(LazyNames):
    """Names that stay on the disk until they are asked for."""

    def __init__(self, letters: np.ndarray, ends: np.ndarray) -> None:
        self._letters, self._ends = letters, ends

    def __len__(self) -> int:
        return len(self._ends)

    def name(self, index: int) -> str:
        start = int(self._ends[index - 1]) if index else 0
        return self._letters[start : int(self._ends[index])].tobytes().decode()


class ShardSource(ImageSource):
    """The pictures of shards, by their index.

    GraftError if the index is no index or damaged; SourceError if a shard of this machine is missing, cut off or
    changed."""

    kind = "shards"

    def __init__(self, index: str | Path) -> None:
        url = remote.url_of(index)
        self.address = url or str(index)
        self.path = Path(index)
        file = remote.local(self.address) or _fetched(self.address)
        tensors, metadata = opened(file, AGAIN)
        header = parsed(file, metadata, AGAIN)
        check_digest(file, tensors, metadata, AGAIN)
        try:
            if header["kind"] != KIND:
                raise GraftError(f"it holds {header['kind']!r}")
            arrays = {name: tensors[name].numpy() for name in ("places", "keys", "digests", "names", "ends")}
            self.shards: list[dict[str, Any]] = header["shards"]
            self._places, self._keys, self._digests = (arrays[name] for name in ("places", "keys", "digests"))
            self.names = Names(arrays["names"], arrays["ends"])
            count, shapes = len(self.names), [array.shape for array in arrays.values()]
            if shapes[:3] != [(count, 3), (count, 32), (count, 8)] or self.shard_of.max() >= len(self.shards):
                raise GraftError("its parts do not fit each other")
            self._where = [place(self.address, shard["name"]) for shard in self.shards]
            total = sum(shard["bytes"] for shard in self.shards)
        except (KeyError, TypeError, ValueError) as error:  # GraftError is one
            raise GraftError(f"{index} is no index of shards ({error}); make one with 'graft data index'.") from None
        self._whole = total <= remote.allowed_space()  # whether shards of the web are fetched whole
        self._cache = remote.Cache()
        for number, where in enumerate(self._where):
            if (shard := remote.local(where)) is not None:
                self._check(number, shard)

    @property
    def shard_of(self) -> np.ndarray:
        """The shard of each picture: (N,)."""
        return self._places[:, 0]

    @property
    def heads(self) -> np.ndarray:
        """The first 64 bits of every key: (N,) uint64."""
        return np.ascontiguousarray(self._keys[:, :8]).view(">u8").astype(np.uint64)[:, 0]

    def key(self, index: int) -> str:
        return self._keys[index].tobytes().hex()

    def read(self, index: int) -> bytes:
        """SourceError if the shard cannot be read or is not the one that was indexed."""
        number, start, length = self._places[index].tolist()
        where = self._where[number]
        file = remote.local(where)
        if file is None and not self._whole:
            data = remote.patiently(where, lambda: self._span(number, start, length))
        else:
            data = self._from(file or self._kept(number), start, length)
        if hashlib.sha256(data).digest()[:8] != self._digests[index].tobytes():
            if file is not None:
                self._check(number, file)
            raise SourceError(f"{where} has changed since it was indexed ({self.names[index]} differs); {AGAIN}.")
        return data

    def _kept(self, number: int) -> Path:
        shard = self.shards[number]
        return self._cache.file(self._where[number], shard["bytes"], shard["sha256"])

    def _from(self, file: Path, start: int, length: int) -> bytes:
        try:
            with file.open("rb") as shard:
                shard.seek(start)
                return shard.read(length)
        except OSError as error:
            raise SourceError(f"{file} cannot be read ({error.strerror}); bring it back, or {AGAIN}.") from None

    def _span(self, number: int, start: int, length: int) -> bytes:
        """Some bytes of a shard of the web."""
        shard, where = self.shards[number], self._where[number]
        with remote.opened(where, (start, length)) as answer:
            if answer.status != 206:  # a server without ranges: then whole shards, however often they must be fetched
                self._whole = True
                return self._from(self._kept(number), start, length)
            told = answer.headers.get("Content-Range", "").rpartition("/")[2]
            if told != str(shard["bytes"]) or (shard["etag"] and remote.tag(answer) not in ("", shard["etag"])):
                raise SourceError(f"{where} has changed since it was indexed; {AGAIN}.")
            data = b"".join(iter(lambda: read(answer), b""))
        if len(data) < length:
            raise CutError(f"the connection broke after {len(data):,} of {length:,} bytes")
        return data

    def _check(self, number: int, file: Path) -> None:
        """SourceError unless a shard of this machine has the length that it had."""
        known: int = self.shards[number]["bytes"]
        try:
            found = file.stat().st_size
        except OSError as error:
            raise SourceError(f"{file}, one of the shards of {self.path}, is missing ({error.strerror}).") from None
        if found != known:
            what = "is cut off" if found < known else "has changed since it was indexed"
            raise SourceError(f"{file} {what}: it has {found:,} bytes and had {known:,}; bring it back, or {AGAIN}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return ShardSource, (self.address,)


def is_index(path: Path) -> bool:
    """Whether a safetensors file says that it is one."""
    try:
        return bool(parsed(path, opened(path)[1]).get("kind") == KIND)
    except GraftError:
        return False


def place(index: str, name: str) -> str:
    """Where a shard lies that an index at a path or URL names."""
    if remote.url_of(name) or Path(name).is_absolute():
        return name
    url = remote.url_of(index)
    return urljoin(url, name) if url else str(Path(index).parent / name)


def _fetched(url: str) -> Path:
    """The index at a URL, fetched anew: it is small beside what it lists, and may have changed."""
    cache = remote.Cache()
    path = cache.folder / f"{hashlib.sha256(url.encode()).hexdigest()}.index"
    remote.patiently(url, lambda: cache._fetch(url, 0, path))
    return path
