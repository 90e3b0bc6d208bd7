"""Photos side by side that melt into each other."""

from dataclasses import replace
from itertools import pairwise
from math import ceil
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from graftlab.editing import blends
from graftlab.errors import GraftError
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.studio.networks import Workspace
from graftlab.studio.scenes.base import PhotoId, Scene, command

Overlap = Annotated[float, Field(ge=0, le=8, allow_inf_nan=False)]
MOST = 40  # pictures


class Panorama(Scene):
    """Structures in a row, neighbours one over the other at their seams (`graft panorama`)."""

    kind: Literal["panorama"] = "panorama"
    pictures: tuple[PhotoId, ...] = Field(min_length=1, max_length=MOST)
    overlaps: tuple[Overlap, ...] = Field(
        (), max_length=MOST, description="Of each two neighbours, as shares of the height: the same at any size."
    )
    fade: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of each overlap over which one becomes the other; none: short, where they are alike.",
    )
    texture: PhotoId | Literal["mix"] | None = Field(
        None, description="A photo whose texture all have, or the mean of theirs; none: each keeps its own."
    )

    @model_validator(mode="after")
    def check(self) -> Self:
        if len(self.overlaps) != len(self.pictures) - 1:
            raise ValueError(f"{len(self.pictures)} pictures have {len(self.pictures) - 1} overlaps")
        return self

    def draw(self, at: Workspace) -> Tensor:
        renderer = self._together(at)
        row = at.codes(renderer, self.model, *self.pictures)
        joined = blends.panorama(row, *self._seams(at, renderer))
        if self.texture:
            given = row if self.texture == "mix" else at.codes(renderer, self.model, self.texture)
            joined = blends.mixture(joined, given, [1.0] * len(given))
        return at.decode(renderer, joined)

    def photos(self) -> list[str]:
        return [*self.pictures, *([self.texture] if self.texture and self.texture != "mix" else [])]

    def _together(self, at: Workspace) -> Renderer[SwappingModel]:
        renderer = self.renderer(at)
        return renderer.together([at.visitor.photo(id).path for id in self.pictures])

    def _seams(self, at: Workspace, renderer: Renderer[SwappingModel]) -> tuple[list[int], list[float] | None]:
        """Overlaps in whole cells, each at least one less than the narrower picture has, and fades."""
        stride, side = renderer.model.config.stride, renderer.side()
        widths, heights = [], []
        for photo in map(at.visitor.photo, self.pictures):
            short = min(photo.width, photo.height)
            sides = [
                side if self.square else max(side, round(each * side / short)) for each in (photo.width, photo.height)
            ]
            widths.append(ceil(sides[0] / stride))
            heights.append(ceil(sides[1] / stride))
        overlaps = [
            min(round(share * heights[0]), min(both) - 1)
            for share, both in zip(self.overlaps, pairwise(widths), strict=True)
        ]
        return overlaps, None if self.fade is None else [self.fade * overlap for overlap in overlaps]

    # -- as people would write it -------------------------------------------------------------------------------------

    def _told(self, at: Workspace) -> tuple[list[str], list[int], list[float] | None]:
        """The photos as commands name them, overlaps and fades in cells, at the size of what is saved."""
        if len(self.pictures) < 2:
            raise GraftError("A panorama needs two pictures or more: add one.")
        at = replace(at, own=self.own)
        return [at.source(id) for id in self.pictures], *self._seams(at, self._together(at))

    def as_command(self, at: Workspace) -> str:
        photos, overlaps, fades = self._told(at)
        words: list[object] = [*photos, "--overlap", listed(overlaps)]
        words += [] if fades is None else ["--fade", listed(fades)]
        if self.texture:
            words += ["--texture", "mix" if self.texture == "mix" else at.source(self.texture)]
        return command("panorama", *words, "-o", "panorama.png", *self.reading())

    def as_python(self, at: Workspace) -> str:
        photos, overlaps, fades = self._told(at)
        options = [f"overlap={overlaps}"] + ([] if fades is None else [f"fade=[{', '.join(map(short, fades))}]"])
        if self.texture:
            textures = [] if self.texture == "mix" else [at.source(self.texture)]
            options.append(f"textures=renderer.read_all({textures}), weights={[1.0] * len(textures)}")
        return (
            f"from graftlab.rendering import stills\n{self.opening()}"
            f"photos = {photos}\nrenderer = renderer.together(photos)\n"
            f"picture = stills.panorama(renderer, renderer.read_all(photos), {', '.join(options)})\n"
            'renderer.write(picture, "panorama.png")\n'
        )


def short(value: float) -> str:
    return f"{value:.4g}"


def listed(values: list[int] | list[float]) -> str:
    return ",".join(map(short, values))
