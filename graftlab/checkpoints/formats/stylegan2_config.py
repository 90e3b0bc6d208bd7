"""StyleGAN2's configuration, told by the shapes of its weights, and the check that all of them fit.

Whoever wrote the file: tensors come under our names, with a table from our names to theirs for the sentences.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from graftlab.checkpoints.containers.records import Record
from graftlab.checkpoints.formats.fitting import misfits, shapes_of
from graftlab.config import Config, StyleGAN2Config
from graftlab.errors import GraftError, refuse
from graftlab.networks.style import MappingNetwork

ConfigT = TypeVar("ConfigT", bound=Config)
UNKNOWN = "holds no {} that graftlab knows"
LARGEST = 2**12  # px a side, of pictures that noise is drawn for
DRAWS = 4096  # latent vectors for an average that a file lacks
ESTIMATED = f"it was estimated from {DRAWS} latent vectors"
DRAWN = "The file holds no constant noise; it was drawn from a seed, so that the finest detail is not the author's."
NOT_RGB = {  # channels of somebody's pictures -> what becomes of them
    1: "Its pictures are gray, of one channel, which is repeated for red, green and blue.",
    2: "Its pictures are gray with alpha: gray is repeated for three colours, and alpha left out, being none.",
    4: "Its pictures are of four channels, of which the last, alpha, is left out: a picture here has no transparency.",
}


def generator_of(path: Path, networks: Mapping[str, Record], part: str, averaged: str) -> tuple[Record, list[str]]:
    """Of the networks in one of NVIDIA's files the averaged generator, or "G", the one in training, as `part` names it,
    and what is to be said if the first is missing. GraftError if the file has no such part."""
    if part in networks:
        return networks[part], []
    if part != averaged:
        raise GraftError(f"{path} holds no network '{part}', only {', '.join(networks)}.")
    return networks["G"], [f"There is no averaged generator ({averaged}); the one in training (G) is used."]


def left_out(path: Path, error: GraftError) -> str:
    """What is to be said of a discriminator that cannot be read."""
    return f"The discriminator is left out: {str(error).removeprefix(str(path)).strip()}"


def generator_config(path: Path, tensors: Mapping[str, Tensor], clamp: float) -> StyleGAN2Config:
    """Sizes of a generator whose tensors are all there. GraftError if they make no sense."""
    blocks = sum(name.endswith(".to_rgb.weight") for name in tensors)
    depth = sum(name.startswith("mapping.layers.") and name.endswith(".weight") for name in tensors)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        embedded, classes = shapes.get("mapping.embed.weight", (0, 0))
        height, width = shapes["synthesis.constant"][1:]
        return StyleGAN2Config(
            channels=tuple(shapes[f"synthesis.blocks.{block}.conv.conv.weight"][0] for block in range(blocks)),
            constant=(height, width),
            z_channels=shapes["mapping.layers.0.weight"][1] - embedded,
            w_channels=shapes["mapping.average"][0],
            classes=classes,
            mapping_layers=depth,
            clamp=clamp,
        )
    except GraftError as error:
        raise GraftError(f"{path} holds a StyleGAN2 that makes no sense: {str(error).rstrip('.')}.") from None
    except (IndexError, ValueError):
        raise GraftError(f"{path} holds a generator whose weights have other dimensions than StyleGAN2's.") from None


def discriminator_config(
    path: Path,
    config: StyleGAN2Config,  # of the generator
    tensors: Mapping[str, Tensor],
    group: int,  # pictures whose deviation it sees
) -> StyleGAN2Config:
    """The generator's configuration with the sizes of a discriminator whose tensors are all there."""
    blocks = sum(name.endswith(".skip.weight") for name in tensors)
    names = ["conv.weight", *[f"blocks.{block}.conv1.weight" for block in reversed(range(blocks))]]
    try:
        channels = tuple(tensors[name].shape[0] for name in names)
        return replace(config, discriminator_channels=channels, discriminator_group=group)
    except GraftError as error:
        raise GraftError(f"{path} holds a discriminator that makes no sense: {str(error).rstrip('.')}.") from None
    except IndexError:
        raise GraftError(
            f"{path} holds a discriminator whose weights have other dimensions than StyleGAN2's."
        ) from None


