"""The interface of a collection of photos, and how a photo is identified by its content."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, overload

from graftlab.data.left_out import LeftOut
from graftlab.errors import GraftError

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
ENDS = 64 * 1024  # bytes hashed at either end of a file
MAX_BYTES = 512 * 1024 * 1024  # largest encoded image that is read into memory


class SourceError(GraftError):
    """Not one image is at fault but the source: what else it holds would be no better."""


class LazyNames(Sequence[str], ABC):
    """Names made when they are looked at: LSUN's bedrooms alone have three million."""

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self.name(each) for each in range(*index.indices(len(self)))]
        return self.name(range(len(self))[index])

    @abstractmethod
    def name(self, index: int) -> str:
        """The name of an image, by its number from 0 on."""


class ImageSource(Protocol):
    """Encoded images in a fixed order, readable at random from any thread.

    Sources can be pickled, and reopen their files in the process that receives them.
    """

    kind: str  # what it is, in a word or two for people
    path: Path
    names: Sequence[str]  # one per image, printable; distinct wherever the format makes them so
    left_out: LeftOut = LeftOut()  # what is there and is no image

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> bytes:
        """The encoded bytes (JPEG, PNG, WebP, ...) of one image. GraftError if they cannot be had."""
        ...

    def key(self, index: int) -> str:
        """`content_key` of one image: the same wherever the file lies and whatever it is called."""
        return content_key(self.read(index))


def content_key(data: bytes | memoryview) -> str:
    """Identify an image by its bytes: SHA-256 of the length and of the first and last 64 KiB, 64 hex digits."""
    return key_of_ends(len(data), data[:ENDS], data[-ENDS:])


def key_of_ends(length: int, head: bytes | memoryview, tail: bytes | memoryview) -> str:
    """`content_key` of a file of which only the ends have been read."""
    digest = hashlib.sha256(length.to_bytes(8, "little"))
    digest.update(head)
    digest.update(tail)
    return digest.hexdigest()


def fraction(key: str) -> float:
    """A content key as a number in [0, 1), uniform over files."""
    return int(key[:13], 16) / 16**13  # 52 bits: exact in a float


def printable(name: str) -> str:
    """A file name that any terminal and any JSON reader accepts: undecodable bytes and controls become escapes."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(map(printable, text.split("\n")))


def check_bytes(length: int, name: str) -> None:
    """Refuse a file too large to be an image, before memory is allocated for it."""
    if length > MAX_BYTES:
        raise GraftError(
            f"{name} claims {length / 2**20:,.0f} MiB, more than the {MAX_BYTES // 2**20} MiB one image may have."
        )
