"""Two StyleGAN2s side by side, one of which draws a part of the picture: a blend by place, which no weights could be.

Both decode the same w. Block by block, the second one's features become the first's again wherever it is not its turn
(Collins et al. 2020, *Editing in Style*, edit locally by clusters of channels; here by clusters of positions). So what
it draws follows on what surrounds it, and the first one's picture stays as it was outside, bit for bit.
"""

from collections.abc import Iterator
from itertools import chain, islice
from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.config import LocalConfig
from graftlab.networks.layers import Linear, Noise, blur, full
from graftlab.networks.stylegan2 import StyleGAN2, Synthesis


def likeness(features: Tensor, mean: Tensor, deviation: Tensor, centres: Tensor) -> Tensor:
    """How far features (N, C, h, w) point to each of K centres (K, C), standardised by channel: (N, K, h, w)."""
    standard = (features - mean[:, None, None]) / deviation[:, None, None]
    return torch.einsum("kc,nchw->nkhw", centres, standard)


class Place(nn.Module):
    """Where the second network draws: where features belong to some of K clusters, where a mask is white, or both."""

    mean: Tensor  # (C,), of the features
    deviation: Tensor  # (C,)
    centres: Tensor  # (K, C)
    chosen: Tensor  # (K,): 1 for the clusters that are meant
    mask: Tensor  # (1, 1, H, W) in [0, 1], as large as the picture

    def __init__(self, config: LocalConfig) -> None:
        super().__init__()
        self.size, self.soft, self.masked = config.resolutions[-1], config.soft, config.masked
        self.blocks = config.block + 1 if config.clusters else 0  # that have to be drawn before the place is known
        if self.blocks:
            width = config.channels[config.block]
            shapes = {"mean": (width,), "deviation": (width,), "centres": (config.clusters, width)}
            for name, shape in {**shapes, "chosen": (config.clusters,)}.items():
                self.register_buffer(name, torch.ones(shape))
        if self.masked:
            self.register_buffer("mask", torch.ones(1, 1, *self.size))

    def forward(self, features: Tensor | None) -> Tensor:
        """The first network's features (N, C, h, w); returns shares (N or 1, 1, H, W) of the second, in [0, 1].

        Likenesses, and not labels, are what is enlarged: borders then run smoothly, and move so in films."""
        place = self.mask if self.masked else None
        if features is not None:
            near = likeness(full(features), self.mean, self.deviation, self.centres)
            near = F.interpolate(near, self.size, mode="bilinear", align_corners=False)
            best = near.masked_fill(self.chosen[:, None, None] == 0, -inf).amax(1, keepdim=True)
            inside = (best == near.amax(1, keepdim=True)).to(near.dtype)  # argmax takes ten times as long
            place = inside if place is None else place * inside
        assert place is not None  # a configuration has one of the two
        if half := round(self.soft / 2):
            place = blur(F.pad(place, (half,) * 4, mode="replicate"), (1,) * (2 * half + 1), (0, 0))
        return place


class LocalSynthesis(nn.Module):
    """w to a picture: two networks' blocks in turn, the second's outcome put into the first's."""

    def __init__(self, config: LocalConfig) -> None:
        super().__init__()
        self.outside, self.inside, self.place = Synthesis(config), Synthesis(config), Place(config)

    def forward(self, w: Tensor, noise: Noise) -> Tensor:
        """w (N, L, Cw); returns (N, 3, H, W)."""
        states = drawn(self.outside, w, self.outside.constant_noise if (own := noise == self.constant_noise) else noise)
        noise = self.inside.constant_noise if own else noise
        ahead = list(islice(states, self.place.blocks))
        with torch.autocast(w.device.type, enabled=False):  # borders deserve float32
            place = self.place(ahead[-1][0] if ahead else None)
        x, image = self.inside.start(w), None
        for block, (features, picture) in zip(self.inside.blocks, chain(ahead, states), strict=True):
            x, image = block(x, image, w, noise)
            share = F.avg_pool2d(place, place.shape[3] // x.shape[3])
            image = torch.lerp(picture, image, share)
            if x.shape[2:] != place.shape[2:]:  # else nothing reads them
                x = torch.lerp(features, x, share.to(x.dtype))
        assert image is not None  # a configuration has at least one block
        return image

    def affines(self) -> Iterator[tuple[int, Linear]]:
        """The first network's, as of `Synthesis`."""
        return self.outside.affines()

    def constant_noise(self, layer: int, like: Tensor) -> Tensor:
        """The first network's own noise; `forward` takes it as a sign that each has its own."""
        return self.outside.constant_noise(layer, like)


def drawn(synthesis: Synthesis, w: Tensor, noise: Noise) -> Iterator[tuple[Tensor, Tensor]]:
    """Features (N, C, h, w) and the picture so far (N, 3, h, w), block by block."""
    x, image = synthesis.start(w), None
    for block in synthesis.blocks:
        x, image = block(x, image, w, noise)
        yield x, image


class LocalStyleGAN2(StyleGAN2):
    """Two StyleGAN2s with the first one's mapping network."""

    kind = "stylegan2-local"
    title = "a local blend of StyleGAN2s"
    config: LocalConfig
    synthesis: LocalSynthesis

    def __init__(self, config: LocalConfig) -> None:
        super().__init__(config)
        self.synthesis = LocalSynthesis(config)
