"""What every tensor of a model is: its role, and where in the network it works.

A blend decides tensor by tensor, and a tensor that nobody names stays behind unnoticed. So `layers_of` names all of
them, buffers too, and fails if there is one that it does not know.

**Where a resolution begins.** A layer has the resolution of the features that it makes, for an autoencoder those of a
picture of its training size. Positions count two steps per resolution R, from 2 log2(R): a generator's first
convolution of R, the doubling one, has step 0 and its last step 1, with the layer to red, green, blue; the constant is
step 0 of its resolution. Between those two, a resolution with more convolutions spreads them evenly. An encoder is the
mirror image: what arrives at R has step 1, what goes on from there step 0, and the mean over all positions, which makes
the texture, has resolution 1. A StyleGAN3's resolutions are the rates of its layers, without the margins.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from math import log2
from typing import Literal, get_args

from graftlab.config import StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from graftlab.errors import GraftError
from graftlab.networks.local import LocalAutoencoder, LocalStyleGAN2
from graftlab.networks.model import Network
from graftlab.networks.rosinality import RosinalityAutoencoder
from graftlab.networks.stylegan1 import StyleGAN1
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.stylegan3 import StyleGAN3
from graftlab.networks.swapping import SwappingAutoencoder

Role = Literal[
    "convolution", "bias", "affine", "to-rgb", "strength", "noise", "constant", "magnitude", "mapping", "average"
]
"""convolution: weights of those, fully connected layers among them; affine: texture or w to factors per channel;
to-rgb: all of those layers; strength: of the noise; noise: the constant one; constant: what the first layer is given, a
StyleGAN3's waves too; magnitude: of a StyleGAN3 layer's input; average: of w, for truncation."""
ROLES: tuple[Role, ...] = get_args(Role)

ENDINGS: dict[str, Role] = {  # how the names of tensors end
    **{"noise_strength": "strength", "noise": "noise", "bias": "bias", "magnitude": "magnitude"},
    **dict.fromkeys(("constant", "frequencies", "phases", "transform"), "constant"),
}


@dataclass(frozen=True)
class Layer:
    """A tensor of a model, by its name in the state dict."""

    name: str
    role: Role
    resolution: int  # larger side of the features it makes, pixels; the mapping network's is the coarsest
    position: float  # 2 log2(resolution), plus the step: 0 to 1

    @property
    def part(self) -> str:
        """The network that it belongs to: mapping or synthesis, encoder or generator."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Place:
    """Where a module works, and, if the channels of what it makes can be blended, who reads them."""

    resolution: int
    step: float
    readers: tuple[str, ...] = ()  # modules: all that its features go to
    margin: int = 0  # pixels that its features have beyond the picture's border, on every side

    @property
    def position(self) -> float:
        return 2 * log2(self.resolution) + self.step


def layers_of(model: Network) -> list[Layer]:
    """All tensors of a model's state dict, in its order. Works on the device "meta" too.

    GraftError for a model of another kind than those that graftlab has."""
    places = places_of(model)
    return [
        Layer(name, role_of(name), place.resolution, place.position)
        for name in model.state_dict()
        for place in [places[module_of(name, places)]]
    ]


@singledispatch
def places_of(model: Network) -> dict[str, Place]:
    """Where each module of a model works, by its name: those that have a place of their own."""
    raise GraftError(f"Blending does not know {model.title}.")


def module_of(name: str, places: dict[str, Place]) -> str:
    """The module with a place of its own that a tensor belongs to. LookupError if there is none."""
    inner = name
    while inner not in places:
        inner, dot, _ = inner.rpartition(".")
        if not dot:
            raise LookupError(f"{name} belongs to no known layer")
    return inner


def role_of(name: str) -> Role:
    """What a tensor is for, by its name."""
    if name.startswith("mapping."):
        return "average" if name == "mapping.average" else "mapping"
    if ".to_rgb." in name or name.endswith("rgb_bias"):
        return "to-rgb"
    if ".affine." in name or ".modulation.s" in name:  # generator.modulation.scale, .shift
        return "affine"
    return ENDINGS.get(name.rpartition(".")[2], "convolution")


@places_of.register(LocalStyleGAN2)
@places_of.register(LocalAutoencoder)
def _(model: Network) -> dict[str, Place]:
    raise GraftError("A local blend is of two networks, and blends with no other; blend those, and then in that place.")


@places_of.register
def _(model: StyleGAN1) -> dict[str, Place]:
    return dict(_stylegan1(model.config))


