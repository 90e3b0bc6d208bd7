"""rosinality's StyleGAN2 checkpoints (.pt): their names and shapes, as a table over our parameter names.

Such a file is a dict: `g_ema`, and in training `g`, `d`, optimisers and `args`, hold state dicts; what was converted
from NVIDIA's files has the average of w beside them, as `latent_avg`. Others keep the same tensors alone, inside of
theirs or under other keys. BasicSR's StyleGAN2 is the same by other names. Filter kernels are constants here, so that
their buffers have no counterpart.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.formats.fitting import rename
from graftlab.checkpoints.formats.stylegan2_config import (
    DRAWN,
    ESTIMATED,
    UNKNOWN,
    channels_of,
    check,
    coloured,
    discriminator_config,
    drawn_noise,
    estimate_average,
    generator_config,
    without_noise,
)
from graftlab.checkpoints.formats.wrapping import is_average, notes_on, prefixes, take, tensors_in
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError, refuse
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import DOUBLE, StyleGAN2

SIGNS = {"input.input", "style.1.weight", "conv1.conv.weight", "to_rgb1.bias"}  # no other network has them all
FORMAT = "rosinality's StyleGAN2 (.pt)"
MISFIT = "does not fit rosinality's StyleGAN2"
AVERAGE, OURS = "latent_avg", "mapping.average"
BASICSR = "style_conv1.activate.bias"  # of its StyleGAN2 alone: GFPGAN's later one computes otherwise
SPELLINGS = (
    (r"\bconstant_input\.weight$", "input.input"),
    (r"\bstyle_mlp\.", "style."),
    (r"\bstyle_conv(1|s\.\d+)\.weight$", r"conv\1.noise.weight"),
    (r"\bstyle_conv(1|s)\.", r"conv\1."),
    (r"\.modulated_conv\.", ".conv."),
    (r"\bnoises\.noise(?=\d)", "noises.noise_"),
)
GROUP = 4  # pictures whose deviation the discriminator sees
HARMLESS = 256.0  # a limit of activations that ordinary ones do not reach


def names(layers: int, blocks: int) -> dict[str, str]:
    """Our name of every tensor of a generator -> rosinality's, for so many layers of the mapping and resolutions.

    Without the average of w, which is in no state dict."""

    def layer(ours: str, theirs: str, number: int) -> Iterator[tuple[str, str]]:
        yield from modulated(f"{ours}.conv", f"{theirs}.conv")
        yield f"{ours}.noise_strength", f"{theirs}.noise.weight"
        yield f"{ours}.bias", f"{theirs}.activate.bias"
        yield f"{ours}.noise", f"noises.noise_{number}"

    def modulated(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
        yield f"{ours}.weight", f"{theirs}.weight"
        yield from linear(f"{ours}.modulation.affine", f"{theirs}.modulation")

    def pairs() -> Iterator[tuple[str, str]]:
        for i in range(layers):
            yield from linear(f"mapping.layers.{i}", f"style.{i + 1}")
        yield "synthesis.constant", "input.input"
        for block in range(blocks):
            ours, first = f"synthesis.blocks.{block}", 2 * block - 2
            if block:
                yield from layer(f"{ours}.up", f"convs.{first}", 2 * block - 1)
            yield from layer(f"{ours}.conv", f"convs.{first + 1}" if block else "conv1", 2 * block)
            to_rgb = f"to_rgbs.{block - 1}" if block else "to_rgb1"
            yield from modulated(f"{ours}.to_rgb", f"{to_rgb}.conv")
            yield f"{ours}.rgb_bias", f"{to_rgb}.bias"

    return dict(pairs())


def discriminator_names(blocks: int) -> dict[str, str]:
    """Our name of every tensor of a discriminator -> rosinality's, for so many halvings."""

    def conv(ours: str, theirs: str, place: int = 0) -> Iterator[tuple[str, str]]:
        yield f"{ours}.weight", f"{theirs}.{place}.weight"
        yield f"{ours}.bias", f"{theirs}.{place + 1}.bias"

    def pairs() -> Iterator[tuple[str, str]]:
        yield from conv("from_rgb", "convs.0")
        for block in range(blocks):
            ours, theirs = f"blocks.{block}", f"convs.{block + 1}"
            yield from conv(f"{ours}.conv1", f"{theirs}.conv1")
            yield from conv(f"{ours}.conv2", f"{theirs}.conv2", place=1)  # after the filter
            yield f"{ours}.skip.weight", f"{theirs}.skip.1.weight"
        yield from conv("conv", "final_conv")
        yield from linear("linear1", "final_linear.0")
        yield from linear("linear2", "final_linear.1")

    return dict(pairs())


