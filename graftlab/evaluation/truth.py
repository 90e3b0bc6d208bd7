"""Ground truth for swapping: any structure under any texture exists as a picture, so a hybrid can be right or wrong.

A grid of rendered landscapes, rows of one structure and columns of one texture, gives for two pictures that differ in
both the picture that the swap should make. A model is measured by how near it comes, beside what colour transfer does
without a model, and by whether its codes hold what they should.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from graftlab.codes import Autoencoder, SwapCodes
from graftlab.evaluation import transfer
from graftlab.evaluation.grid import Pair, Place, draw, read_grid
from graftlab.evaluation.metrics import MEASURES, closeness
from graftlab.evaluation.textures import Textures, judge_network, side_by_side
from graftlab.evaluation.textures import table as table_of_textures
from graftlab.figures.sheets import sheet
from graftlab.figures.tables import Table, plain
from graftlab.perception.choice import feature_network
from graftlab.perception.distances import cosine
from graftlab.perception.features import FeatureNetwork
from graftlab.work.progress import Progress, silent

HYBRID, CEILING = "hybrid", "reconstruction of the truth"
BASELINES = ("structure kept", "colours: mean, deviation", "colours: transport")
METHODS = (HYBRID, *BASELINES, CEILING)
WHEN = ("after a swap", "in the truth")
PICKS = 4  # pairs at either end that the report shows


@dataclass(frozen=True)
class Truth:
    """How near a model's hybrids come to the truth."""

    about: dict[str, Any]  # model, features, judge, grid, size, pairs, seed
    distances: dict[str, dict[str, float]]  # method -> measure -> mean over the pairs
    closer: dict[str, dict[str, float]]  # baseline -> measure -> share of pairs in which the hybrid is closer
    leakage: dict[str, dict[str, float]]  # code -> "after a swap", "in the truth" -> share of the distance at random
    textures: dict[str, dict[str, float]]  # figure of `textures.ROWS` -> "hybrids", "truth"
    pictures: dict[str, Tensor] = field(repr=False, default_factory=dict)  # caption -> sheet
    kind = "truth"

    def to_dict(self) -> dict[str, Any]:
        figures = {
            "distances": self.distances,
            "closer": self.closer,
            "leakage": self.leakage,
            "textures": self.textures,
        }
        return {"kind": self.kind, "about": self.about, "figures": plain(figures)}

    def tables(self) -> list[Table]:
        names = list(MEASURES)
        ends = [max if MEASURES[name].higher else min for name in names]
        best = {
            (METHODS.index(end((HYBRID, *BASELINES), key=lambda method: self.distances[method][name])), column)
            for column, (name, end) in enumerate(zip(names, ends, strict=True))
        }
        return [
            Table(
                f"Distance to the true picture, mean of {self.about['pairs']} swaps",
                [f"{MEASURES[name].title} {'↑' if MEASURES[name].higher else '↓'}" for name in names],
                [(method, [self.distances[method][name] for name in names]) for method in METHODS],
                "Best of the hybrid and the baselines marked. " + _units(),
                frozenset(best),
            ),
            Table(
                "Share of swaps in which the hybrid is closer to the truth",
                [MEASURES[name].title for name in names],
                [(f"than {method}", [self.closer[method][name] for name in names]) for method in BASELINES],
            ),
            Table(
                "Leakage",
                ["after a swap", "in the truth"],
                [(code, list(shares.values())) for code, shares in self.leakage.items()],
                "How far a code moves that should stay, as a share of its distance between two random pictures: "
                "when the hybrid is encoded again, and between true pictures that share only what the code stands for. "
                "0 is none, 1 as much as another picture's.",
            ),
            table_of_textures(self.textures),
        ]


def _units() -> str:
    return "; ".join(f"{measure.title}: {measure.unit}" for measure in MEASURES.values()) + "."


def truth(
    model: Autoencoder,
    grid: str | Path,  # folder of s{row}_t{column}.png: rows share a structure, columns a texture
    size: int | None = None,  # short side at which pictures are read, pixels; None: as they are
    pairs: int = 150,
    seed: int = 0,
    features: FeatureNetwork | None = None,  # None: EfficientNet-Lite0
    judge: FeatureNetwork | None = None,  # of textures, by `judge_network`; None: EfficientNet-Lite2
    progress: Progress = silent,  # of swaps
) -> Truth:
    """Swap random pairs of a grid and measure the distance to the truth; the same call gives the same figures.

    GraftError for a grid that is incomplete, smaller than 2 x 2 or of several sizes."""
    cells = read_grid(grid, size)
    test = _Test(model, cells, features or feature_network(), judge or judge_network(), seed)
    swaps = draw(cells, pairs, seed)
    measured: list[dict[str, dict[str, float]]] = []
    moved: list[dict[str, float]] = []
    for done, pair in enumerate(swaps, 1):
        distances, leaks = test.measure(pair)
        measured.append(distances)
        moved.append(leaks)
        progress(done, len(swaps))
    rows, columns = (1 + max(index) for index in zip(*cells, strict=True))
    about = {
        "model": next(iter(test.codes.values())).model,
        "features": test.features.name,
        "judge": test.judge.name,
        "structures": rows,
        "textures": columns,
        "size": next(iter(cells.values())).shape[2],
        "pairs": len(swaps),
        "seed": seed,
    }
    means = {method: {name: fmean(one[method][name] for one in measured) for name in MEASURES} for method in METHODS}
    closer = {baseline: {name: _wins(measured, baseline, name) for name in MEASURES} for baseline in BASELINES}
    textures = side_by_side(hybrids=test.textures, truth=test.textures_of_truth)
    return Truth(about, means, closer, _leakage(moved), textures, test.sheets(swaps, measured))


