"""StyleGAN2's algorithm (Karras et al. 2020), with adaptive augmentation (ADA: Karras et al. 2020b) for small folders
and for fine-tuning, and what shows how far it has come."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from graftlab import distributed
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import StyleGAN2Config, StyleTrainConfig
from graftlab.data import TrainingImages
from graftlab.errors import GraftError
from graftlab.evaluation.metrics import kernel_distance
from graftlab.figures.charts import RAW, TELLING, Curve, Figure
from graftlab.figures.sheets import sheet
from graftlab.hardware import exact_convolutions
from graftlab.networks.chance import drawn
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.objectives.stylegan2 import adversarial, path_lengths, path_penalty, r1_penalty
from graftlab.objectives.terms import LOGISTIC_CHANCE, Player, Terms
from graftlab.perception.efficientnet import DEFAULT, efficientnet_lite
from graftlab.perception.features import FeatureNetwork
from graftlab.training.sharing import Pass
from graftlab.training.trainer import DiscriminatorsT, Step, Trainer, fill

VALIDATION_IMAGES = 500
SHEET_SIDE = 6  # samples along a sheet's sides
ADAPT_EVERY = 4  # steps
PATH_SHRINK = 2  # path lengths are measured on so much smaller batches, for memory's sake


class StyleTraining(Trainer[StyleTrainConfig, StyleGAN2, DiscriminatorsT]):
    """What all ways to train a StyleGAN2 have in common: how codes are drawn, adaptive augmentation, path lengths, its
    pictures and its figures."""

    settings = StyleTrainConfig
    progress = ("G_GAN", "G")
    compared_in = DEFAULT  # the feature network in which samples are compared with pictures

    def __init__(self, config: StyleTrainConfig, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self.strength = config.adapt_from if config.adapt else 1.0  # p: probability of every change of augmentation
        self.path_mean = torch.zeros((), device=device)  # a of path length regularisation
        self._means_of_w: list[Tensor] = []  # of the latest passes
        self._signs: list[float] = []  # mean sign of the logits of reals, of the latest steps
        self._features: FeatureNetwork | None = None
        self._known: tuple[Tensor, Tensor] | None = None  # pictures that were compared with, and their features
        if config.frozen_generator:  # FreezeG (Back and Ahn 2021): what lies where stays as the base has it
            kept = [self.model.mapping, *self.model.synthesis.blocks[: config.frozen_generator]]
            for part in kept:
                part.requires_grad_(False)
            self.model.synthesis.constant.requires_grad_(False)

    def adopt(self, base: ModelFile) -> bool:
        """Begin with another model's weights, or with those of one for smaller pictures, whose blocks are the first of
        these (progressive growing: Karras et al. 2018). Those that are new begin by adding nothing to the picture."""
        network, known = self.config.network, base.config
        blocks = len(known.channels) if isinstance(known, StyleGAN2Config) else 0
        if not 0 < blocks < len(network.channels) or known != lower(network, blocks):
            return super().adopt(base)
        own = self.model.state_dict()
        for block in range(blocks, len(network.channels)):
            own[f"synthesis.blocks.{block}.to_rgb.weight"].zero_()
        fill(base, self.model, {**own, **base.tensors})
        self.ema.load_state_dict(self.model.state_dict())
        return self._adopt_discriminators(base)

    @property
    def stretches(self) -> int:  # type: ignore[override]
        """Pictures are compared in groups, whose members stand batch / group apart; path lengths, in half batches."""
        group = min(self.config.network.discriminator_group, self.config.batch)
        return group * (1 + group % 2)

    def path_step(self, images: Tensor) -> dict[str, float]:
        recipe, before = self.config.recipe, self._chance()
        latest: Tensor | None = None  # mean of the lengths of the whole batch

        def lengths(part: Pass) -> Tensor:
            w = self._path_codes(len(images[part.rows]))
            return path_lengths(self.model, w, differentiable=False).mean()

        def measure() -> Tensor:
            return torch.stack(self._in_passes(lengths, len(images), before)).mean(0)

        def terms(part: Pass) -> Terms:
            nonlocal latest
            if latest is None and self.passes > 1:
                latest = measure()
                self._restore(before)
            w = self._path_codes(len(images[part.rows]))
            found, mean = path_penalty(self.model, w, self.path_mean, recipe.path_decay, latest=latest)
            moved[:] = [mean]
            return found

        moved: list[Tensor] = []
        with exact_convolutions():
            if distributed.world_size() > 1 and self.divides:
                latest = distributed.mean(measure())
            figures = self._minimise("model", terms, len(images), recipe.path_interval, since=before)
            self.path_mean = distributed.mean(moved[0])
        return figures | {"path_length": self.path_mean.item()}

    def _path_codes(self, count: int) -> Tensor:
        w = self._draw_codes(max(1, count // PATH_SHRINK))
        return w if w.requires_grad else w.requires_grad_()  # of a mapping network that is frozen

    def _draw_codes(self, count: int, learn: bool = False) -> Tensor:
        """Codes w (count, L, Cw) of random latent vectors, some of them of two (style mixing: StyleGAN, section 3.1).

        `learn` notes their mean, for `_move_average`."""
        model, recipe, layers = self.model, self.config.recipe, self.config.network.layers
        z = drawn(torch.randn, (2, count, self.config.network.z_channels), 1, self.device)
        first, second = model.mapping(z.flatten(0, 1)).chunk(2)
        if learn:
            self._means_of_w.append(first.detach().mean(0))
        crossing = drawn(partial(torch.randint, 1, max(2, layers)), (count, 1), device=self.device)
        mixed = drawn(torch.rand, (count, 1), device=self.device) < recipe.mixing
        late = mixed & (torch.arange(layers, device=self.device) >= crossing)  # (count, L)
        return torch.where(late[:, :, None], second[:, None], first[:, None])

    def _move_average(self) -> None:
        """Move the mean of w, which truncation draws towards, to that of the batch that was drawn last."""
        mean = distributed.mean(torch.stack(self._means_of_w[-self.passes :]).mean(0))
        self.model.mapping.average.lerp_(mean, 1 - self.config.recipe.average_decay)
        self._means_of_w.clear()

    def _count(self, turn: int) -> dict[str, float]:
        """Count the batch of a step, and now and then adapt the augmentation; tells how strong it is."""
        self.seen += self.config.batch
        if self.config.adapt and (turn + 1) % ADAPT_EVERY == 0:
            self._adapt()
        return {"augmented": self.strength}

    def _note_sign(self, figures: dict[str, float]) -> dict[str, float]:
        """The same figures, once the discriminator's accuracy, to which augmentation is adapted, is noted."""
        right = distributed.average({"real": figures["D_accuracy_real"]})
        self._signs.append(2 * right["real"] - 1)
        return figures

    def _adapt(self) -> None:
        """Augment more if the discriminator knows its reals too well, less if not (ADA, section 3.1)."""
        sign = sum(self._signs) / len(self._signs)
        step = ADAPT_EVERY * self.config.batch / self.config.adapt_images
        self.strength = min(1.0, max(0.0, self.strength + (step if sign > self.config.adapt else -step)))
        self._signs = []

    def parts(self) -> dict[str, nn.Module]:
        return {"mapping": self.model.mapping, "synthesis": self.model.synthesis}

    # -- pictures and figures ------------------------------------------------------------------------------------------

    def references(self, data: TrainingImages) -> Tensor:
        held_out = data.held_out(VALIDATION_IMAGES)
        return held_out if len(held_out) else data.batch(0, min(VALIDATION_IMAGES, len(data)))

    @torch.no_grad()
    def validate(self, references: Tensor) -> dict[str, float]:
        """Kernel distance of deep features between pictures and as many samples, which are always of the same seeds.

        Nothing where the feature network is not installed (extra `metrics`)."""
        try:
            self._features = self._features or efficientnet_lite(self.compared_in, self.device)
        except GraftError:
            return {}
        if len(references) < 2:
            return {}
        if self._known is None or self._known[0] is not references:
            self._known = (references, self._pool(self._features, references.split(16)))
        seeds = range(len(references))
        samples = (self.ema.sample(seeds[i : i + 16]) for i in range(0, len(seeds), 16))
        distance = kernel_distance(self._pool(self._features, samples), self._known[1])
        return {"validation_kernel": distance, "validation_error": distance}

    def _pool(self, network: FeatureNetwork, batches: Iterable[Tensor]) -> Tensor:
        """Deep features (N, D) of pictures that come in batches."""
        return torch.cat([network(batch.clamp(-1, 1)).pooled for batch in batches])

    @torch.no_grad()
    def samples(self, images: Tensor) -> Tensor:
        """Pictures of seeds 0 to 35."""
        rows = [self.ema.sample(range(i * SHEET_SIDE, (i + 1) * SHEET_SIDE)).cpu() for i in range(SHEET_SIDE)]
        scale = max(1, 128 // self.config.network.size)
        return sheet([row.split(1) for row in rows], title=f"{self.seen:,} images seen: seeds 0 to 35", scale=scale)

    # -- report --------------------------------------------------------------------------------------------------------

    @classmethod
    def codes(cls, config: StyleTrainConfig) -> str:
        return f"{config.network.layers} layers of {config.network.w_channels}"

    @classmethod
    def figures(cls, points: Curve, config: StyleTrainConfig) -> list[Figure]:
        """Losses, the distance of samples to photos, and what keeps the discriminator in check."""
        seen = {"real": "real", "samples": "fake"}
        return [
            ("Loss of the generator", {"adversarial": points("G_GAN")}, ""),
            (
                "Distance of samples to photos",
                {"kernel distance": points("validation_kernel")},
                "Of deep features, 0 for samples that cannot be told from photos; the best model has the lowest.",
            ),
            ("Losses of the discriminator", {name: points(f"D_{key}") for name, key in seen.items()}, ""),
            (
                "Accuracy of the discriminator",
                {name: points(f"D_accuracy_{key}") for name, key in seen.items()},
                TELLING,
            ),
            (
                "Augmentation",
                {"probability": points("augmented")},
                "Rises while the discriminator knows its photos.",
            ),
            ("R1", {"R1": points("D_R1")}, RAW),
            ("Path length", {"penalty": points("G_path")}, RAW),
        ]

    # -- state ---------------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, header = super().state()
        return tensors, header | {
            "strength": self.strength,
            "signs": self._signs,
            "path_mean": self.path_mean.item(),  # a float32 survives the way through JSON
        }

    def restore(self, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
        super().restore(tensors, header)
        self.strength, self._signs = float(header["strength"]), list(map(float, header["signs"]))
        self.path_mean = torch.tensor(float(header["path_mean"]), device=self.device)


class StyleGAN2Trainer(StyleTraining[StyleDiscriminator]):
    """Discriminator, then generator, in every step."""

    def __init__(self, config: StyleTrainConfig, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self._adversarial = self._compile(adversarial)
        layers = [self.discriminators.from_rgb, *self.discriminators.blocks]
        for layer in layers[: config.frozen]:
            layer.requires_grad_(False)

    def networks(self) -> tuple[StyleGAN2, StyleDiscriminator]:
        return StyleGAN2(self.config.network), StyleDiscriminator(self.config.network)

    def intervals(self) -> dict[str, float]:
        recipe = self.config.recipe
        return {"model": recipe.path_interval if recipe.path_length else inf, "discriminators": recipe.r1_interval}

    def step(self, images: Tensor, truths: Tensor | None = None) -> dict[str, float]:
        recipe, turn = self.config.recipe, self.seen // self.config.batch
        self._seed()
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        figures = self.discriminator_step(images)
        if turn % recipe.r1_interval == 0:
            figures |= self.r1_step(images)
        figures |= self.generator_step(images)
        if recipe.path_length and turn % recipe.path_interval == 0:
            figures |= self.path_step(images)
        return figures | self._count(turn)

    def discriminator_step(self, images: Tensor) -> dict[str, float]:
        figures = self._minimise(
            "discriminators", self._terms("discriminators", images), len(images), chance=LOGISTIC_CHANCE
        )
        return self._note_sign(figures)

    def r1_step(self, images: Tensor) -> dict[str, float]:
        def terms(part: Pass) -> Terms:
            some = images[part.rows]
            return r1_penalty(self.discriminators, some, self._augment(some, self.strength))

        with exact_convolutions():
            return self._minimise("discriminators", terms, len(images), self.config.recipe.r1_interval)

    def generator_step(self, images: Tensor) -> dict[str, float]:
        """Learns from as many pictures as the discriminator has just seen."""
        with self._freeze_discriminators():
            figures = self._minimise("model", self._terms("generator", images), len(images))
        self._move_average()
        self._average(self.config.batch)
        return figures

    def _terms(self, player: Player, images: Tensor) -> Callable[[Pass], Terms]:
        """What a player minimises."""
        learn = player == "generator"

        def terms(part: Pass) -> Terms:
            some = images[part.rows]
            with torch.set_grad_enabled(learn):
                w = self._draw_codes(len(some), learn)
            with self._autocast():
                return self._adversarial(
                    *(player, self.model, self.discriminators, w, some), augment=self._augment(some, self.strength)
                )

        return terms

    def steps(self) -> dict[str, tuple[Step, float]]:
        recipe = self.config.recipe
        steps: dict[str, tuple[Step, float]] = {
            "discriminator": (self.discriminator_step, 1.0),
            "generator": (self.generator_step, 1.0),
            "r1": (self.r1_step, 1 / recipe.r1_interval),
        }
        return steps | ({"path": (self.path_step, 1 / recipe.path_interval)} if recipe.path_length else {})

    def parts(self) -> dict[str, nn.Module]:
        return super().parts() | {"discriminator": self.discriminators}


def lower(network: StyleGAN2Config, blocks: int) -> StyleGAN2Config:
    """The first blocks of networks: those for smaller pictures."""
    return replace(
        network,
        channels=network.channels[:blocks],
        discriminator_channels=network.discriminator_channels[:blocks],
    )
