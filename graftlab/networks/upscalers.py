"""Networks that enlarge pictures: ESRGAN's, Real-ESRGAN's small one, and the residual dense network.

    picture --squeeze--> cells --trunk--> features of each cell --draw--> picture, `factor` times the size

The trunk is deep and works at the input's resolution; `draw` is shallow and works at the output's. Both state their
receptive field, so that pictures of any size can be made in tiles (`editing.upscaling`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.config import CompactConfig, RDNConfig, RRDBConfig
from graftlab.networks.layers import SLOPE, full
from graftlab.networks.model import Network

DAMPED = 0.2  # share of a block's outcome that is added to what it was given (ESRGAN, section 3.1)


class Conv(nn.Conv2d):
    """A convolution that keeps height and width, zeros around the picture."""

    def __init__(self, inputs: int, outputs: int, side: int = 3) -> None:
        super().__init__(inputs, outputs, side, padding=side // 2)

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:  # where there is nothing to draw, and trying to takes seconds
            super().reset_parameters()


def larger(x: Tensor, factor: int) -> Tensor:
    """Each pixel `factor` times across and down."""
    return x if factor == 1 else F.interpolate(x, scale_factor=factor, mode="nearest")


class Upscaler(Network):
    """Pictures to the same pictures, `config.factor` times as high and wide, without codes."""

    title = "an upscaler"

    cell = 1  # side of what the trunk sees as one place, pixels; a picture's sides are multiples of it
    trunk_reach: int  # how far from a cell the trunk looks, cells
    draw_reach: int  # how far `draw` does, cells

    @property
    def factor(self) -> int:
        """Sides of the output divided by sides of the input; 1 for a network that only restores."""
        return int(self.config.factor)

    def trunk(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, h * cell, w * cell) in [-1, 1] to features (N, C, h, w)."""
        with self._computing():
            return self._trunk((self._placed(images) + 1) / 2)

    def draw(self, features: Tensor, images: Tensor) -> Tensor:
        """The features, and the pictures they came from, to float32 (N, 3, h * cell * factor, w * cell * factor),
        nominally in [-1, 1], not clamped."""
        with self._computing():
            return full(self._draw(features, (self._placed(images) + 1) / 2)) * 2 - 1

    def forward(self, images: Tensor) -> Tensor:
        return self.draw(self.trunk(images), images)

    def _trunk(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _draw(self, features: Tensor, x: Tensor) -> Tensor:
        raise NotImplementedError


# -- ESRGAN (Wang et al. 2018) ----------------------------------------------------------------------------------------


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees all before it (ESRGAN, figure 4, right)."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Conv(width + i * growth, width if i == 4 else growth) for i in range(5))

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in self.convs[:-1]:
            seen = torch.cat([seen, F.leaky_relu(conv(seen), SLOPE)], dim=1)
        return x + DAMPED * self.convs[-1](seen)


class RRDB(nn.Module):
    """Three dense blocks in a residual one (figure 4, left)."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.ModuleList(DenseBlock(width, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for block in self.dense:
            y = block(y)
        return x + DAMPED * y


class RRDBUpscaler(Upscaler):
    """ESRGAN's generator; with `unshuffle` Real-ESRGAN's for smaller factors."""

    kind = "rrdb-upscaler"
    draw_reach = 2  # 1/2 + 1/4 + ... of a cell, and twice a pixel of the result

    def __init__(self, config: RRDBConfig) -> None:
        super().__init__()
        self.config: RRDBConfig = config
        width = config.width
        self.first = Conv(3 * config.unshuffle**2, width)
        self.blocks = nn.ModuleList(RRDB(width, config.growth) for _ in range(config.blocks))
        self.last_of_trunk = Conv(width, width)
        self.up = nn.ModuleList(Conv(width, width) for _ in range(config.doublings))
        self.fine = Conv(width, width)
        self.to_rgb = Conv(width, 3)
        self.cell = config.unshuffle
        self.trunk_reach = 1 + 15 * config.blocks + 1

    def _trunk(self, x: Tensor) -> Tensor:
        first = self.first(F.pixel_unshuffle(x, self.cell))
        y = first
        for block in self.blocks:
            y = block(y)
        return first + self.last_of_trunk(y)

    def _draw(self, features: Tensor, x: Tensor) -> Tensor:
        y = features
        for conv in self.up:
            y = F.leaky_relu(conv(larger(y, 2)), SLOPE)
        return self.to_rgb(F.leaky_relu(self.fine(y), SLOPE))


# -- Real-ESRGAN's small network --------------------------------------------------------------------------------------


class CompactUpscaler(Upscaler):
    """A stack of convolutions whose last one makes all pixels of a cell, added to the enlarged picture."""

    kind = "compact-upscaler"
    draw_reach = 0

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config: CompactConfig = config
        width = config.width
        self.convs = nn.ModuleList(Conv(width if i else 3, width) for i in range(config.convolutions + 1))
        self.slopes = nn.ModuleList(nn.PReLU(width) for _ in self.convs)
        self.to_pixels = Conv(width, 3 * config.factor**2)
        self.trunk_reach = config.convolutions + 2

    def _trunk(self, x: Tensor) -> Tensor:
        for conv, slope in zip(self.convs, self.slopes, strict=True):
            x = slope(conv(x))
        return self.to_pixels(x)

    def _draw(self, features: Tensor, x: Tensor) -> Tensor:
        return F.pixel_shuffle(features, self.factor) + larger(x, self.factor)


# -- the residual dense network (Zhang et al. 2018) -------------------------------------------------------------------


class ResidualDenseBlock(nn.Module):
    """Convolutions that each see all before them, and a 1x1 convolution that fuses them (figure 3)."""

    def __init__(self, width: int, growth: int, convolutions: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Conv(width + i * growth, growth) for i in range(convolutions))
        self.fuse = Conv(width + convolutions * growth, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in self.convs:
            seen = torch.cat([seen, F.relu(conv(seen))], dim=1)
        return x + self.fuse(seen)


class RDNUpscaler(Upscaler):
    """Figure 2, except that upsampling is by nearest neighbours and a convolution instead of sub-pixels."""

    kind = "rdn-upscaler"
    draw_reach = 1

    def __init__(self, config: RDNConfig) -> None:
        super().__init__()
        self.config: RDNConfig = config
        width, colours = config.width, 3 * config.factor**2
        self.first = Conv(3, width)
        self.second = Conv(width, width)
        self.blocks = nn.ModuleList(
            ResidualDenseBlock(width, config.growth, config.convolutions) for _ in range(config.blocks)
        )
        self.fuse = nn.ModuleList([Conv(width * config.blocks, width, 1), Conv(width, width)])
        self.before_up = nn.ModuleList([Conv(width, 64, 5), Conv(64, 32), Conv(32, colours)])
        self.to_rgb = Conv(colours, 3)
        self.trunk_reach = 2 + config.convolutions * config.blocks + 1 + 4

    def _trunk(self, x: Tensor) -> Tensor:
        first = self.first(x)
        y, passed = self.second(first), []
        for block in self.blocks:
            y = block(y)
            passed.append(y)
        y = first + self.fuse[1](self.fuse[0](torch.cat(passed, dim=1)))
        for conv in self.before_up[:-1]:
            y = F.relu(conv(y))
        return self.before_up[-1](y)

    def _draw(self, features: Tensor, x: Tensor) -> Tensor:
        return self.to_rgb(larger(features, self.factor))
