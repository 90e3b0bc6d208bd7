"""The models of a run, in the order of their training."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from graftlab.blending.family import Tell, ignore
from graftlab.checkpoints.load import models_in
from graftlab.checkpoints.readers import open_model
from graftlab.errors import GraftError

GAP = 1.5  # times the usual distance of snapshots, above which one is missed


@dataclass(frozen=True)
class Snapshot:
    """A model file of a run."""

    path: str
    seen: int | None  # images seen in training, if the file tells

    @property
    def label(self) -> str:
        return Path(self.path).stem if self.seen is None else f"{self.seen:,}"


def snapshots_in(folder: Path) -> list[Snapshot]:
    """The models of a folder, or of a run's folder, in the order of their training.

    GraftError if there are none, or if one of the files is no model."""
    kept = folder / "models"
    folder = kept if kept.is_dir() else folder
    found = [inspect(path) for path in models_in(folder)]
    if not found:
        raise GraftError(f"{folder} holds no models (.safetensors); train with --keep-models, or name another folder.")
    return sorted(found, key=lambda each: (each.seen is None, each.seen or 0))


def inspect(path: Path) -> Snapshot:
    """A model file. GraftError if it is none."""
    seen = open_model(path).about.get("images_seen")
    return Snapshot(str(path), seen if isinstance(seen, int) else None)


def expand(models: Sequence[str | Path], tell: Tell = ignore) -> list[Snapshot]:
    """The models, and in the place of a folder all that it holds; tells if one of those seems to be missing.

    GraftError for fewer than two."""
    found: list[Snapshot] = []
    for model in map(str, models):
        if not Path(model).is_dir():
            found.append(Snapshot(model, None))
            continue
        inside = snapshots_in(Path(model))
        found += inside
        for before, after in find_gaps(inside):
            note = f"{model}: between {before:,} and {after:,} images a snapshot seems to be missing"
            tell(f"{note}; the sheet goes on without it.")
    if len(found) < 2:
        raise GraftError("A sheet of blends needs two models or more; name A, and then B or a folder of snapshots.")
    return found


def pick(snapshots: Sequence[Snapshot], wanted: Sequence[int]) -> list[Snapshot]:
    """Those at so many images seen. GraftError naming all that are missing."""
    by_seen = {each.seen: each for each in snapshots}
    if missing := [f"{seen:,}" for seen in wanted if seen not in by_seen]:
        there = ", ".join(each.label for each in snapshots)
        raise GraftError(f"There are no snapshots at {', '.join(missing)} images, only at {there}.")
    return [by_seen[seen] for seen in wanted]


def find_gaps(snapshots: Sequence[Snapshot]) -> list[tuple[int, int]]:
    """Images seen before and after the places where one seems to be missing: where steps are unusually long."""
    seen = sorted(each.seen for each in snapshots if each.seen is not None)
    steps = [after - before for before, after in pairwise(seen)]
    return [pair for pair, step in zip(pairwise(seen), steps, strict=True) if step > GAP * median(steps)]
