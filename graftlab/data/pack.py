"""The fast form of a data set: one file of photos already cropped to the training size, memory-mapped.

The layout is that of safetensors, so other tools open it too: 8 bytes with the length of a JSON header, the header,
then four uint8 tensors without gaps:

    images  (N, size, size, 3)   RGB in [0, 255], beginning at byte 4096
    keys    (N, 32)              content key of the photo each image was cut from
    digests (N, 32)              SHA-256 of each image: compared when it is first used; earlier packs have none
    names   (B,)                 a JSON list of N names, in ASCII

Names and keys are tensors because safetensors limits the header, and three million names would not fit it. The header
has the SHA-256 of all that is neither image nor its own: compared when the pack is opened.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from graftlab.data.crops import crop_mode, cut
from graftlab.data.image_source import ImageSource, SourceError
from graftlab.data.indexing import is_shards, write_shards
from graftlab.data.left_out import SHOWN, LeftOut
from graftlab.errors import GraftError
from graftlab.hardware import require_space
from graftlab.work.files import atomic_write
from graftlab.work.parallel import ordered_map
from graftlab.work.progress import Progress, silent

DATA_START = 4096  # bytes; a page, so that the mapped images are aligned
HEADER = {"format": "graftlab-pack", "version": "1"}
DIGEST = "sha256"  # in the header
TOGETHER = 256  # images compared at a time
MAX_HEADER = 1 << 20  # bytes; other programs may write longer headers than ours


class Pack(ImageSource):
    """A pack file. `images` is a read-only (N, size, size, 3) uint8 view of the file; nothing is loaded at once.

    GraftError if the header does not describe exactly the bytes that are there, or all but the images, which `take`
    compares, is not what was written.
    """

    kind = "pack"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.metadata, tensors = _read_header(self.path)
            shape, start = _tensor(tensors, "images", 4)
            if shape[0] < 1 or shape[1] < 1 or shape[1] != shape[2] or shape[3] != 3:
                raise ValueError(f"its images have shape {shape}, not (N, size, size, 3)")
            keys_shape, keys_start = _tensor(tensors, "keys", 2)
            if keys_shape != (shape[0], 32):
                raise ValueError(f"its keys have shape {keys_shape}, not ({shape[0]}, 32)")
            names_shape, names_start = _tensor(tensors, "names", 1)
            self.images = self._map(shape, start)
            self._keys = self._map(keys_shape, keys_start)
            self.names: list[str] = json.loads(self._map(names_shape, names_start).tobytes())
            if not isinstance(self.names, list) or len(self.names) != shape[0]:
                raise ValueError(f"it does not name its {shape[0]} images")
            if not all(isinstance(name, str) for name in self.names):
                raise ValueError("its names are not text")
            self._digests = self._proven(tensors, self._map(names_shape, names_start))
        except (ValueError, RecursionError, OSError) as error:
            sentence = f"{self.path} is not a usable pack: {error}; make one with `graft data pack`."
            raise GraftError(sentence) from error
        self.size = shape[1]
        self._seen = np.zeros(len(self), bool)  # images that were compared with their digests

    def _proven(self, tensors: dict[str, Any], names: np.ndarray) -> np.ndarray | None:
        """The digests of the images, or None of an earlier pack. ValueError if what stands beside them was changed."""
        if "digests" not in tensors and DIGEST not in self.metadata:
            return None
        shape, start = _tensor(tensors, "digests", 2)
        if shape != (len(self), 32):
            raise ValueError(f"its digests have shape {shape}, not ({len(self)}, 32)")
        digests = self._map(shape, start)
        told = {name: value for name, value in self.metadata.items() if name != DIGEST}
        if self.metadata.get(DIGEST) != _digest(told, self.images.shape, self._keys, digests, names):
            raise ValueError("it no longer holds what was written (SHA-256)")
        return digests

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Images by number, (n, size, size, 3) uint8, in memory. GraftError if one is not what was written."""
        images = self.images[indices]
        if self._digests is None:
            return images
        for index, image in zip(indices.tolist(), images, strict=True):
            if not self._seen[index]:
                if hashlib.sha256(image.data).digest() != self._digests[index].tobytes():
                    what = f"{self.path} is damaged: its image {index} ({self.names[index]}) is not what was written"
                    raise GraftError(f"{what} (SHA-256); make it again with `graft data pack`.")
                self._seen[index] = True
        return images

    def verify(self) -> bool:
        """Compare all images with their digests; False if the pack has none. GraftError if one is damaged."""
        for start in range(0, len(self), TOGETHER):
            self.take(np.arange(start, min(start + TOGETHER, len(self))))
        return self._digests is not None

    def _map(self, shape: tuple[int, ...], start: int) -> np.ndarray:
        if prod(shape) == 0:
            raise ValueError("a part of it is empty")
        return np.asarray(np.memmap(self.path, dtype=np.uint8, mode="r", offset=start, shape=shape))

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> bytes:
        """One image as PNG. To have pixels fast, `take` them."""
        return as_png(self.take(np.array([index]))[0])

    def key(self, index: int) -> str:
        """The key of the photo the image was cut from, so packing moves nothing between training and validation."""
        return self._keys[index].tobytes().hex()

    def __reduce__(self) -> tuple[Any, ...]:
        return Pack, (self.path,)  # a pickled memory map would be a copy of the file


