"""NVIDIA's StyleGAN2 pickles of the TensorFlow generation (stylegan2, stylegan2-ada), without TensorFlow.

The file is a tuple of the generator in training, its discriminator and the averaged generator `Gs`. Each is a network
object with a version from 2 to 5, which differ in fields that do not matter here: `static_kwargs` are its options,
`variables` pairs of name and array, `components` further networks (of a generator "mapping" and "synthesis"), and
`build_module_src` the text of the module that builds it, which never runs here.

How their arrays differ from ours:

- Kernels are (k, k, in, out), ours (out, in, k, k); matrices of dense layers are (in, out), ours (out, in).
- The doubling convolution (`Conv0_up`) turns its kernel by half a circle before the transposed convolution. Ours does
  not, so the stored kernel is turned instead.
- The affine map to styles has its bias (`mod_bias`) around 0 and adds 1 when used; ours is around 1.
- The constant and the noise have a batch dimension, the noise a channel as well. Noise is numbered by layer and lies
  at the top of the synthesis network; its strength is a number beside the kernel.

aydao's extended StyleGAN2 ("This Anime Does Not Exist") is wider, which shapes tell, and does not normalise z, which
nothing but the text of its module tells.

Factors of the equalised learning rate are the same in both. The first StyleGAN is `tensorflow_stylegan1`'s. Networks of
other designs are refused by name: Progressive GAN, StyleGAN2's configurations a to d (progressive growing), output or
residual connections in the place of skip connections, and classes as the first version of the code had them
(`LabelConcat`), where z and class are normalised as one vector.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.containers.pickles import Record
from graftlab.checkpoints.formats.fitting import rename
from graftlab.checkpoints.formats.nvidia import HIGHEST_LIMIT, WHOLE_BATCH, numbers
from graftlab.checkpoints.formats.stylegan2_config import (
    UNKNOWN,
    check,
    coloured,
    discriminator_config,
    generator_config,
    generator_of,
    left_out,
    silence,
)
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError, refuse
from graftlab.networks.style import MAPPING_RATE
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import StyleGAN2

FORMAT = "NVIDIA StyleGAN2 pickle (TensorFlow)"
VERSIONS = range(2, 6)
MODULES = ("network", "tfutil")  # last part of the module's name, today's and Progressive GAN's
LABEL_RATE = 0.1  # learning rate of a discriminator's mapping network, unless its options say otherwise
PLAIN_Z = re.compile(r"\bnormalize_latents\s*=\s*False\b")  # in the text of a module whose networks take z as it is
COUNTER = "lod"  # progress of progressive growing, in networks that do not grow

COMMON = {"nonlinearity": "lrelu", "resample_kernel": [1, 3, 3, 1], "use_wscale": True}
GENERATOR = COMMON | {
    "architecture": "skip",
    "mapping_nonlinearity": "lrelu",
    "mapping_lrmul": MAPPING_RATE,
}
DISCRIMINATOR = COMMON | {"architecture": "resnet", "mbstd_num_features": 1, "num_channels": 3, "score_max": 1}

# Options that are looked at elsewhere, or told by shapes, or that change speed and training alone.
OTHER_OPTIONS = """
    resolution label_size latent_size dlatent_size dlatent_broadcast init_res fmap_base fmap_decay fmap_min fmap_max
    fmap_const mapping_layers mapping_fmaps label_fmaps use_noise randomize_noise conv_clamp num_fp16_res dtype
    fused_modconv structure truncation_psi truncation_cutoff truncation_psi_val truncation_cutoff_val dlatent_avg_beta
    w_avg_beta style_mixing_prob mapping_func synthesis_func mbstd_group_size freeze_layers score_size
    augment_strength pagan_num pagan_fade mapping_lrmul num_channels normalize_latents
