"""A blend whose shares change while somebody looks at it: only tensors whose shares changed are mixed again.

mixture = Mixture([a, b])
picture = mixture.take(pair(curve({4: 0, 128: 1}))).sample([7], psi=0.7)
"""

from collections.abc import Callable, Sequence
from typing import Generic

import torch

from graftlab.blending.blend import ModelT, blend_many, check_resolutions, lineage, mixed
from graftlab.blending.layers import Layer, layers_of
from graftlab.blending.weights import Share


class Mixture(Generic[ModelT]):
    """Models of the same layers, and their blend; at first it is A. GraftError if they differ in more than weights."""

    def __init__(self, models: Sequence[ModelT]) -> None:
        self.models = list(models)
        alone = (1.0,) + (0.0,) * (len(models) - 1)
        self.network = blend_many(models, lambda layer: alone)
        self._layers = layers_of(self.network)
        self._states, self._made = [model.state_dict() for model in models], self.network.state_dict()
        self._shares: dict[str, Sequence[Share]] = {layer.name: alone for layer in self._layers}

    @torch.no_grad()
    def take(self, rule: Callable[[Layer], Sequence[Share]]) -> ModelT:
        """The blend by a rule, the same bits as of `blend_many`: always the same network, written over.

        It has no fingerprint, which would take longer than the blend. GraftError as of `blend_many`."""
        check_resolutions(rule, self._layers)
        self.network.fingerprint, self.network.about = None, lineage(self.models, rule)
        for layer in self._layers:
            shares = tuple(rule(layer))
            if not _equal(shares, self._shares[layer.name]):
                self._made[layer.name].copy_(mixed(layer, self._states, shares))
                self._shares[layer.name] = shares
        return self.network


def _equal(some: Sequence[Share], others: Sequence[Share]) -> bool:
    """Whether shares are the same, numbers or one for each channel."""
    pairs = (
        [torch.as_tensor(share, dtype=torch.float64) for share in each] for each in zip(some, others, strict=False)
    )
    return len(some) == len(others) and all(torch.equal(a, b) for a, b in pairs)