@dataclass(frozen=True)
class PackReport:
    """What `pack` wrote and what it left out."""

    path: str
    images: int  # in the pack
    photos: int  # they were cut from
    size: int  # side of the images, pixels
    bytes: int  # of the file, or of all shards
    unreadable: int  # photos left out, also those that would have had to be enlarged
    reasons: list[str] = field(default_factory=list)  # one sentence each, for the first of them
    left_out: LeftOut = field(default_factory=LeftOut)  # files of the source that are no images, by kind

    def summary(self) -> str:
        line = f"{self.path}: {self.images:,} images of {self.size} px, {self.bytes / 2**20:,.1f} MiB"
        unreadable = [f"{line}; left out as unreadable or too small, {self.unreadable:,}:", *self.reasons]
        return "\n".join([*(unreadable if self.unreadable else [line]), *self.left_out.lines()])

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def pack(
    source: ImageSource,
    out: str | Path,  # file to write, replaced only when the new one is complete
    size: int,  # side of the images, pixels
    crop: str = "short",  # name in CROPS
    progress: Progress = silent,  # of photos
    crops_per_image: int = 1,  # 1: the centre; more: as many random crops of each photo
    seed: int = 0,  # of the random crops
    shard: int = 0,  # images in a tar shard, of which a folder is made, with an index; 0: one memory-mapped file
) -> PackReport:
    """Crop every photo once and write them all into one file, or into shards as PNG.

    Photos that are unreadable, or smaller, are left out and counted. GraftError if they are more than half, if the
    disk is full, or if an option is impossible.
    """
    out = Path(out)
    crop_mode(crop)
    if size < 1 or crops_per_image < 1:
        raise GraftError(f"A pack needs a size and crops_per_image of at least 1, not {size} and {crops_per_image}.")
    if not shard and out.is_dir():
        raise GraftError(f"{out} is a folder; name a file in it, or make shards there (--shard).")
    if shard and out.exists() and not is_shards(out):
        raise GraftError(f"{out} is no folder of shards, and not empty; name another folder.")
    if out.exists() and source.path.exists() and out.samefile(source.path):
        raise GraftError(f"{out} is the source itself; write the pack under another name.")
    require_space(out, DATA_START + len(source) * crops_per_image * (size * size * 3 + 32 + 128))

    def crops_of(index: int) -> tuple[int, str, list[Any]] | str:
        """An index, its key and its crops, or the sentence that says why not."""
        rngs = [
            None if crops_per_image == 1 else np.random.default_rng([seed, index, k]) for k in range(crops_per_image)
        ]
        try:
            data = source.read(index)
            made = [cut(data, source.names[index], size, crop, rng, enlarge=False) for rng in rngs]
            return index, source.key(index), [as_png(image) for image in made] if shard else made
        except SourceError:
            raise
        except GraftError as error:
            return str(error)

    reasons: list[str] = []

    def images() -> Iterator[tuple[Any, str, str]]:
        for done, result in enumerate(ordered_map(crops_of, range(len(source))), start=1):
            if isinstance(result, str):
                reasons.append(result)
                if 2 * len(reasons) > len(source):
                    sentence = (
                        f"More than half of {source.path} is unreadable or too small; the first reason: {reasons[0]}"
                    )
                    raise GraftError(sentence)
            else:
                index, key, cuts = result
                for k, image in enumerate(cuts):
                    yield image, key, source.names[index] + (f"#{k}" if crops_per_image > 1 else "")
            progress(done, len(source))

    metadata = {"crop": crop, "crops_per_image": str(crops_per_image), "seed": str(seed), "source": source.path.name}
    if shard:
        count, length = write_shards(out, images(), shard)
    else:
        count = write_pack(out, size, images(), metadata)
        length = out.stat().st_size
    return PackReport(
        path=str(out),
        images=count,
        photos=len(source) - len(reasons),
        size=size,
        bytes=length,
        unreadable=len(reasons),
        reasons=reasons[:SHOWN],
        left_out=source.left_out,
    )


