"""Making indices of tar shards, and shards themselves."""

import hashlib
import io
import os
import re
import tarfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from graftlab.artifacts import write_tensors
from graftlab.data import remote
from graftlab.data.image_source import check_bytes, content_key, printable
from graftlab.data.left_out import LeftOut, judged
from graftlab.data.shards import INDEX, KIND
from graftlab.download import CutError
from graftlab.errors import GraftError
from graftlab.images.plugins import HEAD
from graftlab.work.files import PART, atomic_write, refuse_endless
from graftlab.work.parallel import ordered_map
from graftlab.work.progress import Progress, silent

BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")  # of a pattern: photos-{000..123}.tar
MOST = 1_000_000  # shards of a pattern
END = 1024  # zeros, with which every tar ends
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")


@dataclass
class Listing:
    """The pictures of a shard, or of several: 80 bytes and a name for each."""

    places: "array[int]" = field(default_factory=lambda: array("q"))  # shard, first byte, length
    keys: bytearray = field(default_factory=bytearray)
    digests: bytearray = field(default_factory=bytearray)
    names: bytearray = field(default_factory=bytearray)
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    left_out: LeftOut = field(default_factory=LeftOut)

    def __len__(self) -> int:
        return len(self.ends)

    def add(self, shard: int, start: int, data: bytes, key: str, name: str) -> None:
        self.places.extend((shard, start, len(data)))
        self.keys += bytes.fromhex(key)
        self.digests += hashlib.sha256(data).digest()[:8]
        self.names += name.encode()
        self.ends.append(len(self.names))

    def extend(self, other: "Listing") -> None:
        before = len(self.names)
        self.places.extend(other.places)
        self.keys += other.keys
        self.digests += other.digests
        self.names += other.names
        self.ends.extend(before + end for end in other.ends)
        for kind, finding in other.left_out.items():
            for name in finding.names:
                self.left_out.add(kind, name)
            self.left_out[kind].count += finding.count - len(finding.names)

    def write(self, out: Path, shards: list[dict[str, Any]]) -> None:
        def tensor(data: Any, kind: type, *shape: int) -> torch.Tensor:
            return torch.from_numpy(np.frombuffer(data, kind).reshape(shape).copy())

        tensors = {
            "places": tensor(self.places, np.int64, -1, 3),
            "keys": tensor(self.keys, np.uint8, -1, 32),
            "digests": tensor(self.digests, np.uint8, -1, 8),
            "names": tensor(self.names, np.uint8, -1),
            "ends": tensor(self.ends, np.int64, -1),
        }
        write_tensors(out, tensors, {"kind": KIND, "shards": shards})


@dataclass(frozen=True)
class IndexReport:
    """What an index lists."""

    path: str
    images: int
    shards: int
    bytes: int  # of all shards
    left_out: LeftOut = field(default_factory=LeftOut)

    def summary(self) -> str:
        line = f"{self.path}: {self.images:,} images in {self.shards:,} shards, {self.bytes / 2**20:,.1f} MiB"
        return "\n".join([line, *self.left_out.lines()])

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


# -- reading ----------------------------------------------------------------------------------------------------------


def index(shards: Sequence[str | Path], out: str | Path, progress: Progress = silent) -> IndexReport:
    """Read every shard once and write down where its pictures lie. A shard is a path or a URL, or a pattern of many
    (photos-{000..123}.tar), or a folder of them.

    GraftError for one that is missing, damaged, cut off or compressed, or if there is no picture."""
    out, where = Path(out), [each for given in shards for each in expanded(given)]
    if not where:
        raise GraftError(f"{', '.join(map(str, shards))}: no shards (*.tar) are there; name some.")
    listing, told = Listing(), list[dict[str, Any]]()
    with closing(ordered_map(lambda number: _scan(number, where[number]), range(len(where)))) as scanned:
        for number, (found, shard) in enumerate(scanned):
            listing.extend(found)
            told.append({"name": _named(where[number], out), **shard})
            progress(number + 1, len(where))
    if not len(listing):
        raise GraftError(f"{where[0]} and the other shards hold no pictures. {listing.left_out.told()}".strip())
    listing.write(out, told)
    return IndexReport(str(out), len(listing), len(told), sum(shard["bytes"] for shard in told), listing.left_out)


def expanded(given: str | Path) -> Iterator[str]:
    """The shards that a path, a URL, a pattern or a folder means, in order."""
    text = remote.url_of(given) or str(given)
    if span := BRACES.search(text):
        first, last = int(span[1]), int(span[2])
        if not 0 <= last - first < MOST:
            raise GraftError(f"{text} means no shards, or too many; give the first number, two points and the last.")
        for number in range(first, last + 1):
            yield from expanded(f"{text[: span.start()]}{number:0{len(span[1])}d}{text[span.end() :]}")
    elif (path := remote.local(text)) is not None and path.is_dir():
        yield from sorted(str(each) for each in path.glob("*.tar"))
    else:
        yield text


