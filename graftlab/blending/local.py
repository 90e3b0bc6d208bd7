"""Blends that are drawn in a part of the picture: where clusters of features lie, under a mask, or both.

    blended = blend(a, b, layer_swap(8))
    local = confine(a, blended, clusters=Clusters.load("parts.json"), names=["3"])
    local = confine(a, blended, mask=graftlab.editing.masks.read("brushed.png"), soft=12)

A blend of weights changes the whole picture, for no channel draws one part alone. Here both networks decode the same
codes, and outside of the place the features stay A's (`networks.local`). What comes of it decodes and is saved as every
StyleGAN2 or Swapping Autoencoder of ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.blending.blend import ModelT, lineage
from graftlab.blending.channels import features_at
from graftlab.blending.choices import Choice
from graftlab.blending.clusters import Clusters
from graftlab.config import LocalStyleGAN2Config, LocalSwappingConfig
from graftlab.editing import masks
from graftlab.errors import GraftError
from graftlab.networks.alike import check_alike
from graftlab.networks.local import LocalAutoencoder, LocalStyleGAN2
from graftlab.networks.model import Network, fingerprint
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.swapping import SwappingAutoencoder

SOFTNESS = 16  # edges to the side of a picture, if nothing is said
SOFTEST = 4096  # pixels

Confine = Callable[[Any, Any], Any]
"""A, and a blend of it, to what is drawn: `confine` with a place, or `Where.confine`."""


KINDS: dict[type[Network], tuple[Any, Any, str]] = {  # what comes of two of them, and where in a model its generator is
    StyleGAN2: (LocalStyleGAN2, LocalStyleGAN2Config, "synthesis."),
    SwappingAutoencoder: (LocalAutoencoder, LocalSwappingConfig, "generator."),
}


@torch.no_grad()
def confine(
    a: ModelT,
    blended: ModelT,  # a blend of A, or any model that blends with it
    mask: Tensor | None = None,  # (1, 1, h, w) in [0, 1], of the picture's shape: 1 where the blend is drawn
    clusters: Clusters | None = None,  # of a resolution's last features
    names: Sequence[str] = (),  # of those in whose positions it is drawn
    soft: float | None = None,  # width of the edges, pixels; None: a sixteenth of the picture's side
) -> ModelT:
    """A, but in a place, that of the clusters, of the mask, or of both at once, the blend. Both read A's codes.

    It shares the memory of both. GraftError if the two differ in more than their weights, there is no place, the mask
    is of another shape, or the clusters are of other features than the last ones of a resolution."""
    check_alike(a, blended)
    if type(a) not in KINDS:
        raise GraftError(f"Local blends are made of StyleGAN2s or Swapping Autoencoders, and this is {a.title}.")
    network, settings, part = KINDS[type(a)]
    if clusters is None and mask is None:
        raise GraftError("Say where the blend is drawn: in clusters (--local), under a mask (--mask), or both.")
    soft = a.config.size / SOFTNESS if soft is None else soft
    check_soft(soft)
    parts = {} if clusters is None else _told_apart(a, clusters, names)
    if mask is not None:
        parts["mask"] = _fitted(mask, getattr(a.config, "resolutions", [(a.config.size, a.config.size)])[-1])
    count, masked = 0 if clusters is None else len(clusters.names), mask is not None
    block = 0 if clusters is None else _block(a, clusters.layer)
    config = settings(**a.config.to_dict(), clusters=count, block=block, masked=masked, soft=float(soft))
    with torch.device("meta"):
        local = network(config)
    device = next(a.parameters()).device
    tensors = {name: own for name, own in a.state_dict().items() if not name.startswith(part)}
    tensors |= {f"{part}place.{name}": tensor.to(device) for name, tensor in parts.items()}
    for which, model in (("outside", a), ("inside", blended)):
        its = {name.removeprefix(part): own for name, own in model.state_dict().items() if name.startswith(part)}
        tensors |= {f"{part}{which}.{name}": own for name, own in its.items()}
    local.load_state_dict(tensors, assign=True)
    local.precision, local.name, local.fingerprint = a.precision, a.name, fingerprint(tensors)
    told = blended.about if a.fingerprint in blended.about.get("parents", ()) else lineage([a, blended], lambda _: 1)
    before = {*told.get("ancestors", ()), blended.fingerprint}.difference(told["parents"], [None])
    place = {} if clusters is None else {"layer": clusters.layer, "clusters": list(names)}
    place |= {} if mask is None else {"mask": digest(mask)}
    local.about = {**told, "ancestors": sorted(before), "local": {**place, "soft": soft}}
    return local.eval().requires_grad_(False)


def check_soft(soft: float) -> None:
    """GraftError for edges of a width that none can have."""
    if not (isfinite(soft) and 0 <= soft <= SOFTEST):
        raise GraftError(f"A soft edge is 0 to {SOFTEST} pixels wide, not {soft:g} (--soft).")


def _block(a: Network, layer: str) -> int:
    """The number of the generator's block that a layer is in."""
    _, group, number, *_ = layer.split(".")
    return int(number) + (a.config.head_blocks if group == "up" else 0)


