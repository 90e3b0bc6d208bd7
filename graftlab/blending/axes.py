"""What changes along the rows and columns of a sheet of blends: levels, shares, models, inputs.

An axis is a name, labels, and what it changes in a cell, so any two go together that do not change the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graftlab.blending.layers import layers_of
from graftlab.blending.rules import Switch
from graftlab.blending.snapshots import Snapshot, pick
from graftlab.blending.weights import Rule, Share, only
from graftlab.errors import GraftError
from graftlab.networks.model import Network
from graftlab.work.texts import parse_axis

AXES = "snapshots, models, levels, alpha, seeds or photos"
QUARTERS = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True, kw_only=True)
class Cell(Switch):
    """What one cell of a sheet shows. Two that are equal but for `shown` show the same network."""

    a: str  # model files, or names, for who loads them
    b: str
    shown: int | None = None  # number of the only input; None: all

    def rule(self) -> Rule[Share]:
        rule = super().rule()
        return rule if self.part in (None, "both") else only(str(self.part), rule, 0.0)


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
    return Axis("swap level", [(str(each), {"swap_at": each}) for each in resolutions])


def alphas(shares: Sequence[float]) -> Axis:
    return Axis("share of B", [(f"{share:g}", {"alpha": share}) for share in shares])


def one_by_one(labels: Sequence[str], name: str) -> Axis:
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


def kind_of(text: str) -> str:
    """The word before the values of an axis."""
    return text.partition(":")[0]


def check_axes(rows: str, columns: str, count: int, switch: Switch) -> None:
    """GraftError unless it is clear which two of so many models a cell blends, and how."""
    kinds = [kind_of(text) for text in (rows, columns)]
    if kinds.count("models") == 1:
        raise GraftError("The axis 'models' is for both: A down the rows, B across; or name 'snapshots' for B alone.")
    if "models" in kinds and switch.swap_at is None and switch.alpha is None:
        raise GraftError("Say how rows and columns blend: --swap-at, or --alpha.")
    if count > 2 and not {"models", "snapshots"} & {*kinds}:
        raise GraftError(f"{count} models are named, and a cell blends two; make 'snapshots' or 'models' an axis.")
    for option, given, kind in (("--swap-at", switch.swap_at, "levels"), ("--alpha", switch.alpha, "alpha")):
        if given is not None and kind in kinds:
            raise GraftError(f"{option} is for all cells, and the axis '{kind}' for each; leave one of them out.")
    if (
        switch.swap_at is None
        and "levels" not in kinds
        and (switch.reverse or switch.width is not None or switch.level)
    ):
        raise GraftError("--reverse, --width and --level belong to a swap; add --swap-at, or an axis of levels.")


def read_axis(
    text: str,
    option: str,
    snapshots: Sequence[Snapshot],
    base: Network,
    names: Sequence[str],  # of what is shown
    shown: Sequence[str],  # what that is called
) -> Axis:
    """ "levels:4,8" as an axis. GraftError for another word, or values that it does not take."""
    kind, listed = kind_of(text), ":" in text
    if kind == "levels":
        return levels(parse_axis(text, option, int) or _generated(base))
    if kind == "alpha":
        return alphas(parse_axis(text, option, float) or QUARTERS)
    if kind == "snapshots":
        wanted = parse_axis(text, option, int)
        chosen = pick(snapshots[1:], wanted) if wanted else snapshots[1:]
        short = short_names([each.path for each in chosen])
        labels = [label if each.seen is None else each.label for label, each in zip(short, chosen, strict=True)]
        return models([each.path for each in chosen], "b", "snapshot", labels)
    if kind == "models" and not listed:
        letter = "a" if option == "--rows" else "b"
        return models([each.path for each in snapshots], letter, f"model {letter.upper()}")
    if kind in shown and not listed:
        return one_by_one(names, kind.removesuffix("s"))
    if kind in ("seeds", "photos"):
        told = " and ".join(shown)
        raise GraftError(f"{option} is not '{text}': what is shown, here {told}, is said by --seeds and --photo.")
    raise GraftError(f"{option} is one of {AXES}, such as levels:4,8,16 or {shown[0]}, not '{text}'.")


def _generated(base: Network) -> list[int]:
    """The resolutions of what makes the pictures, from the coarsest up."""
    return sorted({layer.resolution for layer in layers_of(base) if layer.part in ("synthesis", "generator")})
