"""How far pictures are from the photos that they are to become: by pixels, and by what a feature network sees."""

import torch
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.perception.distances import deep
from graftlab.perception.features import FeatureNetwork, Features

MOST = 1_000_000  # of a weight
SIDES = (64, 256)  # pixels: features are looked at in pictures no smaller and no larger


class Likeness:
    """A loss towards photos (N, 3, H, W) in [-1, 1], whose features are computed once.

    pixels * mean squared difference + features * deep-feature distance; without a network, pixels alone. GraftError if
    nothing is left."""

    def __init__(
        self, photos: Tensor, network: FeatureNetwork | None, features: float = 1.0, pixels: float = 1.0, batch: int = 8
    ) -> None:
        if not (0 <= pixels <= MOST and 0 <= features <= MOST):
            raise GraftError(f"Weights are from 0 to {MOST:,} (--pixels {pixels}, --features {features}).")
        if not pixels and not (network and features):
            raise GraftError("Photos are found by pixels or by features; give either a weight (--pixels, --features).")
        self.photos, self.network, self.features, self.pixels = photos, network, features, pixels
        self.aims: Features | None = None
        if network is not None:
            with torch.no_grad():
                seen = [_seen(network, part) for part in photos.split(batch)]
            maps = zip(*(each.maps for each in seen), strict=True)
            self.aims = Features(tuple(map(torch.cat, maps)), torch.cat([each.pooled for each in seen]))

    def __len__(self) -> int:
        return len(self.photos)

    def __call__(self, made: Tensor, which: slice) -> Tensor:
        """Of pictures (n, 3, H, W) made in the place of those photos: (n,), differentiable."""
        loss = self.pixels * (made - self.photos[which]).square().mean((1, 2, 3))
        if self.network is not None and self.aims is not None:
            loss = loss + self.features * deep(_seen(self.network, made), self.aims[which])
        return loss


def _seen(network: FeatureNetwork, images: Tensor) -> Features:
    """Features of pictures as large as they are (appendix D: at most 256)."""
    return network.seen(images, min(max(max(images.shape[2:]), SIDES[0]), SIDES[1]))
