"""A model shown to others: a sheet of what it does, and its place on the hub."""

from pathlib import Path
from typing import Any

from torch import Tensor

from graftlab.checkpoints.catalogue import hub
from graftlab.checkpoints.catalogue.card import card
from graftlab.checkpoints.describe import describe
from graftlab.checkpoints.load import DIRECTIONS, TEXTURES, load, locate
from graftlab.errors import GraftError
from graftlab.images import to_png
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.rendering.sheets import draw_swaps, sheet_of_seeds
from graftlab.work.examples import example

ROWS = ("peaks", "autumn-hills", "render-mist", "render-summer")  # structures
COLUMNS = ("render-winter", "render-night", "hilltop-sunset", "dandelions", "render-canyon")  # textures
SEEDS, PSI = range(12), 0.8


def present(renderer: Renderer[Any]) -> Tensor | None:
    """What a model does, as a sheet (1, 3, H, W): photographs swapped, or twelve seeds. None for other kinds."""
    model = renderer.model
    if isinstance(model, StyleGAN):
        images = [renderer.decode(model.codes_of([seed], PSI)) for seed in SEEDS]
        return sheet_of_seeds(renderer, images, SEEDS, PSI, renderer.scale(3, 4, images[:1]))
    return swapped_examples(renderer) if isinstance(model, SwappingModel) else None


def swapped_examples(renderer: Renderer[SwappingModel]) -> Tensor:
    """Bundled photographs with each other's textures, on a sheet (1, 3, H, W)."""
    rows, columns = ([(name, renderer.read(example(name))) for name in names] for names in (ROWS, COLUMNS))
    return draw_swaps(renderer, rows, columns)


def give(
    model: str | Path,  # a file of ours, or the name of one
    repository: str,  # on the Hugging Face hub: someone/some-model
    licence: str | None = None,  # by default what the file says
    private: bool = False,
    message: str = "Model and card",
) -> str:
    """Put a model on the Hugging Face hub with its card, a sheet, and what lies beside it. Returns the address there.

    GraftError for a file of another program's, without a licence, and for what `hub.push` refuses."""
    file = locate(model)
    told = describe(file)
    if told["format"] != "graftlab":
        raise GraftError(f"{file} is no file of graftlab's; make one with 'graft convert {file} mine.safetensors'.")
    text = card(file, repository.partition("/")[2], licence, repository)  # refuses before anything is drawn
    files: dict[str, Path | bytes] = {file.name: file}
    for beside in (DIRECTIONS, TEXTURES):
        if (path := file.with_name(f"{file.stem}{beside}{file.suffix}")).exists():
            files[path.name] = path
    renderer = Renderer(load(file), square=True)
    if (sheet := present(renderer)) is not None:
        files["sheet.png"] = to_png(sheet)
        text = card(file, repository.partition("/")[2], licence, repository, ["sheet.png"])
    return hub.push(repository, {"README.md": text.encode(), **files}, message, private)
