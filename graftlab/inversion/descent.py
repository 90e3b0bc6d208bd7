"""The loop of inversion, refinement and guidance: tensors follow the gradient of a loss that the caller brings."""

from collections.abc import Callable, Mapping
from math import cos, pi

import torch
from torch import Tensor

from graftlab.checkpoints.states import optimizer_state, restore_optimizer
from graftlab.hardware import exact_convolutions

RISE, FALL = 0.05, 0.25  # shares of the steps in which the learning rate rises and falls

Loss = Callable[[slice, float], tuple[Tensor, Tensor | float]]
"""Of some items, after a share of the steps: their losses (n,), and a penalty that is added to the sum of those.

Items are the rows of the free tensors. No loss depends on the others, so that each descends as if it were alone."""


class Descent:
    """Free tensors (N, ...), one row for each item, and the Adam that moves them.

    A step works on a part of the items at a time, which bounds memory, and moves all of them together."""

    def __init__(
        self,
        free: Mapping[str, Tensor],  # by the names that they have in a state
        rates: Mapping[str, float],  # learning rate of each at its highest
        loss: Loss,
        batch: int = 8,  # items drawn at once, on which the result does not depend
    ) -> None:
        self.free = {name: tensor.requires_grad_(True) for name, tensor in free.items()}
        self.count, self.loss, self.batch = len(next(iter(self.free.values()))), loss, batch
        groups = [{"params": [tensor], "rate": rates[name]} for name, tensor in self.free.items()]
        self.optimizer = torch.optim.Adam(groups, lr=0.0)

    def step(self, share: float) -> float:
        """One step of Adam, after this share of all steps. Returns the mean of the losses before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * ramps(share)
        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        with torch.enable_grad(), exact_convolutions():
            for which in parts(self.count, self.batch):
                found, penalty = self.loss(which, share)
                losses.append(found.detach())
                (found.sum() + penalty).backward()
        self.optimizer.step()
        return torch.cat(losses).mean().item()

    def state(self) -> dict[str, Tensor]:
        """Everything that steps change."""
        return {**self.free, **optimizer_state(self.optimizer)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        for name, tensor in self.free.items():
            tensor.data.copy_(tensors[name])
        restore_optimizer(self.optimizer, tensors)


def ramps(share: float) -> float:
    """Factor on the learning rate after so much of the steps: a straight line up, later a cosine down.

    Karras et al. 2020, appendix D."""
    down = 0.5 - 0.5 * cos(pi * min(1.0, (1 - share) / FALL))
    return down * min(1.0, share / RISE)


def parts(count: int, batch: int) -> list[slice]:
    """Consecutive parts of so many items, of at most `batch` each."""
    return [slice(start, min(start + batch, count)) for start in range(0, count, batch)]
