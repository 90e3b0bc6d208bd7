"""Two results of one kind side by side."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from graftlab.errors import GraftError
from graftlab.evaluation.report import TITLES
from graftlab.evaluation.truth import CEILING, HYBRID
from graftlab.figures.tables import Table
from graftlab.work.files import refuse_endless

HIGHER = {
    "psnr",
    "ssim",
    "closer",
    "patches",
    "diversity",
    "detail",
    "came along",
}  # words in the name of figures that are better high; others low
CONDITIONS = ("features", "size", "structures", "textures", "photos", "samples", "pairs", "psi", "class", "seed")
FULL = 1e9  # figures beyond it are no figures


@dataclass(frozen=True)
class Comparison:
    """The figures of two results, and what was not the same for both."""

    about: dict[str, Any]  # a, b, notes
    figures: dict[str, tuple[float, float]]  # dotted name -> of a, of b
    pictures: dict[str, Tensor] = field(repr=False, default_factory=dict)  # none
    kind = "compare"

    def to_dict(self) -> dict[str, Any]:
        figures = {name: {"a": a, "b": b, "difference": b - a} for name, (a, b) in self.figures.items()}
        return {"kind": self.kind, "about": self.about, "figures": figures}

    def tables(self) -> list[Table]:
        rows = [(_words(name), [a, b, b - a]) for name, (a, b) in self.figures.items()]
        best = {
            (row, int((b > a) == _higher(name)))
            for row, (name, (a, b)) in enumerate(self.figures.items())
            if a != b and _judged(name)
        }
        note = f"A: {self.about['a']}. B: {self.about['b']}. The better of the two is marked."
        return [Table(TITLES[self.about["of"]], ["A", "B", "B - A"], rows, note, frozenset(best))]


def compare(a: str | Path, b: str | Path) -> Comparison:
    """Read two results.json, or the folders they are in.

    GraftError for files that are no results, for results of two kinds, and for two feature networks or judges. Other
    conditions that differ are told in the notes."""
    first, second = read_results(a), read_results(b)
    if first["kind"] != second["kind"]:
        raise GraftError(
            f"{a} is of 'graft eval {first['kind']}' and {b} of 'graft eval {second['kind']}': compare two of a kind."
        )
    conditions = {key: (first["about"].get(key), second["about"].get(key)) for key in CONDITIONS}
    differing = {key: pair for key, pair in conditions.items() if pair[0] != pair[1]}
    if "features" in differing:
        one, other = differing["features"]
        raise GraftError(f"{a} was measured with {one} and {b} with {other}: measure both with one network.")
    one, other = (result["about"].get("judge") for result in (first, second))
    if one and other and one != other:  # results of earlier versions had no judge, nor its figures
        raise GraftError(f"{a} was judged by {one} and {b} by {other}: measure both with one judge.")
    notes = [f"Not the same for both: {key} ({one} and {other})." for key, (one, other) in differing.items()]
    left, right = (dict(flat(result["figures"])) for result in (first, second))
    figures = {name: (value, right[name]) for name, value in left.items() if name in right}
    if not figures:
        raise GraftError(f"{a} and {b} have no figure in common: measure both with one version of graftlab.")
    return Comparison({"a": str(a), "b": str(b), "of": first["kind"], "notes": notes}, figures)


def read_results(path: str | Path) -> dict[str, Any]:
    """The content of a results.json."""
    path = Path(path)
    file = path / "results.json" if path.is_dir() else path
    refuse_endless(file)
    try:
        results = json.loads(file.read_text("utf-8"))
        if results["kind"] in ("truth", "folder", "samples") and isinstance(results["about"], dict):
            return {**results, "figures": dict(results["figures"])}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    raise GraftError(f"{file} holds no results: make them with 'graft eval truth', 'folder' or 'samples' and --out.")


def flat(figures: dict[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Nested figures by dotted names; intervals are left out."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{name}.")
        elif isinstance(value, int | float) and abs(value) < FULL and name not in ("low", "high"):
            yield (above.removesuffix(".") if name == "value" else above + name), float(value)


def _words(name: str) -> str:
    return ", ".join(name.split("."))


def _judged(name: str) -> bool:
    """Whether a figure depends on the model: those of baselines and photos do not."""
    parts = name.split(".")
    if parts[0] == "distances":
        return parts[1] in (HYBRID, CEILING)
    return parts[-1] not in ("photos", "own", "truth")


def _higher(name: str) -> bool:
    return not HIGHER.isdisjoint(name.split("."))
