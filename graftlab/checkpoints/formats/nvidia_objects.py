"""Objects of classes that are not here, as a pickle tells of them: networks of NVIDIA's that their checkouts build."""

import pickle
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from graftlab.checkpoints.formats.nvidia import KERNEL, LINEAR
from graftlab.networks.style import MAPPING_RATE

BUFFERS = ("w_avg", "noise_const", KERNEL, "freqs", "phases", "transform", "magnitude_ema")
PROTOCOL = 3  # theirs
START = pickle.PROTO + bytes([PROTOCOL])
DECAY = 0.998  # of the running mean of w, should training go on


@dataclass
class Instance:
    """An object of a class that is not here: what a pickle says of it."""

    kind: str
    attributes: dict[str, Any]
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)
    buffers: dict[str, Tensor | None] = field(default_factory=dict)
    modules: dict[str, "Instance"] = field(default_factory=dict)
    home: str = ""  # the module that defines the classes of this and all inside of it; empty: as around it

    @property
    def state(self) -> dict[str, Any]:
        """What `torch.nn.Module.__setstate__` takes; it fills in what its own version needs beside this."""
        hooks: dict[str, Any] = {
            name: OrderedDict() for name in ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks")
        }
        tables = {"_parameters": self.parameters, "_buffers": self.buffers, "_modules": self.modules}
        plain = {"training": False, "_non_persistent_buffers_set": set(), "_init_args": (), "_init_kwargs": {}}
        return {**plain, **hooks, **tables, **self.attributes}


def pickled(value: object) -> bytes:
    """A whole pickle of a value, with instances in dicts at any depth."""
    return START + written(value) + pickle.STOP


def written(value: object, home: str = "") -> bytes:
    """The instructions that make a value.

    Classes that cannot be imported here are beyond Python's pickler, so it writes what is inside of them alone. What it
    remembers is forgotten between two values, which share nothing."""
    if isinstance(value, Instance):
        home = value.home or home
        named = pickle.GLOBAL + f"{home}\n{value.kind}\n".encode()
        return named + pickle.EMPTY_TUPLE + pickle.NEWOBJ + written(value.state, home) + pickle.BUILD
    if isinstance(value, dict) and any(isinstance(item, Instance | dict) for item in value.values()):
        items = b"".join(written(key, home) + written(item, home) for key, item in value.items())
        return pickle.EMPTY_DICT + pickle.MARK + items + pickle.SETITEMS
    return pickle.dumps(value, PROTOCOL)[len(START) : -len(pickle.STOP)]


# -- from a flat table to objects within objects ----------------------------------------------------------------------


def assemble(kind: str, home: str, tensors: Mapping[str, Tensor]) -> Instance:
    """A network of their classes from its tensors by dotted names; what fully connected layers know comes from their
    shapes."""
    network = Instance(kind, {}, home=home)
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        module = network
        for step in path:
            module = module.modules.setdefault(step, Instance(class_of(step, kind), {}))
        held = tensor.detach().to(torch.float32).clone()
        if last in BUFFERS:
            module.buffers[last] = held
        else:
            module.parameters[last] = nn.Parameter(held, requires_grad=False)
    for name, layer in within(network):
        if layer.kind == "FullyConnectedLayer":
            layer.attributes |= connected(name, layer.parameters["weight"])
    return network


def class_of(step: str, network: str) -> str:
    """Their class of a module, by the last part of its name."""
    generating = network == "Generator"
    if step in ("mapping", "synthesis", "input"):
        return {"mapping": "MappingNetwork", "synthesis": "SynthesisNetwork", "input": "SynthesisInput"}[step]
    if step[1:].isdigit():
        return "SynthesisBlock" if generating else "DiscriminatorEpilogue" if step == "b4" else "DiscriminatorBlock"
    if step.startswith("fc") or step in ("affine", "embed", "out"):
        return "FullyConnectedLayer"
    return "ToRGBLayer" if step == "torgb" else "SynthesisLayer" if generating else "Conv2dLayer"


def within(module: Instance) -> Iterator[tuple[str, Instance]]:
    """All modules inside of one, by the last parts of their names."""
    for name, below in module.modules.items():
        yield name, below
        yield from within(below)


def activation(name: str) -> str:
    return "linear" if name in LINEAR else "lrelu"


def connected(name: str, weight: Tensor) -> dict[str, Any]:
    """What a fully connected layer knows of itself."""
    rate = MAPPING_RATE if name[2:].isdigit() else 1
    sizes = {"in_features": weight.shape[1], "out_features": weight.shape[0], "activation": activation(name)}
    return {**sizes, "weight_gain": rate / sqrt(weight.shape[1]), "bias_gain": rate}


def mapping(
    z: int,
    classes: int,
    w: int,
    wide: int | None,  # rows of w
    depth: int,
    decay: float | None,  # of the running mean of w
) -> dict[str, Any]:
    """Attributes of a mapping network."""
    return {"z_dim": z, "c_dim": classes, "w_dim": w, "num_ws": wide, "num_layers": depth, "w_avg_beta": decay}
