"""What StyleGAN1, 2 and 3 have in common: the mapping network, seeds, truncation and codes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from operator import index
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.codes import StyleCodes
from graftlab.errors import GraftError
from graftlab.networks.layers import EPSILON, Linear, Noise
from graftlab.networks.model import Decoder
from graftlab.networks.noise import noise_source

Labels = int | str | Sequence[int] | Tensor | None
"""Classes of a conditional model: one for all, by number or, of a model, by name; a number per item; or shares of each
class (N, classes)."""
StyleNoise = Literal["const", "none", "fixed", "random"]
NAMED = 12  # classes in a sentence
NO_CLASSES = "This model knows no classes; leave them out (--class)."
MAPPING_RATE = 0.01  # learning rate of the mapping network, as a share of the others'


def second_moment(x: Tensor) -> Tensor:
    """Scale rows (N, C) to a mean square of 1."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPSILON)


def class_matrix(labels: Labels, count: int, classes: int) -> Tensor | None:
    """Labels as (count, classes), one-hot unless given as shares; None for a network without classes.

    GraftError if labels are given to a network without classes, missing for one with classes, or do not fit."""
    if classes == 0:
        if labels is not None:
            raise GraftError(NO_CLASSES)
        return None
    if labels is None:
        raise GraftError(f"This model draws {classes} classes; choose one from 0 to {classes - 1} (--class).")
    table = torch.as_tensor(labels)
    if table.shape == (count, classes):
        return table.float()
    whole = not table.is_floating_point() and table.shape in ((), (count,))
    if not whole or not bool(((table >= 0) & (table < classes)).all()):
        raise GraftError(
            f"Classes are whole numbers from 0 to {classes - 1} (--class), one for all or one for each of the {count} "
            f"pictures, not {table.tolist()!s:.40}."
        )
    return F.one_hot(table.long(), classes).float().expand(count, classes)


def names_of_classes(about: Mapping[str, Any], classes: int) -> tuple[str, ...]:
    """Names of a model's classes in order, by what its file tells; else their numbers."""
    named = about.get("class_names")
    fits = isinstance(named, list | tuple) and len(named) == classes
    return tuple(map(str, named if fits else range(classes)))  # type: ignore[arg-type]


class MappingNetwork(nn.Module):
    """Latent vector z, and class, to the intermediate latent vector w (StyleGAN, Fig. 1b).

    `average` is the mean of w over training, the centre of truncation. Without z, with classes alone, this network is
    the class embedding of a discriminator and has no average."""

    average: Tensor

    def __init__(self, z_channels: int, w_channels: int, classes: int, layers: int, normalize: bool = True) -> None:
        super().__init__()
        self.normalize = normalize
        self.embed = Linear(classes, w_channels) if classes else None
        widths = [z_channels + (w_channels if classes else 0), *[w_channels] * layers]
        self.layers = nn.ModuleList(
            Linear(inputs, outputs, activate=True, rate=MAPPING_RATE) for inputs, outputs in pairwise(widths)
        )
        if z_channels:
            self.register_buffer("average", torch.zeros(w_channels))

    def forward(self, z: Tensor | None, labels: Tensor | None = None) -> Tensor:
        """z (N, Cz) and labels (N, classes), where the network has them; returns w (N, Cw)."""
        parts = [] if z is None else [second_moment(z) if self.normalize else z]
        if self.embed is not None and labels is not None:
            parts.append(second_moment(self.embed(labels)))
        w = torch.cat(parts, dim=1)
        for layer in self.layers:
            w = layer(w)
        return w


