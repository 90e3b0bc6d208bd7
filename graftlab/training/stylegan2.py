"""StyleGAN2's algorithm (Karras et al. 2020), with adaptive augmentation (ADA: Karras et al. 2020b) for small folders
and for fine-tuning, and what shows how far it has come."""

from collections.abc import Iterable
from dataclasses import replace
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from graftlab import kinds
from graftlab.checkpoints.model_file import ModelFile
from graftlab.checkpoints.states import under
from graftlab.config import StyleGAN2Config, StyleTrainConfig
from graftlab.data import TrainingImages
from graftlab.data.classes import listed, numbered
from graftlab.errors import GraftError
from graftlab.evaluation.metrics import kernel_distance
from graftlab.figures.charts import RAW, TELLING, Curve, Figure
from graftlab.figures.sheets import sheet
from graftlab.hardware import exact_convolutions
from graftlab.networks.layers import full
from graftlab.networks.style import StyleGAN, class_matrix, names_of_classes
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import Synthesis
from graftlab.networks.stylegan3 import FilteredConv
from graftlab.objectives.stylegan2 import adversarial, path_penalty, r1_penalty, structure
from graftlab.objectives.terms import LOGISTIC_CHANCE, Terms
from graftlab.perception.efficientnet import DEFAULT, efficientnet_lite
from graftlab.perception.features import FeatureNetwork
from graftlab.training import distributed
from graftlab.training.trainer import DiscriminatorsT, Step, Trainer, accuracies, fill

VALIDATION_IMAGES = 500
SHEET_SIDE = 6  # samples along a sheet's sides
MOST_ROWS = 12  # classes on a sheet
ADAPT_EVERY = 4  # steps
MAGNITUDE_HALFLIFE = 20_000  # images after which a layer's input of StyleGAN3 weighs half in its mean square
PATH_SHRINK = 2  # path lengths are measured on so much smaller batches, for memory's sake


