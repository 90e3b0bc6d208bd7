"""A model on a folder of photos, where no truth is known: what codes keep, and whether hybrids look like photos.

Every figure of hybrids stands beside the same figure of something known (reconstructions, or the photos themselves),
because alone it would mean little.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graftlab.codes import Autoencoder, Codes, SwapCodes
from graftlab.evaluation.metrics import (
    MEASURES,
    bootstrapped,
    closeness,
    diversity,
    frechet,
    kernel_estimate,
    single_image_frechet,
)
from graftlab.evaluation.patches import Boxes, co_occurrence, cut
from graftlab.evaluation.photos import draw, read_photos
from graftlab.evaluation.textures import Textures, judge_network, side_by_side
from graftlab.evaluation.textures import table as table_of_textures
from graftlab.figures.sheets import sheet
from graftlab.figures.tables import Estimate, Table, plain
from graftlab.images import from_uint8, to_uint8
from graftlab.perception.choice import feature_network
from graftlab.perception.distances import self_similarity
from graftlab.perception.features import FeatureNetwork, Features
from graftlab.work.progress import Progress, part, silent

BATCH = 16  # pictures at once
FEW = 1000  # photos or hybrids, below which the Fréchet distance says more about their number than about the model
PICKS = 4  # reconstructions at either end that the report shows
STRUCTURES, TEXTURES = 4, 6  # of the sheet on which diversity is measured


@dataclass(frozen=True)
class Folder:
    """What a model makes of photos."""

    about: dict[str, Any]  # model, features, judge, photos, skipped, size, pairs, seed, notes
    reconstruction: dict[str, float]  # measure -> mean
    realism: dict[str, dict[str, Estimate]]  # "hybrids" and "reconstructions" -> "frechet" and "kernel"
    hybrids: dict[str, dict[str, float]]  # figure -> "hybrids", and what it is compared with: "photos", "own"
    textures: dict[str, dict[str, float]]  # figure of `textures.ROWS` -> "hybrids", "reconstructions"
    determinism: float  # largest difference of the same swap done twice, as a share of the full range
    pictures: dict[str, Tensor] = field(repr=False, default_factory=dict)  # caption -> sheet
    kind = "folder"

    def to_dict(self) -> dict[str, Any]:
        figures = {
            "reconstruction": self.reconstruction,
            "realism": self.realism,
            "hybrids": self.hybrids,
            "textures": self.textures,
            "determinism": self.determinism,
        }
        return {"kind": self.kind, "about": self.about, "figures": plain(figures)}

    def tables(self) -> list[Table]:
        return [
            Table(
                "Reconstruction",
                [f"{measure.title} {'↑' if measure.higher else '↓'}" for measure in MEASURES.values()],
                [(f"mean of {self.about['photos']} photos", list(self.reconstruction.values()))],
            ),
            Table(
                "Realism: distance to the photos",
                ["Fréchet ↓", "kernel ↓"],
                [(name, list(estimates.values())) for name, estimates in self.realism.items()],
                "Of the distributions of deep features, with 95 % intervals.",
            ),
            Table(
                "Hybrids",
                OF,
                [(ROWS[name], [figures.get(of) for of in OF]) for name, figures in self.hybrids.items()],
                "Structure: distance of self-similarities to the structure's picture; for comparison, the texture's "
                "picture to it. Texture: single-image Fréchet distance to the texture's picture; for comparison, the "
                "structure's picture to it. Patches: share of patches that are nearer to the texture's picture than "
                "to the structure's; for comparison, of patches of the structure's picture, and of the texture's own. "
                "Diversity: mean deep-feature distance between the hybrids of one structure; for comparison, between "
                "the photos that gave the textures.",
            ),
            table_of_textures(self.textures),
            Table(
                "Determinism",
                ["largest difference"],
                [("the same swap twice", [self.determinism])],
                "As a share of the full range.",
            ),
        ]


ROWS = {"structure": "structure ↓", "texture": "texture ↓", "patches": "patches ↑", "diversity": "diversity ↑"}
OF = ("hybrids", "photos", "own")


def folder(
    model: Autoencoder,
    photos: str | Path,  # folder, zip, LMDB or pack
    size: int,  # side of the squares that are cut from the photos' centres, pixels
    most: int = 500,  # photos, chosen at random, and swaps
    seed: int = 0,
    features: FeatureNetwork | None = None,  # None: EfficientNet-Lite0
    judge: FeatureNetwork | None = None,  # of textures, by `judge_network`; None: EfficientNet-Lite2
    progress: Progress = silent,  # of pictures
) -> Folder:
    """Reconstruct and swap photos; the same call gives the same figures. GraftError for fewer than two photos."""
    network = features or feature_network()
    pixels, skipped = read_photos(photos, size, most, seed)
    swaps = draw(len(pixels), most, seed)
    both = part(progress, 0, len(pixels) + len(swaps))
    judging = judge or judge_network()
    test = _Test(model, pixels, network, judging, Boxes.draw(len(pixels), len(swaps), seed), both)
    kept, hybrid_features = test.swapped(swaps)
    varied, sheet_of_swaps = test.varied(seed)
    realism = {
        name: {
            "frechet": bootstrapped(frechet, test.pooled, made, seed),
            "kernel": kernel_estimate(test.pooled, made, seed),
        }
        for name, made in (("hybrids", hybrid_features), ("reconstructions", test.pooled_decoded))
    }
    about = {
        "model": test.codes.model,
        "features": network.name,
        "judge": judging.name,
        "photos": len(pixels),
        "skipped": skipped,
        "size": size,
        "pairs": len(swaps),
        "seed": seed,
        "notes": _notes(len(pixels), len(swaps)),
    }
    reconstruction = {name: fmean(values) for name, values in test.closeness.items()}
    hybrids = {**kept, "diversity": varied}
    textures = side_by_side(hybrids=test.textures, reconstructions=test.textures_decoded)
    pictures = {"Swaps": sheet_of_swaps, **test.reconstructions()}
    return Folder(about, reconstruction, realism, hybrids, textures, test.determinism(*swaps[0]), pictures)


def _notes(photos: int, swaps: int) -> list[str]:
    notes = []
    if min(photos, swaps) < FEW:
        notes.append(
            f"With {photos} photos and {swaps} hybrids the Fréchet distance is much too large: compare it only with "
            f"that of another model on the same photos, and trust the kernel distance more ({FEW} of each are enough)."
        )
    return notes


class _Test:
    """A model and photos, with codes and reconstructions worked out once."""

    def __init__(
        self,
        model: Autoencoder,
        pixels: np.ndarray,
        network: FeatureNetwork,
        judge: FeatureNetwork,
        boxes: Boxes,
        progress: Progress,
    ) -> None:
        self.model, self.pixels, self.network, self.boxes, self.progress = model, pixels, network, boxes, progress
        self.closeness: dict[str, list[float]] = {name: [] for name in MEASURES}
        self.textures, self.textures_decoded = Textures(judge), Textures(judge)
        self.decoded = np.empty_like(pixels)
        codes, pooled, decoded, patches = [], [], [], []
        for indices in _batches(range(len(pixels))):
            images = self.photos(indices)
            codes.append(self.encode(images))
            made = self.decode(codes[-1])
            self.decoded[list(indices)] = to_uint8(made)
            self.textures_decoded.add_reconstructions(made, images)
            seen, seen_made = network(images), network(made)
            for name, values in closeness(made, images, seen_made, seen).items():
                self.closeness[name] += values.tolist()
            pooled.append(seen.pooled)
            decoded.append(seen_made.pooled)
            patches.append(network.patches(cut(images, boxes.photos, indices)))
            progress(indices[-1] + 1)
        self.codes: SwapCodes = Codes.cat(codes)
        self.pooled, self.pooled_decoded, self.patches = torch.cat(pooled), torch.cat(decoded), torch.cat(patches)

    def photos(self, indices: Sequence[int]) -> Tensor:
        return from_uint8(self.pixels[list(indices)])

    @torch.no_grad()
    def encode(self, images: Tensor) -> SwapCodes:
        return self.model.encode(images)

    @torch.no_grad()
    def decode(self, codes: SwapCodes) -> Tensor:
        return self.model.decode(codes).cpu()

    def hybrids(self, pairs: Sequence[tuple[int, int]]) -> Tensor:
        structures, textures = (self.codes[torch.tensor(column)] for column in zip(*pairs, strict=True))
        return self.decode(structures.mix(textures, texture=1))

    def swapped(self, swaps: Sequence[tuple[int, int]]) -> tuple[dict[str, dict[str, float]], Tensor]:
        """The figures "structure", "texture" and "patches", beside those of photos; and the hybrids' features."""
        structure: list[tuple[float, float]] = []
        texture: list[tuple[float, float]] = []
        pooled, patches = [], []
        for indices in _batches(range(len(swaps))):
            pairs = [swaps[index] for index in indices]
            made = self.hybrids(pairs)
            hybrid = self.network(made)
            structures, textures = (list(column) for column in zip(*pairs, strict=True))
            a, b = (self.network(self.photos(column)) for column in (structures, textures))
            plain = from_uint8(self.decoded[structures])
            self.textures.add(made, plain, self.photos(structures), self.photos(textures))
            structure += zip(layout(hybrid, a).tolist(), layout(b, a).tolist(), strict=True)
            texture += zip(single_image_frechet(hybrid, b).tolist(), single_image_frechet(a, b).tolist(), strict=True)
            pooled.append(hybrid.pooled)
            patches.append(self.network.patches(cut(made, self.boxes.hybrids, indices)))
            self.progress(len(self.pixels) + len(structure))
        shares = co_occurrence(self.patches, torch.cat(patches), swaps)
        return {"structure": _means(structure), "texture": _means(texture), "patches": shares}, torch.cat(pooled)

    def varied(self, seed: int) -> tuple[dict[str, float], Tensor]:
        """Diversity of the hybrids of one structure, beside that of the textures' photos; and the sheet of them."""
        order = np.random.default_rng([seed, 1]).permutation(len(self.pixels)).tolist()
        textures = order[:TEXTURES]
        structures = order[-STRUCTURES:] if len(order) >= STRUCTURES + TEXTURES else order[:STRUCTURES]
        rows = [self.hybrids([(row, column) for column in textures]) for row in structures]
        among = {
            "hybrids": fmean(diversity(self.network(row)) for row in rows),
            "photos": diversity(self.network(self.photos(textures))),
        }
        head = [None, *self.photos(textures)]
        cells = [[photo, *row] for photo, row in zip(self.photos(structures), rows, strict=True)]
        return among, sheet([head, *cells], scale=self.scale)

    def reconstructions(self) -> dict[str, Tensor]:
        """Sheets of the best and the worst by the features' distance: photos above, reconstructions below."""
        order = sorted(range(len(self.pixels)), key=lambda i: self.closeness["features"][i])
        picks = {"Best reconstructions": order[:PICKS], "Worst reconstructions": order[: -PICKS - 1 : -1]}
        return {
            caption: sheet(
                [list(self.photos(indices)), list(self.decode(self.codes[torch.tensor(indices)]))],
                ["photo", "reconstruction"],
                [f"features {self.closeness['features'][i]:.3f}" for i in indices],
                scale=self.scale,
            )
            for caption, indices in picks.items()
        }

    @property
    def scale(self) -> int:
        return max(1, 128 // self.pixels.shape[1])

    def determinism(self, structure: int, texture: int) -> float:
        """Largest difference of two swaps from the same photos, as a share of the full range."""
        a, b = (self.photos([index]) for index in (structure, texture))
        once, again = (self.decode(self.encode(a).mix(self.encode(b), texture=1)) for _ in range(2))
        return (once - again).abs().max().item() / 2


def layout(a: Features, b: Features) -> Tensor:
    return self_similarity(a.middle, b.middle)


def _means(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    return {"hybrids": fmean(hybrids for hybrids, _ in pairs), "photos": fmean(photos for _, photos in pairs)}


def _batches(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
