"""Everything stateful in training, in one object, and the steps of the algorithm (Park et al. 2020, appendix B.2)."""

from math import isfinite, log
from typing import Any

import torch
from torch import Tensor, nn

from graftlab.config import TrainConfig
from graftlab.errors import GraftError
from graftlab.evaluation.efficientnet import efficientnet_lite0
from graftlab.evaluation.metrics import deep
from graftlab.hardware import exact_convolutions
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives import Likeness, Terms, discriminator_loss, generator_loss, r1_penalty, total
from graftlab.training import augment, distributed, ema

PATIENCE = 100  # steps of one optimiser in a row that may be skipped for non-finite gradients


class Trainer:
    """Networks, their average, their optimisers and the count of images seen.

    `step(images)` is one step of the alternation; `state` and `restore` are all there is to resuming."""

    def __init__(self, config: TrainConfig, device: torch.device, compiled: bool = False) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.seed)
        self.model = SwappingAutoencoder(config.network).to(device)
        self.discriminators = Discriminators(config.network).to(device)
        self.ema = ema.averaged(self.model)
        # Lazy R1 is a step of its own, so c = interval / (interval + 1) slows each discriminator step down to match
        # (StyleGAN2, appendix B).
        c = config.recipe.r1_interval / (config.recipe.r1_interval + 1)
        self.optimizers = {"model": self._adam(self.model, 1.0), "discriminators": self._adam(self.discriminators, c)}
        # R1 differentiates twice, which compiled graphs cannot.
        self._discriminator_loss = torch.compile(discriminator_loss) if compiled else discriminator_loss
        self._generator_loss = torch.compile(generator_loss) if compiled else generator_loss
        self._likeness = deep_features(device) if config.recipe.features else None
        self.seen = 0  # images, counted for discriminators and generator alike
        self.skipped = 0  # steps whose gradients were not finite
        self._skipped_in_a_row = dict.fromkeys(self.optimizers, 0)  # each on its own: one may diverge alone

    def _adam(self, module: nn.Module, c: float) -> torch.optim.Adam:
        betas = (self.config.betas[0] ** c, self.config.betas[1] ** c)
        return torch.optim.Adam(
            module.parameters(), self.config.learning_rate * c, betas, fused=self.device.type != "mps"
        )

    # -- the algorithm ------------------------------------------------------------------------------------------------

    def step(self, images: Tensor, truths: Tensor | None = None) -> dict[str, float]:
        """Train on this process's share of a batch (n, 3, S, S): discriminators and generator in turn, each on new
        images; the generator alone where the recipe has no use for discriminators. `truths` (n,) tells which of the
        images each hybrid should be. Returns the means of the terms, and of the discriminators' accuracies, by name."""
        turn = self.seen // self.config.batch
        self._seed()
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        if turn % 2 == 0 and self.config.recipe.adversarial:
            figures = self.discriminator_step(images)
            if turn // 2 % self.config.recipe.r1_interval == 0:
                figures |= self.r1_step(images)
        else:
            figures = self.generator_step(images, None if truths is None else truths.to(self.device))
        self.seen += self.config.batch
        return figures

    def discriminator_step(self, images: Tensor) -> dict[str, float]:
        with self._autocast():
            terms = self._discriminator_loss(
                self.model, self.discriminators, images, self.config.recipe, augment=self._augment(images)
            )
        self._descend("discriminators", total(terms))
        return means(terms) | accuracies(terms, self.config)

    def r1_step(self, images: Tensor) -> dict[str, float]:
        recipe, size = self.config.recipe, self.config.network.patch_size
        with exact_convolutions():
            terms = r1_penalty(self.discriminators, images, recipe, size, self._augment(images))
            self._descend("discriminators", total(terms) * recipe.r1_interval)
        return means(terms)

    def generator_step(self, images: Tensor, truths: Tensor | None = None) -> dict[str, float]:
        self.discriminators.requires_grad_(False)
        with self._autocast():
            terms = self._generator_loss(
                self.model,
                self.discriminators,
                images,
                self.config.recipe,
                augment=self._augment(images),
                truths=truths,
                likeness=self._likeness,
            )
        self._descend("model", total(terms))
        self.discriminators.requires_grad_(True)
        c = self.config
        since_the_last = c.batch * (2 if c.recipe.adversarial else 1)
        ema.update(self.ema, self.model, since_the_last, self.seen + c.batch, c.ema_halflife, c.ema_rampup)
        return means(terms)

    def _descend(self, which: str, loss: Tensor) -> None:
        """One optimiser step, or none if any gradient is not finite."""
        optimizer = self.optimizers[which]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        distributed.average_gradients(parameters)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if isfinite(torch.stack(torch._foreach_norm(gradients)).sum().item()):
            optimizer.step()
            self._skipped_in_a_row[which] = 0
            return
        self.skipped += 1
        self._skipped_in_a_row[which] += 1
        if self._skipped_in_a_row[which] >= PATIENCE:
            raise GraftError(
                f"{PATIENCE} steps in a row gave no finite gradients: the run has diverged. Go on from its last saved "
                "state with --precision float32, or start again with a lower --learning-rate."
            )

    # -- randomness is a function of (seed, rank, images seen) ---------------------------------------------------------

    def _seed(self) -> None:
        torch.manual_seed((self.config.seed * 1_000_003 + self.seen) * 4_099 + distributed.rank() + 1)

    def _augment(self, images: Tensor) -> augment.Augment:
        return augment.draw(self.config.augment, len(images), images.shape[-1], self.device)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")

    # -- state --------------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything, as named tensors and JSON."""
        tensors = {
            f"{part}.{name}": tensor for part in PARTS for name, tensor in getattr(self, part).state_dict().items()
        }
        for which, optimizer in self.optimizers.items():
            for index, entry in optimizer.state_dict()["state"].items():
                tensors |= {f"adam.{which}.{index}.{name}": tensor for name, tensor in entry.items()}
        return tensors, {"seen": self.seen, "skipped": self.skipped}

    def restore(self, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
        """The inverse of `state`."""
        for part in PARTS:
            own = {
                name.removeprefix(part + "."): tensor for name, tensor in tensors.items() if name.startswith(part + ".")
            }
            getattr(self, part).load_state_dict(own)
        for which, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, tensor in tensors.items():
                if key.startswith(f"adam.{which}."):
                    index, name = key.split(".")[2:]
                    state.setdefault(int(index), {})[name] = tensor
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        self.seen, self.skipped = header["seen"], header["skipped"]


def deep_features(device: torch.device) -> Likeness:
    """Deep-feature distance as evaluation has it, with gradients, and at the size of the pictures."""
    network = efficientnet_lite0(device)

    def distance(made: Tensor, images: Tensor) -> Tensor:
        side = images.shape[-1]
        with torch.no_grad():
            aim = network.module(network.prepare(images, side))
        return deep(network.module(network.prepare(made, side)), aim)

    return distance


PARTS = ("model", "discriminators", "ema")


def means(terms: Terms) -> dict[str, float]:
    values = torch.stack([term.detach().mean() for term in terms.values()])
    return dict(zip(terms, values.tolist(), strict=True))  # one wait for the device, not one for each


def accuracies(terms: Terms, config: TrainConfig) -> dict[str, float]:
    """Share of real and of fake inputs that each discriminator tells right: its loss is then below ln 2."""
    gan, patch = config.recipe.gan, config.recipe.patch
    weights = {"D_real": gan, "D_rec": gan / 2, "D_mix": gan / 2, "PatchD_real": patch, "PatchD_mix": patch}
    return means(
        {
            name.replace("D_", "D_accuracy_"): (term < weights[name] * log(2)).float()
            for name, term in terms.items()
            if weights[name]
        }
    )