class _Test:
    """A model and a grid, with what is the same for every swap worked out once."""

    def __init__(
        self,
        model: Autoencoder,
        cells: dict[Place, Tensor],
        features: FeatureNetwork,
        judge: FeatureNetwork,
        seed: int,
    ) -> None:
        self.model, self.cells, self.features, self.judge, self.seed = model, cells, features, judge, seed
        self.textures, self.textures_of_truth = Textures(judge), Textures(judge)
        self.codes: dict[Place, SwapCodes] = {place: self.encode(cell) for place, cell in cells.items()}
        self.decoded = {place: self.decode(codes) for place, codes in self.codes.items()}
        self.seen = {place: features(cell) for place, cell in cells.items()}
        self.seen_decoded = {place: features(cell) for place, cell in self.decoded.items()}

    @torch.no_grad()
    def encode(self, image: Tensor) -> SwapCodes:
        return self.model.encode(image)

    @torch.no_grad()
    def decode(self, codes: SwapCodes) -> Tensor:
        return self.model.decode(codes).cpu()

    def pictures(self, pair: Pair) -> dict[str, Tensor]:
        """What each method makes of a pair."""
        structure, texture = self.cells[pair.structure], self.cells[pair.texture]
        hybrid = self.decode(self.codes[pair.structure].mix(self.codes[pair.texture], texture=1))
        plain = (
            structure,
            transfer.mean_and_deviation(structure, texture),
            transfer.sliced_transport(structure, texture, seed=self.seed),
        )
        return {HYBRID: hybrid, **dict(zip(BASELINES, plain, strict=True)), CEILING: self.decoded[pair.truth]}

    def measure(self, pair: Pair) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
        """Distances to the truth by method and measure; and distances of codes. Figures of textures are collected."""
        made, right = self.pictures(pair), self.cells[pair.truth]
        made_features = {
            method: self.features(image) for method, image in made.items() if method not in (BASELINES[0], CEILING)
        } | {BASELINES[0]: self.seen[pair.structure], CEILING: self.seen_decoded[pair.truth]}
        distances = {
            method: {
                name: value.item()
                for name, value in closeness(image, right, made_features[method], self.seen[pair.truth]).items()
            }
            for method, image in made.items()
        }
        structure, texture = self.cells[pair.structure], self.cells[pair.texture]
        self.textures.add(made[HYBRID], self.decoded[pair.structure], structure, texture)
        self.textures_of_truth.add(right, structure, structure, texture)
        a, b, target, again = (
            *(self.codes[place] for place in (pair.structure, pair.texture, pair.truth)),
            self.encode(made[HYBRID].clamp(-1, 1)),
        )
        moved = {}
        for code, kept in (("structure", a), ("texture", b)):
            mine = getattr(kept, code)
            moved[f"{code} after a swap"] = cosine(getattr(again, code), mine).item()
            moved[f"{code} in the truth"] = cosine(getattr(target, code), mine).item()
            moved[f"{code} at random"] = cosine(getattr(a, code), getattr(b, code)).item()
        return distances, moved

    def sheets(self, swaps: Sequence[Pair], measured: Sequence[dict[str, dict[str, float]]]) -> dict[str, Tensor]:
        """The first pairs as they were drawn, then the best and the worst by the features' distance."""
        order = sorted(range(len(swaps)), key=lambda i: measured[i][HYBRID]["features"])
        chosen = {"As drawn": range(len(swaps))[:PICKS], "Best": order[:PICKS], "Worst": order[: -PICKS - 1 : -1]}
        columns = ["structure", "texture", "truth", "hybrid", "mean, deviation", "transport", "reconstruction"]
        pictures = {}
        for caption, picks in chosen.items():
            rows, labels = [], []
            for i in picks:
                made = self.pictures(swaps[i])
                shown = [made[method] for method in METHODS if method != BASELINES[0]]
                sources = [self.cells[place] for place in (swaps[i].structure, swaps[i].texture, swaps[i].truth)]
                rows.append([*sources, *shown])
                labels.append(f"features {measured[i][HYBRID]['features']:.3f}")
            pictures[caption] = sheet(rows, labels, columns, scale=max(1, 128 // rows[0][0].shape[2]))
        return pictures


def _wins(measured: Sequence[dict[str, dict[str, float]]], baseline: str, name: str) -> float:
    sign = 1 if MEASURES[name].higher else -1
    return fmean(sign * one[HYBRID][name] > sign * one[baseline][name] for one in measured)


def _leakage(moved: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    mean = {key: fmean(one[key] for one in moved) for key in moved[0]}
    return {
        code: {when: mean[f"{code} {when}"] / max(mean[f"{code} at random"], 1e-12) for when in WHEN}
        for code in ("structure", "texture")
    }
