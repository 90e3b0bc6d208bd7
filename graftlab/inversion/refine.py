"""Codes of a Swapping Autoencoder that draw their own picture better than those that its encoder finds.

    codes = refine(model, photos, Refining(steps=100))
    model.decode(codes)

The encoder guesses; a descent from its guess brings the picture's colours and details back. It is held near the guess,
because codes far from it draw the picture and nothing else: their hybrids look like neither photo. What is finer than
codes can tell, the noise takes over that the generator draws with.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from torch import Tensor

from graftlab.codes import Autoencoder, SwapCodes
from graftlab.config.base import Config, Weight, Within, require
from graftlab.hardware import require_memory
from graftlab.inversion.descent import Descent
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.work import carry_out
from graftlab.networks.noise import field
from graftlab.networks.swapping import SwappingModel
from graftlab.perception.features import FeatureNetwork
from graftlab.work.progress import Watch, unwatched

PROBE = 16  # cells a side of the picture on which memory is measured
MARGIN = 1.5  # on what layers keep for the way back: for what the way back itself needs


@dataclass(frozen=True)
class Refining(Config):
    """How codes are refined."""

    steps: Annotated[int, Within(0, 10**6)] = 100
    learning_rate: Annotated[float, Within(0, 10)] = 0.1  # of Adam, for the structure, in root mean squares of a code
    texture_rate: Annotated[float, Within(0, 10)] = 0.03  # the same for the texture
    noise_rate: Annotated[float, Within(0, 10)] = 0.3  # for the noise, whose deviation is 1; 0: noise is not looked for
    structure_near: Weight = 0.01  # weight of the squared distance from the encoder's, in mean squares of its numbers
    texture_near: Weight = 0.1  # the same for the texture
    noise_near: Weight = 0.003  # weight of the noise's mean squared distance from what it was
    pixels: Weight = 1.0  # weight of the mean squared difference of pixels
    features: Weight = 0.0  # weight of the deep-feature distance, which needs a feature network


class Refinement:
    """A refinement under way, and the codes so far. Each picture is refined as if it were alone."""

    def __init__(
        self,
        model: SwappingModel,  # frozen
        images: Tensor,  # (N, 3, H, W) in [-1, 1]
        settings: Refining = Refining(),
        start: SwapCodes | None = None,  # where to begin; None: where the encoder is
        network: FeatureNetwork | None = None,  # in which features are looked at
        batch: int = 1,  # pictures drawn at once, which memory bounds and the result does not depend on
        **rendering: Any,  # noise and seed, as they will be decoded
    ) -> None:
        require(not settings.features or network is not None, "Features need a feature network; give one.")
        self.model, self.settings, self.rendering = model, settings, rendering
        self.steps, self.done = settings.steps, 0
        with torch.no_grad():
            self.guess = model.encode(images)
        rates = {"structure": settings.learning_rate, "texture": settings.texture_rate}
        if settings.noise_rate and rendering.get("noise", "fixed") == "fixed":
            rates["noise"] = settings.noise_rate
            self.guess = replace(self.guess, noise=self._fixed(rendering.get("seed", 0)))
        self.likeness = Likeness(
            images.to(self.guess.structure), network if settings.features else None, settings.features, settings.pixels
        )
        self.units = {name: _unit(getattr(self.guess, name)) for name in rates}
        free = {name: self._from_guess(start, name) for name in rates}
        self.descent = Descent(free, rates, self._loss, batch)

    @property
    def codes(self) -> SwapCodes:
        """The codes so far, of the guess's model and size."""
        return self._codes(slice(None), {name: each.detach() for name, each in self.descent.free.items()})

    def step(self) -> float:
        """One step of Adam for every picture. Returns the mean of their losses before it."""
        return self.descent.step((self.done + 0.5) / self.steps)

    def state(self) -> dict[str, Tensor]:
        """Everything that steps change."""
        return self.descent.state()

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.descent.restore(tensors)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _from_guess(self, start: SwapCodes | None, name: str) -> Tensor:
        """How far a part is from the guess's at the beginning, in the part's units."""
        guess, begin = getattr(self.guess, name), getattr(start, name, None)
        return ((guess if begin is None else begin.to(guess)) - guess) / self.units[name]

    def _codes(self, which: slice, free: dict[str, Tensor]) -> SwapCodes:
        guess = self.guess[which]
        moved: dict[str, Any] = {
            name: getattr(guess, name) + each[which] * self.units[name][which] for name, each in free.items()
        }
        return replace(guess, **moved)

    def _loss(self, which: slice, share: float) -> tuple[Tensor, Tensor | float]:
        """Of some pictures; there is no penalty apart from what holds each near its guess."""
        made = self.model.decode(self._codes(which, self.descent.free), **self.rendering)
        held = [
            getattr(self.settings, f"{name}_near") * each[which].square().flatten(1).mean(1)
            for name, each in self.descent.free.items()
        ]
        return self.likeness(made, which) + sum(held), 0.0

    def _fixed(self, seed: int) -> Tensor:
        """Noise (N, 1, H, W) of whole cells that a generator with fixed noise might have begun with."""
        structure, stride = self.guess.structure, self.model.config.stride
        size = (structure.shape[2] * stride, structure.shape[3] * stride)
        return field(seed, 0, size, (0, 0), structure.device).expand(len(structure), -1, -1, -1)


