"""Zip files as a table of members that lie in the file where the table says, and nowhere else."""

import itertools
import struct
import zipfile
import zlib
from dataclasses import dataclass
from io import RawIOBase
from pathlib import PurePosixPath

from graftlab.checkpoints.containers.records import damaged, refuse
from graftlab.errors import GraftError

LOCAL_HEADER = struct.Struct("<4s5H3I2H")
MOST_MEMBERS = 65_536
LONGEST_TABLE = 4 << 20  # bytes of the list of members
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
EXPANSION, LARGEST = 64, 4 << 30  # of compressed members: times the file, and bytes


@dataclass(frozen=True)
class Member:
    """A file in a zip file."""

    data: memoryview  # as it is stored
    size: int  # bytes once unpacked
    method: int  # of compression
    checksum: int


class _Window(RawIOBase):
    """A file for `zipfile` to read the list of members from, which reads no list that is too long."""

    def __init__(self, data: memoryview, where: str):
        super().__init__()
        self.data, self.where, self.position = data, where, 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        position = offset + (0, self.position, len(self.data))[whence]
        if position < 0:
            raise OSError("before the beginning")
        self.position = position
        return position

    def read(self, count: int | None = -1) -> bytes:
        end = len(self.data) if count is None or count < 0 else self.position + count
        found = self.data[self.position : end]
        if len(found) > LONGEST_TABLE:
            refuse(self.where, "is a zip file of more members than any checkpoint has")
        self.position += len(found)
        return found.tobytes()


def members(data: memoryview, where: str) -> dict[str, Member]:
    """The members of a zip file by name. GraftError unless every one is plainly there: no encryption, no names that
    lead elsewhere, none twice, none over another, none longer than the file."""
    try:
        with zipfile.ZipFile(_Window(data, where)) as archive:
            infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
    except GraftError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error):
        damaged(where, "is a zip file, as PyTorch writes them, that is cut off or damaged")
    if len(infos) > MOST_MEMBERS:
        refuse(where, f"is a zip file of {len(infos)} members, more than any checkpoint has")
    found: dict[str, Member] = {}
    ranges = []
    for info in infos:
        name = info.orig_filename
        if name in found or not safe(name):
            refuse(where, f"is a zip file with a member of the name {name[:80]!r}, twice or leading out of the file")
        if info.flag_bits & 0x41:
            refuse(where, "is an encrypted zip file; unpack it first")
        start = beginning(data, info, where)
        ranges.append((info.header_offset, start + info.compress_size))
        found[name] = Member(data[start : start + info.compress_size], info.file_size, info.compress_type, info.CRC)
    ranges.sort()
    if any(end > start for (_, end), (start, _) in itertools.pairwise(ranges)):
        refuse(where, "is a zip file whose members lie over one another")
    return found


def beginning(data: memoryview, info: zipfile.ZipInfo, where: str) -> int:
    """Where a member's bytes begin, behind the header before them, which must agree with the list of members."""
    at = info.header_offset
    header = data[at : at + LOCAL_HEADER.size] if at >= 0 else data[:0]
    if len(header) == LOCAL_HEADER.size:
        signature, *_, name_length, extra_length = LOCAL_HEADER.unpack(header)
        start = at + LOCAL_HEADER.size + name_length + extra_length
        if signature == b"PK\3\4" and 0 <= info.compress_size <= len(data) - start:
            return start
    damaged(where, f"is a zip file whose member {info.orig_filename[:80]!r} is cut off or damaged")


def safe(name: str) -> bool:
    """Whether a member's name stays inside the folder it would be unpacked to."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and not {*name} & {"\\", ":", "\0"}


def size_unpacked(found: dict[str, Member], data: memoryview, where: str) -> int:
    """Bytes of all members once unpacked. GraftError if they are too many for the file."""
    declared = sum(member.size for member in found.values())
    if declared > max(len(data), min(EXPANSION * len(data), LARGEST)):
        refuse(where, f"would unpack to {declared} bytes, too many for a file of {len(data)}")
    return declared


def stored(member: Member, name: str, where: str) -> memoryview:
    """A member that is not compressed, as it lies in the file."""
    if member.method != STORED or member.size != len(member.data):
        refuse(where, f"is a zip file whose member {name[:80]!r} is compressed in a way that PyTorch does not read")
    return member.data


def unpacked(member: Member, name: str, where: str) -> memoryview:
    """A member's bytes: a view if it is not compressed, writable memory of exactly its declared size if it is."""
    if member.method != DEFLATED:
        return stored(member, name, where)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        result = bytearray(unpacker.decompress(member.data, member.size + 1))
    except zlib.error:
        result = bytearray()
    if len(result) != member.size or zlib.crc32(result) != member.checksum:
        damaged(where, f"is a zip file whose member {name[:80]!r} is damaged")
    return memoryview(result)


def checked(member: Member, name: str, where: str) -> memoryview:
    """A member's bytes, their checksum verified."""
    data = unpacked(member, name, where)
    if zlib.crc32(data) != member.checksum:
        damaged(where, f"is a zip file whose member {name[:80]!r} is damaged")
    return data


def check(data: memoryview, where: str) -> bool:
    """Compare all members with their checksums, which reads the whole file. True, or GraftError."""
    for name, member in members(data, where).items():
        checked(member, name, where)
    return True
