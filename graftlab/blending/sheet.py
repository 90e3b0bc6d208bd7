"""Sheets of blends: in every cell another blend, or another input, and all else the same.

    sheet = Sheet(alphas([0, 0.5, 1]), levels([4, 8, 16]), Cell("faces.pkl", "cartoons.pkl"))
    artist = Artist(load, seeds_in(base, [1, 2, 3, 4]))
    pictures = artist.draw(sheet.cell(0, 2))

An axis is a name, labels, and what it changes in a cell, so any two go together that do not change the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from graftlab.blending.blend import blend
from graftlab.blending.inputs import CodesIn
from graftlab.blending.weights import Rule, Share, interpolate, layer_swap, only, reversed_
from graftlab.checkpoints.load import models_in
from graftlab.checkpoints.readers import open_model
from graftlab.errors import GraftError
from graftlab.networks.model import Network

AT_ONCE = 8  # pictures decoded together
GAP = 1.5  # times the usual distance of snapshots, above which one is missed


# -- cells and axes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """What one cell of a sheet shows. Two that are equal but for `shown` show the same network."""

    a: str  # model files, or names, for who loads them
    b: str
    level: int | None = None  # up to and including this resolution from A; None: no swap
    alpha: float = 1.0  # share of B in what is not A's alone
    step: int = 0  # level, width and reverse as of `layer_swap` and `reversed_`
    width: float | None = None
    reverse: bool = False
    part: str | None = None  # of an autoencoder, the rest is A's; None: both
    shown: int | None = None  # number of the only input; None: all

    def rule(self) -> Rule[Share]:
        """How the two are blended. GraftError for levels, widths and shares that no blend can have."""
        whole = interpolate(self.alpha)
        if self.level is None:
            rule = whole
        else:
            swap = layer_swap(self.level, self.step, self.width)
            rule = _weaker(reversed_(swap) if self.reverse else swap, whole)
        return only(self.part, rule, 0.0) if self.part else rule


def _weaker(rule: Rule[Share], whole: Rule[Share]) -> Rule[Share]:
    """The product of two rules."""
    return replace(rule, share=lambda layer: whole(layer) * rule(layer), about={**rule.about, **whole.about})


@dataclass(frozen=True)
class Axis:
    """What changes along the rows or the columns: a name, and for every step a label and fields of `Cell`."""

    name: str
    steps: Sequence[tuple[str, Mapping[str, Any]]]

    def __post_init__(self) -> None:
        if not self.steps:
            raise GraftError(f"There is nothing along the axis '{self.name}'.")

    @property
    def labels(self) -> list[str]:
        return [label for label, _ in self.steps]


def levels(resolutions: Sequence[int]) -> Axis:
    return Axis("swap level", [(str(each), {"level": each}) for each in resolutions])


def alphas(shares: Sequence[float]) -> Axis:
    return Axis("share of B", [(f"{share:g}", {"alpha": share}) for share in shares])


def inputs(labels: Sequence[str], name: str) -> Axis:
    """One input after the other: seeds, photos."""
    return Axis(name, [(label, {"shown": number}) for number, label in enumerate(labels)])


def models(paths: Sequence[str], letter: str, name: str, labels: Sequence[str] | None = None) -> Axis:
    """Models as A (`letter` "a") or as B, called as their files if nothing else is said."""
    named = zip(labels or short_names(paths), paths, strict=True)
    return Axis(name, [(label, {letter: path}) for label, path in named])


def short_names(paths: Sequence[str]) -> list[str]:
    """File names without extensions, with the folders above where they would be the same."""
    stems = [Path(path).stem for path in paths]
    longer = [f"{Path(path).parent.name}/{stem}" for path, stem in zip(paths, stems, strict=True)]
    return [stem if stems.count(stem) == 1 else long for stem, long in zip(stems, longer, strict=True)]


@dataclass(frozen=True)
class Sheet:
    """Cells in rows and columns. GraftError if both axes change the same."""

    rows: Axis
    columns: Axis
    common: Cell

    def __post_init__(self) -> None:
        if twice := set(self.rows.steps[0][1]) & set(self.columns.steps[0][1]):
            raise GraftError(f"Rows and columns both change {', '.join(twice)}; choose another axis for one of them.")

    @property
    def title(self) -> str:
        return f"{self.rows.name} down, {self.columns.name} across"

    def cell(self, row: int, column: int) -> Cell:
        return replace(self.common, **self.rows.steps[row][1], **self.columns.steps[column][1])

    def cells(self) -> Iterator[Cell]:
        return (self.cell(i, j) for i in range(len(self.rows.steps)) for j in range(len(self.columns.steps)))


class Artist:
    """Draws cells, one blend at a time: the next is written over the last."""

    def __init__(self, load: Callable[[str], Network], codes_in: CodesIn, **rendering: Any) -> None:
        self.load, self.codes_in = load, codes_in
        self.rendering = rendering  # options of `decode`
        self._blend: tuple[Cell, Network] | None = None

    @torch.no_grad()
    def draw(self, cell: Cell) -> Tensor:
        """Pictures (N, 3, H, W) of all inputs, or (1, 3, H, W) of the one that the cell shows."""
        network = self._network(replace(cell, shown=None))
        codes = self.codes_in(network)
        if cell.shown is not None:
            codes = codes[cell.shown : cell.shown + 1]
        batches = (codes[start : start + AT_ONCE] for start in range(0, len(codes), AT_ONCE))
        return torch.cat([network.decode(batch, **self.rendering) for batch in batches])  # type: ignore[operator]

    def _network(self, cell: Cell) -> Network:
        done, network = self._blend or (None, None)
        if network is None or done != cell:
            network = blend(self.load(cell.a), self.load(cell.b), cell.rule(), into=network)
            self._blend = cell, network
        return network


# -- snapshots --------------------------------------------------------------------------------------------------------


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
    found = [snapshot(path) for path in models_in(folder)]
    if not found:
        raise GraftError(f"{folder} holds no models (.safetensors); train with --keep-models, or name another folder.")
    return sorted(found, key=lambda each: (each.seen is None, each.seen or 0))


def snapshot(path: Path) -> Snapshot:
    """A model file. GraftError if it is none."""
    seen = open_model(path).about.get("images_seen")
    return Snapshot(str(path), seen if isinstance(seen, int) else None)


def picked(snapshots: Sequence[Snapshot], wanted: Sequence[int]) -> list[Snapshot]:
    """Those at so many images seen. GraftError naming all that are missing."""
    by_seen = {each.seen: each for each in snapshots}
    if missing := [f"{seen:,}" for seen in wanted if seen not in by_seen]:
        there = ", ".join(each.label for each in snapshots)
        raise GraftError(f"There are no snapshots at {', '.join(missing)} images, only at {there}.")
    return [by_seen[seen] for seen in wanted]


def gaps(snapshots: Sequence[Snapshot]) -> list[tuple[int, int]]:
    """Images seen before and after the places where one seems to be missing: where steps are unusually long."""
    seen = sorted(each.seen for each in snapshots if each.seen is not None)
    steps = [after - before for before, after in pairwise(seen)]
    return [pair for pair, step in zip(pairwise(seen), steps, strict=True) if step > GAP * median(steps)]