def _unit(code: Tensor) -> Tensor:
    """Root mean square of the numbers of each item's code: (N, 1, ...)."""
    return code.square().mean(tuple(range(1, code.ndim)), keepdim=True).sqrt().clamp(min=1e-8)


def refine(
    model: SwappingModel,
    images: Tensor,  # (N, 3, H, W) in [-1, 1]
    settings: Refining = Refining(),
    start: SwapCodes | None = None,  # where to begin; None: where the encoder is
    network: FeatureNetwork | None = None,  # in which features are looked at
    watch: Watch = unwatched,
    **rendering: Any,  # noise and seed, as they will be decoded
) -> SwapCodes:
    """Codes of pictures, refined; the same call gives the same codes. GraftError if memory is short of that."""
    height, width = images.shape[2:]
    require_memory(
        next(model.parameters()).device,
        memory(model, height * width),
        f"Refining a picture of {width} x {height} pixels",
        "make it smaller (--size), or leave it as the encoder has it (no --refine)",
    )
    work = Refinement(model, images, settings, start, network, **rendering)
    with watch("refining", settings.steps, unit="steps") as progress:
        carry_out(work, progress)
    return work.codes


def memory(model: SwappingModel, pixels: int) -> int:
    """Bytes that a step needs for a picture of so many pixels, of which two pictures' codes are decoded with gradients.

    Measured on a small picture: what the layers keep for the way back grows with the pixels."""
    side = PROBE * model.config.stride
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        structure = torch.ones(1, model.config.structure_channels, PROBE, PROBE, requires_grad=True)
        texture = torch.ones(1, model.config.texture_channels, requires_grad=True)
        made = model.decode(SwapCodes(structure=structure, texture=texture))
        weights = {each.untyped_storage().data_ptr() for each in model.parameters()}
        share = sum(count for place, count in kept.items() if place not in weights) / side**2
        del made
    return int(MARGIN * share * pixels)


@dataclass(frozen=True, eq=False)
class Refined:
    """A Swapping Autoencoder whose `encode` refines what the encoder finds; `decode` is the network's.

    `follow` refines a video frame by frame: each begins with the correction that was found for the one before, or
    with a part of it, or at its own guess, whichever draws it best. So a cut does no harm."""

    model: SwappingModel
    network: Autoencoder  # that decodes: the model, or tile by tile
    settings: Refining = Refining()
    rendering: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # noise and seed, as they will be decoded
    watch: Watch = unwatched

    def encode(self, images: Tensor) -> SwapCodes:
        """Pictures (N, 3, H, W) to codes; GraftError for what the model refuses, and if memory is short."""
        return self._refined(images, None)

    def decode(self, codes: SwapCodes, **options: Any) -> Tensor:
        """Codes to pictures, as the network does."""
        return self.network.decode(codes, **options)

    @torch.no_grad()
    def follow(self, images: Tensor, before: SwapCodes | None) -> tuple[SwapCodes, SwapCodes]:
        """Codes of a frame (1, 3, H, W), and their correction: the difference from the encoder's."""
        guess = self.model.encode(images)
        starts = [guess]
        if before is not None and before.structure.shape == guess.structure.shape:
            with_texture = replace(guess, texture=guess.texture + before.texture)
            starts += [with_texture, replace(with_texture, structure=guess.structure + before.structure)]
        aim = images.to(guess.structure)
        losses = [(self.model.decode(start, **self._drawn) - aim).square().mean().item() for start in starts]
        codes = self._refined(images, starts[losses.index(min(losses))])
        return codes, codes - guess

    @property
    def _drawn(self) -> dict[str, Any]:
        """Random noise is another every time, and nothing to follow: what is left without it is followed."""
        return {**self.rendering, "noise": "none"} if self.rendering.get("noise") == "random" else {**self.rendering}

    def _refined(self, images: Tensor, start: SwapCodes | None) -> SwapCodes:
        return refine(self.model, images, self.settings, start, watch=self.watch, **self._drawn)
