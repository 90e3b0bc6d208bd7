"""What a dual encoder is told of a picture: statistics of a frozen network's maps, by height."""

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.perception.efficientnet import DEFAULT, channels

SIDE = 128  # pixels at which the network looks
PARTS = 3  # of the height: sky, middle, ground
FLAT = 1e-4  # added to variances, whose roots would have no gradient at zero
STATISTICS = 2 * PARTS * sum(channels(DEFAULT))


def statistics(maps: tuple[Tensor, ...]) -> Tensor:
    """Means and standard deviations of every channel of maps (N, C, h, w), by thirds of the height: (N, 6 * sum of C).

    Where things lie in a picture is above and below; left and right do not matter to words."""
    found = []
    for x in maps:
        mean, square = (F.adaptive_avg_pool2d(y, (PARTS, 1)) for y in (x, x.square()))
        found += [mean.flatten(1), ((square - mean.square()).clamp(min=0) + FLAT).sqrt().flatten(1)]
    return torch.cat(found, 1)
