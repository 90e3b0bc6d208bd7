"""StyleGAN2's algorithm (Karras et al. 2020), with adaptive augmentation (ADA: Karras et al. 2020b) for small folders
and for fine-tuning."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from graftlab import distributed, kinds
from graftlab.checkpoints.model_file import ModelFile
from graftlab.checkpoints.states import under
from graftlab.config import StyleGAN2Config, StyleTrainConfig
from graftlab.data.classes import listed, numbered
from graftlab.errors import GraftError
from graftlab.hardware import exact_convolutions
from graftlab.networks.chance import drawn
from graftlab.networks.layers import full
from graftlab.networks.style import StyleGAN, class_matrix, names_of_classes
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import Synthesis
from graftlab.networks.stylegan3 import FilteredConv
from graftlab.objectives.stylegan2 import adversarial, path_lengths, path_penalty, r1_penalty, structure
from graftlab.objectives.terms import LOGISTIC_CHANCE, Player, Terms
from graftlab.training.sharing import Pass
from graftlab.training.style_pictures import StyleShowing
from graftlab.training.trainer import DiscriminatorsT, Step, fill, teacher_of

ADAPT_EVERY = 4  # steps
MAGNITUDE_HALFLIFE = 20_000  # images after which a layer's input of StyleGAN3 weighs half in its mean square
PATH_SHRINK = 2  # path lengths are measured on so much smaller batches, for memory's sake


class StyleTraining(StyleShowing[DiscriminatorsT]):
    """What all ways to train a StyleGAN have in common: how codes are drawn, adaptive augmentation, path lengths."""

    def __init__(self, config: StyleTrainConfig, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self.strength = config.adapt_from if config.adapt else 1.0  # p: probability of every change of augmentation
        self.path_mean = torch.zeros((), device=device)  # a of path length regularisation
        self._means_of_w: list[Tensor] = []  # of the latest passes
        self._squares: dict[FilteredConv, list[Tensor]] = {}  # and mean squares of what layers of StyleGAN3 were given
        self._signs: list[float] = []  # mean sign of the logits of reals, of the latest steps
        if config.frozen_generator:  # FreezeG (Back and Ahn 2021): what lies where stays as the base has it
            for part in (self.model.mapping, *self.model.synthesis.coarsest(config.frozen_generator)):
                part.requires_grad_(False)
        for layer in self.model.synthesis.modules() if self.photos else ():
            if isinstance(layer, FilteredConv):
                self._squares[layer] = []
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
            if known != network and not self.config.parent:  # nor is it a model to be fine-tuned
                raise GraftError(
                    f"{base.path} is no beginning of this run's networks; --grow takes a StyleGAN2 for smaller "
                    "pictures, of the same preset, shape and classes."
                )
            return super().adopt(base)
        own = self.model.state_dict()
        for block in range(blocks, len(network.channels)):
            own[f"synthesis.blocks.{block}.to_rgb.weight"].zero_()
        fill(base, self.model, {**own, **base.tensors})
        self.ema.load_state_dict(self.model.state_dict())
        return bool(teacher_of(base)) and self._adopt_discriminators(base)  # those of pictures are of one size

    @property
    def stretches(self) -> int:  # type: ignore[override]
        """Pictures are compared in groups, whose members stand batch / group apart; path lengths, in half batches."""
        group = min(self.config.network.judge.discriminator_group, self.config.batch)
        return group * (1 + group % 2)

    def _generator(self) -> StyleGAN:
        """A new one, of the configuration's kind."""
        network: StyleGAN = kinds.new(self.config.network)  # type: ignore[assignment]  # the run's kind says so
        return network

    def _measure(self, layer: FilteredConv, inputs: tuple[Tensor, ...]) -> None:
        """Note the mean square of a layer's input, by which StyleGAN3 scales it, of pictures that the generator learns
        from, for `_move_averages`."""
        if torch.is_grad_enabled():
            self._squares[layer].append(full(inputs[0].detach()).square().mean())

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
        recipe, before = self.config.recipe, self._chance()
        latest: Tensor | None = None  # mean of the lengths of the whole batch

        def codes(part: Pass) -> Tensor:
            count, known = max(1, len(images[part.rows]) // PATH_SHRINK), part.labels(labels)
            w = self._draw_codes(count, labels=self._classes(None if known is None else known[:count], count))
            return w if w.requires_grad else w.requires_grad_()  # of a mapping network that is frozen

        def lengths(part: Pass) -> Tensor:
            return path_lengths(self.model, codes(part), differentiable=False).mean()

        def measure() -> Tensor:
            return torch.stack(self._in_passes(lengths, len(images), before)).mean(0)

        def terms(part: Pass) -> Terms:
            nonlocal latest
            if latest is None and self.passes > 1:
                latest = measure()
                self._restore(before)
            found, mean = path_penalty(self.model, codes(part), self.path_mean, recipe.path_decay, latest=latest)
            moved[:] = [mean]
            return found

        moved: list[Tensor] = []
        with exact_convolutions():
            if distributed.world_size() > 1 and self.divides:
                latest = distributed.mean(measure())
            figures = self._minimise("model", terms, len(images), recipe.path_interval, since=before)
            self.path_mean = or_before(distributed.mean(moved[0]), self.path_mean)
        return figures | {"path_length": self.path_mean.item()}

    def _draw_codes(self, count: int, learn: bool = False, labels: Tensor | None = None) -> Tensor:
        """Codes w (count, L, Cw) of random latent vectors, some of them of two (style mixing: StyleGAN, section 3.1),
        and of classes (count, classes), where the networks have them.

        `learn` notes their mean, for `_move_averages`."""
        model, recipe, layers = self.model, self.config.recipe, self.config.network.layers
        z = drawn(torch.randn, (2, count, self.config.network.z_channels), 1, self.device)
        first, second = model.mapping(z.flatten(0, 1), None if labels is None else labels.repeat(2, 1)).chunk(2)
        if learn:
            self._means_of_w.append(first.detach().mean(0))
        crossing = drawn(partial(torch.randint, 1, max(2, layers)), (count, 1), device=self.device)
        mixed = drawn(torch.rand, (count, 1), device=self.device) < recipe.mixing
        late = mixed & (torch.arange(layers, device=self.device) >= crossing)  # (count, L)
        return torch.where(late[:, :, None], second[:, None], first[:, None])

    def _move_averages(self) -> None:
        """Move what is averaged over training towards what was drawn last, by all processes in all of their passes:
        the mean of w, which truncation draws towards, and the mean squares by which StyleGAN3 scales its layers'
        inputs (appendix C.1)."""
        keep = 0.5 ** (self.config.batch / MAGNITUDE_HALFLIFE)
        moved = [(self.model.mapping.average, self._means_of_w, self.config.recipe.average_decay)]
        moved += [(layer.magnitude, noted, keep) for layer, noted in self._squares.items()]
        for average, noted, decay in moved:
            latest = distributed.mean(torch.stack(noted[-self.passes :]).mean(0))
            average.lerp_(or_before(latest, average), 1 - decay)
            noted.clear()

    def _classes(self, labels: Tensor | None, count: int) -> Tensor | None:
        """Classes of so many pictures as (count, classes), of any where nothing is known of the pictures; None where
        the networks know no classes."""
        if (classes := self.config.network.classes) and labels is None:
            labels = drawn(partial(torch.randint, classes), (count,))
        table = class_matrix(labels, count, classes)
        return None if table is None else table.to(self.device)

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
        terms = self._terms("discriminators", images, labels)
        return self._note_sign(self._minimise("discriminators", terms, len(images), chance=LOGISTIC_CHANCE))

    def r1_step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        def terms(part: Pass) -> Terms:
            some = images[part.rows]
            classes = self._classes(part.labels(labels), len(some))
            return r1_penalty(self.discriminators, some, self._augment(some, self.strength), classes)

        with exact_convolutions():
            return self._minimise("discriminators", terms, len(images), self.config.recipe.r1_interval)

    def generator_step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        """Learns from as many pictures as the discriminator has just seen."""
        with self._freeze_discriminators():
            figures = self._minimise("model", self._terms("generator", images, labels), len(images))
        self._move_averages()
        self._average(self.config.batch)
        return figures

    def _terms(self, player: Player, images: Tensor, labels: Tensor | None) -> Callable[[Pass], Terms]:
        """What a player minimises."""
        learn = player == "generator"

        def terms(part: Pass) -> Terms:
            some = images[part.rows]
            classes = self._classes(part.labels(labels), len(some))
            with torch.set_grad_enabled(learn):
                w = self._draw_codes(len(some), learn, classes)
            with self._autocast():
                found = self._adversarial(
                    *(player, self.model, self.discriminators, w, some),
                    augment=self._augment(some, self.strength),
                    labels=classes,
                )
            return found | self._structure(w) if learn else found

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


def or_before(latest: Tensor, before: Tensor) -> Tensor:
    """What was drawn last, where it is finite; where it is not, as in a step that is skipped for that, what was before:
    an average that is moved once to what is no number stays there."""
    return torch.where(latest.isfinite(), latest, before)
