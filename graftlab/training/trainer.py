"""Everything stateful in training, in one object: what all kinds of models have in common."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from graftlab import distributed
from graftlab.checkpoints.build import check_layout
from graftlab.checkpoints.model_file import ModelFile
from graftlab.checkpoints.states import optimizer_state, restore_optimizer, under
from graftlab.config import TrainConfig
from graftlab.data import TrainingImages
from graftlab.errors import GraftError
from graftlab.figures.charts import Curve, Figure
from graftlab.networks.model import Network
from graftlab.objectives.terms import Augment, Terms, total
from graftlab.training import augment, ema
from graftlab.training.sharing import Pass, Sharing

PATIENCE = 100  # steps of one optimiser in a row that may be skipped for non-finite gradients
NETWORKS = ("model", "discriminators", "ema")

ConfigT = TypeVar("ConfigT", bound=TrainConfig)
ModelT = TypeVar("ModelT", bound=Network)
DiscriminatorsT = TypeVar("DiscriminatorsT", bound=nn.Module)
LossT = TypeVar("LossT", bound=Callable[..., Any])
Step = Callable[[Tensor], dict[str, float]]


class Trainer(Sharing, ABC, Generic[ConfigT, ModelT, DiscriminatorsT]):
    """Networks, their average, their optimisers and the count of images seen.

    `step(images)` is one step of the algorithm; `state` and `restore` are all there is to resuming."""

    settings: ClassVar[type[TrainConfig]]  # of the runs that it trains
    manner: ClassVar[str] = ""  # and of which among those: projected, words, or the others
    photos: ClassVar[bool] = True  # whether it learns from photos
    encodes: ClassVar[bool] = False  # whether its models make codes of photos
    progress: ClassVar[tuple[str, str]]  # the figure of the progress bar, and its name there

    def __init__(self, config: ConfigT, device: torch.device, compiled: bool = False) -> None:
        self.config, self.device, self._compiled = config, device, compiled
        torch.manual_seed(config.seed)
        model, discriminators = self.networks()
        self.model: ModelT = model.to(device)
        self.discriminators: DiscriminatorsT = discriminators.to(device)
        self.ema: ModelT = ema.begin(self.model)
        # A lazy regulariser takes a step of its own every so often, so c = interval / (interval + 1) slows all steps of
        # its optimiser down to match (StyleGAN2, appendix B).
        self.optimizers = {
            name: self._adam(getattr(self, name), 1 / (1 + 1 / interval)) for name, interval in self.intervals().items()
        }
        self.notes: list[str] = []  # sentences for who started the run
        self.seen = 0  # images
        self.skipped = 0  # steps whose gradients were not finite
        self._skipped_in_a_row = dict.fromkeys(self.optimizers, 0)  # each on its own: one may diverge alone

    def _compile(self, loss: LossT) -> LossT:
        """An objective, compiled if asked for; not those that differentiate twice, which compiled graphs cannot."""
        if not self._compiled:
            return loss
        warnings.filterwarnings("ignore", "Dynamo detected a call to a `functools.lru_cache`")  # of constants
        compiled: LossT = torch.compile(loss)  # type: ignore[assignment]
        return compiled

    def _adam(self, module: nn.Module, c: float) -> torch.optim.Adam:
        betas = (self.config.betas[0] ** c, self.config.betas[1] ** c)
        return torch.optim.Adam(
            module.parameters(), self.config.learning_rate * c, betas, fused=self.device.type != "mps"
        )

    # -- what kinds of models differ in --------------------------------------------------------------------------------

    @abstractmethod
    def networks(self) -> tuple[ModelT, DiscriminatorsT]:
        """New ones: the model, and its discriminators."""

    @abstractmethod
    def intervals(self) -> dict[str, float]:
        """The two networks with optimisers, and after how many steps each is regularised; infinity for never."""

    @abstractmethod
    def step(self, images: Tensor, told: Tensor | None = None, /) -> dict[str, float]:
        """Train on this process's share of a batch (n, 3, H, W); returns figures by name.

        `told` (n,) is what the data tell of the images (`TrainingImages.told`): their classes, or which of them each
        hybrid should be."""

    @abstractmethod
    def steps(self) -> dict[str, tuple[Step, float]]:
        """The parts of a step by name, and how often each comes per batch: what `estimate` measures."""

    @abstractmethod
    def parts(self) -> dict[str, nn.Module]:
        """The networks by the names that people know them by."""

    @abstractmethod
    def references(self, data: TrainingImages) -> Tensor:
        """The pictures (N, 3, S, S) that `validate` compares with."""

    @abstractmethod
    def validate(self, references: Tensor) -> dict[str, float]:
        """How good the average is: figures by name. The best model has the lowest "validation_error"; none is
        returned where nothing can be said."""

    @abstractmethod
    def samples(self, images: Tensor) -> Tensor:
        """The average at work, always in the same way: one sheet (1, 3, H, W)."""

    @classmethod
    def summary(cls, figures: dict[str, float]) -> str:
        """The figure that the progress bar shows."""
        name, title = cls.progress
        return f"{title} {figures[name]:.3f}" if name in figures else ""

    @classmethod
    @abstractmethod
    def codes(cls, config: ConfigT) -> str:
        """The codes' sizes, for people."""

    @classmethod
    @abstractmethod
    def figures(cls, points: Curve, config: ConfigT) -> list[Figure]:
        """The charts of a run's report, in order."""

    # -- fine-tuning ---------------------------------------------------------------------------------------------------

    def adopt(self, base: ModelFile) -> bool:
        """Begin with the weights of another model; returns whether its discriminators came along, which they do if they
        are of this run's kind.

        GraftError unless its configuration is this run's."""
        if base.config != self.config.network:
            raise GraftError(f"{base.path} has other networks than this run; give the run's own base.")
        for network in (self.model, self.ema):
            fill(base, network, base.tensors)
        return self._adopt_discriminators(base)

    def _adopt_discriminators(self, base: ModelFile) -> bool:
        fits = bool(base.discriminators) and teacher_of(base) == teacher_of(self.config)
        if fits:
            fill(base, self.discriminators, base.discriminators)
        return fits

    def discriminator_weights(self) -> dict[str, Tensor]:
        """The discriminators' weights, for who wants to train on; none if they have no say."""
        return self.discriminators.state_dict()

    # -- one optimiser step --------------------------------------------------------------------------------------------

    def _minimise(
        self,
        which: str,
        lose: Callable[[Pass], Terms],  # of a part of this process's images
        count: int,  # of these images
        times: int = 1,
        chance: float | None = None,  # the loss of who cannot tell real from fake: then accuracies are told, too
        weights: Mapping[str, float] | None = None,  # of the terms; None: the recipe's
        **more: Any,  # of `_in_passes`
    ) -> dict[str, float]:
        """One optimiser step along the weighted sum of terms, that often at once; returns their means."""
        self.optimizers[which].zero_grad(set_to_none=True)

        def descend(part: Pass) -> dict[str, float]:
            terms = lose(part)
            self._add(which, total(terms, weights or self.config.recipe.weights) * times, part.last)
            return means(terms) | ({} if chance is None else accuracies(terms, chance))

        figures = self._in_passes(descend, count, **more)
        return {name: sum(each[name] for each in figures) / len(figures) for name in figures[0]}

    def _add(self, which: str, loss: Tensor, last: bool) -> None:
        """Add the gradient of one pass's loss; the last one brings the optimiser step."""
        loss = loss / self.passes if self.passes > 1 else loss
        if last:
            self._descend(which, loss)
        else:
            loss.backward()

    def _descend(self, which: str, loss: Tensor) -> None:
        """One optimiser step along this gradient and what was added before, or none if any is not finite."""
        optimizer = self.optimizers[which]
        loss.backward()
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        distributed.average_gradients(parameters)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if isfinite(torch.stack(torch._foreach_norm(gradients)).sum().item()):
            try:
                optimizer.step()
            except torch.OutOfMemoryError as error:
                raise GraftError(
                    f"The memory of {self.device} does not suffice for these networks and their optimisers; choose "
                    "smaller networks."
                ) from error
            self._skipped_in_a_row[which] = 0
            return
        self.skipped += 1
        self._skipped_in_a_row[which] += 1
        if self._skipped_in_a_row[which] >= PATIENCE:
            raise GraftError(
                f"{PATIENCE} steps in a row gave no finite gradients: the run has diverged. Go on from its last saved "
                "state with --precision float32, or start again with a lower --learning-rate."
            )

    @contextmanager
    def _freeze_discriminators(self) -> Iterator[None]:
        """While the model learns: its discriminators need no gradients of their own."""
        learning = [parameter for parameter in self.discriminators.parameters() if parameter.requires_grad]
        self.discriminators.requires_grad_(False)
        yield
        for parameter in learning:
            parameter.requires_grad_(True)

    def _average(self, images: int) -> None:
        """Move the average towards the model, `images` after it was moved the last time."""
        c = self.config
        ema.update(self.ema, self.model, images, self.seen + c.batch, c.ema_halflife, c.ema_rampup)

    # -- for objectives ------------------------------------------------------------------------------------------------

    def _augment(self, images: Tensor, share: float = 1.0) -> Augment:
        size = images.shape[2], images.shape[3]
        return augment.draw(self.config.augment, len(images), size, self.device, share)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")

    # -- state --------------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything, as named tensors and JSON."""
        tensors = {
            f"{part}.{name}": tensor for part in NETWORKS for name, tensor in getattr(self, part).state_dict().items()
        }
        for which, optimizer in self.optimizers.items():
            tensors |= optimizer_state(optimizer, f"adam.{which}.")
        return tensors, {"seen": self.seen, "skipped": self.skipped}

    def restore(self, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
        """The inverse of `state`. Almost any error, if it is none of a trainer like this."""
        for part in NETWORKS:
            getattr(self, part).load_state_dict(under(tensors, f"{part}."))
        for which, optimizer in self.optimizers.items():
            restore_optimizer(optimizer, tensors, f"adam.{which}.")
        self.seen, self.skipped = int(header["seen"]), int(header["skipped"])


def fill(base: ModelFile, network: nn.Module, tensors: Any) -> None:
    """Copy a file's weights into a network. GraftError if they do not fit, or are no finite numbers."""
    own = network.state_dict()
    check_layout(base.path, tensors, {name: tuple(tensor.shape) for name, tensor in own.items()})
    if bad := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise GraftError(f"{base.path} holds weights that are not finite numbers ({bad[0]}); choose another model.")
    network.load_state_dict(tensors)


def teacher_of(one: ModelFile | TrainConfig) -> str:
    """The teacher of a model's or a run's projected discriminators; nothing if they see pictures themselves."""
    if isinstance(one, TrainConfig):
        recipe = one.recipe.to_dict()
    else:
        training = one.about.get("training")
        recipe = training.get("recipe") if isinstance(training, dict) else None
    return str(recipe.get("teacher")) if isinstance(recipe, dict) and recipe.get("projected") else ""


def means(terms: Terms) -> dict[str, float]:
    values = torch.stack([term.detach().mean() for term in terms.values()])
    return dict(zip(terms, values.tolist(), strict=True))  # one wait for the device, not one for each


def accuracies(terms: Terms, chance: float) -> dict[str, float]:
    """Share of real and of fake inputs that each discriminator tells right: their loss is below that of who cannot."""
    return means({name.replace("D_", "D_accuracy_"): (term < chance).float() for name, term in terms.items()})
