"""Which reader opens a file: the first that knows its contents. Names and extensions decide nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from graftlab.checkpoints import deltas, native
from graftlab.checkpoints.containers.contents import Contents, open_contents
from graftlab.checkpoints.containers.records import Record
from graftlab.checkpoints.formats import (
    nvidia,
    nvidia_state,
    nvidia_stylegan3,
    official,
    rosinality_stylegan2,
    rosinality_swapping,
    southampton,
    tensorflow,
    tensorflow_stylegan1,
    upscalers,
)
from graftlab.checkpoints.model_file import ModelFile
from graftlab.errors import GraftError

READERS: tuple[Callable[[Contents], ModelFile | None], ...] = (
    deltas.read,
    native.read,
    official.read,
    rosinality_swapping.read,
    rosinality_stylegan2.read,
    nvidia_stylegan3.read,
    nvidia.read,
    nvidia_state.read,
    tensorflow_stylegan1.read,
    tensorflow.read,
    southampton.read,
    upscalers.read,
)


def open_model(path: Path) -> ModelFile:
    """What a model's file says of itself; no weight is read. GraftError if it holds no model that graftlab knows."""
    contents = open_contents(path)
    if file := read_model(contents):
        return file
    raise GraftError(f"{path} is no model that graftlab knows, but a {contents.container} file of {seen(contents)}.")


def read_model(contents: Contents) -> ModelFile | None:
    for read in READERS:
        if file := read(contents):
            return replace(file, check=file.check or contents.check)
    return None


def seen(contents: Contents) -> str:
    """What lies at the top of a file, for a person who wonders what they have been given."""
    tree, kind = contents.tree, ""
    if contents.container == "safetensors" and isinstance(tree, dict):
        if (header := native.header_of(contents)) is not None:
            kind = f"{header.get('kind')}: "
        tree = tree["tensors"]
    if isinstance(tree, Record):
        return f"an object ({tree.name})"
    if not isinstance(tree, dict):
        return f"a {type(tree).__name__.lower()}"
    names = ", ".join([str(name)[:40] for name in list(tree)[:5]] + ["..."] * (len(tree) > 5))
    return f"{kind}{len(tree)} entries ({names})" if tree else "nothing"
