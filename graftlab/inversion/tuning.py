"""Pivotal tuning (Roich et al. 2021): the codes stay, and the generator is bent until it draws the photos from them."""

from copy import deepcopy

import torch
from torch import Tensor

from graftlab.checkpoints.states import optimizer_state, restore_optimizer, under
from graftlab.codes import StyleCodes
from graftlab.hardware import exact_convolutions
from graftlab.inversion.descent import parts
from graftlab.inversion.likeness import Likeness
from graftlab.networks.model import fingerprint
from graftlab.networks.style import StyleGAN

LEARNING_RATE = 1e-3  # of Adam: what 3e-4 (appendix A) does, in half the steps, and moves other pictures no further


class Tuning:
    """A copy of a generator that learns to draw photos from their codes, a batch of them at a step (section 3.2).

    The mapping and the average of w stay, so codes keep their meaning; edits of the photos stay possible."""

    def __init__(
        self,
        model: StyleGAN,
        codes: StyleCodes,  # the pivots (N, L, Cw)
        likeness: Likeness,
        steps: int = 100,
        batch: int = 8,
    ) -> None:
        self.model, self.model_of = deepcopy(model), model.fingerprint
        self.model.synthesis.requires_grad_(True)
        self.w, self.likeness, self.steps, self.done = codes.w.to(likeness.photos), likeness, steps, 0
        self.batches = parts(len(codes), batch)
        self.optimizer = torch.optim.Adam(self.model.synthesis.parameters(), lr=LEARNING_RATE)

    def step(self) -> float:
        """One step of Adam. Returns the mean loss of its photos before it."""
        which = self.batches[self.done % len(self.batches)]
        self.optimizer.zero_grad(set_to_none=True)
        with exact_convolutions():
            made = self.model.synthesis(self.w[which], self.model.synthesis.constant_noise)
            loss = self.likeness(made, which).mean()
            loss.backward()
        self.optimizer.step()
        return loss.item()

    def state(self) -> dict[str, Tensor]:
        """Everything that steps change."""
        return {**self.model.synthesis.state_dict(prefix="synthesis."), **optimizer_state(self.optimizer)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.model.synthesis.load_state_dict(under(tensors, "synthesis."))
        restore_optimizer(self.optimizer, tensors)

    def finish(self) -> tuple[StyleGAN, StyleCodes]:
        """The generator, frozen and with a fingerprint of its own, and the codes, which belong to it now."""
        model = self.model.eval().requires_grad_(False)
        model.fingerprint = fingerprint(model.state_dict())
        model.about = {"parent": self.model_of} if self.model_of else {}
        return model, StyleCodes(self.w.clone(), model=model.fingerprint)
