"""Training a Swapping Autoencoder under a frozen teacher: the same algorithm with other discriminators and terms."""

from math import inf

import torch
from torch import Tensor, nn

from graftlab.config import SwappingTrainConfig
from graftlab.networks.projected import ProjectedDiscriminators
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.projected import Seen, adversaries, objective
from graftlab.objectives.terms import HINGE_CHANCE, Augment, Terms, no_augment
from graftlab.perception.efficientnet import channels, efficientnet_lite
from graftlab.training import augment
from graftlab.training.sharing import Pass
from graftlab.training.swapping import Autoencoding
from graftlab.training.trainer import Step


class ProjectedTrainer(Autoencoding[ProjectedDiscriminators]):
    """Generator, then discriminators, on the same images. Spectral normalisation takes the place of R1."""

    manner = "projected"

    def __init__(self, config: SwappingTrainConfig, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self._adversaries = self._compile(adversaries)
        self._objective = self._compile(objective)
        self._teacher = efficientnet_lite(config.recipe.teacher, device)

    def networks(self) -> tuple[SwappingAutoencoder, ProjectedDiscriminators]:
        config = self.config
        return SwappingAutoencoder(config.network), ProjectedDiscriminators(channels(config.recipe.teacher))

    def intervals(self) -> dict[str, float]:
        return {"model": inf, "discriminators": inf}

    def step(self, images: Tensor, truths: Tensor | None = None) -> dict[str, float]:
        self._seed()
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        figures, seen = self.generator_step(images, None if truths is None else truths.to(self.device))
        figures |= self.discriminator_step(seen)
        self.seen += self.config.batch
        return figures

    def generator_step(self, images: Tensor, truths: Tensor | None = None) -> tuple[dict[str, float], list[Seen]]:
        """Also returns what the teacher saw in each pass."""
        passes: list[Seen] = []

        def terms(part: Pass) -> Terms:
            some = images[part.rows]
            del passes[part.number :]  # of an attempt for which memory did not suffice
            with self._autocast():
                terms, seen = self._objective(
                    self.model,
                    self.discriminators,
                    self._teacher.maps,
                    some,
                    self.config.recipe,
                    augment=self._augment(some),
                    disguise=self._disguise(some),
                    truths=part.truths(truths),
                )
            passes.append(seen.detach())
            return terms

        with self._freeze_discriminators():
            figures = self._minimise("model", terms, len(images))
        self._average(self.config.batch)
        return figures, passes

    def discriminator_step(self, seen: list[Seen]) -> dict[str, float]:
        recipe = self.config.recipe
        if not recipe.adversarial:
            return {}

        def terms(part: Pass) -> Terms:
            return self._adversaries("discriminators", self.discriminators, seen[part.number], recipe)

        count = sum(len(each.real[0]) for each in seen)
        return self._minimise("discriminators", terms, count, chance=HINGE_CHANCE, divisible=False)

    def _disguise(self, images: Tensor) -> Augment:
        share, size = self.config.recipe.recolour, (images.shape[2], images.shape[3])
        return augment.draw(("colour",), len(images), size, self.device, share) if share else no_augment

    def steps(self) -> dict[str, tuple[Step, float]]:
        return {"model and discriminators": (self.step, 1.0)}

    def parts(self) -> dict[str, nn.Module]:
        return super().parts() | {
            "projected discriminator": self.discriminators.image,
            "co-occurrence discriminator": self.discriminators.patch,
        }
