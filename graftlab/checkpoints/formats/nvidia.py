"""NVIDIA's StyleGAN2 pickles of the PyTorch generation: stylegan2-ada-pytorch, and StyleGAN2 trained with stylegan3.

The file is a dict: `G_ema` is the averaged generator, `G` and `D` are the networks in training, beside them lie
`training_set_kwargs` and `augment_pipe`. A network is a persistent object: the text of the module that defines its
class (which never runs here), the name of the class, and the object's attributes. Among these, `_parameters` and
`_buffers` hold tensors and `_modules` persistent objects again; the others tell how the network computes, and what
would change the picture is compared with what ours does. All sizes come from the shapes of the weights.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.checkpoints.containers.contents import TABLES, Contents
from graftlab.checkpoints.containers.pickles import Record
from graftlab.checkpoints.formats.fitting import rename
from graftlab.checkpoints.formats.nvidia_names import discriminator_names, generator_names
from graftlab.checkpoints.formats.stylegan2_config import (
    DRAWN,
    NOT_RGB,
    UNKNOWN,
    check,
    coloured,
    discriminator_config,
    drawn_noise,
    generator_config,
    generator_of,
    left_out,
    silence,
    without_noise,
)
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError, refuse
from graftlab.networks.style import MAPPING_RATE
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import StyleGAN2

FORMAT = "NVIDIA StyleGAN2 pickle (PyTorch)"
TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8  # of the filter beside every doubling and halving
KERNEL = "resample_filter"  # their buffers of it
WHOLE_BATCH = 2**16  # a group no batch exceeds
HIGHEST_LIMIT = 2**16  # of activations: the largest float16

GENERATOR = ("Generator", "MappingNetwork", "SynthesisNetwork", "SynthesisBlock", "SynthesisLayer", "ToRGBLayer")
DISCRIMINATOR = ("Discriminator", "DiscriminatorBlock", "DiscriminatorEpilogue", "MinibatchStdLayer", "Conv2dLayer")
SHARED = ("FullyConnectedLayer", "MappingNetwork")
STRANGERS = {  # classes that tell another architecture
    "SuperresGenerator": "StyleGAN-XL",
    "TriPlaneGenerator": "EG3D",
    "DummyMapping": "Projected GAN with FastGAN",
    "Embedding": "StyleGAN-XL",
    "SynthesisInput": "StyleGAN3",
}
CHECKOUTS = {"stylegan2-ada-pytorch": "training.networks", "stylegan3": "training.networks_stylegan2"}
"""Their repositories, and the module in each that defines StyleGAN2's networks."""
ALIAS_FREE = "training.networks_stylegan3"  # the module that defines StyleGAN3's
MODULES = (*CHECKOUTS.values(), ALIAS_FREE)
PLAIN = (str, int, float, bool, type(None))
LINEAR = ("affine", "embed", "out", "skip")  # layers without an activation

# Arguments of their constructors that are looked at where they end up, as attributes, shapes or buffers, or that change
# speed and training alone. Any other is an addition whose meaning nobody told us.
ARGUMENTS = """
    z_dim c_dim w_dim cmap_dim num_ws num_layers img_resolution img_channels init_res resolution in_channels
    tmp_channels out_channels in_features out_features embed_features layer_features channel_base channel_max
    kernel_size up down bias bias_init activation architecture resample_filter conv_clamp use_noise lr_multiplier
    w_avg_beta is_last first_layer_idx group_size num_channels mbstd_group_size mbstd_num_channels mapping_kwargs
    synthesis_kwargs block_kwargs epilogue_kwargs num_fp16_res use_fp16 channels_last fp16_channels_last
    fused_modconv_default trainable freeze_layers
""".split()  # noqa: SIM905


@dataclass(frozen=True)
class Network:
    """A network as its file holds it, flattened."""

    tensors: Mapping[str, Tensor]  # parameters and buffers, by their dotted names
    classes: Mapping[str, str]  # class of every module, by its dotted name; the network itself is ""
    attributes: Mapping[str, Mapping[Any, Any]]  # of every module, likewise

    def values(self, attribute: str) -> set[Any]:
        """What the modules that have an attribute say, save the linear ones."""
        told = ((name, module[attribute]) for name, module in self.attributes.items() if attribute in module)
        return {value for name, value in told if name.rpartition(".")[2] not in LINEAR and isinstance(value, PLAIN)}


def read(contents: Contents, part: str = "G_ema") -> ModelFile | None:
    """A StyleGAN2 of the PyTorch generation, or None if the file is of another kind.

    `part` is the averaged generator "G_ema", or "G", the one in training. GraftError if the networks are of another
    architecture, or have layers, shapes or options that ours has not."""
    networks, path = networks_of(contents.tree), contents.path
    if not networks:
        return None
    generator, notes = generator_of(path, networks, part, "G_ema")
    config, tensors, found = read_generator(path, flatten(path, generator))
    notes += found
    discriminator: Mapping[str, Tensor] = {}
    if "D" in networks:
        try:
            config, discriminator = read_discriminator(path, flatten(path, networks["D"]), config)
        except GraftError as error:
            notes.append(left_out(path, error))
    return ModelFile(
        path, FORMAT, StyleGAN2.kind, config, tensors, discriminator, background(contents.tree), tuple(notes)
    )


