"""A student that redraws photos in one pass, and the discriminators that judge it (pix2pixHD: Wang et al. 2018).

The generator is small: a U-Net of our own layers that predicts the change to the photo. The discriminators see
photo and picture together, in patches, at several scales.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.config import TranslatorConfig
from graftlab.errors import GraftError
from graftlab.networks.layers import Conv, ResidualBlock, full
from graftlab.networks.model import Network

HALVE = (1, 3, 3, 1)  # taps of the filter before every halving
JUDGE_HALVINGS = 3  # after which a logit sees a patch of 46 pixels


class UpBlock(nn.Module):
    """Upsampling by 2, with the skip connection from the downsampling path."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.narrow = Conv(inputs, outputs, 3)
        self.join = Conv(2 * outputs, outputs, 3)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        x = F.interpolate(self.narrow(x), scale_factor=2, mode="bilinear", align_corners=False)
        return self.join(torch.cat([x, beside], dim=1))


class Translator(Network):
    """Photos to pictures, of any size, without codes."""

    kind = "translator"
    title = "a student that redraws photos"

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.from_rgb = Conv(3, widths[0], 3)
        self.down = nn.ModuleList(ResidualBlock(inputs, outputs, HALVE) for inputs, outputs in pairwise(widths))
        self.middle = nn.ModuleList(ResidualBlock(widths[-1], widths[-1], None) for _ in range(config.blocks))
        self.up = nn.ModuleList(UpBlock(inputs, outputs) for inputs, outputs in pairwise(widths[::-1]))
        self.to_rgb = Conv(widths[0], 3, 3, activate=False)
        nn.init.zeros_(self.to_rgb.weight)  # at first it draws the photo itself

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1], both sides multiples of the stride; returns the same, not clamped."""
        x, passed = self.from_rgb(images), []
        for block in self.down:
            passed.append(x)
            x = block(x)
        for block in self.middle:
            x = block(x)
        for block in self.up:
            x = block(x, passed.pop())
        return images + full(self.to_rgb(x))

    def translate(self, images: Tensor) -> Tensor:
        """Redraw photos (N, 3, H, W) in [-1, 1] of any height and width.

        Returns float32 of that size, nominally in [-1, 1], not clamped. Sides that are not multiples of the stride are
        padded, then cropped. GraftError for anything other than such photos."""
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise GraftError(f"Photos are (N, 3, H, W), not {tuple(images.shape)}.")
        height, width = images.shape[2:]
        x, stride = self._placed(images), self.config.stride
        x = F.pad(x, (0, -width % stride, 0, -height % stride), mode="replicate")
        with self._computing():
            return full(self(x))[:, :, :height, :width]


class PatchJudge(nn.Module):
    """Photo and picture together to a logit for every patch, and the intermediate features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(JUDGE_HALVINGS)]
        self.layers = nn.ModuleList([Conv(6, widths[0], 3, halve=HALVE)])
        self.layers.extend(Conv(inputs, outputs, 3, halve=HALVE) for inputs, outputs in pairwise(widths))
        self.layers.append(Conv(widths[-1], widths[-1], 3))
        self.to_logits = Conv(widths[-1], 1, 3, activate=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 6, H, W) to features of every layer, and logits (N, 1, H/8, W/8) as the last."""
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return [*features, self.to_logits(x)]


class PairDiscriminator(nn.Module):
    """The same judge at several scales, each with its own weights (section 3.2)."""

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchJudge(config.discriminator_width) for _ in range(config.discriminators))

    def forward(self, photos: Tensor, pictures: Tensor) -> list[list[Tensor]]:
        """Both (N, 3, H, W); returns what `PatchJudge` does for each scale, from the finest on. Logits are above zero
        for the true pictures of their photos."""
        x = torch.cat([photos, pictures], dim=1).contiguous(memory_format=torch.channels_last)
        judged = []
        for number, judge in enumerate(self.scales):
            judged.append(judge(F.avg_pool2d(x, 2**number) if number else x))
        return judged
