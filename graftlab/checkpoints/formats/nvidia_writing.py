"""StyleGAN2 as a pickle that NVIDIA's own scripts open: stylegan2-ada-pytorch, or StyleGAN2 in stylegan3.

Their pickles carry the text of the module that defines the networks. That text is theirs, so here every class is a
plain reference instead, resolved by the checkout of theirs that opens the file. Names are those of `nvidia`.
"""

import pickle
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import log2, sqrt
from typing import Any

import torch
from torch import Tensor, nn

from graftlab.checkpoints.formats.nvidia import CHECKOUTS, KERNEL, LINEAR, TAPS, WHOLE_BATCH
from graftlab.checkpoints.formats.nvidia_names import discriminator_names, generator_names
from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError
from graftlab.networks.style import MAPPING_RATE
from graftlab.networks.stylegan2 import StyleGAN2

BUFFERS = ("w_avg", "noise_const", KERNEL)
HIGHEST = 4  # resolution of their first block
PROTOCOL = 3  # theirs
START = pickle.PROTO + bytes([PROTOCOL])
DECAY = 0.998  # of the running mean of w, should training go on
RECTIFIED = sqrt(2)  # gain of their activation


@dataclass
class Instance:
    """An object of a class that is not here: what a pickle says of it."""

    kind: str
    attributes: dict[str, Any]
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)
    modules: dict[str, "Instance"] = field(default_factory=dict)

    @property
    def state(self) -> dict[str, Any]:
        """What `torch.nn.Module.__setstate__` takes; it fills in what its own version needs beside this."""
        hooks: dict[str, Any] = {
            name: OrderedDict() for name in ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks")
        }
        tables = {"_parameters": self.parameters, "_buffers": self.buffers, "_modules": self.modules}
        plain = {"training": False, "_non_persistent_buffers_set": set(), "_init_args": (), "_init_kwargs": {}}
        return {**plain, **hooks, **tables, **self.attributes}


def written(value: object, module: str) -> bytes:
    """The instructions that make a value, with instances in dicts at any depth; `module` defines their classes.

    Classes that cannot be imported here are beyond Python's pickler, so it writes what is inside of them alone. What it
    remembers is forgotten between two values, which share nothing."""
    if isinstance(value, Instance):
        named = pickle.GLOBAL + f"{module}\n{value.kind}\n".encode()
        return named + pickle.EMPTY_TUPLE + pickle.NEWOBJ + written(value.state, module) + pickle.BUILD
    if isinstance(value, dict) and any(isinstance(item, Instance | dict) for item in value.values()):
        items = b"".join(written(key, module) + written(item, module) for key, item in value.items())
        return pickle.EMPTY_DICT + pickle.MARK + items + pickle.SETITEMS
    return pickle.dumps(value, PROTOCOL)[len(START) : -len(pickle.STOP)]


def to_nvidia(
    model: StyleGAN2,
    discriminator: Mapping[str, Tensor],  # under our names; none: the file has an empty one
    checkout: str = "stylegan2-ada-pytorch",
) -> bytes:
    """The model as `G_ema` and `G`, and its discriminator as `D`, for one of the checkouts in CHECKOUTS.

    GraftError for another checkout, and for pictures that are not square, which their networks do not draw."""
    config = model.config
    if checkout not in CHECKOUTS:
        raise GraftError(f"There is no checkout '{checkout}' to write for; choose {' or '.join(CHECKOUTS)}.")
    if config.constant != (HIGHEST, HIGHEST):
        raise GraftError(
            "NVIDIA's StyleGAN2 draws square pictures only, from a constant of 4 x 4; this model does not."
        )
    judge = judge_of(config, discriminator) if discriminator else nn.Identity()
    network = generator(model, nested=checkout != "stylegan3")
    content = {"training_set_kwargs": None, "augment_pipe": None, "D": judge, "G": network, "G_ema": network}
    return START + written(content, CHECKOUTS[checkout]) + pickle.STOP


