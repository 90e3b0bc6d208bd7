"""The Swapping Autoencoder checkpoints of rosinality/swapping-autoencoder-pytorch: names, shapes and the reader.

Their training script saves a dict: state dicts `e_ema` and `g_ema` (the averages), `e`, `g`, `d` and `cooccur`; the
states of two optimisers; and `args`, the options of the command. Filter kernels are constants here: those in a file
must be the same.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.containers.pickles import Record
from graftlab.checkpoints.formats.fitting import misfits, shapes_of
from graftlab.checkpoints.formats.wrapping import is_average, prefixes, take, tensors_in
from graftlab.checkpoints.model_file import ModelFile
from graftlab.checkpoints.states import under
from graftlab.config import RosinalityConfig
from graftlab.errors import GraftError, refuse
from graftlab.networks.rosinality import TAPS, RosinalityAutoencoder

FORMAT = "rosinality's Swapping Autoencoder (.pt)"
MISFIT = "does not fit rosinality's Swapping Autoencoder"
ENCODER, GENERATOR = r"stem\.\d+\..*", r"layers\.\d+\.conv\d\..*"  # names that the two have
JUDGE = r"convs\.\d+\.conv2\.1\.weight"  # and their discriminator, one for each halving
ASSUMED_SIZE = 256  # px, the training script's default


def names(config: RosinalityConfig, average: bool = True) -> dict[str, str]:
    """Our name of every parameter -> theirs, with the name of the state dict that it is in."""
    encoder, generator = ("e_ema", "g_ema") if average else ("e", "g")
    pairs = [("encoder." + ours, f"{encoder}.{theirs}") for ours, theirs in _encoder(config)]
    pairs += [("generator." + ours, f"{generator}.{theirs}") for ours, theirs in _generator(config)]
    return dict(pairs)


def _encoder(config: RosinalityConfig) -> Iterator[tuple[str, str]]:
    def conv(ours: str, theirs: str, before: int = 0) -> Iterator[tuple[str, str]]:
        """A convolution with activation; `before` it are so many modules without parameters."""
        yield f"{ours}.weight", f"{theirs}.{before}.weight"
        yield f"{ours}.bias", f"{theirs}.{before + 1}.bias"

    yield from conv("from_rgb", "stem.0")
    for i in range(config.downsamplings):
        for part in ("conv1", "conv2"):
            yield from conv(f"down.{i}.{part}", f"stem.{i + 1}.{part}", before=1)
        yield f"down.{i}.skip.weight", f"stem.{i + 1}.skip.1.weight"
    for i in range(2):
        yield from conv(f"to_structure.{i}", f"structure.{i}")
    for i in range(config.texture_downsamplings):
        yield from conv(f"down_texture.{i}", f"texture.{i}", before=1)
    yield from conv("to_texture", f"texture.{config.texture_downsamplings + 1}")


def _generator(config: RosinalityConfig) -> Iterator[tuple[str, str]]:
    head, up = len(config.head_channels), len(config.up_channels)
    widths = (config.structure_channels, *config.head_channels)
    for i in range(head + up):
        ours, theirs = f"head.{i}" if i < head else f"up.{i - head}", f"layers.{i}"
        for part in ("conv1", "conv2"):
            yield f"{ours}.{part}.conv.weight", f"{theirs}.{part}.conv.weight"
            for parameter in ("weight", "bias"):
                affine = f"{ours}.{part}.conv.modulation.affine.{parameter}"
                yield affine, f"{theirs}.{part}.conv.modulation.{parameter}"
            yield f"{ours}.{part}.noise_strength", f"{theirs}.{part}.noise.weight"
            yield f"{ours}.{part}.bias", f"{theirs}.{part}.activate.bias"
        if i >= head or widths[i] != widths[i + 1]:
            yield f"{ours}.skip.weight", f"{theirs}.skip.0.weight"
    yield "to_rgb.weight", "to_rgb.0.weight"
    yield "rgb_bias", "to_rgb.0.bias"


def kernels(config: RosinalityConfig, average: bool = True) -> dict[str, float]:
    """Their names of the filter kernels -> what each must sum to."""
    encoder, generator = ("e_ema", "g_ema") if average else ("e", "g")
    down, texture = range(1, config.downsamplings + 1), range(config.texture_downsamplings)
    gains = {f"{encoder}.stem.{i}.{part}.0.kernel": 1.0 for i in down for part in ("conv2", "skip")}
    gains |= {f"{encoder}.texture.{i}.0.kernel": 1.0 for i in texture}
    for i in range(len(config.head_channels), len(config.head_channels + config.up_channels)):
        gains |= {f"{generator}.layers.{i}.conv1.conv.blur.kernel": 4.0, f"{generator}.layers.{i}.skip.1.kernel": 1.0}
    return gains


def stored_shape(ours: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in which they keep a parameter of this name and shape of ours."""
    if is_transposed(ours):
        return (shape[1], shape[0], *shape[2:])
    if ours.endswith(("conv1.conv.weight", "conv2.conv.weight")):
        return (1, *shape)
    if ours == "encoder.to_texture.weight":
        return (*shape, 1, 1)
    return shape or (1,)


