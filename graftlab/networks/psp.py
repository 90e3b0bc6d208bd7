"""The encoders of pSp (Richardson et al. 2021), e4e (Tov et al. 2021) and ReStyle (Alaluf et al. 2021).

    picture --backbone--> maps of four stages --a head for each layer--> w of each layer, from their mean

The backbone is IR-SE-50, with which ArcFace (Deng et al. 2019) recognises faces, or ResNet-34 (He et al. 2016). Modules
are named as in the authors' files, in which these networks come.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.config import PSPConfig
from graftlab.networks.layers import Linear

SQUEEZE = 16  # times fewer channels inside of a squeeze
COARSE, MIDDLE = 3, 7  # layers whose w are read from the last map of the pyramid, and from the one before
ENDS = 7  # side of the map that the head "w+" reads, cells


class Drawn(nn.Module):
    """Weights at random, but on the device "meta", where PyTorch would load its compiler first, which takes seconds."""

    weight: Tensor

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()  # type: ignore[misc]


class Conv(Drawn, nn.Conv2d):
    """A convolution that keeps height and width, or divides them by the stride."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1, bias: bool = False) -> None:
        super().__init__(inputs, outputs, side, stride, side // 2, bias=bias)


class Matrix(Drawn, nn.Linear):
    """A linear layer."""


class Squeeze(nn.Module):
    """Squeeze and excitation (Hu et al. 2018): each channel is weighed, by the means of all of them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = Conv(channels, channels // SQUEEZE, 1), Conv(channels // SQUEEZE, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()


class ImprovedResidual(nn.Module):
    """ArcFace's residual unit (section 3.2.2), with a squeeze: normalise, convolve, PReLU, convolve, normalise."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if inputs != outputs:
            self.shortcut_layer = nn.Sequential(Conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            Conv(inputs, outputs, 3),
            nn.PReLU(outputs),
            Conv(outputs, outputs, 3, stride),
            nn.BatchNorm2d(outputs),
            Squeeze(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut_layer(x) + self.res_layer(x)


class Residual(nn.Module):
    """ResNet's unit of two convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = Conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = Conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(Conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.downsample(x) + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class MapToStyle(nn.Module):
    """map2style (pSp, Fig. 2): a map is halved until it is one cell, from which a matrix makes a w."""

    def __init__(self, channels: int, w_channels: int, halvings: int) -> None:
        super().__init__()
        widths = [channels, *[w_channels] * halvings]
        steps = [(Conv(a, b, 3, 2, bias=True), nn.LeakyReLU()) for a, b in pairwise(widths)]
        self.convs = nn.Sequential(*(module for step in steps for module in step))
        self.linear = Linear(w_channels, w_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class PSPEncoder(nn.Module):
    """Pictures (N, inputs, H, W) to what w differs from its mean by (N, styles, Cw).

    The longer side of the pictures, in [-1, 1], is `config.size`."""

    def __init__(self, config: PSPConfig) -> None:
        super().__init__()
        self.config, (first, *_, last), count = config, config.widths, config.w_channels
        faces = config.backbone == "ir-se"
        if faces:
            self.input_layer = nn.Sequential(Conv(config.inputs, first, 3), nn.BatchNorm2d(first), nn.PReLU(first))
        else:
            self.conv1, self.bn1 = Conv(config.inputs, first, 7, 2), nn.BatchNorm2d(first)
            self.relu = nn.PReLU(first)
        unit, units = ImprovedResidual if faces else Residual, list[nn.Module]()
        for stage, (inputs, outputs, blocks) in enumerate(
            zip((first, *config.widths), config.widths, config.blocks, strict=False)
        ):
            units.append(unit(inputs, outputs, 2 if faces or stage else 1))  # ResNet has halved already
            units += [unit(outputs, outputs, 1) for _ in range(1, blocks)]
        self.body = nn.Sequential(*units)
        if config.head == "w":
            self.linear = Linear(last, count)
        elif config.head == "w+":
            shrink = [nn.BatchNorm2d(last), nn.AdaptiveAvgPool2d(ENDS), nn.Flatten()]
            self.output_layer_2 = nn.Sequential(*shrink, Matrix(last * ENDS**2, last))
            self.linear = Linear(last, count * config.styles)
        else:
            halvings = [(config.size // 16).bit_length() - 1 + finer for finer in self._levels()]
            self.styles = nn.ModuleList(MapToStyle(last, count, each) for each in halvings)
        if config.head == "pyramid":
            self.latlayer1, self.latlayer2 = (Conv(config.widths[stage], last, 1, bias=True) for stage in (2, 1))

    def forward(self, images: Tensor) -> Tensor:
        maps = self._maps(images)
        if self.config.head in ("w", "w+"):
            x = maps[-1].mean((2, 3)) if self.config.head == "w" else self.output_layer_2(maps[-1])
            return self.linear(x).unflatten(1, (-1, self.config.w_channels))
        levels = [maps[-1]]
        if self.config.head == "pyramid":
            levels.append(_enlarged(levels[-1], self.latlayer1(maps[2])))
            levels.append(_enlarged(levels[-1], self.latlayer2(maps[1])))
        w = torch.stack([style(levels[i]) for style, i in zip(self.styles, self._levels(), strict=True)], 1)
        return torch.cat([w[:, :1], w[:, :1] + w[:, 1:]], 1) if self.config.differences else w

    def _maps(self, images: Tensor) -> list[Tensor]:
        """After each stage of the backbone."""
        if self.config.backbone == "ir-se":
            x = self.input_layer(images)
        else:
            x = self.relu(self.bn1(self.conv1(images)))
        maps, ends = [], torch.tensor(self.config.blocks).cumsum(0).tolist()
        for start, end in pairwise([0, *ends]):
            x = self.body[start:end](x)
            maps.append(x)
        return maps

    def _levels(self) -> list[int]:
        """Of the pyramid, for each w: 0 the last and smallest map, 1 and 2 those before."""
        if self.config.head == "last":
            return [0] * self.config.styles
        return [(i >= COARSE) + (i >= MIDDLE) for i in range(self.config.styles)]


def _enlarged(x: Tensor, finer: Tensor) -> Tensor:
    """A map at the size of a finer one, and both together (Lin et al. 2017)."""
    return F.interpolate(x, finer.shape[2:], mode="bilinear", align_corners=True) + finer