@places_of.register
def _(model: StyleGAN2) -> dict[str, Place]:
    return dict(_stylegan2(model.config))


@places_of.register
def _(model: StyleGAN3) -> dict[str, Place]:
    return dict(_stylegan3(model.config))


@places_of.register(SwappingAutoencoder)
@places_of.register(RosinalityAutoencoder)
def _(model: SwappingAutoencoder | RosinalityAutoencoder) -> dict[str, Place]:
    return dict(_autoencoder(model))


def _stylegan1(config: StyleGAN1Config) -> Iterator[tuple[str, Place]]:
    sides = [side for side, _ in config.resolutions]
    yield "mapping", Place(sides[0], 0)
    yield "synthesis.start", Place(sides[0], 0)
    for block, side in enumerate(sides):
        name, last = f"synthesis.blocks.{block}", block + 1 == len(sides)
        if block:
            yield f"{name}.up", Place(side, 0, (f"{name}.conv",))
        yield f"{name}.conv", Place(side, 1, ("synthesis.to_rgb" if last else f"synthesis.blocks.{block + 1}.up",))
    yield "synthesis.to_rgb", Place(sides[-1], 1)


def _stylegan2(config: StyleGAN2Config) -> Iterator[tuple[str, Place]]:
    sides = [max(sides) for sides in config.resolutions]
    yield "mapping", Place(sides[0], 0)
    yield "synthesis.constant", Place(sides[0], 0)
    for block, side in enumerate(sides):
        name, following = f"synthesis.blocks.{block}", f"synthesis.blocks.{block + 1}.up"
        if block:
            yield f"{name}.up", Place(side, 0, (f"{name}.conv",))
        yield f"{name}.conv", Place(side, 1, (f"{name}.to_rgb", *([following] if block + 1 < len(sides) else [])))
        yield f"{name}.to_rgb", Place(side, 1)
        yield f"{name}.rgb_bias", Place(side, 1)


def _stylegan3(config: StyleGAN3Config) -> Iterator[tuple[str, Place]]:
    stages = config.stages
    sides = [stage.rate for stage in stages]
    yield "mapping", Place(sides[0], 0)
    yield "synthesis.input", Place(sides[0], 0)
    names = [*(f"synthesis.layers.{layer}" for layer in range(len(config.channels))), "synthesis.to_rgb"]
    count, met = Counter(sides), Counter[int]()
    for name, stage, readers in zip(names, stages, [*((name,) for name in names[1:]), ()], strict=True):
        step = met[stage.rate] / max(1, count[stage.rate] - 1)
        yield name, Place(stage.rate, step, readers, (stage.size - stage.rate) // 2)
        met[stage.rate] += 1


def _autoencoder(model: SwappingAutoencoder | RosinalityAutoencoder) -> Iterator[tuple[str, Place]]:
    config = model.config
    sides = [config.size // 2**halvings for halvings in range(config.downsamplings + config.texture_downsamplings + 1)]
    grid = sides[config.downsamplings]

    yield "encoder.from_rgb", Place(config.size, 1)
    for i in range(config.downsamplings):
        yield f"encoder.down.{i}.conv1", Place(sides[i], 0)
        yield f"encoder.down.{i}.conv2", Place(sides[i + 1], 1)
        yield f"encoder.down.{i}.skip", Place(sides[i + 1], 1)
    yield "encoder.to_structure", Place(grid, 0)
    for i in range(config.texture_downsamplings):
        yield f"encoder.down_texture.{i}", Place(sides[config.downsamplings + i + 1], 1)
    yield "encoder.to_texture", Place(1, 0)

    yield "generator.modulation", Place(grid, 0)
    blocks = len(model.generator.head)
    last = max(1, 2 * blocks - 1)
    for i in range(blocks):
        yield f"generator.head.{i}.conv1", Place(grid, 2 * i / last, (f"generator.head.{i}.conv2",))
        yield f"generator.head.{i}.skip", Place(grid, 2 * i / last)
        yield f"generator.head.{i}.conv2", Place(grid, (2 * i + 1) / last)
    for i in range(config.downsamplings):
        side = sides[config.downsamplings - i - 1]
        yield f"generator.up.{i}.conv1", Place(side, 0, (f"generator.up.{i}.conv2",))
        yield f"generator.up.{i}.skip", Place(side, 0)
        yield f"generator.up.{i}.conv2", Place(side, 1)
    yield "generator.to_rgb", Place(config.size, 1)
    yield "generator.rgb_bias", Place(config.size, 1)
