"""Pictures that follow words: what they begin with, and the sheet of how they got there."""

from pathlib import Path
from typing import Any

from torch import Tensor

from graftlab.editing.distributions import Distribution, beside
from graftlab.figures.sheets import sheet
from graftlab.inversion.following import Guided
from graftlab.inversion.photos import invert
from graftlab.inversion.search import draw
from graftlab.networks.style import StyleGAN
from graftlab.rendering.renderer import Renderer
from graftlab.rendering.sheets import SEEDS, Start, find_starts
from graftlab.work.texts import parse_seeds

STEPS = 5  # on a sheet
CODES = ".safetensors"


def read_starts(
    renderer: Renderer[Any],
    source: Path,  # a file of codes, a picture, or of a StyleGAN2 seeds
    psi: float = 0.7,
    **search: Any,  # of `invert`, for the picture of a StyleGAN2
) -> list[Start]:
    """What pictures begin with that follow words (`find_starts`); a StyleGAN2's codes of a photo are searched for."""
    style = isinstance(renderer.model, StyleGAN)
    if style and not source.exists():
        parse_seeds(str(source), f"{source} is no file, and beside files a StyleGAN2")  # refuses what are no seeds
    if not style or source.suffix == CODES or SEEDS.fullmatch(str(source)):
        return find_starts(renderer, source, psi)
    found = invert(renderer.model, [source], watch=renderer.watch, **search)
    return [(source.stem, found.codes, found.photos)]


def own_textures(renderer: Renderer[Any], model: str | Path) -> Distribution | None:
    """The distribution of textures that came with a model, if there is one, and the model is still what it was."""
    file = beside(model)
    found = Distribution.load(file) if file.exists() else None
    return found if found and found.model == renderer.model.fingerprint else None


def draw_steps(renderer: Renderer[Any], guided: Guided[Any], starts: list[Start]) -> Tensor:
    """How pictures came to follow words, a row for each: as they were, a few steps, the result: (1, 3, H, W)."""
    between = guided.history[1:-1]
    count = min(STEPS, len(between))
    chosen = [between[round(i * (len(between) - 1) / max(1, count - 1))] for i in range(count)]
    columns = [
        guided.before,
        *(draw(renderer.model, codes, 1, **renderer.rendering) for codes in chosen),
        guided.images,
    ]
    labels = [f"{name}: {cosine:.2f}" for (name, _, _), cosine in zip(starts, guided.towards, strict=True)]
    scale = renderer.scale(len(labels), len(columns), [guided.before])
    return sheet(list(zip(*columns, strict=True)), labels, ["before", *[""] * count, "guided"], scale=scale)
