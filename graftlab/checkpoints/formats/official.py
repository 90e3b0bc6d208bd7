"""The authors' Swapping Autoencoder checkpoints: their names and shapes, as a table over our parameter names.

Their state dict holds `E.*`, `G.*`, `D.*`, `Dpatch.*` and a counter. Filter kernels are constants here, so their
buffers have no counterpart.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from math import log2
from pathlib import Path

from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.formats.fitting import shapes_of, strangers
from graftlab.checkpoints.formats.official_config import ASSUMED_SIZE, infer
from graftlab.checkpoints.formats.wrapping import notes_on, prefixes, take, tensors_in
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import SwappingConfig
from graftlab.errors import GraftError, refuse
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.swapping import SwappingAutoencoder

FORMAT = "Swapping Autoencoder as its authors save it (.pth)"
COUNTER = "num_discriminator_iters"
KERNELS = re.compile(r"\.(Blur|blur|upsample)\.kernel$")  # constants of the architecture


def names(config: SwappingConfig) -> dict[str, str]:
    """Our name of every parameter -> the authors' name, for autoencoder ("encoder.", "generator.") and
    discriminators ("image.", "patch.")."""
    return dict(_names(config))


def _names(config: SwappingConfig) -> Iterator[tuple[str, str]]:
    depth = config.downsamplings

    def conv(ours: str, theirs: str, activate: bool = True, bias: bool = True) -> Iterator[tuple[str, str]]:
        yield f"{ours}.weight", f"{theirs}.Conv.weight"
        if bias:
            yield f"{ours}.bias", f"{theirs}.Act.bias" if activate else f"{theirs}.Conv.bias"

    def linear(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
        yield from ((f"{ours}.{part}", f"{theirs}.{part}") for part in ("weight", "bias"))

    def residual(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
        yield from conv(f"{ours}.conv1", f"{theirs}.conv1")
        yield from conv(f"{ours}.conv2", f"{theirs}.conv2")
        yield from conv(f"{ours}.skip", f"{theirs}.skip", activate=False, bias=False)

    def generator_block(ours: str, theirs: str, skip: bool, up: bool) -> Iterator[tuple[str, str]]:
        for part in ("conv1", "conv2"):
            yield f"{ours}.{part}.conv.weight", f"{theirs}.{part}.conv.weight"
            yield from linear(f"{ours}.{part}.conv.modulation.affine", f"{theirs}.{part}.conv.modulation")
            yield f"{ours}.{part}.noise_strength", f"{theirs}.{part}.noise.weight"
            yield f"{ours}.{part}.bias", f"{theirs}.{part}.activate.bias"
        if skip:
            yield from conv(f"{ours}.skip", f"{theirs}.skip", activate=up, bias=up)

    yield from conv("encoder.from_rgb", "E.FromRGB")
    for i in range(depth):
        yield from residual(f"encoder.down.{i}", f"E.DownToSpatialCode.ResBlockDownBy{2**i}")
    yield from conv("encoder.to_structure.0", "E.ToSpatialCode.0")
    yield from conv("encoder.to_structure.1", "E.ToSpatialCode.1", activate=False)
    for i in range(config.texture_downsamplings):
        yield from conv(f"encoder.down_texture.{i}", f"E.DownToGlobalCode.ConvLayerDownBy{2 ** (depth + i)}")
    yield from linear("encoder.to_texture", "E.ToGlobalCode.0")

    yield from linear("generator.modulation.scale", "G.SpatialCodeModulation.scale")
    yield from linear("generator.modulation.shift", "G.SpatialCodeModulation.bias")
    width = config.structure_channels
    for i in range(config.head_blocks):
        inputs, width = width, config.head_channels(i)
        yield from generator_block(f"generator.head.{i}", f"G.HeadResnetBlock{i}", skip=inputs != width, up=False)
    for i in range(depth):
        inputs, width = width, config.generator_channels(i + 1)
        theirs = f"G.UpsamplingResBlock{2 ** (4 + i)}"  # numbered from 16, whatever the resolution
        yield from generator_block(f"generator.up.{i}", theirs, skip=inputs != width, up=True)
    yield "generator.to_rgb.weight", "G.ToRGB.conv.weight"
    yield from linear("generator.to_rgb.modulation.affine", "G.ToRGB.conv.modulation")
    yield "generator.rgb_bias", "G.ToRGB.bias"

    yield from conv("image.from_rgb", "D.stylegan2_D.convs.0")
    for i, size in enumerate(config.discriminator_resolutions):
        level = round(log2(size))
        theirs = f"D.stylegan2_D.convs.{9 - level}" if level <= 8 else f"D.stylegan2_D.convs.{size}x{size}"
        yield from residual(f"image.blocks.{i}", theirs)
    yield from conv("image.conv", "D.stylegan2_D.final_conv")
    for i in (0, 1):
        yield from linear(f"image.linear{i + 1}", f"D.stylegan2_D.final_linear.{i}")

    yield from conv("patch.from_rgb", "Dpatch.convs.0")
    for i, size in enumerate(config.patch_resolutions):
        level = round(log2(size))
        yield from residual(f"patch.blocks.{i}", f"Dpatch.convs.{7 - level if level <= 6 else f'{size}x{size}'}")
    yield from residual("patch.wide", "Dpatch.convs.5")
    yield from conv("patch.conv", "Dpatch.convs.6")
    for i in range(4):
        yield from linear(f"patch.compare.{i}", f"Dpatch.pairlinear.{i}")


def from_official(
    state: Mapping[str, Tensor],
    config: SwappingConfig,
    shapes: Mapping[str, Iterable[int]],
    where: str = "The checkpoint",  # for the error
) -> dict[str, Tensor]:
    """The authors' tensors under our names, for the parameters in `shapes` (our name -> our shape).

    GraftError listing what is missing, unknown or of another shape."""
    table = names(config)
    wanted = {ours: table[ours] for ours in shapes}
    others = {COUNTER, *table.values()} - {*wanted.values()}
    problems = strangers((name for name in state if name not in others and not KERNELS.search(name)), wanted.values())
    found = {ours: state[theirs] for ours, theirs in wanted.items() if theirs in state}
    for ours, tensor in found.items():
        want = tuple(shapes[ours])
        if [n for n in tensor.shape if n != 1] != [n for n in want if n != 1]:
            problems.append(f"{wanted[ours]} is {tuple(tensor.shape)}, not {want}")
    refuse(where, "does not fit", problems)
    return {ours: tensor.reshape(tuple(shapes[ours])) for ours, tensor in found.items()}


def read(contents: Contents) -> ModelFile | None:
    """The authors' `.pth`: a state dict of `E.*`, `G.*` and, unless they were left behind, `D.*` and `Dpatch.*`."""
    rest = dict(contents.named)
    found = prefixes(rest, r"E\.DownToSpatialCode\..*")
    if not found:
        return None
    state = tensors_in(take(rest, found[0]), contents.path, "does not fit")
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    notes = notes_on(found[0], ("",), rest)
    try:
        config = infer(shapes)
        discriminators = fitted(state, config, Discriminators, contents.path)
    except (KeyError, GraftError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
        notes.append(f"Its discriminators are left out ({reason}), so {ASSUMED_SIZE} px is a guess; use --size.")
        config, discriminators = of_autoencoder(shapes, contents.path), {}
    tensors = fitted(state, config, SwappingAutoencoder, contents.path)
    about = {"discriminator_iterations": int(state[COUNTER])} if COUNTER in state else {}
    kind = SwappingAutoencoder.kind
    return ModelFile(contents.path, FORMAT, kind, config, tensors, discriminators, about, tuple(notes))


def of_autoencoder(shapes: Mapping[str, tuple[int, ...]], path: Path) -> SwappingConfig:
    try:
        return infer(shapes, discriminators=False)
    except KeyError as error:
        raise GraftError(f"{path} does not fit: {error.args[0]} is missing.") from None
    except GraftError as error:
        raise GraftError(f"{path} does not fit: {str(error).rstrip('.')}.") from None


def fitted(
    state: Mapping[str, Tensor],
    config: SwappingConfig,
    network: type[SwappingAutoencoder] | type[Discriminators],
    path: Path,
) -> dict[str, Tensor]:
    """The tensors of a network under our names."""
    return from_official(state, config, shapes_of(network, config), str(path))
