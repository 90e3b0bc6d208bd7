"""graftlab as an implementation to measure, and the networks that all are measured with."""

from dataclasses import dataclass, replace
from functools import partial
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.worker import CPU
from graftlab.benchmarking.clock import Work
from graftlab.benchmarking.speed import SAMPLE, Case, pictures, work
from graftlab.checkpoints.formats.official import from_official
from graftlab.codes import SwapCodes
from graftlab.config import StyleGAN2Config, SwappingConfig, SwappingTrainConfig, preset, recipe
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.training.swapping import SwappingTrainer

STEPS = ("D step", "G step", "R1 step")  # of training, in the order of the algorithm


def network(size: int) -> SwappingConfig:
    """The authors' networks for a size: their defaults from 256 px on.

    Below, patches are half of the picture as at 256 px, and there are as many halvings as the texture branch bears."""
    church = preset("church256")
    if size >= church.size:
        return church
    halvings = min(church.downsamplings, int(log2(size / church.smallest_grid)))
    return replace(church, downsamplings=halvings).at(size)


@dataclass
class Ours:
    """graftlab in one precision."""

    precision: str
    config: SwappingConfig | None = None  # of all sizes; None: `network` of each

    def __post_init__(self) -> None:
        self._model: SwappingAutoencoder | None = None
        self._trainer: SwappingTrainer | None = None

    def work(self, case: Case) -> Work:
        if case.what in STEPS:
            return self._step(case)
        self._trainer = None
        if case.what == SAMPLE:
            return work(self._stylegan2(case.size), case, CPU)
        return work(self._autoencoder(case.size), case, CPU)

    def _stylegan2(self, size: int) -> StyleGAN2:
        """Config-f with random weights."""
        self._model = None
        widths = tuple(min(512, 2**15 // side) for side in (2**i for i in range(2, int(log2(size)) + 1)))
        model = StyleGAN2(StyleGAN2Config(channels=widths)).eval().requires_grad_(False)
        model.precision = getattr(torch, self.precision)
        return model

    def _autoencoder(self, size: int) -> SwappingAutoencoder:
        config = self.config or network(size)
        if self._model is None or self._model.config != config:
            self._model = SwappingAutoencoder(config).eval().requires_grad_(False)
            self._model.precision = getattr(torch, self.precision)
        return self._model

    def _step(self, case: Case) -> Work:
        self._model = None
        config = SwappingTrainConfig(
            network(case.size), recipe("official"), "", batch=case.batch, precision=self.precision
        )
        if self._trainer is None or self._trainer.config != config:
            self._trainer = None  # before the next is made
            self._trainer = SwappingTrainer(config, CPU)
        trainer = self._trainer
        step = dict(zip(STEPS, (trainer.discriminator_step, trainer.generator_step, trainer.r1_step), strict=True))
        images = pictures(case).contiguous(memory_format=torch.channels_last)
        return partial(step[case.what], images)

    # -- the same weights as the authors' ------------------------------------------------------------------------------

    def adopt(self, size: int, file: Path) -> None:
        """Take the weights of an authors' checkpoint."""
        model = self._autoencoder(size)
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        model.load_state_dict(from_official(torch.load(file, weights_only=True), model.config, shapes))

    def outputs(self, size: int) -> dict[str, np.ndarray[Any, Any]]:
        """Codes of a picture, and the picture that a model makes of them."""
        model = self._autoencoder(size)
        codes = model.encode(pictures(Case("swap", size, 2)))
        hybrids = model.decode(SwapCodes(codes.structure, codes.texture.flip(0)))
        return {"structure": codes.structure.numpy(), "texture": codes.texture.numpy(), "hybrid": hybrids.numpy()}