def networks_of(tree: object) -> dict[str, Record]:
    """The networks among `G_ema`, `G` and `D`, if there is a generator; one by itself is `G_ema`."""
    if persistent(tree):
        return {"G_ema": tree}  # type: ignore[dict-item]  # as `persistent` tells
    if not isinstance(tree, dict):
        return {}
    networks = {name: tree[name] for name in ("G_ema", "G", "D") if persistent(tree.get(name)) or plain(tree.get(name))}
    return networks if networks.keys() & {"G_ema", "G"} else {}


def persistent(item: object) -> bool:
    """Whether this is an object that carries its source: one dict, with the name of the class and its attributes."""
    return (
        isinstance(item, Record)
        and item.name.name == "_reconstruct_persistent_obj"
        and len(item.arguments) == 1
        and isinstance(item.arguments[0], dict)
        and isinstance(item.arguments[0].get("class_name"), str)
        and isinstance(item.arguments[0].get("state"), dict)
    )


def plain(item: object) -> bool:
    """Whether this is an object of a class in a checkout of theirs, whose source the file leaves out."""
    return isinstance(item, Record) and item.name.module in MODULES and isinstance(item.state, dict)


def background(tree: object) -> dict[str, Any]:
    """What the file tells of the training, as JSON."""
    if not isinstance(tree, dict):
        return {}
    about: dict[str, Any] = {
        name: value for name, value in tree.items() if isinstance(name, str) and isinstance(value, str | int | float)
    }
    if isinstance(seen := about.pop("cur_nimg", None), int):
        about["images_seen"] = seen
    if isinstance(data := tree.get("training_set_kwargs"), dict):
        about["training_set"] = {str(name): value for name, value in data.items() if isinstance(value, PLAIN)}
        if isinstance(data.get("path"), str):
            about["trained_on"] = data["path"]
    return about


# -- a persistent object as a flat table ------------------------------------------------------------------------------


def flatten(path: Path, network: Record) -> Network:
    """All tensors and attributes of a network, by dotted names.

    GraftError if it holds something else where tensors or modules belong."""
    tensors: dict[str, Tensor] = {}
    classes: dict[str, str] = {}
    attributes: dict[str, Mapping[Any, Any]] = {}
    waiting: list[tuple[str, object]] = [("", network)]
    while waiting:
        name, module = waiting.pop()
        if not isinstance(module, Record):
            raise GraftError(f"{path} holds something that is no network at '{name:.80}'.")
        classes[name], state = class_and_state(module)
        attributes[name] = {key: value for key, value in state.items() if not isinstance(value, Tensor)}
        prefix = f"{name}." if name else ""
        for table in TABLES:
            for key, item in table_of(path, state, table):
                if isinstance(item, Tensor) and table != "_modules":
                    tensors[f"{prefix}{key}"] = item
                elif item is not None:
                    waiting.append((f"{prefix}{key}", item))
    return Network(tensors, classes, attributes)


def class_and_state(module: Record) -> tuple[str, dict[Any, Any]]:
    """Of a persistent object, or of one of torch's own modules."""
    if persistent(module):
        return module.arguments[0]["class_name"], module.arguments[0]["state"]
    return module.name.name, module.state if isinstance(module.state, dict) else {}


def table_of(path: Path, state: Mapping[Any, Any], table: str) -> Iterator[tuple[Any, Any]]:
    found = state.get(table) or {}
    if not isinstance(found, dict):
        raise GraftError(f"{path} holds a network whose {table} are no table; fetch or make it again.")
    yield from found.items()


# -- what must be as in our networks ----------------------------------------------------------------------------------


def check_options(path: Path, network: Network, what: str, known: Sequence[str], architecture: str) -> None:
    """GraftError if a network has classes or options that make another picture than ours."""
    present, top = set(network.classes.values()), network.classes[""]
    for name, family in STRANGERS.items():
        if name in present:
            raise GraftError(f"{path} holds a {what} of {family} (its class {name}); only StyleGAN2 can be opened.")
    strange = [top] if top != known[0] else sorted(present - {*known, *SHARED})
    if strange:
        raise GraftError(f"{path} holds a {what} made of {', '.join(strange):.80}, which is not StyleGAN2's.")
    channels = network.attributes[""].get("img_channels", 3)
    if channels != 3 and (what == "discriminator" or channels not in NOT_RGB):
        raise GraftError(f"{path} holds a {what} of pictures with {channels!r:.20} channels, which cannot be opened.")
    problems = odd_options(network, ARGUMENTS, architecture)
    problems += [f"{name} is another filter" for name, tensor in network.tensors.items() if foreign(name, tensor)]
    refuse(path, f"holds a {what} with options that graftlab does not know", problems)