""".split()  # noqa: SIM905


@dataclass(frozen=True)
class Network:
    """A network as its file holds it, with its components."""

    variables: Mapping[str, Tensor]  # as stored, by names such as "synthesis/8x8/Conv1/weight"
    options: Mapping[str, Any]
    functions: frozenset[str]  # that build the network and its components, by name


def read(contents: Contents, part: str = "Gs") -> ModelFile | None:
    """A StyleGAN2 of the TensorFlow generation, or None if the file is of another kind.

    `part` is the averaged generator "Gs", or "G", the one in training. GraftError if the networks are of another
    design, or have variables, shapes or options that ours has not."""
    networks, path = networks_of(contents.tree), contents.path
    if not networks:
        return None
    generator, notes = generator_of(path, networks, part, "Gs")
    config, tensors, found = read_generator(path, collect(path, generator))
    notes += found
    discriminator: Mapping[str, Tensor] = {}
    if "D" in networks:
        try:
            config, discriminator = read_discriminator(path, collect(path, networks["D"]), config)
        except GraftError as error:
            notes.append(left_out(path, error))
    return ModelFile(path, FORMAT, StyleGAN2.kind, config, tensors, discriminator, notes=tuple(notes))


def networks_of(tree: object) -> dict[str, Record]:
    """The networks among `G`, `D` and `Gs`, if there is a generator; one by itself is `Gs`."""
    found: dict[str, object] = {}
    if isinstance(tree, dict):
        found = {name: tree.get(name) for name in ("G", "D", "Gs")}
    elif isinstance(tree, tuple | list) and len(tree) == 3:
        found = dict(zip(("G", "D", "Gs"), tree, strict=True))
    elif isinstance(tree, Record):
        found = {"Gs": tree}
    networks = {name: item for name, item in found.items() if isinstance(item, Record) and is_network(item)}
    return networks if networks.keys() & {"G", "Gs"} else {}


def is_network(item: Record) -> bool:
    return (
        item.name.name == "Network" and item.name.module.rpartition(".")[2] in MODULES and isinstance(item.state, dict)
    )


def collect(path: Path, network: Record) -> Network:
    """A network's variables, options and functions with those of its components.

    GraftError if it is of an unknown version or holds something else in their places."""
    variables: dict[str, Tensor] = {}
    options: dict[str, Any] = {}
    functions: set[str] = set()
    waiting: list[tuple[str, object]] = [("", network)]
    while waiting:
        prefix, item = waiting.pop()
        state = item.state if isinstance(item, Record) and is_network(item) else None
        if not isinstance(state, dict) or state.get("version") not in VERSIONS:
            version = f" of version {state.get('version')!r:.20}" if isinstance(state, dict) else ""
            raise GraftError(f"{path} holds a TensorFlow network{version} that graftlab does not know.")
        fields = {name: state.get(name) or kind() for name, kind in (("static_kwargs", dict), ("components", dict))}
        pairs = state.get("variables")
        if not all(isinstance(field, dict) for field in fields.values()) or not isinstance(pairs, list | tuple):
            raise GraftError(f"{path} holds a damaged TensorFlow network; fetch or make it again.")
        variables |= {f"{prefix}{name}".removeprefix("G_"): value for name, value in named(path, pairs)}
        if PLAIN_Z.search(str(state.get("build_module_src"))):
            options["normalize_latents"] = False
        options |= fields["static_kwargs"]
        functions.add(str(state.get("build_func_name")))
        waiting += [(f"{prefix}{name}/", component) for name, component in fields["components"].items()]
    return Network(variables, options, frozenset(functions))


def named(path: Path, pairs: Sequence[object]) -> Iterator[tuple[str, Tensor]]:
    """Pairs of name and array; numbers, which is how scalars may come, become arrays."""
    for pair in pairs:
        name, value = pair if isinstance(pair, tuple | list) and len(pair) == 2 else (None, None)
        if isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**53):
            value = torch.tensor(float(value))
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise GraftError(f"{path} holds a TensorFlow network with a variable that is no array; make it again.")
        yield name, value


# -- what must be as in our networks ----------------------------------------------------------------------------------


def check_design(path: Path, network: Network) -> None:
    """GraftError that names the design of a generator which is no StyleGAN2 with skip connections."""
    names, scopes = network.variables, set(scopes_of(network.variables, "synthesis/"))
    if not any(name.startswith("mapping/") for name in names):
        design = "Progressive GAN, or another without a mapping network"
    elif any("ToRGB_lod" in name for name in names):
        design = "StyleGAN2 with progressive growing (configurations a to d)"
    elif any("/LabelConcat/" in name for name in names):
        design = "StyleGAN2 with classes that are normalised together with z (LabelConcat)"
    elif any("/Skip/" in name for name in names):
        design = "StyleGAN2 with the architecture 'resnet'"
    elif any("/SelfAtten" in name or "/ToRGB2/" in name for name in names):
        design = "aydao's StyleGAN2 with self-attention or further layers"
    elif 0 < sum(f"synthesis/{scope}/ToRGB/weight" in names for scope in scopes) < len(scopes):
        design = "StyleGAN2 with the architecture 'orig'"
    else:
        return
    raise GraftError(f"{path} holds a generator of {design}; only StyleGAN2 with skip connections can be opened.")


def check_options(path: Path, what: str, options: Mapping[str, Any], wanted: Mapping[str, object]) -> None:
    """GraftError if a network has options that make another picture than ours."""
    problems = []
    for name, value in options.items():
        value = list(value) if isinstance(value, tuple) else value.tolist() if isinstance(value, Tensor) else value
        if name in wanted and value != wanted[name]:
            problems.append(f"{name}={value!r:.40}, not {wanted[name]!r}")
        elif name not in wanted and name not in OTHER_OPTIONS and value:
            problems.append(f"{name!s:.40}={value!r:.40}, which is unknown")
    refuse(path, f"holds a {what} with options that graftlab does not know", problems)


def clamp_of(path: Path, options: Mapping[str, Any]) -> float:
    """Limit of activations; 0: none."""
    limit = options.get("conv_clamp") or 0
    if not isinstance(limit, int | float) or not 0 <= limit <= HIGHEST_LIMIT:
        raise GraftError(f"{path} limits activations to {limit!r:.20} (conv_clamp), which ours cannot follow.")
    return float(limit)


# -- our names and layouts --------------------------------------------------------------------------------------------


def read_generator(path: Path, network: Network) -> tuple[StyleGAN2Config, dict[str, Tensor], list[str]]:
    """A generator's configuration, its tensors under our names, and what is to be said about them."""
    check_design(path, network)
    check_options(path, "generator", network.options, GENERATOR)
    state, noisy = as_ours(network.variables), network.options.get("use_noise", True) is not False
    depth = len(numbers(state, r"mapping/Dense(\d{1,6})/"))
    classes = any(name.startswith("mapping/LabelEmbed/") for name in state)
    theirs = dict(generator_names(scopes_of(state, "synthesis/"), depth, classes, noisy))
    tensors, notes = coloured(path, rename(path, UNKNOWN.format("StyleGAN2 generator"), state, theirs))
    config = generator_config(path, tensors, clamp_of(path, network.options))
    config = replace(config, normalize=bool(network.options.get("normalize_latents", True)))
    tensors |= {} if noisy else silence(config)
    check(path, StyleGAN2, config, tensors, theirs)
    return config, tensors, notes


