"""The upscalers that others publish: names, shapes and the reader.

A `.pth` or `.safetensors` file holds a state dict, often inside of `params_ema` or `params`. Of ESRGAN's network there
are three spellings: a numbered sequence (`model.1.sub.0.RDB1.conv1.0.weight`), the authors' later one
(`RRDB_trunk.0.RDB1.conv1.weight`) and Real-ESRGAN's (`body.0.rdb1.conv1.weight`). Its small network is a numbered
sequence too (`body.0.weight`). Sizes are those of the weights.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.formats.fitting import rename
from graftlab.checkpoints.formats.wrapping import notes_on, prefixes, take, tensors_in
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import CompactConfig, Config, RRDBConfig
from graftlab.errors import GraftError, refuse
from graftlab.networks.upscalers import CompactUpscaler, RRDBUpscaler, Upscaler

ESRGAN, COMPACT = "ESRGAN upscaler", "Real-ESRGAN's small upscaler"
WRAPPERS = ("params_ema.", "params.")  # of BasicSR's files
OTHERS = ("conv_first.weight", "conv_after_body.weight", "conv_last.weight", "upsample.0.weight", "model.0.weight")

Names = Iterator[tuple[str, str]]  # modules: ours, theirs


def read(contents: Contents) -> ModelFile | None:
    """Somebody's upscaler, or None. GraftError for one of another architecture."""
    state, path = dict(contents.named), contents.path
    for signs, infer, names, network, kind in KINDS:
        found = prefixes(state, re.escape(signs[0]), signs)
        if not found:
            continue
        tensors = tensors_in(take(state, found[0]), path, "is no upscaler")
        config = infer(tensors, path)
        pairs = [(f"{a}.{end}", f"{b}.{end}") for a, b in names(config) for end in endings(a)]
        tensors = rename(path, f"does not fit {kind}", tensors, dict(pairs))  # whose shapes are checked by `build`
        return ModelFile(path, kind, network.kind, config, tensors, notes=tuple(notes_on(found[0], ("",), state)))
    likely = prefixes(state, "|".join(map(re.escape, OTHERS)))
    several = any(sum(prefix + name in state for name in OTHERS) > 1 for prefix in likely)
    convolves = any(torch.is_tensor(value) and value.ndim == 4 for value in state.values())
    if convolves and (several or any(name.startswith(WRAPPERS) for name in state)):
        raise GraftError(
            f"{path} is an upscaler of a kind that graftlab does not know; it reads those of ESRGAN and Real-ESRGAN."
        )
    return None


def endings(module: str) -> tuple[str, ...]:
    return ("weight",) if module.startswith("slopes.") else ("weight", "bias")


def counted(state: Iterable[str], pattern: str) -> int:
    """One more than the largest number in names of a pattern; 0 without any."""
    found = (re.fullmatch(pattern, name) for name in state)
    return max((int(match[1]) + 1 for match in found if match and len(match[1]) < 6), default=0)


def made(config: type[Config], path: Path, **values: int) -> Any:
    try:
        return config(**values)
    except GraftError as error:
        raise GraftError(f"{path} is an upscaler that makes no sense: {error}") from None


def rows(state: Mapping[str, Tensor], name: str, path: Path, axis: int = 0) -> int:
    """Outputs of a convolution, or, along axis 1, its inputs."""
    refuse(path, "is no upscaler", [f"{name} is missing"] if name not in state else [])
    refuse(path, "is no upscaler", [f"{name} is no convolution"] if state[name].ndim != 4 else [])
    return state[name].shape[axis]