def odd_options(network: Network, arguments: Collection[str], architecture: str = "") -> list[str]:
    """The options of a network that ours would not follow; of constructors, all but these arguments."""
    return [
        f"{place(name)} has {told}" for name in network.classes for told in odd(network, name, arguments, architecture)
    ]


def odd(network: Network, name: str, known: Collection[str], architecture: str) -> Iterator[str]:
    """Those of one module."""
    options, last = network.attributes[name], name.rpartition(".")[2]
    rate = MAPPING_RATE if re.fullmatch(r"mapping\.fc\d+", name) else 1
    wanted = {"architecture": architecture, "activation": "linear" if last in LINEAR else "lrelu", "bias_gain": rate}
    for option, value in wanted.items():
        found = options.get(option, value)
        same = isclose(found, value) if isinstance(found, float) and isinstance(value, float | int) else found == value
        if not same:
            yield f"{option}={found!r:.20}, not {value!r}"
    if network.classes[name] == "MinibatchStdLayer" and options.get("num_channels", 1) != 1:
        yield f"num_channels={options['num_channels']!r:.20}, not 1"
    arguments = options.get("_init_kwargs")
    for option, value in arguments.items() if isinstance(arguments, dict) else ():
        if option not in known and (isinstance(value, Tensor) or value):
            yield f"{option!s:.40}={value!r:.20}, which is unknown"


def place(name: str) -> str:
    return name or "the network"


def foreign(name: str, tensor: Tensor) -> bool:
    """Whether a buffer holds the taps of another filter than ours."""
    if name.rpartition(".")[2] != KERNEL:
        return False
    return tensor.shape != (4, 4) or not torch.allclose(tensor.float(), torch.outer(TAPS, TAPS), atol=1e-3)


def clamp_of(path: Path, network: Network) -> float:
    """The one limit of activations; 0: none."""
    limits = {limit or 0 for limit in network.values("conv_clamp")} or {0}
    limit = limits.pop()
    if limits or not isinstance(limit, int | float) or not 0 <= limit <= HIGHEST_LIMIT:
        raise GraftError(f"{path} holds a network with limits of activations (conv_clamp) that ours cannot follow.")
    return float(limit)


# -- our names --------------------------------------------------------------------------------------------------------


def read_generator(path: Path, network: Network) -> tuple[StyleGAN2Config, dict[str, Tensor], list[str]]:
    """A generator's configuration, its tensors under our names, and what is to be said about them."""
    check_options(path, network, "generator", GENERATOR, "skip")
    noisy = network.values("use_noise") != {False}
    state = {name: tensor for name, tensor in network.tensors.items() if not name.endswith(KERNEL)}
    theirs = dict(generator_names(numbers(state, r"synthesis\.b(\d{1,6})\."), *mapping_layers(state), noisy))
    wanted, silent = without_noise(theirs, state)
    tensors, notes = coloured(path, rename(path, UNKNOWN.format("StyleGAN2 generator"), state, wanted))
    config = generator_config(path, tensors, clamp_of(path, network))
    if silent:
        tensors |= drawn_noise(path, config) if noisy else silence(config)
        notes += [DRAWN] if noisy else []
    check(path, StyleGAN2, config, tensors, theirs)
    return config, tensors, notes


def read_discriminator(
    path: Path, network: Network, config: StyleGAN2Config
) -> tuple[StyleGAN2Config, dict[str, Tensor]]:
    """The generator's configuration with a discriminator's sizes, and its tensors under our names."""
    check_options(path, network, "discriminator", DISCRIMINATOR, "resnet")
    if (clamp := clamp_of(path, network)) != config.clamp:
        raise GraftError(f"{path} limits activations to {clamp:g} here and {config.clamp:g} in the generator.")
    state = {name: tensor for name, tensor in network.tensors.items() if not name.endswith(KERNEL)}
    theirs = dict(discriminator_names(numbers(state, r"b(\d{1,6})\."), *mapping_layers(state)))
    tensors = rename(path, UNKNOWN.format("StyleGAN2 discriminator"), state, theirs)
    group = network.attributes.get("b4.mbstd", {}).get("group_size", WHOLE_BATCH)
    config = discriminator_config(path, config, tensors, WHOLE_BATCH if group is None else group)
    check(path, StyleDiscriminator, config, tensors, theirs)
    return config, tensors


def numbers(state: Mapping[str, Tensor], pattern: str) -> list[int]:
    """The different numbers at the start of names, in order."""
    return sorted({int(match[1]) for name in state if (match := re.match(pattern, name))})


def mapping_layers(state: Mapping[str, Tensor]) -> tuple[int, bool]:
    """How many layers a mapping network has, and whether it embeds classes."""
    return len(numbers(state, r"mapping\.fc(\d{1,6})\.")), any(name.startswith("mapping.embed.") for name in state)