def linear(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield from ((f"{ours}.{part}", f"{theirs}.{part}") for part in ("weight", "bias"))


def ones(ours: str) -> tuple[int, int]:
    """How many dimensions of size one rosinality's shape has before ours, and after it."""
    if ours.endswith((".conv.weight", ".to_rgb.weight", ".constant", ".noise_strength")):
        return (1, 0)
    return (2, 0) if ours.endswith(".noise") else (1, 2) if ours.endswith(".rgb_bias") else (0, 0)


# -- reading ----------------------------------------------------------------------------------------------------------


def read(contents: Contents) -> ModelFile | None:
    """The averaged generator, or the only one, and the discriminator if there is one; None if there is no generator.

    GraftError listing what is missing, unknown or of another shape, or a filter unlike [1, 3, 3, 1]."""
    state, path = respelt(contents.named), contents.path
    generators = prefixes(state, re.escape("input.input"), SIGNS)
    if not generators:
        return None
    prefix = generators[0]
    means = [state.pop(name) for name in list(state) if name.rpartition(".")[2] == AVERAGE]
    config, tensors, notes = read_generator(path, take(state, prefix), means[0] if means else None)
    if not is_average(prefix) and {"g", "G"} & {*prefix.split(".")}:
        notes.append("The file holds no averaged generator (g_ema); the one in training (g) takes its place.")
    discriminators: dict[str, Tensor] = {}
    if judges := prefixes(state, r"final_linear\.1\.weight", ["convs.0.0.weight"]):
        judge = take(state, judges[0])
        if channels_of(judge["convs.0.0.weight"], 1) == 3:
            config, discriminators = read_discriminator(path, judge, config)
        else:
            notes.append("The discriminator is left out, for its pictures have other channels than three.")
    notes += notes_on(prefix, ("", "g_ema", "g"), state)
    return ModelFile(path, FORMAT, StyleGAN2.kind, config, tensors, discriminators, notes=tuple(notes))


def respelt(state: Mapping[str, object]) -> dict[str, object]:
    """The same by rosinality's names, if BasicSR's is in it."""
    if not any(name.endswith(BASICSR) for name in state):
        return dict(state)

    def theirs(name: str) -> str:
        for pattern, replacement in SPELLINGS:
            name = re.sub(pattern, replacement, name)
        return name

    return {theirs(name): value for name, value in state.items()}


def read_generator(
    path: Path, state: Mapping[str, Any], average: object
) -> tuple[StyleGAN2Config, dict[str, Tensor], list[str]]:
    """Configuration, told by the shapes, tensors under our names, as views, and what is to be said about them."""
    weights = without_kernels(path, state)
    layers, blocks = count(weights, r"style\.\d+\.weight"), count(weights, r"to_rgbs\.\d+\.bias") + 1
    table = names(layers, blocks)
    wanted, silent = without_noise(table, weights)
    tensors = rename(path, UNKNOWN.format("StyleGAN2"), weights, wanted)
    wrong = [f"{table[ours]} is {tuple(tensor.shape)}" for ours, tensor in tensors.items() if not wrapped(ours, tensor)]
    refuse(path, f"{MISFIT}, for lack of dimensions of size one", wrong)
    tensors, notes = coloured(path, {ours: unwrapped(ours, tensor) for ours, tensor in tensors.items()})
    tensors[OURS] = tensors[f"mapping.layers.{layers - 1}.bias"]  # which has the right length
    config = generator_config(path, tensors, clamp=0.0)
    if silent:
        tensors |= drawn_noise(path, config)
        notes.append(DRAWN)
    check(path, StyleGAN2, config, tensors, table)
    if average is None:
        average = estimate_average(config, tensors)
        notes.append(f"The file holds no average of w ({AVERAGE}); {ESTIMATED}.")
    if isinstance(average, Tensor) and average.ndim > 1 and (average == average[0]).all():  # a row for each layer
        average = average[0]
    if not isinstance(average, Tensor) or average.numel() != config.w_channels:
        raise GraftError(f"{path} {MISFIT}: {AVERAGE} is no vector of {config.w_channels} numbers.")
    return config, {**tensors, OURS: average.flatten()}, notes


def read_discriminator(
    path: Path, state: Mapping[str, Any], config: StyleGAN2Config
) -> tuple[StyleGAN2Config, dict[str, Tensor]]:
    """The generator's configuration with the discriminator's sizes, and tensors under our names, as views."""
    weights = without_kernels(path, state)
    table = discriminator_names(count(weights, r"convs\.\d+\.skip\.1\.weight"))
    tensors = rename(path, UNKNOWN.format("discriminator"), weights, table)
    config = discriminator_config(path, config, tensors, GROUP)
    check(path, StyleDiscriminator, config, tensors, table)
    return config, tensors


def without_kernels(path: Path, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a state dict. GraftError for other things than tensors, and for filters unlike ours."""
    found = tensors_in(state, path, MISFIT)
    filters = {name for name in found if name.endswith(".kernel")}
    wrong = [name for name in filters if not is_kernel(found[name])]
    refuse(path, MISFIT, [f"{name} is another filter than {list(DOUBLE)}" for name in wrong])
    return {name: tensor for name, tensor in found.items() if name not in filters}


def count(weights: Mapping[str, Tensor], pattern: str) -> int:
    return sum(1 for name in weights if re.fullmatch(pattern, name))


def wrapped(ours: str, tensor: Tensor) -> bool:
    """Whether the dimensions of size one are there that rosinality has and we do not."""
    before, after = ones(ours)
    around = [size for place, size in enumerate(tensor.shape) if not before <= place < tensor.ndim - after]
    return around == [1] * (before + after)


def unwrapped(ours: str, tensor: Tensor) -> Tensor:
    before, after = ones(ours)
    return tensor.reshape(tensor.shape[before : tensor.ndim - after])


# -- writing ----------------------------------------------------------------------------------------------------------


def kernel(gain: float = 1.0) -> Tensor:
    """The low-pass filter of every change of resolution, as rosinality stores it."""
    line = torch.tensor(DOUBLE, dtype=torch.float32)
    return torch.outer(line, line) * (gain / line.sum() ** 2)


def is_kernel(tensor: Tensor) -> bool:
    """Whether this is that filter, of any gain."""
    return tensor.shape == (4, 4) and torch.allclose(tensor.float() / tensor.float().sum(), kernel(), atol=1e-3)


def to_rosinality(model: StyleGAN2) -> dict[str, Any]:
    """A model as rosinality's programs read it: `g_ema`, a state dict, and `latent_avg`.

    A limit of activations is lost, being without effect in all but a few pictures. GraftError for models that have no
    counterpart there: with classes, of another constant than 4 x 4, without normalisation of z, or with a limit that
    matters."""
    config = model.config
    lacking = {
        "classes": config.classes > 0,
        "a constant that is not 4 x 4": config.constant != (4, 4),
        "a z that is not normalised": not config.normalize,
        f"activations limited to {config.clamp:g}": 0 < config.clamp < HARMLESS,
    }
    if any(lacking.values()):
        reasons = " and ".join(reason for reason, applies in lacking.items() if applies)
        raise GraftError(f"This model cannot be written for rosinality's programs, which know no model with {reasons}.")
    state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    average = state.pop(OURS)
    table, theirs = names(config.mapping_layers, len(config.channels)), {}
    for ours, tensor in state.items():
        before, after = ones(ours)
        theirs[table[ours]] = tensor.reshape((1,) * before + tensor.shape + (1,) * after)
    for block in range(len(config.channels) - 1):
        theirs |= {f"convs.{2 * block}.conv.blur.kernel": kernel(4.0), f"to_rgbs.{block}.upsample.kernel": kernel(4.0)}
    return {"g_ema": theirs, AVERAGE: average}
