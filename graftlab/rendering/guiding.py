"""Pictures that follow words: the textures that they may try, and the sheet of how they got there."""

from pathlib import Path
from typing import Any

from torch import Tensor

from graftlab.editing.distributions import Distribution, beside
from graftlab.figures.sheets import sheet
from graftlab.inversion.following import Guided
from graftlab.inversion.search import draw
from graftlab.rendering.renderer import Renderer
from graftlab.rendering.sheets import Start

STEPS = 5  # on a sheet


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