def _told_apart(a: Network, clusters: Clusters, names: Sequence[str]) -> dict[str, Tensor]:
    features = features_at(a, clusters.layer)
    if features.name.endswith(".up"):
        raise GraftError(
            f"A local blend follows the last features of a resolution, and these clusters are of {clusters.layer}; "
            f"make others with 'graft clusters fit --layer {features.resolution}'."
        )
    if len(clusters.mean) != features.channels:
        raise GraftError(
            f"{features.name} makes {features.channels} channels, and these clusters are of {len(clusters.mean)}; take "
            "clusters of this network, or of its kin."
        )
    chosen = clusters.chosen(names).float()
    return {"mean": clusters.mean, "deviation": clusters.deviation, "centres": clusters.centres, "chosen": chosen}


def _fitted(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask as large as the picture. GraftError for another shape, and for numbers beyond [0, 1]."""
    height, width = size
    if mask.ndim != 4 or mask.shape[:2] != (1, 1) or not mask.shape[2:].numel():
        raise GraftError(f"A mask is one picture of one channel, (1, 1, h, w), not {tuple(mask.shape)}.")
    if mask.shape[2] * width != mask.shape[3] * height:
        raise GraftError(
            f"The mask is {mask.shape[3]} x {mask.shape[2]} pixels and the pictures are {width} x {height}; paint one "
            "of their shape (--mask)."
        )
    if not (bool(mask.isfinite().all()) and float(mask.min()) >= 0 and float(mask.max()) <= 1):
        raise GraftError("A mask holds shares from 0 to 1 (--mask).")
    return masks.resize(mask, size).clamp(0, 1)


def digest(numbers: Tensor) -> str:
    """What tells a mask, or clusters, from another."""
    return sha256(numbers.cpu().float().contiguous().numpy().data).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class Where:
    """The part of the picture in which a blend is drawn, as options that people write; by default all of it.

    GraftError for options that do not go together."""

    clusters: list[str] | None = None
    """Only the channels of some clusters from B: parts.json:3,sky=0.5; a file a layer. With --local, where they lie."""
    local: bool = False
    """B only in the places where the clusters lie in A's picture, in all its channels."""
    mask: Path | None = None
    """B only where this picture is white; with --local, only where both are."""
    soft: float | None = None
    """Width of the edges of --local and --mask, pixels; a sixteenth of the picture's side by default."""

    def __post_init__(self) -> None:
        if self.local and not self.clusters:
            raise GraftError("--local belongs to --clusters; give that, or paint the place (--mask).")
        if self.soft is not None:
            if not self.somewhere:
                raise GraftError("--soft belongs to --local and --mask; leave it out or give one of those.")
            check_soft(self.soft)

    @property
    def somewhere(self) -> bool:
        """Whether the blend is drawn in a part of the picture alone."""
        return self.local or self.mask is not None

    @cached_property
    def choices(self) -> list[Choice]:
        """The clusters that are meant. GraftError for files that hold none, and for unknown names."""
        return [Choice.parse(text) for text in self.clusters or ()]

    @cached_property
    def white(self) -> Tensor | None:
        """The mask (1, 1, h, w). GraftError for a file that is no picture, or black all over."""
        return None if self.mask is None else masks.read(self.mask)

    @property
    def files(self) -> list[Path]:
        """What it is read from."""
        return [*(choice.path for choice in self.choices), *([self.mask] if self.mask else [])]

    @property
    def recipe(self) -> dict[str, Any]:
        """What pictures depend on that their command does not tell: what is in the files."""
        mask = {} if self.white is None else {str(self.mask): digest(self.white)}
        found = {**mask, **{str(each.path): digest(each.clusters.centres) for each in self.choices}}
        return {"where": found} if found else {}

    def require_place(self) -> None:
        """GraftError for clusters whose channels are meant, where a whole picture is asked for."""
        if self.clusters and not self.local:
            raise GraftError("--clusters says here where blends are drawn; add --local.")

    def confine(self, a: Network, blended: Network) -> Network:
        """What is drawn: the blend itself, or A with the blend in a place. GraftError as `confine`."""
        if not self.somewhere:
            return blended
        chosen = self.choices if self.local else []
        if len(chosen) > 1:
            raise GraftError(
                "A local blend follows the clusters of one file; name one, as parts.json:3,5 (--clusters)."
            )
        clusters, names = (chosen[0].clusters, chosen[0].names) if chosen else (None, [])
        return confine(a, blended, self.white, clusters, names, self.soft)

    def whose(self, codes: str | None) -> str | None:
        """Whose codes are drawn, as of `Inputs.codes_in`: in a part of the picture A's, if nothing is said."""
        return codes or ("base" if self.somewhere else None)