def coloured(path: Path, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """A generator's tensors for pictures of three channels, and what was done: gray is repeated, alpha left out.

    GraftError if its pictures have other channels."""
    rgb = [name for name in tensors if name.endswith((".to_rgb.weight", ".rgb_bias"))]
    counts = {channels_of(tensors[name]) for name in rgb}
    if counts == {3} or len(counts) != 1:  # where layers differ, `check` says which
        return dict(tensors), []
    (channels,) = counts
    if channels not in NOT_RGB:
        raise GraftError(f"{path} makes pictures of {channels} channels; only gray and colours can be opened (1 to 4).")
    kept = 3 if channels == 4 else 1
    colours = {name: tensors[name][:kept].expand(3, *tensors[name].shape[1:]) for name in rgb}
    return {**tensors, **colours}, [NOT_RGB[channels]]


def channels_of(tensor: object, axis: int = 0) -> int:
    """The length of a tensor along an axis; 0 if it has none."""
    return tensor.shape[axis] if isinstance(tensor, Tensor) and tensor.ndim > axis else 0


def noises(config: StyleGAN2Config) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every layer with noise: the beginning of its names, and height and width of the noise."""
    for block, resolution in enumerate(config.resolutions):
        for layer in ("up", "conv") if block else ("conv",):
            yield f"synthesis.blocks.{block}.{layer}", resolution


def silence(config: StyleGAN2Config) -> dict[str, Tensor]:
    """Noise of strength zero, for a generator that was trained without any."""
    tensors = {}
    for layer, resolution in noises(config):
        tensors[f"{layer}.noise_strength"] = torch.zeros(())
        tensors[f"{layer}.noise"] = torch.zeros(1).expand(resolution)
    return tensors


def without_noise(table: Mapping[str, str], state: Mapping[str, object]) -> tuple[dict[str, str], bool]:
    """The table without the constant noise if a file has none of it, and whether that is so."""
    noise = [ours for ours in table if ours.endswith(".noise")]
    silent = not any(table[ours] in state for ours in noise)
    return {ours: theirs for ours, theirs in table.items() if not (silent and ours in noise)}, silent


def drawn_noise(path: Path, config: StyleGAN2Config) -> dict[str, Tensor]:
    """Constant noise as an untrained network has it: training does not change it, so that any will do."""
    if config.size > LARGEST:
        raise GraftError(f"{path} holds no constant noise, and for {config.size} px none is drawn.")
    random = np.random.RandomState(0)
    return {
        f"{layer}.noise": torch.from_numpy(random.standard_normal(resolution).astype(np.float32))
        for layer, resolution in noises(config)
    }


@torch.no_grad()
def estimate_average(config: StyleGAN2Config, tensors: Mapping[str, Tensor]) -> Tensor:
    """The mean of w over latent vectors drawn at random."""
    with torch.device("meta"):
        mapping = MappingNetwork(config.z_channels, config.w_channels, 0, config.mapping_layers)
    mapping.load_state_dict({name: tensors[f"mapping.{name}"].float() for name in mapping.state_dict()}, assign=True)
    z = np.random.RandomState(0).randn(DRAWS, config.z_channels)
    mean: Tensor = mapping(torch.from_numpy(z).float()).mean(0)
    return mean


def check(
    path: Path,
    network: Callable[[ConfigT], nn.Module],  # StyleGAN2, StyleDiscriminator, StyleGAN3
    config: ConfigT,
    tensors: Mapping[str, Tensor],
    theirs: Mapping[str, str],
) -> None:
    """GraftError listing the tensors that are missing, unknown or of another shape than the configuration wants."""
    shapes = shapes_of(network, config)
    called = {theirs.get(name, name): tensor for name, tensor in tensors.items()}
    problems = misfits(called, {theirs.get(name, name): shape for name, shape in shapes.items()})
    refuse(path, UNKNOWN.format(network.__name__), problems)
