"""Two generators side by side, one of which draws a part of the picture: a blend by place, which no weights could be.

Both decode the same codes. Block by block, the second one's features become the first's again wherever it is not its
turn (Collins et al. 2020, *Editing in Style*, edit locally by clusters of channels; here by clusters of positions). So
what it draws follows on what surrounds it, and the first one's picture stays as it was outside, bit for bit.
"""

from collections.abc import Iterator
from itertools import chain, islice
from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.config import LocalConfig, LocalStyleGAN2Config, LocalSwappingConfig
from graftlab.networks.layers import Linear, Noise, full
from graftlab.networks.resampling import blur
from graftlab.networks.stylegan2 import StyleGAN2, Synthesis
from graftlab.networks.swapping import Generator, SwappingAutoencoder


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
    mask: Tensor  # (1, 1, H, W) in [0, 1], over the whole picture

    def __init__(self, config: LocalConfig, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.soft, self.masked = config.soft, config.masked
        if config.clusters:
            shapes = {"mean": (width,), "deviation": (width,), "centres": (config.clusters, width)}
            for name, shape in {**shapes, "chosen": (config.clusters,)}.items():
                self.register_buffer(name, torch.ones(shape))
        if self.masked:
            self.register_buffer("mask", torch.ones(1, 1, *size))

    def forward(self, features: Tensor | None, size: tuple[int, int]) -> Tensor:
        """The first network's features (N, C, h, w), if clusters are meant, and the picture's height and width.

        Returns shares (N or 1, 1, H, W) of the second network, in [0, 1].

        Likenesses, and not labels, are what is enlarged: borders then run smoothly, and move so in films."""
        place = None
        if self.masked:
            place = self.mask if self.mask.shape[2:] == size else F.interpolate(self.mask, size, mode="bilinear")
        if features is not None:
            near = likeness(full(features), self.mean, self.deviation, self.centres)
            near = F.interpolate(near, size, mode="bilinear", align_corners=False)
            best = near.masked_fill(self.chosen[:, None, None] == 0, -inf).amax(1, keepdim=True)
            inside = (best == near.amax(1, keepdim=True)).to(near.dtype)  # argmax takes ten times as long
            place = inside if place is None else place * inside
        assert place is not None  # a configuration has one of the two
        if half := round(self.soft / 2):
            place = blur(F.pad(place, (half,) * 4, mode="replicate"), (1,) * (2 * half + 1), (0, 0))
        return place


class LocalSynthesis(nn.Module):
    """w to a picture: two networks' blocks in turn, the second's outcome put into the first's."""

    def __init__(self, config: LocalStyleGAN2Config) -> None:
        super().__init__()
        self.outside, self.inside = Synthesis(config), Synthesis(config)
        self.size, self.ahead = config.resolutions[-1], config.block + 1 if config.clusters else 0
        self.place = Place(config, config.channels[config.block], self.size)

    def forward(self, w: Tensor, noise: Noise) -> Tensor:
        """w (N, L, Cw); returns (N, 3, H, W)."""
        states = drawn(self.outside, w, self.outside.constant_noise if (own := noise == self.constant_noise) else noise)
        noise = self.inside.constant_noise if own else noise
        ahead = list(islice(states, self.ahead))
        with torch.autocast(w.device.type, enabled=False):  # borders deserve float32
            place = self.place(ahead[-1][0] if ahead else None, self.size)
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
    config: LocalStyleGAN2Config
    synthesis: LocalSynthesis

    def __init__(self, config: LocalStyleGAN2Config) -> None:
        super().__init__(config)
        self.synthesis = LocalSynthesis(config)


class LocalGenerator(nn.Module):
    """The same of Swapping Autoencoders: structure and texture to a picture."""

    def __init__(self, config: LocalSwappingConfig) -> None:
        super().__init__()
        self.outside, self.inside = Generator(config), Generator(config)
        self.stride, self.ahead = config.stride, config.block if config.clusters else None
        width = self.outside.blocks[config.block].get_parameter("conv1.bias").numel()
        self.place = Place(config, width, (config.size, config.size))

    def forward(self, structure: Tensor, texture: Tensor, noise: Noise) -> Tensor:
        """As `Generator`."""
        (start, tone), (x, inner) = self.outside.start(structure, texture), self.inside.start(structure, texture)
        states = painted(self.outside, start, tone, noise)
        ahead, features = list(islice(states, self.ahead or 0)), None
        if self.ahead is not None:
            conv = self.outside.blocks[self.ahead].get_submodule("conv1")
            features = conv(ahead[-1] if ahead else start, tone, noise)
        size = (structure.shape[2] * self.stride, structure.shape[3] * self.stride)
        with torch.autocast(x.device.type, enabled=False):
            place = self.place(features, size)
        for block, around in zip(self.inside.blocks, chain(ahead, states), strict=True):
            x, share = block(x, inner, noise), F.avg_pool2d(place, place.shape[3] // around.shape[3])
            if x.shape[2:] != place.shape[2:]:  # else its picture is put together below
                x = torch.lerp(around, x, share.to(x.dtype))
        mine, theirs = self.outside, self.inside
        outside, image = mine.to_rgb(around, tone, mine.rgb_bias), theirs.to_rgb(x, inner, theirs.rgb_bias)
        return torch.lerp(full(outside), full(image), place)


def painted(generator: Generator, x: Tensor, texture: Tensor, noise: Noise) -> Iterator[Tensor]:
    """Features (N, C, h, w), block by block."""
    for block in generator.blocks:
        x = block(x, texture, noise)
        yield x


class LocalAutoencoder(SwappingAutoencoder):
    """Two Swapping Autoencoders with the first one's encoder."""

    kind = "swapping-autoencoder-local"
    title = "a local blend of Swapping Autoencoders"
    config: LocalSwappingConfig
    generator: LocalGenerator  # type: ignore[assignment]  # which is called as a single one

    def __init__(self, config: LocalSwappingConfig) -> None:
        super().__init__(config)
        self.generator = LocalGenerator(config)