def is_transposed(ours: str) -> bool:
    """The skips of the doubling blocks are transposed convolutions, whose inputs come first."""
    return ours.startswith("generator.up.") and ours.endswith(".skip.weight")


# -- reading ----------------------------------------------------------------------------------------------------------


def read(contents: Contents) -> ModelFile | None:
    """Their `.pt`: the averaged autoencoder, or, where there is no average, that of the last step."""
    rest, path = dict(contents.named), contents.path
    encoders = prefixes(rest, ENCODER)
    if not encoders:
        return None
    average = is_average(encoders[0])
    parts = ("e_ema", "g_ema") if average else ("e", "g")
    generators = [prefix for prefix in prefixes(rest, GENERATOR) if is_average(prefix) == average]
    if not generators:
        if parts[0] not in encoders[0].split("."):  # somebody else's network with a stem
            return None
        raise GraftError(f"{path} {MISFIT}: it holds an encoder, {parts[0]}, without its generator, {parts[1]}.")
    inside = dict(zip(parts, (take(rest, encoders[0]), take(rest, generators[0])), strict=True))
    state = tensors_in(
        {f"{part}.{name}": value for part in parts for name, value in inside[part].items()}, path, MISFIT
    )
    config, notes = infer(rest, state, parts[0], path)
    tensors = fitted(state, config, average, path)
    if not average:
        notes.append("It holds no averages, e_ema and g_ema: the weights of the last step are used.")
    if unused := dict.fromkeys(name.partition(".")[0] for name in rest if not re.match(r"args\b", name)):
        notes.append(f"Only the autoencoder is read, not {', '.join(unused)}.")
    return ModelFile(path, FORMAT, RosinalityAutoencoder.kind, config, tensors, notes=tuple(notes))


def infer(
    rest: Mapping[str, object], state: Mapping[str, Tensor], encoder: str, path: Path
) -> tuple[RosinalityConfig, list[str]]:
    """Configuration from shapes, and what is to be said about it.

    The autoencoder tells nothing of the size of its pictures: their discriminator does, or else their `args`."""
    needed = {"width": f"{encoder}.stem.0.0.weight", "structure_channels": f"{encoder}.structure.1.0.weight"}
    refuse(path, MISFIT, [f"{name} is missing" for name in needed.values() if name not in state])
    refuse(path, MISFIT, [f"{name} is a number" for name in needed.values() if not state[name].ndim])
    values = {field: len(state[name]) for field, name in needed.items()}
    arguments, judged = options(rest), judged_size(rest)
    channel, told = (arguments.get(name) for name in ("channel", "size"))
    try:
        config = RosinalityConfig(size=judged or told or ASSUMED_SIZE, **values)
    except GraftError as error:
        raise GraftError(f"{path} {MISFIT}: {error}") from None
    notes = []
    if channel not in (None, config.width):
        notes.append(f"Its args say channel {channel!r:.20}, but its weights are of {config.width}.")
    if told not in (None, config.size):
        notes.append(f"Its args say {told!r:.20} px, but its discriminator judges {config.size} px.")
    if not (judged or told):
        notes.append(f"It does not tell the size of its training pictures; {ASSUMED_SIZE} px is a guess, use --size.")
    return config, notes


def options(rest: Mapping[str, object]) -> Mapping[str, Any]:
    """The options of the training command; none if they are of no kind that holds any."""
    args = rest.get("args")
    values = args.state if isinstance(args, Record) else under(rest, "args.")
    return values if isinstance(values, dict) else {}


def judged_size(rest: Mapping[str, object]) -> int | None:
    """Side of the pictures that their discriminator judges, pixels: 4 after so many halvings."""
    judges = [prefix for prefix in prefixes(rest, JUDGE) if "d" in prefix.split(".")]
    names = under(rest, judges[0]) if judges else {}
    blocks = sum(re.fullmatch(JUDGE, name) is not None for name in names)
    return 4 * 2**blocks if 4 <= blocks <= 8 else None  # 64 to 1024, the sizes it is made for


def fitted(state: Mapping[str, Tensor], config: RosinalityConfig, average: bool, path: Path) -> dict[str, Tensor]:
    """Their tensors under our names, in our shapes. GraftError listing what is missing, unknown or of another shape."""
    shapes = shapes_of(RosinalityAutoencoder, config)
    table, constants = names(config, average), kernels(config, average)
    weights = {theirs: tensor for theirs, tensor in state.items() if theirs not in constants}
    problems = misfits(weights, {theirs: stored_shape(ours, shapes[ours]) for ours, theirs in table.items()})
    for theirs, gain in constants.items():
        if theirs in state and not is_filter(state[theirs], gain):
            problems.append(f"{theirs} is another filter than {TAPS}")
    refuse(path, MISFIT, problems)
    return {
        ours: state[theirs].transpose(0, 1) if is_transposed(ours) else state[theirs].reshape(shapes[ours])
        for ours, theirs in table.items()
    }


def is_filter(kernel: Tensor, gain: float) -> bool:
    line = torch.tensor(TAPS, dtype=torch.float32)
    want = torch.outer(line, line) * (gain / sum(TAPS) ** 2)
    return kernel.shape == want.shape and torch.allclose(kernel.float(), want, atol=1e-4)
