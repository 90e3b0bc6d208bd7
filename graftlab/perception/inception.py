"""Inception-v3 (Szegedy et al. 2016) as used for published Fréchet distances: its weights, resizing and quirks.

The weights are those of the TensorFlow graph of 2015-12-05 with which Heusel et al. (2017) measured, in the file of
tensors that pytorch-fid and torch-fidelity both distribute. Modules are named as in that file.
"""

import hashlib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.errors import GraftError
from graftlab.perception.features import FeatureNetwork, Features, Side, extent

FILE = "pt_inception-2015-12-05-6726825d.pth"  # the name ends in the first digits of its SHA-256
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}"
SIDE = 299  # pixels, as in its training
PATCH_SIDE = 128  # pixels; below 75 nothing would be left of a picture
CLASSES = 1008

Kernel = int | tuple[int, int]
Layers = list[
    tuple[int, Kernel | None]
]  # outputs and kernel of each; None: a fork, a row and a column of 3 put together
ROW, COLUMN = (1, 7), (7, 1)


class Conv(nn.Module):
    """Convolution, normalisation, ReLU; keeps the size unless strided or unpadded."""

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, stride: int = 1, padded: bool = True) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if padded and stride == 1 else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Parallel branches of convolutions and one of pooling; their outputs are concatenated."""

    def __init__(
        self,
        inputs: int,
        chains: dict[str, Layers],
        pooled: int | None = None,  # outputs of the convolution after pooling; None: halve the size, without one
        maximum: bool = False,  # pool by maximum where the paper says mean: the graph's quirk
    ) -> None:
        super().__init__()
        self.halves, self.maximum = pooled is None, maximum
        self.chains: list[list[list[str]]] = []  # names of the convolutions of each layer
        for name, layers in chains.items():
            steps, before = [], inputs
            for index, (outputs, kernel) in enumerate(layers, 1):
                stride = 2 if self.halves and index == len(layers) else 1
                numbered = f"{name}_{index}" if len(layers) > 1 else name
                parts = {numbered: kernel} if kernel else {f"{numbered}a": (1, 3), f"{numbered}b": (3, 1)}
                for part, shape in parts.items():
                    self.add_module(part, Conv(before, outputs, shape, stride))
                steps.append(list(parts))
                before = outputs
            self.chains.append(steps)
        if pooled is not None:
            self.branch_pool = Conv(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        made = []
        for steps in self.chains:
            y = x
            for step in steps:
                y = torch.cat([self.get_submodule(part)(y) for part in step], 1)
            made.append(y)
        if self.halves:
            return torch.cat([*made, F.max_pool2d(x, 3, 2)], 1)
        if self.maximum:
            around = F.max_pool2d(x, 3, 1, 1)
        else:  # TensorFlow's mean leaves out what lies beyond the border
            around = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return torch.cat([*made, self.branch_pool(around)], 1)


def fine(inputs: int, pooled: int) -> Mixed:
    wide: Layers = [(64, 1), (96, 3), (96, 3)]
    return Mixed(inputs, {"branch1x1": [(64, 1)], "branch5x5": [(48, 1), (64, 5)], "branch3x3dbl": wide}, pooled)


def medium(width: int) -> Mixed:
    narrow: Layers = [(width, 1), (width, ROW), (192, COLUMN)]
    wide: Layers = [(width, 1), (width, COLUMN), (width, ROW), (width, COLUMN), (192, ROW)]
    return Mixed(768, {"branch1x1": [(192, 1)], "branch7x7": narrow, "branch7x7dbl": wide}, 192)


def coarse(inputs: int, maximum: bool) -> Mixed:
    wide: Layers = [(448, 1), (384, 3), (384, None)]
    chains: dict[str, Layers] = {"branch1x1": [(320, 1)], "branch3x3": [(384, 1), (384, None)], "branch3x3dbl": wide}
    return Mixed(inputs, chains, 192, maximum)


class Inception(nn.Module):
    """Maps of 64, 192, 768 and 2048 channels at a stride of 4, 8, 16 and 32; pooled, the 2048 means of the last."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3, padded=False)
        self.Mixed_5b = fine(192, 32)
        self.Mixed_5c = fine(256, 64)
        self.Mixed_5d = fine(288, 64)
        self.Mixed_6a = Mixed(288, {"branch3x3": [(384, 3)], "branch3x3dbl": [(64, 1), (96, 3), (96, 3)]})
        self.Mixed_6b = medium(128)
        self.Mixed_6c = medium(160)
        self.Mixed_6d = medium(160)
        self.Mixed_6e = medium(192)
        long: Layers = [(192, 1), (192, ROW), (192, COLUMN), (192, 3)]
        self.Mixed_7a = Mixed(768, {"branch3x3": [(192, 1), (320, 3)], "branch7x7x3": long})
        self.Mixed_7b = coarse(1280, maximum=False)
        self.Mixed_7c = coarse(2048, maximum=True)
        self.fc = nn.Linear(2048, CLASSES)  # in the file, and of no use here

    def forward(self, x: Tensor) -> Features:
        first = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        second = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(first)), 3, 2)
        third = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(second))))
        third = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(third))))
        last = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(third)))
        return Features((first, second, third, last), last.mean((2, 3)))


def prepare(images: Tensor, side: Side) -> Tensor:
    """Pixels of 8 bits, resized as TensorFlow 1 did: bilinear, from the corner, without smoothing; (pixel - 128) / 128.

    This resizing is flawed (Parmar et al. 2022), but other resizing would not match published figures."""
    x = ((images + 1) * 127.5).round()
    for axis, wanted in zip((2, 3), extent(side), strict=True):
        if (length := x.shape[axis]) != wanted:
            at = torch.arange(wanted, device=x.device) * (length / wanted)
            before = at.long()
            after = (before + 1).clamp(max=length - 1)
            share = (at - before).view([wanted if axis == dim else 1 for dim in range(4)])
            x = torch.lerp(x.index_select(axis, before), x.index_select(axis, after), share)
    return (x - 128) / 128


def inception(place: str, device: torch.device) -> FeatureNetwork:
    """The network with the weights in a file, or downloaded once if none is named. Nothing in the file is run."""
    path = Path(place).expanduser() if place else _downloaded()
    if not path.is_file():
        raise GraftError(f"There is no file {path}: give the file {FILE} of pytorch-fid.")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        module = Inception()
        module.load_state_dict(weights)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    except Exception as error:  # whatever PyTorch says of a file that is something else
        raise GraftError(
            f"{path} does not hold the weights of Inception: give the file {FILE} of pytorch-fid."
        ) from error
    return FeatureNetwork(f"inception {digest}", module, prepare, SIDE, PATCH_SIDE, device)


def _downloaded() -> Path:
    path = Path(torch.hub.get_dir()) / "checkpoints" / FILE
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL, str(path), hash_prefix="6726825d")
        except Exception as error:  # of the network, of the disk
            raise GraftError(
                f"The weights of Inception could not be downloaded: get {URL} where there is a connection and give the "
                f"file with --features inception:{FILE}."
            ) from error
    return path
