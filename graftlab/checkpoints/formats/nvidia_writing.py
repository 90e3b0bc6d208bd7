"""StyleGAN2 and StyleGAN3 as pickles that NVIDIA's own scripts open: stylegan2-ada-pytorch, or stylegan3.

Their pickles carry the text of the module that defines the networks. That text is theirs, so here every class is a
plain reference instead, resolved by the checkout of theirs that opens the file. Names are those of `nvidia`.
"""

from collections.abc import Mapping
from math import log2, sqrt
from typing import Any

import torch
from torch import Tensor, nn

from graftlab.checkpoints.formats.nvidia import CHECKOUTS, KERNEL, TAPS, WHOLE_BATCH
from graftlab.checkpoints.formats.nvidia_names import discriminator_names, generator_names
from graftlab.checkpoints.formats.nvidia_objects import DECAY, Instance, activation, assemble, mapping, pickled, within
from graftlab.checkpoints.formats.nvidia_stylegan3_writing import generator3
from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.stylegan3 import StyleGAN3

HIGHEST = 4  # resolution of their first block
OLDER, NEWER = CHECKOUTS
RECTIFIED = sqrt(2)  # gain of their activation


def to_nvidia(
    model: StyleGAN2 | StyleGAN3,
    discriminator: Mapping[str, Tensor],  # under our names; none: the file has an empty one
    checkout: str | None = None,  # one of CHECKOUTS; none: "stylegan3" for a StyleGAN3, the older for a StyleGAN2
) -> bytes:
    """The model as `G_ema` and `G`, and its discriminator as `D`, for one of the checkouts in CHECKOUTS.

    GraftError for another checkout, and for what their networks do not draw: pictures that are not square."""
    moving = isinstance(model, StyleGAN3)
    checkout = checkout or (NEWER if moving else OLDER)
    if checkout not in CHECKOUTS:
        raise GraftError(f"There is no checkout '{checkout}' to write for; choose {' or '.join(CHECKOUTS)}.")
    if moving and checkout != NEWER:
        raise GraftError(f"{checkout} has no StyleGAN3; write this model for the checkout '{NEWER}'.")
    home = CHECKOUTS[checkout]
    if isinstance(model, StyleGAN3):
        network, config = generator3(model), model.config.judge
    else:
        network, config = generator(model, home, nested=checkout == OLDER), model.config
    judge = judge_of(config, home, discriminator) if discriminator else nn.Identity()
    return pickled({"training_set_kwargs": None, "augment_pipe": None, "D": judge, "G": network, "G_ema": network})


def generator(model: StyleGAN2, home: str, nested: bool) -> Instance:
    """A generator as their classes hold it, which take the arguments of the synthesis network in a dict or not."""
    config = model.config
    if config.constant != (HIGHEST, HIGHEST) or not config.normalize:
        raise GraftError(
            "NVIDIA's StyleGAN2 draws square pictures only, from a constant of 4 x 4 and a normalised z; this model "
            "does not."
        )
    blocks = [HIGHEST * 2**block for block in range(len(config.channels))]
    named = dict(generator_names(blocks, config.mapping_layers, config.classes > 0, noisy=True))
    network = assemble("Generator", home, {theirs: model.state_dict()[ours] for ours, theirs in named.items()})
    tell_convolutions(network)
    wide, z, w, size = 2 * len(blocks), config.z_channels, config.w_channels, blocks[-1]
    sides = {"img_resolution": size, "img_channels": 3}
    network.attributes = {"z_dim": z, "c_dim": config.classes, "w_dim": w, "num_ws": wide, **sides}
    if widths := widths_of(config.channels):
        made: dict[str, Any] = {"mapping_kwargs": {"num_layers": config.mapping_layers}}
        made |= {"synthesis_kwargs": widths | options(config)} if nested else widths | options(config)
        network.attributes["_init_kwargs"] = {"z_dim": z, "c_dim": config.classes, "w_dim": w, **sides, **made}
    network.modules["mapping"].attributes = mapping(z, config.classes, w, wide, config.mapping_layers, DECAY)
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


def judge_of(config: StyleGAN2Config, home: str, tensors: Mapping[str, Tensor]) -> Instance:
    """A discriminator as their classes hold it."""
    blocks = [HIGHEST * 2**block for block in range(len(config.channels))]
    depth = len({name.split(".")[2] for name in tensors if name.startswith("mapping.layers.")})
    named = dict(discriminator_names(blocks, depth, config.classes > 0))
    network = assemble("Discriminator", home, {theirs: tensors[ours] for ours, theirs in named.items()})
    tell_convolutions(network)
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
        network.modules["mapping"].attributes = mapping(0, config.classes, seen, None, depth, None)
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


def tell_convolutions(network: Instance) -> None:
    """Give every convolution what it knows of itself by its name and the shape of its weight."""
    for name, layer in within(network):
        if layer.kind not in ("ToRGBLayer", "SynthesisLayer", "Conv2dLayer"):
            continue
        weight = layer.parameters["weight"]
        layer.attributes |= {"in_channels": weight.shape[1], "out_channels": weight.shape[0]}
        layer.attributes |= {"weight_gain": 1 / sqrt(weight[0].numel())}
        layer.attributes |= {} if "bias" in layer.parameters else {"bias": None}
        if layer.kind != "ToRGBLayer":
            gain = RECTIFIED if activation(name) == "lrelu" else 1.0
            layer.attributes |= {"activation": activation(name), "act_gain": gain, "padding": weight.shape[2] // 2}
            layer.buffers[KERNEL] = kernel()


def widths_of(channels: tuple[int, ...]) -> dict[str, int]:
    """The two arguments of theirs that make these channels; none if no such two do."""
    base, most = channels[-1] * HIGHEST * 2 ** (len(channels) - 1), channels[0]
    follow = tuple(min(base // (HIGHEST * 2**block), most) for block in range(len(channels)))
    return {"channel_base": base, "channel_max": most} if follow == channels else {}


def options(config: StyleGAN2Config) -> dict[str, Any]:
    return {"num_fp16_res": 0, "conv_clamp": config.clamp or None}


PLAIN_BLOCK = {"use_fp16": False, "channels_last": False, "fused_modconv_default": True}


def levels(blocks: list[int]) -> dict[str, Any]:
    return {"img_resolution_log2": int(log2(max(blocks))), "block_resolutions": blocks}


def kernel() -> Tensor:
    """The taps beside every doubling and halving."""
    return torch.outer(TAPS, TAPS)
