"""Training a Swapping Autoencoder under a frozen teacher: the same algorithm with other discriminators and terms."""

from math import inf

import torch
from torch import Tensor, nn

from graftlab.config import SwappingTrainConfig
from graftlab.networks.projected import ProjectedDiscriminators
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.projected import Seen, adversaries, objective
from graftlab.objectives.terms import HINGE_CHANCE, Augment, no_augment
from graftlab.perception.efficientnet import channels, efficientnet_lite
from graftlab.training import augment
from graftlab.training.swapping import Autoencoding
from graftlab.training.trainer import Step, accuracies


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

    def generator_step(self, images: Tensor, truths: Tensor | None = None) -> tuple[dict[str, float], Seen]:
        with self._freeze_discriminators():
            with self._autocast():
                terms, seen = self._objective(
                    self.model,
                    self.discriminators,
                    self._teacher.maps,
                    images,
                    self.config.recipe,
                    augment=self._augment(images),
                    disguise=self._disguise(images),
                    truths=truths,
                )
            figures = self._minimise("model", terms)
        self._average(self.config.batch)
        return figures, seen.detach()

    def discriminator_step(self, seen: Seen) -> dict[str, float]:
        recipe = self.config.recipe
        if not recipe.adversarial:
            return {}
        terms = self._adversaries("discriminators", self.discriminators, seen, recipe)
        return self._minimise("discriminators", terms) | accuracies(terms, HINGE_CHANCE)

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
