"""StyleGAN2's configuration, told by the shapes of its weights, and the check that all of them fit.

Whoever wrote the file: tensors come under our names, with a table from our names to theirs for the sentences.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError, refuse
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import StyleGAN2


def rename(path: Path, what: str, state: Mapping[str, Tensor], theirs: Mapping[str, str]) -> dict[str, Tensor]:
    """A file's tensors under our names. GraftError listing what is missing and what is unknown."""
    known = set(theirs.values())
    problems = [f"{name} is missing" for name in theirs.values() if name not in state]
    problems += [f"{name} is unknown" for name in state if name not in known]
    refuse(path, f"holds no {what} that graftlab knows", problems)
    return {ours: state[name] for ours, name in theirs.items()}


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


def silence(config: StyleGAN2Config) -> dict[str, Tensor]:
    """Noise of strength zero, for a generator that was trained without any."""
    tensors = {}
    for block, resolution in enumerate(config.resolutions):
        for layer in ("up", "conv") if block else ("conv",):
            tensors[f"synthesis.blocks.{block}.{layer}.noise_strength"] = torch.zeros(())
            tensors[f"synthesis.blocks.{block}.{layer}.noise"] = torch.zeros(1).expand(resolution)
    return tensors


def check(
    path: Path,
    network: type[StyleGAN2] | type[StyleDiscriminator],
    config: StyleGAN2Config,
    tensors: Mapping[str, Tensor],
    theirs: Mapping[str, str],
) -> None:
    """GraftError listing the tensors that are missing, unknown or of another shape than the configuration wants."""
    with torch.device("meta"):
        model: nn.Module = network(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    problems = [f"{name} is missing" for name in shapes if name not in tensors]
    problems += [f"{theirs[name]} is unknown" for name in tensors if name not in shapes]
    problems += [
        f"{theirs.get(name, name)} is {tuple(tensors[name].shape)}, not {shape}"
        for name, shape in shapes.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    refuse(path, f"holds no {network.__name__} that graftlab knows", problems)