def side(channels: int, path: Path) -> int:
    """Pixels a side whose three colours are so many channels. GraftError if they are those of other pictures."""
    each = isqrt(channels // 3)
    if 3 * each * each != channels:
        raise GraftError(
            f"{path} is an upscaler of pictures that are not in three colours ({channels} channels at one end); "
            "take one of RGB pictures."
        )
    return each


# -- ESRGAN -----------------------------------------------------------------------------------------------------------


def rrdb(state: Mapping[str, Tensor], path: Path, first: str, growing: str, blocks: str, doublings: int) -> RRDBConfig:
    """`growing` is the first convolution of the first dense block, `blocks` a pattern for all of those."""
    return made(
        RRDBConfig,
        path,
        doublings=doublings,
        unshuffle=side(rows(state, first, path, 1), path),
        width=rows(state, first, path),
        growth=rows(state, growing, path),
        blocks=counted(state, blocks),
    )


def infer_numbered(state: Mapping[str, Tensor], path: Path) -> RRDBConfig:
    """The sequence ends in two convolutions, two places apart; before them each doubling takes three."""
    last = counted(state, r"model\.(\d+)\.weight") - 1
    if (last - 4) % 3:
        raise GraftError(f"{path} does not fit {ESRGAN}: its last convolution is model.{last}.")
    growing, blocks = "model.1.sub.0.RDB1.conv1.0.weight", r"model\.1\.sub\.(\d+)\.RDB1\.conv1\.0\.weight"
    return rrdb(state, path, "model.0.weight", growing, blocks, (last - 4) // 3)


def numbered(config: RRDBConfig) -> Names:
    yield "first", "model.0"
    yield from dense("model.1.sub.{}.RDB{}.conv{}.0", config)
    yield "last_of_trunk", f"model.1.sub.{config.blocks}"
    for i in range(config.doublings):
        yield f"up.{i}", f"model.{3 + 3 * i}"
    yield "fine", f"model.{2 + 3 * config.doublings}"
    yield "to_rgb", f"model.{4 + 3 * config.doublings}"


def infer_authors(state: Mapping[str, Tensor], path: Path) -> RRDBConfig:
    growing, blocks = "RRDB_trunk.0.RDB1.conv1.weight", r"RRDB_trunk\.(\d+)\.RDB1\.conv1\.weight"
    doublings = counted(state, r"upconv(\d+)\.weight") - 1
    return rrdb(state, path, "conv_first.weight", growing, blocks, max(0, doublings))


def authors(config: RRDBConfig) -> Names:
    return named(config, "RRDB_trunk.{}.RDB{}.conv{}", "trunk_conv", "upconv{}", "HRconv")


def infer_real(state: Mapping[str, Tensor], path: Path) -> RRDBConfig:
    growing, blocks = "body.0.rdb1.conv1.weight", r"body\.(\d+)\.rdb1\.conv1\.weight"
    doublings = counted(state, r"conv_up(\d+)\.weight") - 1
    return rrdb(state, path, "conv_first.weight", growing, blocks, max(0, doublings))


def real(config: RRDBConfig) -> Names:
    return named(config, "body.{}.rdb{}.conv{}", "conv_body", "conv_up{}", "conv_hr")


def named(config: RRDBConfig, block: str, trunk: str, up: str, fine: str) -> Names:
    yield "first", "conv_first"
    yield from dense(block, config)
    yield "last_of_trunk", trunk
    for i in range(config.doublings):
        yield f"up.{i}", up.format(i + 1)
    yield "fine", fine
    yield "to_rgb", "conv_last"


def dense(theirs: str, config: RRDBConfig) -> Names:
    for block in range(config.blocks):
        for i in range(3):
            for j in range(5):
                yield f"blocks.{block}.dense.{i}.convs.{j}", theirs.format(block, i + 1, j + 1)


# -- Real-ESRGAN's small network --------------------------------------------------------------------------------------


def infer_compact(state: Mapping[str, Tensor], path: Path) -> CompactConfig:
    """Convolutions have even numbers, and all but the last are followed by the slopes of its channels."""
    last = counted(state, r"body\.(\d+)\.weight") - 1
    if last % 2 or last < 2:
        raise GraftError(f"{path} does not fit {COMPACT}: its last convolution is body.{last}.")
    colours, width = rows(state, f"body.{last}.weight", path), rows(state, "body.0.weight", path)
    return made(CompactConfig, path, factor=side(colours, path), width=width, convolutions=last // 2 - 1)


def compact(config: CompactConfig) -> Names:
    for i in range(config.convolutions + 1):
        yield f"convs.{i}", f"body.{2 * i}"
        yield f"slopes.{i}", f"body.{2 * i + 1}"
    yield "to_pixels", f"body.{2 * config.convolutions + 2}"


Kind = tuple[
    Sequence[str], Callable[[Mapping[str, Tensor], Path], Any], Callable[[Any], Names], type[Upscaler], str
]  # names that only it has, configuration from shapes, table, network, and what people call it
KINDS: tuple[Kind, ...] = (
    (["model.1.sub.0.RDB1.conv1.0.weight"], infer_numbered, numbered, RRDBUpscaler, ESRGAN),
    (["RRDB_trunk.0.RDB1.conv1.weight"], infer_authors, authors, RRDBUpscaler, ESRGAN),
    (["body.0.rdb1.conv1.weight"], infer_real, real, RRDBUpscaler, ESRGAN),
    (["body.1.weight", "body.0.weight", "body.2.weight"], infer_compact, compact, CompactUpscaler, COMPACT),
)
