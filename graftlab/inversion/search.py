"""Codes of photos, found by descending from the average one (Karras et al. 2020, appendix D).

    search = Search(model, Likeness(photos, network), Settings(steps=500))
    carry_out(search)
    model.decode(search.codes)

All photos are searched for at once, each as if it were alone: no term of the loss and no random number depends on the
others.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from math import sqrt
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.codes import CodesT, StyleCodes
from graftlab.config.base import Config, Seed, Within, require
from graftlab.errors import GraftError
from graftlab.inversion.descent import Descent, parts
from graftlab.inversion.likeness import Likeness
from graftlab.networks.layers import Noise
from graftlab.networks.model import Decoder
from graftlab.networks.style import StyleGAN

SPACES = ("w", "w+")
SAMPLES = 10_000  # of w, that tell its mean and how far it varies
MAPPED = 1000  # of them at once
CALM = 0.75  # share of the steps after which w is searched without noise
NOISE_WEIGHT = 1e5  # of the regularisation of noise maps
SMALLEST_MAP = 8  # pixels, below which a noise map is not halved any more


@dataclass(frozen=True)
class Settings(Config):
    """How codes are searched for."""

    space: str = "w+"  # "w": the same row for every layer; "w+": a row for each, which finds more and means less
    steps: Annotated[int, Within(0, 10**6)] = 500
    learning_rate: Annotated[float, Within(1e-6, 10)] = 0.25  # of Adam, in standard deviations of w, to suit any model
    jitter: Annotated[float, Within(0, 10)] = 0.05  # deviation of the noise added to w at first, as a share of w's
    free_noise: bool = False  # search for the noise too, which keeps grain out of w; what is found of it is put aside
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.space in SPACES, f"The space of codes is {' or '.join(SPACES)}, not '{self.space}'.")


@dataclass(frozen=True, eq=False)
class Centre:
    """Where a model's w lies."""

    mean: Tensor  # (Cw,)
    deviation: float  # root of the mean squared distance from it, over all channels together

    @property
    def unit(self) -> float:
        """Standard deviation of one channel, in the mean."""
        return self.deviation / sqrt(len(self.mean))

    @classmethod
    @torch.no_grad()
    def of(cls, model: StyleGAN) -> "Centre":
        """By 10,000 samples, of all classes of a conditional model, the same at every call."""
        generator = torch.Generator().manual_seed(0)
        w = torch.cat([sample_codes(model, MAPPED, generator).w[:, 0] for _ in range(SAMPLES // MAPPED)])
        mean = w.mean(0)
        return cls(mean, (w - mean).square().sum(1).mean().sqrt().item())


def sample_codes(model: StyleGAN, count: int, generator: torch.Generator) -> StyleCodes:
    """Codes W of so many pictures at random, of a conditional model each of any class."""
    z = torch.randn(count, model.config.z_channels, generator=generator)
    classes = model.config.classes
    return model.map(z, torch.randint(classes, (count,), generator=generator) if classes else None)


class Search:
    """A search under way, and the codes so far; in the last steps, with the learning rate, they come to rest."""

    def __init__(
        self,
        model: StyleGAN,  # frozen
        likeness: Likeness,  # to the photos, on the model's device
        settings: Settings,
        start: StyleCodes | None = None,  # where to begin; None: at the mean of w
        batch: int = 8,  # photos drawn at once, which memory bounds and the result does not depend on
        keep_every: int = 0,  # steps between the codes in `history`; 0: keep none
    ) -> None:
        self.model, self.likeness, self.settings = model, likeness, settings
        self.keep_every = keep_every
        self.steps, self.done = settings.steps, 0
        self.jitter = 0.0 if start else settings.jitter  # which would shake a good guess off
        self.w = self._begin(start)
        self.maps = self._maps() if settings.free_noise else []
        self.history: list[Tensor] = []
        free = {"w": self.w, **{f"noise.{layer}": each for layer, each in enumerate(self.maps)}}
        rate = settings.learning_rate * self.centre.unit
        self.descent = Descent(free, dict.fromkeys(free, rate), self._loss, batch)

    @cached_property
    def centre(self) -> Centre:
        return Centre.of(self.model)

    @property
    def codes(self) -> StyleCodes:
        """W+ (N, L, Cw) of the photos; in W all rows are equal."""
        return self._rows(self.w.detach())

    def recall(self) -> list[StyleCodes]:
        """Codes after every `keep_every` steps, from the beginning on."""
        return [self._rows(w) for w in self.history]

    def step(self) -> float:
        """One step of Adam for every photo. Returns the mean of their losses before it."""
        if self.keep_every and self.done % self.keep_every == 0:
            self.history.append(self.w.detach().clone())
        loss = self.descent.step((self.done + 0.5) / self.steps)
        for each in self.maps:
            each.data = standardise(each.data)
        return loss

    def state(self) -> dict[str, Tensor]:
        """Everything that steps change."""
        history = {"history": torch.stack(self.history)} if self.history else {}
        return {**self.descent.state(), **history}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.descent.restore(tensors)
        self.history = [w.to(self.w.device) for w in tensors["history"]] if "history" in tensors else []

    # -- inside -------------------------------------------------------------------------------------------------------

    def _begin(self, start: StyleCodes | None) -> Tensor:
        """(N, 1 or L, Cw)."""
        count, rows = len(self.likeness), 1 if self.settings.space == "w" else self.model.config.layers
        if start is None:
            return self.centre.mean.repeat(count, rows, 1)
        if len(start) != count:
            raise GraftError(f"There are {count} photos and {len(start)} codes to begin with; give one for each.")
        w = start.w.to(self.likeness.photos)
        return w.mean(1, keepdim=True) if rows == 1 else w.clone()

    def _loss(self, which: slice, share: float) -> tuple[Tensor, Tensor | float]:
        """Of some photos, and what their noise maps tell of their neighbours."""
        w = (self.w[which] + self._jitter(share)).expand(-1, self.model.config.layers, -1)
        found = self.likeness(self.model.synthesis(w, self._noise(which)), which)
        noise = sum(autocorrelation(each[which]).sum() for each in self.maps)
        return found, NOISE_WEIGHT * noise

    def _rows(self, w: Tensor) -> StyleCodes:
        whole = w.expand(-1, self.model.config.layers, -1).contiguous()
        return StyleCodes(whole, model=self.model.fingerprint)

    def _jitter(self, share: float) -> Tensor:
        """The same for all photos, so that each is searched for as if it were alone: (1, rows, Cw)."""
        strength = self.jitter * self.centre.deviation * max(0.0, 1 - share / CALM) ** 2
        shape = (1, *self.w.shape[1:])
        if strength == 0:
            return torch.zeros(shape, device=self.w.device)
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.done)
        return (strength * torch.randn(shape, generator=generator)).to(self.w)

    def _maps(self) -> list[Tensor]:
        """A noise map (N, 1, H, W) per layer and photo, at first the model's own."""
        own = self.model.synthesis.constant_noise
        if own(0, self.w) is None:
            raise GraftError(f"This is {self.model.title}, which draws without noise; leave out --free-noise.")
        maps = list[Tensor]()
        with suppress(IndexError):  # behind the last layer: a StyleGAN1 has one more than a StyleGAN2
            for layer in count():
                maps.append(own(layer, self.w).repeat(len(self.w), 1, 1, 1))
        return maps

    def _noise(self, which: slice) -> Noise:
        return (lambda layer, like: self.maps[layer][which]) if self.maps else self.model.synthesis.constant_noise


def autocorrelation(noise: Tensor) -> Tensor:
    """What a noise map (N, 1, H, W) tells of its neighbours, at all scales (appendix D, L_ij): (N,), 0 for noise."""
    total = torch.zeros(len(noise), device=noise.device)
    while True:
        for dimension in (2, 3):
            total = total + (noise * noise.roll(1, dimension)).mean((1, 2, 3)).square()
        if min(noise.shape[2:]) <= SMALLEST_MAP:
            return total
        noise = F.avg_pool2d(noise, 2) * 2  # four values of unit variance have a mean of half their deviation


def standardise(noise: Tensor) -> Tensor:
    """Every map (N, 1, H, W) with a mean of 0 and a mean square of 1."""
    noise = noise - noise.mean((1, 2, 3), keepdim=True)
    return noise * noise.square().mean((1, 2, 3), keepdim=True).clamp(min=1e-12).rsqrt()


@torch.no_grad()
def draw(model: Decoder[CodesT], codes: CodesT, batch: int = 8, **rendering: Any) -> Tensor:
    """Pictures (N, 3, H, W) of codes, drawn a batch at a time, on the CPU."""
    return torch.cat([model.decode(codes[which], **rendering).cpu() for which in parts(len(codes), batch)])
