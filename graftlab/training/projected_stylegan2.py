"""Training a StyleGAN2 under a frozen teacher (Projected GAN: Sauer et al. 2021): another discriminator, hinge loss."""

from collections.abc import Iterable
from math import inf

import torch
from torch import Tensor, nn

from graftlab.config import StyleTrainConfig
from graftlab.networks.noise import noise_source
from graftlab.networks.projected import Maps, ProjectedDiscriminator
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.objectives.projected_stylegan2 import SMALLEST, discriminator_loss, enlarged, generator_loss
from graftlab.objectives.terms import Augment, total
from graftlab.perception.efficientnet import JUDGE, channels, efficientnet_lite
from graftlab.perception.features import FeatureNetwork
from graftlab.training import distributed
from graftlab.training.stylegan2 import StyleTraining
from graftlab.training.trainer import Step, means


class ProjectedStyleTrainer(StyleTraining[ProjectedDiscriminator]):
    """Both learn from the same made pictures, which are drawn and seen by the teacher once: a quarter less work than
    drawing them for each. Spectral normalisation takes the place of R1."""

    projected = True
    judge = JUDGE  # not the teacher, who knows only what it taught

    def __init__(self, config: StyleTrainConfig, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self._discriminator_loss = self._ordinary(discriminator_loss)
        self._generator_loss = self._ordinary(generator_loss)
        self._teacher = efficientnet_lite(config.recipe.teacher, device)

    def networks(self) -> tuple[StyleGAN2, ProjectedDiscriminator]:
        return StyleGAN2(self.config.network), ProjectedDiscriminator(channels(self.config.recipe.teacher))

    def intervals(self) -> dict[str, float]:
        recipe = self.config.recipe
        return {"model": recipe.path_interval if recipe.path else inf, "discriminators": inf}

    def step(self, images: Tensor, truths: Tensor | None = None) -> dict[str, float]:
        recipe, turn = self.config.recipe, self.seen // self.config.batch
        self._seed()
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        figures = self.both_step(images)
        if recipe.path and turn % recipe.path_interval == 0:
            figures |= self.path_step(images)
        return figures | self._seen(turn)

    def both_step(self, images: Tensor) -> dict[str, float]:
        """First the discriminator learns, then the generator by what it has learnt."""
        augment = self._augment(images, self.strength)
        w = self._drawn(len(images), learn=True)
        with self._autocast():
            made = self._maps(self.model.synthesis(w, noise_source("random")), augment)
        with torch.no_grad():
            real = self._maps(images, augment)
        terms = self._discriminator_loss(self.discriminators, real, tuple(maps.detach() for maps in made))
        self._descend("discriminators", total(terms))
        right = {name.replace("D_", "D_accuracy_"): (term < 1).float() for name, term in terms.items()}
        told = distributed.average(means(right))
        self._signs.append(2 * told["D_accuracy_real"] - 1)
        with self._judges_still():
            wanted = self._generator_loss(self.discriminators, made)
            self._descend("model", total(wanted))
        self._average(self.config.batch)
        return means(terms) | means(wanted) | told

    def _maps(self, images: Tensor, augment: Augment) -> Maps:
        """What the teacher sees in pictures."""
        return self._teacher.maps(enlarged(augment(images)))

    def _pooled(self, network: FeatureNetwork, batches: Iterable[Tensor]) -> Tensor:
        """Deep features (N, D) as of pictures that the teacher sees: a third of the work at 128 px."""
        side = max(SMALLEST, self.config.network.size)
        return torch.cat([network.seen(batch.to(self.device).clamp(-1, 1), side).pooled.cpu() for batch in batches])

    def steps(self) -> dict[str, tuple[Step, float]]:
        recipe = self.config.recipe
        path = {"path": (self.path_step, 1 / recipe.path_interval)} if recipe.path else {}
        return {"both": (self.both_step, 1.0), **path}

    def parts(self) -> dict[str, nn.Module]:
        return super().parts() | {"projected discriminator": self.discriminators}