def read_discriminator(
    path: Path, network: Network, config: StyleGAN2Config
) -> tuple[StyleGAN2Config, dict[str, Tensor]]:
    """The generator's configuration with a discriminator's sizes, and its tensors under our names."""
    state = as_ours(network.variables)
    depth = len(numbers(state, r"Mapping(\d{1,6})/"))
    rate: dict[str, Any] = {"mapping_lrmul": LABEL_RATE} if depth else {}
    check_options(path, "discriminator", {**rate, **network.options}, DISCRIMINATOR | dict.fromkeys(rate, MAPPING_RATE))
    if (clamp := clamp_of(path, network.options)) != config.clamp:
        raise GraftError(f"{path} limits activations to {clamp:g} here and {config.clamp:g} in the generator.")
    classes = any(name.startswith("LabelEmbed/") for name in state)
    theirs = dict(discriminator_names(scopes_of(state, ""), depth, classes))
    tensors = rename(path, UNKNOWN.format("StyleGAN2 discriminator"), state, theirs)
    default = 4 if "D_stylegan2" in network.functions else None  # the first code's; with ADA None, the whole batch
    group = network.options.get("mbstd_group_size", default)
    config = discriminator_config(path, config, tensors, WHOLE_BATCH if group is None else group)
    check(path, StyleDiscriminator, config, tensors, theirs)
    return config, tensors


