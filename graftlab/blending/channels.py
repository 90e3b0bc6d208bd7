"""Blending some channels of a layer and not the others, together with what reads them.

    rule = channels(features_at(a, 32), clusters.share(["sky"]))
    blended = blend(a, b, rule)

A channel is more than a row of the layer that makes it. The layers that read it have a column of weights for it, and
their affine layers a factor that scales it. A row of B that columns of A read says one thing and is understood as
another, so the three go together. What a layer has for all its channels at once, its own affine layer, the strength of
its noise and the noise, comes from B only as far as every channel does, so that the channels that nobody chose are made
of the same numbers as before, and read by the same.
"""

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from graftlab.blending.layers import Layer, places_of
from graftlab.blending.weights import Rule, Share
from graftlab.errors import GraftError
from graftlab.networks.model import Network


@dataclass(frozen=True)
class Features:
    """What one styled convolution of a generator makes."""

    name: str  # of the module
    resolution: int  # larger side, pixels; an autoencoder's of a picture of the training size
    channels: int
    readers: tuple[str, ...]  # modules: all that it goes to
    margin: int = 0  # pixels beyond the picture's border, on every side


def features_of(model: Network) -> list[Features]:
    """The features of a generator whose channels can be blended, in the order of the network.

    Of a StyleGAN these are all but the input. Of autoencoders they are those inside of the blocks,
    between the two convolutions: what leaves a block is a sum, to which the skip brings the channels of the block
    before. GraftError for a model of another kind than those that graftlab has."""
    return [
        Features(name, place.resolution, model.get_parameter(f"{name}.bias").numel(), place.readers, place.margin)
        for name, place in places_of(model).items()
        if place.readers
    ]


def features_at(model: Network, layer: int | str) -> Features:
    """The last features of a resolution in pixels, or those of a layer by its name. GraftError if there are none."""
    known = features_of(model)
    for features in reversed(known):
        if str(layer) in (features.name, str(features.resolution)):
            return features
    resolutions = ", ".join(str(resolution) for resolution in sorted({features.resolution for features in known}))
    raise GraftError(
        f"This network has no features '{layer}' (--layer); choose a resolution among {resolutions}, or a layer such "
        f"as {known[0].name}."
    )


def channels(features: Features, share: Tensor) -> Rule[Share]:
    """A share of B for each channel (C,) of some features: where they are made, and where they are read.

    All other layers are A's. GraftError if the shares are not as many as the channels, or no finite numbers."""
    if share.shape != (features.channels,) or not bool(share.isfinite().all()):
        raise GraftError(
            f"{features.name} makes {features.channels} channels, which need as many finite shares of B, and here are "
            f"{len(share)}; take clusters of this network, or of its kin."
        )
    inside = f"{features.name}."
    outside = tuple(f"{reader}." for reader in features.readers)

    def share_of(layer: Layer) -> Share:
        if layer.name.startswith(inside):
            return share if layer.role in ("convolution", "bias") else share.min()
        if not layer.name.startswith(outside):
            return 0.0
        if ".affine." in layer.name:
            return share
        return share[None] if layer.name.endswith(".weight") else 0.0

    return Rule(share_of, {"channels": {features.name: [round(each, 4) for each in share.tolist()]}})


def together(*rules: Rule[Share]) -> Rule[Share]:
    """Channels of several layers: every tensor has, number by number, the largest share that one of the rules gives."""
    about = {name: share for rule in rules for name, share in rule.about["channels"].items()}
    return Rule(lambda layer: reduce(_larger, (rule(layer) for rule in rules)), {"channels": about})


def _larger(first: Share, second: Share) -> Share:
    shares = [torch.as_tensor(share) for share in (first, second)]
    dimensions = max(share.ndim for share in shares)
    return torch.maximum(*(share.reshape((*share.shape, *(1,) * (dimensions - share.ndim))) for share in shares))