def _named(where: str, out: Path) -> str:
    """How an index calls a shard: what lies beside it or below, so that both can move together."""
    if remote.url_of(where):
        return where
    path, home = Path(where).resolve(), out.parent.resolve()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)


def _scan(number: int, where: str) -> tuple[Listing, dict[str, Any]]:
    """A shard's pictures, and its bytes, sha256 and etag."""
    return remote.patiently(where, lambda: _listed(number, where))


def _listed(number: int, where: str) -> tuple[Listing, dict[str, Any]]:
    listing = Listing()
    with _stream(where) as (file, mark):
        stream = _Hashed(file)
        try:
            with tarfile.open(fileobj=stream, mode="r|", bufsize=2**18) as tar:  # type: ignore[call-overload]
                for member in tar:
                    name = printable(member.name)
                    if not member.isreg() or member.issparse() or any(p.startswith(".") for p in name.split("/")):
                        continue
                    check_bytes(member.size, name)
                    content = tar.extractfile(member)
                    data = content.read() if content else b""
                    if len(data) < member.size:
                        raise tarfile.ReadError("unexpected end of data")
                    if kind := judged(data[:HEAD], name):
                        listing.left_out.add(kind, name)
                    else:
                        listing.add(number, member.offset_data, data, content_key(data), name)
        except tarfile.TarError as error:
            if stream.head.startswith(COMPRESSED):
                raise GraftError(
                    f"{where} is compressed, so nothing in it can be read alone; unpack it first."
                ) from None
            raise GraftError(f"{where} is cut off, damaged or no tar ({error}); bring it again.") from None
        stream.finish()
    if any(stream.tail):
        raise GraftError(f"{where} is cut off: it does not end as a tar does; bring it again.")
    return listing, {"bytes": stream.count, "sha256": stream.digest.hexdigest(), "etag": mark}


@contextmanager
def _stream(where: str) -> Iterator[tuple[Any, str]]:
    """A shard from its first byte on, and the mark of its version."""
    if (path := remote.local(where)) is None:
        with remote.opened(where) as answer:
            yield answer, remote.tag(answer)
        return
    try:
        refuse_endless(path)
        with path.open("rb") as file:
            yield file, ""
    except OSError as error:
        raise GraftError(f"{path} cannot be read ({error.strerror}); check its name.") from None


class _Hashed:
    """A stream that knows what went through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest, self.count = file, hashlib.sha256(), 0
        self.head = self.tail = b""

    def read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as error:
            raise CutError(str(error)) from None
        self.digest.update(data)
        self.count += len(data)
        self.head = self.head or data[:8]
        self.tail = (self.tail + data)[-END:]
        return data

    def finish(self) -> None:
        while self.read(2**20):
            pass


# -- writing ----------------------------------------------------------------------------------------------------------


def is_shards(folder: Path) -> bool:
    """Whether there is nothing in a folder but shards, their index, and what was being written."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else [""]
    return all(name.endswith(".tar") or name == INDEX or PART in name for name in names)


def write_shards(folder: Path, entries: Iterable[tuple[bytes, str, str]], each: int) -> tuple[int, int]:
    """Write pictures (a PNG, its content key and its name) as they arrive into shards of `each`, and their index;
    returns how many pictures, and bytes. Each file is whole or not there, and the index comes last."""
    listing, told, queue = Listing(), list[dict[str, Any]](), iter(entries)
    while batch := list(islice(queue, 1)):
        number = len(told)
        path = folder / f"{number:06d}.tar"

        def fill(file: BinaryIO, first: list[tuple[bytes, str, str]] = batch, number: int = number) -> None:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                for data, key, name in (*first, *islice(queue, each - 1)):
                    member = tarfile.TarInfo(f"{len(listing):09d}.png")
                    member.size = len(data)
                    listing.add(number, file.tell() + tarfile.BLOCKSIZE, data, key, name)
                    tar.addfile(member, io.BytesIO(data))

        atomic_write(path, fill)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        told.append({"name": path.name, "bytes": os.path.getsize(path), "sha256": digest, "etag": ""})
    listing.write(folder / INDEX, told)
    for left in folder.glob("*.tar"):  # of shards that were written here before, and were more
        if left.stem.isdecimal() and int(left.stem) >= len(told):
            left.unlink()
    return len(listing), sum(shard["bytes"] for shard in told)
