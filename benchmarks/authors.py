"""The authors' implementation (Park et al. 2020): taesungp/swapping-autoencoder-pytorch.

It is driven through its own options, networks and optimiser, in the plain PyTorch that it falls back to without kernels
of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.checkout import Checkout
from benchmarks.ours import STEPS, network
from benchmarks.worker import CPU
from graftlab.benchmarking.clock import Work
from graftlab.benchmarking.speed import Case, pictures


def checkout(folder: Path) -> Checkout:
    """GraftError if the folder is another."""
    repository, file = "taesungp/swapping-autoencoder-pytorch", "models/swapping_autoencoder_model.py"
    return Checkout("--authors", repository, folder, file)


class Authors:
    """Their model, made anew where a case needs other networks."""

    def __init__(self, source: Checkout, device: torch.device = CPU) -> None:
        source.make_importable()
        self._device = device
        import models
        import optimizers
        import options
        import util

        self._models, self._optimizers, self._options, self._util = models, optimizers, options, util
        self._made: tuple[str, Any] = ("", None)  # the options, and what they made

    def work(self, case: Case) -> Work:
        if case.what in STEPS:
            return self._step(case)
        model = self._autoencoder(case.size)
        images = pictures(case, self._device)
        if case.what == "encode":
            return lambda: model.encode(images)
        if case.what == "swap":
            return lambda: model.decode(model.encode(images)[0], model.encode(images)[1])
        structure, texture = model.encode(images)
        return lambda: model.decode(structure, texture)

    def _autoencoder(self, size: int) -> Any:
        """Their encoder and generator, without discriminators."""
        command = f"{self._command(size)} --lambda_GAN 0 --lambda_PatchGAN 0"
        return self._make(command, self._models.create_model).singlegpu_model

    def _command(self, size: int) -> str:
        config = network(size)
        return (
            f"python train.py --name benchmark --num_gpus {int(self._device != CPU)} --crop_size {config.size} "
            f"--load_size {config.size} --patch_size {config.patch_size} "
            f"--netE_num_downsampling_sp {config.downsamplings}"
        )

    def _make(self, command: str, make: Callable[[Any], Any]) -> Any:
        """What `make` makes of the options that a command line of theirs gives."""
        if self._made[0] != command:
            self._made = ("", None)  # before the next is made
            chosen = self._options.TrainOptions().gather_options(command)
            chosen.isTrain = True
            torch.manual_seed(0)
            self._made = (command, make(chosen))
        return self._made[1]

    # -- training ------------------------------------------------------------------------------------------------------

    def _optimizer(self, chosen: Any) -> Any:
        """Their optimiser, which holds their model, both discriminators included."""
        return self._optimizers.create_optimizer(chosen, self._models.create_model(chosen))

    def _step(self, case: Case) -> Work:
        optimizer = self._make(f"{self._command(case.size)} --batch_size {case.batch}", self._optimizer)
        images = pictures(case, self._device)

        def discriminators() -> dict[str, Tensor]:
            optimizer.discriminator_iter_counter = 0  # R1, which is due at every 16th, is measured apart
            return optimizer.train_discriminator_one_step(images)

        def generator() -> dict[str, Tensor]:
            return optimizer.train_generator_one_step(images)

        def r1() -> dict[str, Tensor]:
            # The part of their discriminator step that comes at every 16th.
            optimizer.set_requires_grad(optimizer.Dparams, True)
            optimizer.set_requires_grad(optimizer.Gparams, False)
            optimizer.optimizer_D.zero_grad()
            losses = optimizer.model(images.detach(), command="compute_R1_loss")
            (sum(loss.mean() for loss in losses.values()) * optimizer.opt.R1_once_every).backward()
            optimizer.optimizer_D.step()
            return losses

        step: Callable[[], dict[str, Tensor]] = (discriminators, generator, r1)[STEPS.index(case.what)]
        return lambda: self._util.to_numpy(step())

    # -- for comparison ------------------------------------------------------------------------------------------------

    def save(self, size: int, file: Path) -> None:
        """Write the weights as their checkpoints have them."""
        torch.save(self._autoencoder(size).state_dict(), file)

    def outputs(self, size: int) -> dict[str, np.ndarray[Any, Any]]:
        """The same as ours: codes of a picture, and the picture that a model makes of them."""
        model = self._autoencoder(size)
        structure, texture = model.encode(pictures(Case("swap", size, 2)))
        hybrids = model.decode(structure, texture.flip(0))
        return {"structure": structure.numpy(), "texture": texture.numpy(), "hybrid": hybrids.numpy()}
