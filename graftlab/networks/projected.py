"""Discriminators on the features of a frozen network (Projected GAN: Sauer et al. 2021), of pictures and of patches.

A network trained on a million photographs already represents textures, so these discriminators are small and learn
quickly. The frozen network itself is not part of these modules: they take its feature maps.
"""

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from graftlab.networks.layers import SLOPE

WIDTH = 64  # channels of the mixed maps and of the discriminators
PATCH = 8  # side to which patches of the maps are resampled, cells

Maps = tuple[Tensor, ...]
"""What a feature network sees in pictures: (N, C, h, w) from fine to coarse."""


class RandomProjection(nn.Module):
    """Fixed random mixing of maps across channels, and from coarse to fine across scales (section 3.2).

    Without it, discriminators rely on few features, and the generator learns to fool only these."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.across_channels = nn.ModuleList(nn.Conv2d(count, WIDTH, 1) for count in channels)
        self.across_scales = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in channels[1:])
        for conv in [*self.across_channels, *self.across_scales]:
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(conv.bias)
        self.requires_grad_(False)

    def forward(self, maps: Maps) -> Maps:
        """Maps of any channels to maps of WIDTH channels, each combined with the coarser ones."""
        mixed = [conv(x) for conv, x in zip(self.across_channels, maps, strict=True)]
        for finer in range(len(mixed) - 2, -1, -1):
            above = F.interpolate(mixed[finer + 1], mixed[finer].shape[2:], mode="bilinear", align_corners=False)
            mixed[finer] = self.across_scales[finer](mixed[finer] + above)
        return tuple(mixed)


def head(halvings: int, outputs: int = 1) -> nn.Sequential:
    """From a mixed map to logits, one for each position after so many halvings; spectrally normalised."""
    layers: list[nn.Module] = []
    for _ in range(halvings):
        layers += [spectral_norm(nn.Conv2d(WIDTH, WIDTH, 4, 2, 1)), nn.LeakyReLU(SLOPE)]
    layers += [spectral_norm(nn.Conv2d(WIDTH, WIDTH, 3, padding=1)), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, nn.Conv2d(WIDTH, outputs, 3, padding=1))


class ProjectedDiscriminator(nn.Module):
    """Is this a picture from the training set? One small discriminator for each scale, at every position.

    With classes, a logit is the inner product of what is seen and the class embedding (Miyato and Koyama 2018)."""

    def __init__(self, channels: tuple[int, ...], classes: int = 0) -> None:
        super().__init__()
        self.mix = RandomProjection(channels)
        self.heads = nn.ModuleList(head(halvings, WIDTH if classes else 1) for halvings in (2, 1, 1, 0))
        self.embed = nn.Linear(classes, WIDTH, bias=False) if classes else None
        if self.embed is not None:
            nn.init.normal_(self.embed.weight)

    def forward(self, maps: Maps, labels: Tensor | None = None) -> Tensor:
        """Maps of pictures, and their classes (N, classes), to logits (N, P) of all scales and positions, above zero
        for real."""
        seen = torch.cat([head(x).flatten(2) for head, x in zip(self.heads, self.mix(maps), strict=True)], 2)
        if self.embed is None or labels is None:
            return seen.flatten(1)
        return torch.einsum("ncp,nc->np", seen, self.embed(labels)) / sqrt(WIDTH)


class CooccurrenceDiscriminator(nn.Module):
    """Do these patches come from one picture (Park et al. 2020, section 3.3), by the two finest maps?

    Patches are cut from the feature maps of a whole picture, at a twentieth of the cost of encoding each on its own."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.describe = nn.Sequential(
            spectral_norm(nn.Conv2d(sum(channels[:2]), WIDTH, 3, padding=1)),
            nn.LeakyReLU(SLOPE),
            spectral_norm(nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1)),
            nn.LeakyReLU(SLOPE),
            spectral_norm(nn.Conv2d(2 * WIDTH, 2 * WIDTH, 4)),
            nn.LeakyReLU(SLOPE),
        )
        self.compare = nn.Sequential(
            spectral_norm(nn.Linear(4 * WIDTH, 2 * WIDTH)),
            nn.LeakyReLU(SLOPE),
            spectral_norm(nn.Linear(2 * WIDTH, 2 * WIDTH)),
            nn.LeakyReLU(SLOPE),
            nn.Linear(2 * WIDTH, 1),
        )

    def features(self, patches: Tensor) -> Tensor:
        """Patches of the maps (N, T, C, PATCH, PATCH) to descriptions (N, T, D)."""
        return self.describe(patches.flatten(0, 1)).flatten(1).unflatten(0, patches.shape[:2])

    def forward(self, reference: Tensor, target: Tensor) -> Tensor:
        """Descriptions of reference patches and of target patches, both (N, T, D), to logits (N, T)."""
        return self.compare(torch.cat([reference, target], 2)).squeeze(2)


class ProjectedDiscriminators(nn.Module):
    """Both, as one module, which training keeps beside the Swapping Autoencoder instead of the paper's own."""

    def __init__(self, channels: tuple[int, ...]) -> None:  # of the frozen network's four maps
        super().__init__()
        self.image = ProjectedDiscriminator(channels)
        self.patch = CooccurrenceDiscriminator(channels)
