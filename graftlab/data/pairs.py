"""Pairs for distillation: a folder of packs, in which every two consecutive images belong together.

    pairs.json     everything that a pair depends on
    000000.pack    the first pairs, images by the base and by the blend alternately; a shard is complete or absent
    000001.pack    ...

When read, a pair is one image twice as high as wide, the base's above the blend's, so that code that does not crop
and mirrors only left to right can treat it as a photo.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from graftlab.data.image_source import ImageSource
from graftlab.data.pack import Pack, as_png
from graftlab.errors import GraftError

PLAN = "pairs.json"
SHARD = 1000  # pairs
AGAIN = "make it again with the same 'graft pairs' command"


class Pairs(ImageSource):
    """A folder of pairs. `images[i]` is pair i, uint8 (2 * size, size, 3), read from the memory map.

    GraftError if it is not such a folder, or if a shard is missing, damaged, truncated or belongs to other pairs."""

    kind = "pairs"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.plan = read_plan(self.path)
        self.size: int = self.plan["size"]
        found = sorted(self.path.glob("*.pack"))
        if not found:
            raise GraftError(f"{self.path} holds no pairs yet; {AGAIN}.")
        self._shards = [open_shard(shard_path(self.path, number), self.plan) for number in range(len(found))]
        self._ends = list(accumulate(len(shard) // 2 for shard in self._shards))
        self.images = _Images(self)
        self.names = [name.removesuffix(" base") for shard in self._shards for name in shard.names[::2]]

    def read(self, index: int) -> bytes:
        return as_png(self.images[index])

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Pairs by number, (n, 2 * size, size, 3) uint8, in memory. GraftError if one is not what was written."""
        pairs = []
        for index in indices.tolist():
            shard, place = self.place(index)
            pairs.append(shard.take(np.array([2 * place, 2 * place + 1])))
        return np.stack(pairs).reshape(-1, 2 * self.size, self.size, 3)

    def key(self, index: int) -> str:
        shard, place = self.place(index)
        return shard.key(2 * place)

    def place(self, index: int) -> tuple[Pack, int]:
        """The shard of a pair, and its number there."""
        number = bisect_right(self._ends, index)
        return self._shards[number], index - (self._ends[number - 1] if number else 0)


class _Images:
    """The pairs of all shards as one array."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def __getitem__(self, index: int) -> np.ndarray:
        return self._pairs.take(np.array([index]))[0]


def is_pairs(path: Path) -> bool:
    return (path / PLAN).is_file()


def read_plan(folder: Path) -> dict[str, Any]:
    """The plan of a folder of pairs. GraftError if it is not a folder of pairs."""
    if not is_pairs(folder):
        raise GraftError(f"{folder} is no folder of pairs; make one with 'graft pairs'.")
    try:
        plan = json.loads((folder / PLAN).read_bytes())
        models = [plan["base"], plan["blend"]]
        if type(plan["size"]) is not int or plan["size"] < 1 or not all(isinstance(name, str) for name in models):
            raise ValueError("its size or its models make no sense")
    except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        raise GraftError(f"{folder / PLAN} cannot be read ({error}); make the pairs again, in a new folder.") from None
    return dict(plan)


def digest(plan: Mapping[str, Any]) -> str:
    """A plan in 64 hex digits; shards carry it, so that shards of other models or options are never mixed in."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def shard_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.pack"


def open_shard(path: Path, plan: Mapping[str, Any]) -> Pack:
    """Open a shard. GraftError if it is missing, damaged or truncated, or holds pairs of another plan."""
    if not path.exists():
        raise GraftError(f"{path} is missing between others; {AGAIN}.")
    try:
        shard = Pack(path)
    except GraftError as error:
        reason = str(error.__cause__ or error).rstrip(".")
        raise GraftError(f"{path} is damaged or cut off ({reason}); {AGAIN}.") from None
    if shard.metadata.get("plan") != digest(plan) or shard.size != plan["size"] or len(shard) % 2:
        raise GraftError(f"{path} holds pairs of other models or options than {PLAN} tells; remove it, and {AGAIN}.")
    return shard
