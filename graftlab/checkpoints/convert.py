"""Any model that graftlab reads to its own format, StyleGAN2 back to rosinality's, that and StyleGAN3 to NVIDIA's."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from graftlab.checkpoints.build import build, checked
from graftlab.checkpoints.deltas import save_delta
from graftlab.checkpoints.formats.nvidia_writing import to_nvidia
from graftlab.checkpoints.formats.rosinality_stylegan2 import to_rosinality
from graftlab.checkpoints.model_file import ModelFile
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import open_model
from graftlab.errors import GraftError
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.stylegan3 import StyleGAN3
from graftlab.work.files import atomic_write

OURS, ROSINALITY, NVIDIA = ".safetensors", ".pt", ".pkl"
JUDGES = "linear2.weight"  # in StyleGAN2's own discriminator, not in one on the features of a frozen network


def convert(
    source: Path,
    target: Path,
    half: bool = False,  # store float16, in our format
    allow_nan: bool = False,
    about: Mapping[str, Any] | None = None,  # what is known beside what the file says: licence, parent
    parent: Path | None = None,  # store what differs from this model, in our format
    checkout: str | None = None,  # NVIDIA's repository that opens a `.pkl`, as of `to_nvidia`
) -> ModelFile:
    """Read `source` and write `target`: `.safetensors` is our format, `.pt` rosinality's StyleGAN2, `.pkl` NVIDIA's.

    Returns what was read. GraftError for another extension, and for a model that the format cannot hold."""
    if target.suffix not in (OURS, ROSINALITY, NVIDIA):
        raise GraftError(
            f"{target} must end in {OURS} (graftlab), {ROSINALITY} (rosinality's StyleGAN2) or {NVIDIA} (NVIDIA's)."
        )
    if parent is not None and (target.suffix != OURS or half or allow_nan):
        raise GraftError(f"What differs from a parent goes into a {OURS} file, and is neither halved nor no number.")
    file = open_model(source)
    model = build(file, allow_nan)
    if parent is not None:
        checked(base := open_model(parent))
        save_delta(target, model, base, {**file.about, **(about or {})})
        return file
    if target.suffix == OURS:
        save_model(target, model, {**story(file), **(about or {})}, half, file.discriminators, allow_nan)
        return file
    if target.suffix == NVIDIA and (type(model) is StyleGAN2 or type(model) is StyleGAN3):
        content = to_nvidia(model, file.discriminators if JUDGES in file.discriminators else {}, checkout)
    elif target.suffix == ROSINALITY and type(model) is StyleGAN2:  # a local blend is two
        buffer = io.BytesIO()
        torch.save(to_rosinality(model), buffer)
        content = buffer.getvalue()
    else:
        kinds = "StyleGAN2 or StyleGAN3" if target.suffix == NVIDIA else "StyleGAN2"
        raise GraftError(f"{source} is no {kinds}, and {target.suffix} is a format of those; name a {OURS} file.")
    atomic_write(target, lambda out: out.write(content))
    return file


def story(file: ModelFile) -> dict[str, Any]:
    """What is known about a model, and where it was read."""
    return {**file.about, "converted_from": {"file": file.path.name, "format": file.format}}
