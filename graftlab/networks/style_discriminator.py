"""StyleGAN2's discriminator (Karras et al. 2020, config-f, Fig. 7c): residual, with minibatch deviation."""

from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn

from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError
from graftlab.networks.layers import EPSILON, Conv, Linear, ResidualBlock, full
from graftlab.networks.style import Labels, MappingNetwork, class_matrix

HALVE = (1, 3, 3, 1)  # taps of the filter before every halving
LABEL_LAYERS = 8  # of the network that maps classes


def minibatch_deviation(x: Tensor, group: int) -> Tensor:
    """Append a channel with the standard deviation within a group of pictures (Karras et al. 2018, section 3).

    x (N, C, H, W); returns (N, C + 1, H, W). A batch smaller than the group is one group; members of a group stand
    N / group apart. GraftError if the batch does not divide into groups."""
    count, group = len(x), min(group, len(x))
    if count % group:
        raise GraftError(f"The discriminator compares pictures in groups of {group}, so {count} of them do not fit.")
    grouped = full(x).unflatten(0, (group, count // group))
    deviation = torch.sqrt(grouped.var(0, correction=0) + EPSILON).mean((1, 2, 3))
    channel = deviation.repeat(group)[:, None, None, None].expand(-1, 1, *x.shape[2:])
    return torch.cat([x, channel.to(x.dtype)], dim=1)


class StyleDiscriminator(nn.Module):
    """Pictures (N, 3, H, W), and their classes, to logits (N, 1), above zero for real.

    With classes, the logit is the inner product of the picture's features and the class embedding (Miyato and Koyama
    2018)."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        channels, clamp = config.discriminator_channels or config.channels, config.clamp
        last, widths = channels[0], channels[::-1]
        self.config = config
        self.from_rgb = Conv(3, widths[0], 1, clamp=clamp)
        self.blocks = nn.ModuleList(
            ResidualBlock(inputs, outputs, HALVE, clamp=clamp) for inputs, outputs in pairwise(widths)
        )
        self.conv = Conv(last + 1, last, 3, clamp=clamp)
        height, width = config.constant
        self.linear1 = Linear(last * height * width, last, activate=True)
        self.linear2 = Linear(last, last if config.classes else 1)
        self.mapping = MappingNetwork(0, last, config.classes, LABEL_LAYERS) if config.classes else None

    def features(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) to features (N, C, h, w) of the constant's height and width."""
        size = self.config.resolutions[-1]
        if images.shape[2:] != size:
            raise GraftError(f"The discriminator judges pictures of {size} px, not {tuple(images.shape[2:])}.")
        x = self.from_rgb(images.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x)
        return self.conv(minibatch_deviation(x, self.config.discriminator_group))

    def forward(self, images: Tensor, labels: Labels = None) -> Tensor:
        """Pictures and classes, as `StyleGAN2.map` takes them, to logits (N, 1)."""
        table = class_matrix(labels, len(images), self.config.classes)
        logits = self.linear2(self.linear1(self.features(images).flatten(1)))
        if self.mapping is None or table is None:
            return logits
        wanted = self.mapping(None, table.to(images))
        return (logits * wanted).sum(1, keepdim=True) / sqrt(wanted.shape[1])
