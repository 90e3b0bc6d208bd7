"""Checkpoints in several safetensors files, with an index in JSON that says which tensor is in which."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graftlab.checkpoints.containers.records import damaged, refuse

INDEX = ".safetensors.index.json"  # how the names of indices end
LONGEST, MOST = 16 << 20, 1000  # bytes of an index, and files of one checkpoint


def weight_map(data: memoryview, where: str) -> dict[str, str] | None:
    """Tensor -> name of the file beside the index that holds it; None if this is no index.

    GraftError for one that is malformed, or names files elsewhere."""
    if len(data) > LONGEST or not re.match(rb'\s*\{\s*"', bytes(data[:512])):
        return None
    try:
        found = json.loads(bytes(data))["weight_map"]
    except (ValueError, KeyError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        damaged(where, "is an index of safetensors files whose weight_map is none")
    files = {*found.values()}
    if bad := sorted(name for name in files if not re.fullmatch(r"[^/\\]+\.safetensors", name) or name[0] == "."):
        refuse(where, f"is an index that names {bad[0][:80]!r}, which is no safetensors file beside it")
    if not files or len(files) > MOST:
        refuse(where, f"is an index of {len(files)} files")
    return found


def shards(path: Path) -> set[str]:
    """The names of the files of an index. GraftError if it is none."""
    places = weight_map(memoryview(path.read_bytes()), str(path))
    return {*places.values()} if places else damaged(str(path), "is no index of safetensors files")


def read_shards(path: Path, places: dict[str, str], read: Callable[[Path], Any]) -> dict[str, object]:
    """The tensors of all files, and metadata if all files have the same, as of one file.

    GraftError if a file is missing or damaged, or does not hold what the index says."""
    shards: dict[str, Any] = {name: read(path.with_name(name)) for name in sorted({*places.values()})}
    for tensor, name in places.items():
        if tensor not in shards[name]["tensors"]:
            damaged(str(path), f"says that {tensor[:80]!r} is in {name}, which lacks it")
    metadata = [shard["metadata"] for shard in shards.values()]
    tensors = {tensor: shards[name]["tensors"][tensor] for tensor, name in places.items()}
    return {"tensors": tensors, "metadata": metadata[0] if all(each == metadata[0] for each in metadata) else {}}