def generator(model: StyleGAN2, nested: bool) -> Instance:
    """A generator as their classes hold it, which take the arguments of the synthesis network in a dict or not."""
    config = model.config
    blocks = [HIGHEST * 2**block for block in range(len(config.channels))]
    named = dict(generator_names(blocks, config.mapping_layers, config.classes > 0, noisy=True))
    network = assemble("Generator", {theirs: model.state_dict()[ours] for ours, theirs in named.items()})
    wide, z, w, size = 2 * len(blocks), config.z_channels, config.w_channels, blocks[-1]
    sides = {"img_resolution": size, "img_channels": 3}
    network.attributes = {"z_dim": z, "c_dim": config.classes, "w_dim": w, "num_ws": wide, **sides}
    if widths := widths_of(config.channels):
        made: dict[str, Any] = {"mapping_kwargs": {"num_layers": config.mapping_layers}}
        made |= {"synthesis_kwargs": widths | options(config)} if nested else widths | options(config)
        network.attributes["_init_kwargs"] = {"z_dim": z, "c_dim": config.classes, "w_dim": w, **sides, **made}
    network.modules["mapping"].attributes = mapping(config, z, w, wide, DECAY)
    synthesis = network.modules["synthesis"]
    synthesis.attributes = {"w_dim": w, "num_ws": wide, "num_fp16_res": 0, **levels(blocks), **sides}
    inputs = 0
    for resolution, channels in zip(blocks, config.channels, strict=True):
        block = synthesis.modules[f"b{resolution}"]
        block.attributes = {
            **{"in_channels": inputs, "w_dim": w, "resolution": resolution, "img_channels": 3},
            **{"is_last": resolution == size, "num_conv": 2 if inputs else 1, "num_torgb": 1, **PLAIN_BLOCK},
            "architecture": "skip",
        }
        block.buffers[KERNEL] = kernel()
        for name, layer in block.modules.items():
            layer.attributes |= {"w_dim": w, "conv_clamp": config.clamp or None}
            if name != "torgb":
                layer.attributes |= {"resolution": resolution, "up": 2 if name == "conv0" else 1, "use_noise": True}
        inputs = channels
    return network


def judge_of(config: StyleGAN2Config, tensors: Mapping[str, Tensor]) -> Instance:
    """A discriminator as their classes hold it."""
    blocks = [HIGHEST * 2**block for block in range(len(config.channels))]
    depth = len({name.split(".")[2] for name in tensors if name.startswith("mapping.layers.")})
    named = dict(discriminator_names(blocks, depth, config.classes > 0))
    network = assemble("Discriminator", {theirs: tensors[ours] for ours, theirs in named.items()})
    sides = {"img_resolution": blocks[-1], "img_channels": 3}
    network.attributes = {"c_dim": config.classes, **levels([*reversed(blocks[1:])]), **sides}
    if widths := widths_of(config.discriminator_channels or config.channels):
        network.attributes["_init_kwargs"] = {"c_dim": config.classes, **sides, **widths, **options(config)}
    last = network.modules["b4"]
    channels = last.modules["conv"].parameters["weight"].shape[0]
    seen = last.modules["out"].parameters["weight"].shape[0] if config.classes else 0
    last.attributes = {"in_channels": channels, "cmap_dim": seen, "resolution": HIGHEST, "img_channels": 3}
    last.attributes["architecture"] = "resnet"
    group = None if config.discriminator_group == WHOLE_BATCH else config.discriminator_group
    last.modules["mbstd"] = Instance("MinibatchStdLayer", {"group_size": group, "num_channels": 1})
    if config.classes:
        network.modules["mapping"].attributes = mapping(config, 0, seen, None, None) | {"num_layers": depth}
    for index, resolution in enumerate(reversed(blocks[1:])):
        block = network.modules[f"b{resolution}"]
        inputs = block.modules["conv0"].parameters["weight"].shape[1] if index else 0
        block.attributes = {"in_channels": inputs, "resolution": resolution, "img_channels": 3, **PLAIN_BLOCK}
        block.attributes |= {"first_layer_idx": 3 * index + bool(index), "num_layers": 3 if index else 4}
        block.attributes["architecture"] = "resnet"
        block.buffers[KERNEL] = kernel()
    for name, block in network.modules.items():
        for part, layer in block.modules.items() if name != "mapping" else ():
            if layer.kind == "Conv2dLayer":
                clamp = None if part == "skip" else config.clamp or None
                layer.attributes |= {"conv_clamp": clamp, "up": 1, "down": 2 if part in ("conv1", "skip") else 1}
    return network


