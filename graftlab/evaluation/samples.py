"""A StyleGAN2 on a folder of photos: whether its pictures, as a set, look like them.

The judge sees both, a network that nothing was trained with: one that taught a model is no fair judge of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from graftlab.artifacts import read_tensors, write_tensors
from graftlab.data.crops import Size, extent
from graftlab.errors import GraftError
from graftlab.evaluation.metrics import kernel_estimate
from graftlab.evaluation.photos import read_photos
from graftlab.evaluation.textures import judge_network
from graftlab.figures.sheets import sheet
from graftlab.figures.tables import Estimate, Table, plain
from graftlab.images import from_uint8
from graftlab.perception.features import FeatureNetwork
from graftlab.work.bulk import ALONE, Bulk, carried_out
from graftlab.work.progress import Progress, silent
from graftlab.work.shards import Work

SIDE = 128  # pixels at which the judge sees pictures
BATCH = 16  # pictures at once
SHARD = 256  # samples, or photos
SEEN = "seen.safetensors"  # of a shard
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
    out: Path | None = None,  # what the figure is for, beside which is kept what was interrupted
    bulk: Bulk = ALONE,
) -> Samples | None:
    """Kernel distance of numbered samples to photos; the same call gives the same figure. None if another of several
    processes has it.

    GraftError for fewer than two samples or photos, and for a model whose pictures are of another size."""
    if count < 2:
        raise GraftError(f"Two samples or more are needed for a distance, not {count}.")
    network, (height, width) = judge or judge_network(), extent(size)
    pixels, skipped = read_photos(photos, size, count, seed)

    def drawn(numbers: range) -> Tensor:
        """Samples by number, or photos, which come behind them."""
        if numbers.start >= count:
            return from_uint8(pixels[numbers.start - count : numbers.stop - count])
        made = model.sample(range(seed + numbers.start, seed + numbers.stop), psi=psi, labels=label).cpu()
        if made.shape[2:] != (height, width):
            told = f"{made.shape[3]} x {made.shape[2]} pixels, and photos are cut to {width} x {height}"
            raise GraftError(f"The model's pictures are {told}; give their own size.")
        return made

    def make(numbers: range, into: Path, progress: Progress) -> dict[str, str]:
        ends = (range(numbers.start, min(numbers.stop, count)), range(max(numbers.start, count), numbers.stop))
        batches = [part[i : i + BATCH] for part in ends for i in range(0, len(part), BATCH)]
        seen, shown, done = [], [torch.empty(0, 3, height, width)], 0
        for batch in batches:
            pictures = drawn(batch)
            seen.append(pooled(network, pictures))
            shown.append(pictures[: max(0, min(count, DOWN * ACROSS) - batch.start)])
            progress(done := done + len(batch))
        write_tensors(into / SEEN, {"seen": torch.cat(seen), "shown": torch.cat(shown).float()}, {})
        return {}

    plan = {"model": model.fingerprint, "judge": network.name, "psi": psi, "class": label, "seed": seed}
    plan["photos"] = sha256(pixels.tobytes()).hexdigest()
    with carried_out(Work(make, count + len(pixels), SHARD, plan), out, bulk, progress) as results:
        if results is None:
            return None
        parts = [read_tensors(folder / SEEN)[0] for folder in results.folders]
    of_samples, of_photos = torch.cat([part["seen"] for part in parts]).split([count, len(pixels)])
    shown = list(torch.cat([part["shown"] for part in parts]))
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
def pooled(network: FeatureNetwork, pictures: Tensor) -> Tensor:
    """Features (N, D) of pictures at SIDE pixels."""
    images = pictures.to(network.device).float().clamp(-1, 1)
    return network.seen(images, SIDE).pooled.cpu()


def _sheet(images: list[Tensor]) -> Tensor:
    rows: list[list[Tensor | None]] = [list(images[i : i + ACROSS]) for i in range(0, len(images), ACROSS)]
    return sheet(rows, scale=max(1, 128 // images[0].shape[-1]))
