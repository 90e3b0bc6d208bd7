"""Training a StyleGAN under a frozen teacher (Projected GAN: Sauer et al. 2021): another discriminator, hinge loss."""

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor, nn

from graftlab.config import StyleTrainConfig
from graftlab.networks.noise import noise_source
from graftlab.networks.projected import Maps, ProjectedDiscriminator
from graftlab.networks.style import StyleGAN
from graftlab.objectives.projected_stylegan2 import SMALLEST, adversarial, enlarge, variety
from graftlab.objectives.terms import HINGE_CHANCE, Augment, Terms
from graftlab.perception.efficientnet import DEFAULT, JUDGE, channels, efficientnet_lite
from graftlab.perception.features import FeatureNetwork
from graftlab.training.sharing import Pass
from graftlab.training.stylegan2 import StyleTraining
from graftlab.training.trainer import Step


class Drawn(NamedTuple):
    """What both learn from in one pass."""

    real: Maps
    made: Maps
    w: Tensor  # of the made pictures
    classes: Tensor | None  # of both


class ProjectedStyleTrainer(StyleTraining[ProjectedDiscriminator]):
    """Both learn from the same made pictures, which are drawn and seen by the teacher once: a quarter less work than
    drawing them for each. Spectral normalisation takes the place of R1."""

    manner = "projected"
    stretches = 2  # path lengths are measured on half batches

    def __init__(self, config: StyleTrainConfig, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self._adversarial = self._compile(adversarial)
        self._teacher = efficientnet_lite(config.recipe.teacher, device)

    @property
    def compared_in(self) -> str:
        """Not the teacher, who knows only what it taught."""
        return DEFAULT if self.config.recipe.teacher == JUDGE else JUDGE

    def networks(self) -> tuple[StyleGAN, ProjectedDiscriminator]:
        maps = channels(self.config.recipe.teacher)
        return self._generator(), ProjectedDiscriminator(maps, self.config.network.classes)

    def intervals(self) -> dict[str, float]:
        recipe = self.config.recipe
        return {"model": recipe.path_interval if recipe.path_length else inf, "discriminators": inf}

    def step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        recipe, turn = self.config.recipe, self.seen // self.config.batch
        self._seed()
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        figures = self.both_step(images, labels)
        if recipe.path_length and turn % recipe.path_interval == 0:
            figures |= self.path_step(images, labels)
        return figures | self._count(turn)

    def both_step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        """First the discriminator learns, then the generator by what it has learnt: from the same pictures, which are
        drawn again only if they were made in several passes."""
        before, kept = self._chance(), list[Drawn]()

        def draw(part: Pass) -> Drawn:
            some = images[part.rows]
            augment, classes = self._augment(some, self.strength), self._classes(part.labels(labels), len(some))
            w = self._draw_codes(len(some), learn=True, labels=classes)
            with self._autocast():
                made = self._maps(self.model.synthesis(w, noise_source("random")), augment)
            with torch.no_grad():
                return Drawn(self._maps(some, augment), made, w, classes)

        def judging(part: Pass) -> Terms:
            kept.clear()
            both = draw(part)
            if self.passes == 1:
                kept.append(both)
            seen = tuple(maps.detach() for maps in both.made)
            return self._adversarial("discriminators", self.discriminators, both.real, seen, both.classes)

        def convincing(part: Pass) -> Terms:
            both = kept.pop() if kept else draw(part)
            terms = self._adversarial("generator", self.discriminators, both.real, both.made, both.classes)
            if self.config.recipe.variety and len(both.w) > 1:
                terms |= variety(both.real, both.made)
            return terms | self._structure(both.w)

        figures = self._note_sign(self._minimise("discriminators", judging, len(images), chance=HINGE_CHANCE))
        after = self._chance()
        with self._freeze_discriminators():
            figures |= self._minimise("model", convincing, len(images), since=before)
        self._restore(after)
        self._move_averages()
        self._average(self.config.batch)
        return figures

    def _maps(self, images: Tensor, augment: Augment) -> Maps:
        """What the teacher sees in pictures."""
        return self._teacher.maps(enlarge(augment(images)))

    def _pool(self, network: FeatureNetwork, batches: Iterable[Tensor]) -> Tensor:
        """Deep features (N, D) as of pictures that the teacher sees: a third of the work at 128 px."""
        side = max(SMALLEST, self.config.network.size)
        return torch.cat([network.seen(batch.to(self.device).clamp(-1, 1), side).pooled.cpu() for batch in batches])

    def steps(self) -> dict[str, tuple[Step, float]]:
        recipe = self.config.recipe
        path = {"path": (self.path_step, 1 / recipe.path_interval)} if recipe.path_length else {}
        return {"both": (self.both_step, 1.0), **path}

    def parts(self) -> dict[str, nn.Module]:
        return super().parts() | {"projected discriminator": self.discriminators}
