"""Which photos a run was begun with, so that one that goes on with others says so."""

import hashlib
import json
from pathlib import Path

import numpy as np

from graftlab.data.training_images import TrainingImages
from graftlab.work.files import atomic_write

LISTED = 100_000  # photos that are written down one by one
NAMED = 3  # photos in a sentence


def take_stock(path: Path, images: TrainingImages, seen: int) -> str | None:
    """Write down which photos there are, and return what has changed since that was done before: None if nothing.

    `path` is a JSON file: `count` of photos, their `digest`, `photos` (content key -> name) unless there are too many,
    and `changes`, a sentence for each time. Photos are told by their content: moved and renamed ones are the same."""
    count = len(images.source)
    pairs = zip(images.keys.tolist(), images.source.names, strict=True) if count <= LISTED else ()
    now = {f"{key:016x}": name for key, name in pairs}
    digest = hashlib.sha256(np.sort(images.keys).tobytes()).hexdigest()
    try:
        earlier = json.loads(path.read_bytes())
        before, changes, number = dict(earlier["photos"]), list(earlier["changes"]), int(earlier["count"])
        known = earlier.get("digest", digest)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
    ):  # a new run, one of an earlier version, or damaged
        before, changes, number, known = now, [], count, digest
    told = None
    if now.keys() != before.keys() or count != number or digest != known:
        differ = [
            f"{what}: {', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''}"
            for what, names in (("new", added(before, now)), ("gone", added(now, before)))
            if names
        ]
        told = f"The photos are not those of before: {number} -> {count}{''.join(f'; {each}' for each in differ)}."
        changes.append({"seen": seen, "change": told})
    if told or not path.exists():
        text = json.dumps({"count": count, "digest": digest, "changes": changes, "photos": now})
        atomic_write(path, lambda file: file.write(text.encode()))
    return told


def added(before: dict[str, str], now: dict[str, str]) -> list[str]:
    return [name for key, name in now.items() if key not in before]