def widths_of(channels: tuple[int, ...]) -> dict[str, int]:
    """The two arguments of theirs that make these channels; none if no such two do."""
    base, most = channels[-1] * HIGHEST * 2 ** (len(channels) - 1), channels[0]
    follow = tuple(min(base // (HIGHEST * 2**block), most) for block in range(len(channels)))
    return {"channel_base": base, "channel_max": most} if follow == channels else {}


def options(config: StyleGAN2Config) -> dict[str, Any]:
    return {"num_fp16_res": 0, "conv_clamp": config.clamp or None}


PLAIN_BLOCK = {"use_fp16": False, "channels_last": False, "fused_modconv_default": True}


def mapping(config: StyleGAN2Config, z: int, w: int, wide: int | None, decay: float | None) -> dict[str, Any]:
    """Attributes of a mapping network."""
    sizes = {"z_dim": z, "c_dim": config.classes, "w_dim": w}
    return sizes | {"num_ws": wide, "num_layers": config.mapping_layers, "w_avg_beta": decay}


def levels(blocks: list[int]) -> dict[str, Any]:
    return {"img_resolution_log2": int(log2(max(blocks))), "block_resolutions": blocks}


def kernel() -> Tensor:
    """The taps beside every doubling and halving."""
    return torch.outer(TAPS, TAPS)


# -- from a flat table to objects within objects ----------------------------------------------------------------------


def assemble(kind: str, tensors: Mapping[str, Tensor]) -> Instance:
    """A network of their classes from its tensors by dotted names; what single layers know comes from their shapes."""
    network = Instance(kind, {})
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        module, before = network, ""
        for step in path:
            below = module.modules.setdefault(step, Instance(class_of(step, kind), {}))
            module, before = below, f"{before}{step}."
        held = tensor.detach().to(torch.float32).clone()
        if last in BUFFERS:
            module.buffers[last] = held
        else:
            module.parameters[last] = nn.Parameter(held, requires_grad=False)
    for name, layer in within(network):
        layer.attributes |= known(name, layer)
        if layer.kind in ("SynthesisLayer", "Conv2dLayer"):
            layer.buffers[KERNEL] = kernel()
    return network


def class_of(step: str, network: str) -> str:
    """Their class of a module, by the last part of its name."""
    generating = network == "Generator"
    if step in ("mapping", "synthesis"):
        return {"mapping": "MappingNetwork", "synthesis": "SynthesisNetwork"}[step]
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


def known(name: str, layer: Instance) -> dict[str, Any]:
    """What a single layer knows of itself by its name and the shape of its weight."""
    weight = layer.parameters.get("weight")
    if weight is None:
        return {}
    activation = "linear" if name in LINEAR else "lrelu"
    if layer.kind == "FullyConnectedLayer":
        rate = MAPPING_RATE if name[2:].isdigit() else 1
        sizes = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
        return {**sizes, "activation": activation, "weight_gain": rate / sqrt(weight.shape[1]), "bias_gain": rate}
    told: dict[str, Any] = {"in_channels": weight.shape[1], "out_channels": weight.shape[0]}
    told |= {} if "bias" in layer.parameters else {"bias": None}
    gain = {"weight_gain": 1 / sqrt(weight[0].numel())}
    if layer.kind == "ToRGBLayer":
        return told | gain
    gain |= {"act_gain": RECTIFIED if activation == "lrelu" else 1.0, "padding": weight.shape[2] // 2}
    return told | gain | {"activation": activation}
