"""Training a Swapping Autoencoder under a frozen teacher: the same algorithm with other discriminators and terms."""

from math import inf

import torch
from torch import Tensor, nn

from graftlab.config import SwappingTrainConfig
from graftlab.networks.projected import ProjectedDiscriminators
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.projected import Judged, discriminator_loss, generator_loss
from graftlab.objectives.terms import Augment, Terms, no_augment, total
from graftlab.perception.efficientnet import channels, efficientnet_lite
from graftlab.training import augment
from graftlab.training.swapping import Autoencoding
from graftlab.training.trainer import Step, means


class ProjectedTrainer(Autoencoding[ProjectedDiscriminators]):
    """Generator, then discriminators, on the same images. Spectral normalisation takes the place of R1."""

    projected = True

    def __init__(self, config: SwappingTrainConfig, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self._discriminator_loss = self._ordinary(discriminator_loss)
        self._generator_loss = self._ordinary(generator_loss)
        self._teacher = efficientnet_lite(config.recipe.teacher, device)

    def networks(self) -> tuple[SwappingAutoencoder, ProjectedDiscriminators]:
        config = self.config
        return SwappingAutoencoder(config.network), ProjectedDiscriminators(channels(config.recipe.teacher))

    def intervals(self) -> dict[str, float]:
        return {"model": inf, "discriminators": inf}

    def step(self, images: Tensor, truths: Tensor | None = None) -> dict[str, float]:
        self._seed()
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        figures, judged = self.generator_step(images, None if truths is None else truths.to(self.device))
        figures |= self.discriminator_step(judged)
        self.seen += self.config.batch
        return figures

    def generator_step(self, images: Tensor, truths: Tensor | None = None) -> tuple[dict[str, float], Judged]:
        with self._judges_still():
            with self._autocast():
                terms, judged = self._generator_loss(
                    self.model,
                    self.discriminators,
                    self._teacher.maps,
                    images,
                    self.config.recipe,
                    augment=self._augment(images),
                    disguise=self._disguise(images),
                    truths=truths,
                )
            self._descend("model", total(terms))
        self._average(self.config.batch)
        return means(terms), judged.detached()

    def discriminator_step(self, judged: Judged) -> dict[str, float]:
        if not self.config.recipe.adversarial:
            return {}
        terms = self._discriminator_loss(self.discriminators, judged, self.config.recipe)
        self._descend("discriminators", total(terms))
        return means(terms) | accuracies(terms, self.config)

    def _disguise(self, images: Tensor) -> Augment:
        share = self.config.recipe.recolour
        return augment.draw(("colour",), len(images), images.shape[-1], self.device, share) if share else no_augment

    def steps(self) -> dict[str, tuple[Step, float]]:
        return {"model and discriminators": (self.step, 1.0)}

    def parts(self) -> dict[str, nn.Module]:
        return super().parts() | {
            "projected discriminator": self.discriminators.image,
            "co-occurrence discriminator": self.discriminators.patch,
        }


def accuracies(terms: Terms, config: SwappingTrainConfig) -> dict[str, float]:
    """Share of real and of fake inputs that each discriminator tells right: its hinge loss is then below 1."""
    gan, patch = config.recipe.gan, config.recipe.patch
    weights = {"D_real": gan, "D_rec": gan / 2, "D_mix": gan / 2, "PatchD_real": patch, "PatchD_mix": patch}
    right = {name: term < weights[name] for name, term in terms.items()}
    return means({name.replace("D_", "D_accuracy_"): told.float() for name, told in right.items()})