class StyleTraining(Trainer[StyleTrainConfig, StyleGAN, DiscriminatorsT]):
    """What all ways to train a StyleGAN have in common: how codes are drawn, adaptive augmentation, path lengths, its
    pictures and its figures."""

    settings = StyleTrainConfig
    progress = ("G_GAN", "G")
    compared_in = DEFAULT  # the feature network in which samples are compared with pictures

    def __init__(self, config: StyleTrainConfig, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self.strength = config.adapt_from if config.adapt else 1.0  # p: probability of every change of augmentation
        self.path_mean = torch.zeros((), device=device)  # a of path length regularisation
        self._signs: list[float] = []  # mean sign of the logits of reals, of the latest steps
        self._features: FeatureNetwork | None = None
        self._compared: Tensor | None = None  # classes of the samples that are compared
        self._known: tuple[Tensor, Tensor] | None = None  # pictures that were compared with, and their features
        if config.frozen_generator:  # FreezeG (Back and Ahn 2021): what lies where stays as the base has it
            for part in (self.model.mapping, *self.model.synthesis.coarsest(config.frozen_generator)):
                part.requires_grad_(False)
        for layer in self.model.synthesis.modules() if self.photos else ():
            if isinstance(layer, FilteredConv):
                layer.register_forward_pre_hook(self._measure)
        self.source: Synthesis | None = None  # the base's coarse blocks, to which this generator's are held
        if config.structure_blocks:
            self.source = Synthesis(lower(config.network, config.structure_blocks)).to(device).requires_grad_(False)

    def adopt(self, base: ModelFile) -> bool:
        """Begin with another model's weights, or with those of one for smaller pictures, whose blocks are the first of
        these (progressive growing: Karras et al. 2018). Those that are new begin by adding nothing to the picture."""
        network, known, named = self.config.network, base.config, names_of_classes(base.about, len(self.config.classes))
        if named != self.config.classes and not (numbered(named) or numbered(self.config.classes)):
            raise GraftError(f"{base.path} draws {listed(named)}, and this run's are {listed(self.config.classes)}.")
        blocks = len(known.channels) if isinstance(known, StyleGAN2Config) else 0
        if not isinstance(network, StyleGAN2Config):
            return super().adopt(base)
        self._hold(base, blocks)
        if not 0 < blocks < len(network.channels) or known != lower(network, blocks):
            return super().adopt(base)
        own = self.model.state_dict()
        for block in range(blocks, len(network.channels)):
            own[f"synthesis.blocks.{block}.to_rgb.weight"].zero_()
        fill(base, self.model, {**own, **base.tensors})
        self.ema.load_state_dict(self.model.state_dict())
        return self._adopt_discriminators(base)

    def _generator(self) -> StyleGAN:
        """A new one, of the configuration's kind."""
        network: StyleGAN = kinds.new(self.config.network)  # type: ignore[assignment]  # the run's kind says so
        return network

    def _measure(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Move the mean square of a layer's input, by which StyleGAN3 scales it, towards that of a batch that the
        generator learns from (appendix C.1)."""
        if torch.is_grad_enabled():
            latest = distributed.mean(full(inputs[0].detach()).square().mean())
            keep = 0.5 ** (self.config.batch / MAGNITUDE_HALFLIFE)
            layer.magnitude.lerp_(latest, 1 - keep)  # type: ignore[operator]  # it is a FilteredConv

    def _hold(self, base: ModelFile, blocks: int) -> None:
        """Remember the base's coarse blocks, if the generator is held to them. GraftError if it has fewer."""
        if self.source is None:
            return
        if blocks < len(self.source.blocks):
            raise GraftError(f"{base.path} has {blocks} blocks; hold no more of them (--structure-blocks).")
        self.source.load_state_dict({name: base.tensors[f"synthesis.{name}"] for name in self.source.state_dict()})

    def _structure(self, w: Tensor) -> Terms:
        """How far coarse pictures are from the base's, if they are held to those."""
        return structure(self.model.synthesis, self.source, w) if self.source else {}

    def path_step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        recipe, count = self.config.recipe, max(1, len(images) // PATH_SHRINK)
        with exact_convolutions():
            w = self._draw_codes(count, labels=self._classes(None if labels is None else labels[:count], count))
            w = w if w.requires_grad else w.requires_grad_()  # of a mapping network that is frozen
            terms, mean = path_penalty(self.model, w, self.path_mean, recipe.path_decay)
            self.path_mean = distributed.mean(mean)
            return self._minimise("model", terms, recipe.path_interval) | {"path_length": self.path_mean.item()}

    def _draw_codes(self, count: int, learn: bool = False, labels: Tensor | None = None) -> Tensor:
        """Codes w (count, L, Cw) of random latent vectors, some of them of two (style mixing: StyleGAN, section 3.1),
        and of classes (count, classes), where the networks have them.

        `learn` moves the mean of w, which truncation draws towards."""
        model, recipe, layers = self.model, self.config.recipe, self.config.network.layers
        z = torch.randn(2 * count, self.config.network.z_channels, device=self.device)
        first, second = model.mapping(z, None if labels is None else labels.repeat(2, 1)).chunk(2)
        if learn:
            mean = distributed.mean(first.detach().mean(0))
            model.mapping.average.lerp_(mean, 1 - recipe.average_decay)
        crossing = torch.randint(1, max(2, layers), (count, 1), device=self.device)
        mixed = torch.rand(count, 1, device=self.device) < recipe.mixing
        late = mixed & (torch.arange(layers, device=self.device) >= crossing)  # (count, L)
        return torch.where(late[:, :, None], second[:, None], first[:, None])

    def _classes(self, labels: Tensor | None, count: int) -> Tensor | None:
        """Classes of so many pictures as (count, classes), of any where nothing is known of the pictures; None where
        the networks know no classes."""
        if (classes := self.config.network.classes) and labels is None:
            labels = torch.randint(classes, (count,))
        table = class_matrix(labels, count, classes)
        return None if table is None else table.to(self.device)

    def _count(self, turn: int) -> dict[str, float]:
        """Count the batch of a step, and now and then adapt the augmentation; tells how strong it is."""
        self.seen += self.config.batch
        if self.config.adapt and (turn + 1) % ADAPT_EVERY == 0:
            self._adapt()
        return {"augmented": self.strength}

    def _accuracies(self, terms: Terms, chance: float) -> dict[str, float]:
        """Those of the discriminator, over all processes; what augmentation is adapted to."""
        right = distributed.average(accuracies(terms, chance))
        self._signs.append(2 * right["D_accuracy_real"] - 1)
        return right

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
        known = held_out if len(held_out) else data.batch(0, min(VALIDATION_IMAGES, len(data)))
        self._compared = data.labels(0, len(known))  # classes of the samples: as many of each as there are photos
        return known

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
        samples = (
            self.ema.sample(seeds[i : i + 16], labels=None if self._compared is None else self._compared[i : i + 16])
            for i in range(0, len(seeds), 16)
        )
        distance = kernel_distance(self._pool(self._features, samples), self._known[1])
        return {"validation_kernel": distance, "validation_error": distance}

    def _pool(self, network: FeatureNetwork, batches: Iterable[Tensor]) -> Tensor:
        """Deep features (N, D) of pictures that come in batches."""
        return torch.cat([network(batch.clamp(-1, 1)).pooled for batch in batches])

    @torch.no_grad()
    def samples(self, images: Tensor) -> Tensor:
        """Pictures of seeds 0 to 35, or of seeds 0 to 5 in each class."""
        names, side = self.config.classes[:MOST_ROWS], SHEET_SIDE
        if names:
            rows = [self.ema.sample(range(side), labels=number) for number in range(len(names))]
        else:
            rows = [self.ema.sample(range(i * side, (i + 1) * side)) for i in range(side)]
        title = f"{self.seen:,} images seen: seeds 0 to {side - 1 if names else side**2 - 1}"
        scale = max(1, 128 // self.config.network.size)
        return sheet([row.cpu().split(1) for row in rows], list(names), title=title, scale=scale)

    # -- report --------------------------------------------------------------------------------------------------------

    @classmethod
    def codes(cls, config: StyleTrainConfig) -> str:
        return f"{config.network.layers} layers of {config.network.w_channels}"

    @classmethod
    def figures(cls, points: Curve, config: StyleTrainConfig) -> list[Figure]:
        """Losses, the distance of samples to photos, and what keeps the discriminator in check."""
        seen, held = {"real": "real", "samples": "fake"}, config.structure_blocks
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
            *([("Distance to the base's structure", {"structure": points("G_structure")}, RAW)] if held else []),
        ]

    # -- state ---------------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, header = super().state()
        if self.source is not None:  # so that a run goes on without its base
            tensors |= {f"source.{name}": tensor for name, tensor in self.source.state_dict().items()}
        return tensors, header | {
            "strength": self.strength,
            "signs": self._signs,
            "path_mean": self.path_mean.item(),  # a float32 survives the way through JSON
        }

    def restore(self, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
        super().restore(tensors, header)
        if self.source is not None:
            self.source.load_state_dict(under(tensors, "source."))
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

    def networks(self) -> tuple[StyleGAN, StyleDiscriminator]:
        return self._generator(), StyleDiscriminator(self.config.network.judge)

    def intervals(self) -> dict[str, float]:
        recipe = self.config.recipe
        return {"model": recipe.path_interval if recipe.path_length else inf, "discriminators": recipe.r1_interval}

    def step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        recipe, turn = self.config.recipe, self.seen // self.config.batch
        self._seed()
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        figures = self.discriminator_step(images, labels)
        if turn % recipe.r1_interval == 0:
            figures |= self.r1_step(images, labels)
        figures |= self.generator_step(images, labels)
        if recipe.path_length and turn % recipe.path_interval == 0:
            figures |= self.path_step(images, labels)
        return figures | self._count(turn)

    def discriminator_step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        """Photos, and as many fakes of the same classes: so both have the classes of the photos, as often."""
        classes = self._classes(labels, len(images))
        with torch.no_grad():
            w = self._draw_codes(len(images), labels=classes)
        with self._autocast():
            terms = self._adversarial(
                *("discriminators", self.model, self.discriminators, w, images),
                augment=self._augment(images, self.strength),
                labels=classes,
            )
        return self._minimise("discriminators", terms) | self._accuracies(terms, LOGISTIC_CHANCE)

    def r1_step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        recipe, classes = self.config.recipe, self._classes(labels, len(images))
        with exact_convolutions():
            terms = r1_penalty(self.discriminators, images, self._augment(images, self.strength), classes)
            return self._minimise("discriminators", terms, recipe.r1_interval)

    def generator_step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        """Learns from as many pictures as the discriminator has just seen."""
        classes = self._classes(labels, len(images))
        with self._freeze_discriminators():
            w = self._draw_codes(len(images), learn=True, labels=classes)
            with self._autocast():
                terms = self._adversarial(
                    *("generator", self.model, self.discriminators, w, images),
                    augment=self._augment(images, self.strength),
                    labels=classes,
                )
            figures = self._minimise("model", terms | self._structure(w))
        self._average(self.config.batch)
        return figures

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
