"""A StyleGAN2 on a folder of photos: whether its pictures, as a set, look like them.

The judge sees both, a network that nothing was trained with: one that taught a model is no fair judge of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from graftlab.data.crops import Size, extent
from graftlab.errors import GraftError
from graftlab.evaluation.metrics import kernel_estimate
from graftlab.evaluation.photos import read_photos
from graftlab.evaluation.textures import judge_network
from graftlab.figures.sheets import sheet
from graftlab.figures.tables import Estimate, Table, plain
from graftlab.images import from_uint8
from graftlab.perception.features import FeatureNetwork
from graftlab.work.progress import Progress, part, silent

SIDE = 128  # pixels at which the judge sees pictures
BATCH = 16  # pictures at once
DOWN, ACROSS = 4, 8  # pictures on the sheets


class Sampler(Protocol):
    """What makes pictures from numbers, as `StyleGAN2` does."""

    fingerprint: str | None

    def sample(self, seeds: Sequence[int], psi: float = 1.0, labels: int | str | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Samples:
    """How far a model's pictures are from photos."""

    about: dict[str, Any]  # model, judge, photos, skipped, samples, size, psi, seed, class
    kernel: Estimate
    pictures: dict[str, Tensor] = field(repr=False, default_factory=dict)  # caption -> sheet
    kind = "samples"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "about": self.about, "figures": plain({"kernel": self.kernel})}

    def tables(self) -> list[Table]:
        row = (f"{self.about['samples']} samples, {self.about['photos']} photos", [self.kernel])
        note = (
            f"Of the distributions of the judge's features at {SIDE} pixels, with 95 % intervals; around 0 for equal."
        )
        return [Table("Distance of samples to the photos", ["kernel ↓"], [row], note)]


def samples(
    model: Sampler,
    photos: str | Path,  # folder, zip, LMDB or pack
    size: Size,  # of the model's pictures, and of what is cut from the photos' centres, pixels
    count: int = 2000,  # samples, and photos at the most
    psi: float = 1.0,  # truncation
    label: int | str | None = None,  # class of a conditional model
    seed: int = 0,  # of the first sample, and of the choice of photos
    judge: FeatureNetwork | None = None,  # None: EfficientNet-Lite2
    progress: Progress = silent,  # of pictures
) -> Samples:
    """Kernel distance of numbered samples to photos; the same call gives the same figure.

    GraftError for fewer than two samples or photos, and for a model whose pictures are of another size."""
    if count < 2:
        raise GraftError(f"Two samples or more are needed for a distance, not {count}.")
    network, (height, width) = judge or judge_network(), extent(size)
    pixels, skipped = read_photos(photos, size, count, seed)
    shown: list[Tensor] = []

    def drawn() -> Iterator[Tensor]:
        for start in range(0, count, BATCH):
            made = model.sample(range(seed + start, seed + min(start + BATCH, count)), psi=psi, labels=label).cpu()
            if made.shape[2:] != (height, width):
                told = f"{made.shape[3]} x {made.shape[2]} pixels, and photos are cut to {width} x {height}"
                raise GraftError(f"The model's pictures are {told}; give their own size.")
            shown.extend(made[: max(0, DOWN * ACROSS - len(shown))])
            yield made

    whole = count + len(pixels)
    of_samples = pooled(network, drawn(), part(progress, 0, whole))
    batches = (from_uint8(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH))
    of_photos = pooled(network, batches, part(progress, count, whole))
    about = {
        "model": model.fingerprint,
        "judge": network.name,
        "photos": len(pixels),
        "skipped": skipped,
        "samples": count,
        "size": height if height == width else f"{width} x {height}",
        "psi": psi,
        "class": label,
        "seed": seed,
    }
    real = list(from_uint8(pixels[: DOWN * ACROSS]))
    pictures = {"Samples": _sheet(shown), "Photos": _sheet(real)}
    return Samples(about, kernel_estimate(of_samples, of_photos, seed), pictures)


@torch.no_grad()
def pooled(network: FeatureNetwork, batches: Iterable[Tensor], progress: Progress) -> Tensor:
    """Features (N, D) of pictures at SIDE pixels."""
    seen: list[Tensor] = []
    for batch in batches:
        images = batch.to(network.device).float().clamp(-1, 1)
        seen += network.seen(images, SIDE).pooled.cpu()
        progress(len(seen))
    return torch.stack(seen)


def _sheet(images: list[Tensor]) -> Tensor:
    rows: list[list[Tensor | None]] = [list(images[i : i + ACROSS]) for i in range(0, len(images), ACROSS)]
    return sheet(rows, scale=max(1, 128 // images[0].shape[-1]))
