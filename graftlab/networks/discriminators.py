"""The two discriminators of the Swapping Autoencoder (Park et al. 2020, appendix B.1): of pictures and of patches."""

import torch
from torch import Tensor, nn

from graftlab.config import SwappingConfig
from graftlab.errors import GraftError
from graftlab.networks.layers import Conv, Linear, ResidualBlock


class ImageDiscriminator(nn.Module):
    """StyleGAN2's residual discriminator (Fig. 7c there), without minibatch deviation."""

    def __init__(self, config: SwappingConfig) -> None:
        super().__init__()
        self.size = config.size
        halve = (1, 3, 3, 1) if config.antialias else (1,)
        channels, resolutions = config.discriminator_channels, config.discriminator_resolutions
        self.from_rgb = Conv(3, channels(resolutions[0]), 1)
        self.blocks = nn.ModuleList(
            ResidualBlock(channels(size), channels(size // 2), halve=halve) for size in resolutions
        )
        self.conv = Conv(channels(4), channels(4), 3)
        side = 4 * config.size // resolutions[0]  # 4 cells; 3 or 5 for sizes that are no power of two
        self.linear1 = Linear(channels(4) * side**2, channels(4), activate=True)
        self.linear2 = Linear(channels(4), 1)

    def features(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, size, size) to features (N, C, 4, 4)."""
        if images.shape[2:] != (self.size, self.size):
            raise GraftError(f"The discriminator judges pictures of {self.size} px, not {tuple(images.shape[2:])}.")
        x = self.from_rgb(images)
        for block in self.blocks:
            x = block(x)
        return self.conv(x)

    def forward(self, images: Tensor) -> Tensor:
        """Pictures to logits (N, 1), above zero for real."""
        return self.linear2(self.linear1(self.features(images).flatten(1)))


class PatchDiscriminator(nn.Module):
    """Do these two patches come from one picture? (section 3.3, "co-occurrent patch statistics")"""

    def __init__(self, config: SwappingConfig) -> None:
        super().__init__()
        halve = (1, 3, 3, 1) if config.antialias else (1,)
        channels, resolutions, widest = config.patch_channels, config.patch_resolutions, config.patch_max_channels
        self.from_rgb = Conv(3, channels(resolutions[0]), 3)
        self.blocks = nn.ModuleList(
            ResidualBlock(channels(size), channels(size // 2), halve=halve) for size in resolutions
        )
        self.wide = ResidualBlock(channels(4), 2 * widest, halve=None)
        self.conv = Conv(2 * widest, widest, 3, valid=True)
        hidden = config.patch_hidden
        self.compare = nn.Sequential(
            Linear(widest * 2 * 2 * 2, hidden, activate=True),
            Linear(hidden, hidden, activate=True),
            Linear(hidden, hidden // 2, activate=True),
            Linear(hidden // 2, 1),
        )

    def features(self, patches: Tensor) -> Tensor:
        """Patches (N, T, 3, S, S) to features (N, T, C, 2, 2)."""
        x = self.from_rgb(patches.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x)
        return self.conv(self.wide(x)).unflatten(0, patches.shape[:2])

    def forward(self, reference: Tensor, target: Tensor) -> Tensor:
        """Features of reference patches and of target patches, both (N, T, C, 2, 2), to logits (N, T)."""
        pairs = torch.cat([reference.flatten(2), target.flatten(2)], dim=2)
        return self.compare(pairs.flatten(0, 1)).view(pairs.shape[:2])


class Discriminators(nn.Module):
    """Both, as one module, which training keeps beside the Swapping Autoencoder."""

    def __init__(self, config: SwappingConfig) -> None:
        super().__init__()
        self.image = ImageDiscriminator(config)
        self.patch = PatchDiscriminator(config)
