"""How far each layer of a network has moved from another's: its weights, and what it makes of the same input.

moved = diff(a, b, probe_seeds(range(8)))
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from graftlab.blending.inputs import Probe
from graftlab.blending.kinship import Distance, compare, measure
from graftlab.blending.layers import module_of, places_of
from graftlab.figures.tables import Cell, Table
from graftlab.networks.layers import Conv, Linear, ModulatedConv, StyledConv
from graftlab.networks.model import Network
from graftlab.networks.stylegan1 import ColourLayer, NoisyLayer
from graftlab.networks.stylegan3 import FilteredConv, FourierFeatures

LAYERS = (StyledConv, ModulatedConv, FilteredConv, FourierFeatures, NoisyLayer, ColourLayer, Conv, Linear)


@dataclass(frozen=True)
class Moved:
    """A layer: all its tensors together; constants, among them the noise, are layers of their own."""

    name: str
    resolution: int  # of its features, pixels
    tensors: dict[str, Distance]
    activations: Distance | None = None  # of what it makes; None where it makes nothing of an input

    @property
    def weights(self) -> Distance:
        return sum(self.tensors.values(), Distance())

    def to_dict(self) -> dict[str, Any]:
        """As JSON: relative L2 and cosine of the weights, together and each, and relative L2 of the activations."""
        return {
            "layer": self.name,
            "resolution": self.resolution,
            **_figures(self.weights),
            "activations": _finite(self.activations.relative) if self.activations else None,
            "tensors": {name: _figures(distance) for name, distance in self.tensors.items()},
        }


def diff(a: Network, b: Network, probes: Iterable[Probe] = ()) -> list[Moved]:
    """The layers, in the order of the network, each with its distance from A to B.

    Activations are compared over all probes, one at a time, so that memory is that of all layers' outputs for one.
    GraftError if the models differ in more than their weights."""
    modules, places = outermost(a), places_of(a)
    order = {place: number for number, place in enumerate(places)}
    tensors: dict[str, dict[str, Distance]] = {}
    resolutions: dict[str, int] = {}
    for layer, distance in sorted(compare(a, b), key=lambda pair: order[module_of(pair[0].name, places)]):
        name = owner(layer.name, modules)
        tensors.setdefault(name, {})[layer.name] = distance
        resolutions[name] = layer.resolution
    made: dict[str, Distance] = {}
    for probe in probes:
        for name, distance in activations(a, b, probe):
            made[name] = made.get(name, Distance()) + distance
    return [Moved(name, resolutions[name], tensors[name], made.get(name)) for name in tensors]


def tabulate(moved: Sequence[Moved], title: str) -> Table:
    """The layers as rows."""
    rows: list[tuple[str, list[Cell]]] = []
    for each in moved:
        made = each.activations.relative if each.activations else None
        rows.append((each.name, [f"{each.resolution} px", each.weights.relative, each.weights.cosine, made]))
    return Table(title, ["", "relative L2", "cosine", "activations"], rows)


@torch.no_grad()
def activations(a: Network, b: Network, probe: Probe) -> list[tuple[str, Distance]]:
    """The distances of what each layer makes of one input."""
    before: dict[str, Tensor] = {}
    _watched(a, probe, before.__setitem__)
    found: list[tuple[str, Distance]] = []
    _watched(b, probe, lambda name, output: found.append((name, measure(before.pop(name), output))))
    return found


def outermost(model: Network) -> dict[str, nn.Module]:
    """The layers of a model, without those inside of others, by name."""
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        inside = any(name[:end] in found for end, sign in enumerate(name) if sign == ".")
        if isinstance(module, LAYERS) and not inside:
            found[name] = module
    return found


def owner(name: str, modules: dict[str, nn.Module]) -> str:
    """The layer that a tensor belongs to, or the tensor itself if it is a constant."""
    if name.endswith("rgb_bias"):
        return name.removesuffix("rgb_bias") + "to_rgb"
    if name.endswith(".noise"):
        return name
    return next((name[:end] for end, sign in enumerate(name) if sign == "." and name[:end] in modules), name)


def _watched(model: Network, probe: Probe, see: Callable[[str, Tensor], object]) -> None:
    """Run a model and show what each layer makes."""

    def hook(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, inputs, output: void(see(name, output))

    handles = [module.register_forward_hook(hook(name)) for name, module in outermost(model).items()]
    try:
        probe(model)
    finally:
        for handle in handles:
            handle.remove()


def void(_: object) -> None:
    """A hook that returns something would change what the layer makes."""


def _figures(distance: Distance) -> dict[str, float | None]:
    return {"relative": _finite(distance.relative), "cosine": _finite(distance.cosine)}


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