Entry = tuple[np.ndarray, str, str]
"""An image (size, size, 3) uint8, its content key and its name."""


def write_pack(out: Path, size: int, entries: Iterable[Entry], metadata: dict[str, str]) -> int:
    """Write images as they arrive, replacing the file only after the last; returns their number.

    `metadata` goes into the header and may be filled while images arrive."""
    keys: list[bytes] = []
    digests: list[bytes] = []
    names: list[str] = []

    def write(file: BinaryIO) -> None:
        file.write(bytes(DATA_START))  # the header is known only at the end
        for image, key, name in entries:
            file.write(data := image.tobytes())
            keys.append(bytes.fromhex(key))
            digests.append(hashlib.sha256(data).digest())
            names.append(name)
        parts = b"".join(keys), b"".join(digests), json.dumps(names).encode("ascii")
        file.write(b"".join(parts))
        file.seek(0)
        shape, told = (len(keys), size, size, 3), {**HEADER, **metadata}
        file.write(_header(shape, len(parts[2]), {**told, DIGEST: _digest(told, shape, *parts)}))

    atomic_write(out, write)
    return len(keys)


def as_png(image: np.ndarray) -> bytes:
    """An image (H, W, 3) uint8 as a PNG file."""
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _header(shape: tuple[int, int, int, int], names_bytes: int, metadata: dict[str, str]) -> bytes:
    """The first DATA_START bytes of a pack."""
    entries: dict[str, Any] = {"__metadata__": metadata}
    rows, start = (shape[0], 32), 0
    for name, dims in (("images", shape), ("keys", rows), ("digests", rows), ("names", (names_bytes,))):
        entries[name] = {"dtype": "U8", "shape": list(dims), "data_offsets": [start, start + prod(dims)]}
        start += prod(dims)
    length = DATA_START - 8
    return struct.pack("<Q", length) + json.dumps(entries).encode("ascii").ljust(length)


def _digest(metadata: dict[str, str], shape: tuple[int, ...], *parts: Any) -> str:
    """SHA-256 of all that a pack tells, but for the images, whose digests are among the parts."""
    digest = hashlib.sha256(json.dumps([metadata, list(shape)], sort_keys=True).encode())
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def is_pack(path: Path) -> bool:
    """Whether a file says that it is one."""
    try:
        return _read_header(path)[0].get("format") == HEADER["format"]
    except (ValueError, RecursionError, OSError):
        return False


def looks_like_safetensors(head: bytes, file_size: int) -> bool:
    """Whether a file that begins with `head` (9 bytes or more) has the layout of safetensors."""
    return len(head) >= 9 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= file_size - 8


def _read_header(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """(metadata, entries by tensor name), offsets made absolute and checked against the file. ValueError if wrong."""
    file_size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(9)
        if not looks_like_safetensors(head, file_size):
            raise ValueError("it does not begin with a safetensors header")
        length = struct.unpack("<Q", head[:8])[0]
        if length > MAX_HEADER:
            raise ValueError(f"its header claims {length:,} bytes")
        entries = json.loads(head[8:] + file.read(length - 1))
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise ValueError("its metadata is no table")
    end = 0
    for name, entry in entries.items():
        try:
            dtype, shape, (begin, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
            numbers_fit = all(type(number) is int and number >= 0 for number in (*shape, begin, stop))
        except (TypeError, KeyError) as error:
            raise ValueError(f"its entry {name!r} is not a tensor") from error
        if dtype != "U8" or not numbers_fit or stop - begin != prod(shape):
            raise ValueError(f"its entry {name!r} is not a whole uint8 tensor")
        entry["start"] = 8 + length + begin
        end = max(end, stop)
    if 8 + length + end != file_size:
        raise ValueError(f"its header describes {8 + length + end:,} bytes and the file has {file_size:,}")
    return metadata, entries


def _tensor(entries: dict[str, Any], name: str, dims: int) -> tuple[tuple[int, ...], int]:
    """(shape, first byte in the file) of one tensor. ValueError if it is missing or has other dimensions."""
    if name not in entries or len(entries[name]["shape"]) != dims:
        raise ValueError(f"it has no {dims}-dimensional tensor {name!r}")
    return tuple(entries[name]["shape"]), entries[name]["start"]