def scopes_of(names: Mapping[str, Tensor], prefix: str) -> list[str]:
    """The blocks' names, "4x4" and so on, smallest first."""
    scopes = {match[1] for name in names if (match := re.match(prefix + r"(\d{1,6}x\d{1,6})/", name))}
    return sorted(scopes, key=lambda scope: [int(side) for side in scope.split("x")])


def as_ours(variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Variables in our layouts, under their names."""
    return {name: laid_out(name, tensor) for name, tensor in variables.items() if name != COUNTER}


def laid_out(name: str, tensor: Tensor) -> Tensor:
    """One variable in our layout; one that has not the dimensions of its kind stays, and is refused for its shape."""
    scope, _, leaf = name.rpartition("/")
    if leaf == "mod_bias":
        return tensor + 1
    if leaf in ("weight", "mod_weight") and tensor.ndim == 2:
        return tensor.T
    if leaf == "weight" and tensor.ndim == 4:
        return (tensor.flip(0, 1) if scope.endswith("/Conv0_up") else tensor).permute(3, 2, 0, 1)
    if leaf == "const":
        return tensor.squeeze(0) if tensor.ndim == 4 else tensor
    if re.fullmatch(r"noise\d+", leaf):
        return tensor.squeeze((0, 1)) if tensor.ndim == 4 else tensor
    return tensor


def generator_names(scopes: Sequence[str], depth: int, classes: bool, noisy: bool) -> Iterator[tuple[str, str]]:
    """Our name of every parameter -> theirs. `scopes` are the blocks, smallest first."""

    def modulated(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
        yield f"{ours}.weight", f"{theirs}/weight"
        yield f"{ours}.modulation.affine.weight", f"{theirs}/mod_weight"
        yield f"{ours}.modulation.affine.bias", f"{theirs}/mod_bias"

    def layer(ours: str, theirs: str, number: int) -> Iterator[tuple[str, str]]:
        yield from modulated(f"{ours}.conv", theirs)
        yield f"{ours}.bias", f"{theirs}/bias"
        if noisy:
            yield f"{ours}.noise_strength", f"{theirs}/noise_strength"
            yield f"{ours}.noise", f"synthesis/noise{number}"

    if classes:
        yield from biased("mapping.embed", "mapping/LabelEmbed")
    for index in range(max(depth, 1)):  # a first layer there must be
        yield from biased(f"mapping.layers.{index}", f"mapping/Dense{index}")
    yield "mapping.average", "dlatent_avg"
    for block, scope in enumerate(scopes or ["4x4"]):
        ours, theirs = f"synthesis.blocks.{block}", f"synthesis/{scope}"
        if block:
            yield from layer(f"{ours}.up", f"{theirs}/Conv0_up", 2 * block - 1)
        else:
            yield "synthesis.constant", f"{theirs}/Const/const"
        yield from layer(f"{ours}.conv", f"{theirs}/Conv1" if block else f"{theirs}/Conv", 2 * block)
        yield from modulated(f"{ours}.to_rgb", f"{theirs}/ToRGB")
        yield f"{ours}.rgb_bias", f"{theirs}/ToRGB/bias"


def discriminator_names(scopes: Sequence[str], depth: int, classes: bool) -> Iterator[tuple[str, str]]:
    """The same for the discriminator, whose last block is the smallest."""
    if classes:
        yield from biased("mapping.embed", "LabelEmbed")
        for index in range(depth):
            yield from biased(f"mapping.layers.{index}", f"Mapping{index}")
    last, *others = scopes or ["4x4"]
    yield from biased("from_rgb", f"{[last, *others][-1]}/FromRGB")
    for block, scope in enumerate(reversed(others)):
        yield from biased(f"blocks.{block}.conv1", f"{scope}/Conv0")
        yield from biased(f"blocks.{block}.conv2", f"{scope}/Conv1_down")
        yield f"blocks.{block}.skip.weight", f"{scope}/Skip/weight"
    for ours, theirs in (("conv", f"{last}/Conv"), ("linear1", f"{last}/Dense0"), ("linear2", "Output")):
        yield from biased(ours, theirs)


def biased(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield from ((f"{ours}.{part}", f"{theirs}/{part}") for part in ("weight", "bias"))