class StyleGAN(Decoder[StyleCodes]):
    """Mapping and synthesis: from seeds or `StyleCodes` to pictures.

    A kind's configuration tells `z_channels`, `w_channels`, `classes`, `mapping_layers`, `layers`, `resolutions` and
    `size`; its synthesis network takes w (N, L, Cw) and a source of noise."""

    title = "a StyleGAN"
    codes = StyleCodes
    remake = (
        "find the photo's with this one ('graft invert PHOTO -m MODEL'), or, if the two are kin, draw them by blends "
        "('graft sheet A B --photo CODES')"
    )
    takes = "seeds"

    moves: ClassVar[bool] = False  # whether what it draws can be turned and shifted
    synthesis: Any  # a module of its own for each kind

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        sizes = config.z_channels, config.w_channels, config.classes, config.mapping_layers
        self.mapping = MappingNetwork(*sizes, normalize=getattr(config, "normalize", True))

    def map(
        self,
        z: Tensor,
        labels: Labels = None,
        psi: float = 1.0,  # truncation: 1 none, 0 the average for all
        cutoff: int | None = None,  # layers that are truncated, from the coarsest up; None: all
    ) -> StyleCodes:
        """Latent vectors z (N, Cz) to codes w (N, L, Cw), differentiable (truncation: StyleGAN, appendix B).

        GraftError if z has another width, or if classes are missing, unknown or given to a model without any."""
        if z.ndim != 2 or z.shape[1] != self.config.z_channels:
            raise GraftError(f"This model's latent vectors are (N, {self.config.z_channels}), not {tuple(z.shape)}.")
        layers, average = self.config.layers, self.mapping.average
        truncated = layers if cutoff is None else cutoff
        if labels is None and psi == 0 and truncated >= layers:
            labels = torch.zeros(len(z), self.config.classes) if self.config.classes else None  # the average has none
        labels = self.class_number(labels) if isinstance(labels, str) else labels
        table = class_matrix(labels, len(z), self.config.classes)
        w = self.mapping(z.to(average), None if table is None else table.to(average))[:, None]
        coarse = torch.arange(layers, device=average.device)[:, None] < truncated
        return StyleCodes(torch.where(coarse, torch.lerp(average, w, psi), w), model=self.fingerprint)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in order."""
        return names_of_classes(self.about, self.config.classes)

    def class_number(self, name: str) -> int:
        """The class of a name or, where none is called so, of a number. GraftError if there is no such class."""
        names = self.class_names
        if not names:
            raise GraftError(NO_CLASSES)
        if name in names:
            return names.index(name)
        if name.isdecimal() and int(name) < len(names):
            return int(name)
        told = f"{', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''}"
        raise GraftError(f"This model has no class '{name}' (--class); its classes are {told}.")

    def codes_of(
        self, seeds: Sequence[int], psi: float = 1.0, cutoff: int | None = None, labels: Labels = None
    ) -> StyleCodes:
        """Codes (N, L, Cw) of numbered latent vectors."""
        return self.map(self.latents(seeds), labels, psi, cutoff)

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Numbered latent vectors z (N, Cz), float64: a seed stands for the same z as in the authors' code."""
        try:
            seeds = [*map(index, seeds)]
        except TypeError:
            raise GraftError(f"Seeds are whole numbers, such as [7] or range(4), not {seeds!r}.") from None
        for seed in seeds:
            if not 0 <= seed < 2**32:
                raise GraftError(f"A seed is a whole number from 0 to {2**32 - 1}, not {seed}.")
        width = self.config.z_channels
        z = np.array([np.random.RandomState(seed).randn(width) for seed in seeds]).reshape(len(seeds), width)
        return torch.from_numpy(z)

    def sample(
        self,
        seeds: Sequence[int],
        psi: float = 1.0,
        labels: Labels = None,
        cutoff: int | None = None,
        noise: StyleNoise = "const",
    ) -> Tensor:
        """Pictures (N, 3, H, W) of numbered latent vectors; arguments as of `codes_of` and `decode`."""
        return self.decode(self.codes_of(seeds, psi, cutoff, labels), noise)

    def decode(
        self,
        codes: StyleCodes,
        noise: StyleNoise = "const",
        seed: int = 0,  # of fixed noise
    ) -> Tensor:
        """Render codes w (N, L, Cw) as pictures.

        Noise is the network's own ("const"), a function of seed and position ("fixed"), new for every picture
        ("random") or absent ("none"). Returns float32 (N, 3, H, W), nominally in [-1, 1], not clamped, differentiable.
        GraftError if the codes are another model's, of other length or width, or move what cannot be moved."""
        self._check_owner(codes)
        want = (self.config.layers, self.config.w_channels)
        if (have := tuple(codes.w.shape[1:])) != want:
            raise GraftError(
                f"This model's codes have {want[0]} layers of {want[1]} numbers, these have {have[0]} of {have[1]}."
            )
        motion = () if codes.motion is None else (self._placed(self._movable(codes.motion)),)
        with self._computing():
            return self.synthesis(self._placed(codes.w), self._noise(noise, seed), *motion)

    def move(
        self,
        codes: StyleCodes,
        degrees: float = 0.0,  # anticlockwise, about the picture's middle
        right: float = 0.0,  # in widths of the picture
        down: float = 0.0,  # in heights
    ) -> StyleCodes:
        """Codes of the same pictures, turned and then shifted. GraftError for numbers that are not finite, and for a
        model that has fixed places for what it draws."""
        motion = torch.tensor([[degrees, right, down]]).to(codes.w)
        if not bool(motion.isfinite().all()):
            raise GraftError("Pictures are turned and shifted by finite numbers (--rotate, --translate).")
        return replace(codes, motion=self._movable(motion.expand(len(codes), 3)))

    def _movable(self, motion: Tensor) -> Tensor:
        if not self.moves:
            raise GraftError(
                f"{self.title[0].upper()}{self.title[1:]} cannot turn or shift what it draws, as a StyleGAN3 can."
            )
        return motion

    def _noise(self, mode: StyleNoise, seed: int) -> Noise:
        if mode not in get_args(StyleNoise):
            raise GraftError(f"noise must be one of {', '.join(get_args(StyleNoise))}, not '{mode}'.")
        return self.synthesis.constant_noise if mode == "const" else noise_source(mode, seed)
