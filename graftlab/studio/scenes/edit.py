"""One photo with another texture, textures in regions, directions and components."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from graftlab.codes import SwapCodes
from graftlab.editing.directions import Directions
from graftlab.editing.edits import Move, Region, edit
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.rendering.stills import fit_mask
from graftlab.studio.networks import Workspace
from graftlab.studio.scenes.base import Gain, MaskId, PhotoId, Scene, Share, command, number

STRICT = ConfigDict(extra="forbid", frozen=True)
MOST = 64  # of each list


class Somewhere(BaseModel):
    """Something that may be confined to a mask."""

    model_config = STRICT
    mask: MaskId | None = None
    soft: float = Field(8, ge=0, le=512, allow_inf_nan=False, description="Width of the mask's edges, pixels.")

    @property
    def where(self) -> str:
        """The mask as a command names it."""
        return f"mask-{self.mask}.png~{number(self.soft)}"

    @property
    def inside(self) -> str:
        return f"@{self.where}" if self.mask else ""


class Along(Somewhere):
    """Along a named direction."""

    file: str = Field(max_length=1000, description="The name of the model whose directions they are.")
    name: str = Field(max_length=200)
    gain: Gain


class Component(Somewhere):
    """Along a principal component of what the model was trained on."""

    part: Literal["texture", "structure"]
    index: int = Field(ge=0, le=1000)
    gain: Gain


class Painted(Somewhere):
    """A region with the texture of another photo."""

    mask: MaskId
    texture: PhotoId
    amount: float = Field(1, ge=0, le=1, allow_inf_nan=False)


class Edit(Scene):
    """One photo, and what is done to it: another texture or a random one, then regions, then directions."""

    kind: Literal["edit"] = "edit"
    picture: PhotoId
    texture: PhotoId | None = None
    amount_texture: Share = 1
    amount_structure: Share = 0
    seed_texture: int | None = Field(None, ge=0, lt=2**32, description="Of a random texture in the photo's place.")
    psi: float = Field(0.8, ge=0, le=3, allow_inf_nan=False, description="How far random textures vary.")
    directions: tuple[Along, ...] = Field((), max_length=MOST)
    components: tuple[Component, ...] = Field((), max_length=MOST)
    regions: tuple[Painted, ...] = Field((), max_length=MOST)

    def draw(self, at: Workspace) -> Tensor:
        renderer = at.renderer(self.model, self.size, self.square)
        others = [self.texture] if self.texture else []
        codes, *given = at.codes(
            renderer, self.model, self.picture, *others, together=bool(others and self.amount_structure)
        )
        other = given[0] if given else None
        if self.seed_texture is not None:
            weather = at.networks.distribution(self.model)
            other = weather.sample(other or codes, [self.seed_texture], self.psi)
        return at.decode(
            renderer,
            edit(
                codes,
                other,
                self.amount_texture,
                self.amount_structure,
                self._regions(at, renderer, codes),
                self._moves(at, renderer, codes),
            ),
        )

    def notice(self, at: Workspace) -> str | None:
        return at.notice(self.model, self.picture, *([self.texture] if self.texture else []))

    def _regions(self, at: Workspace, renderer: Renderer[SwappingModel], codes: SwapCodes) -> list[Region]:
        textures = at.codes(renderer, self.model, *(region.texture for region in self.regions))
        return [
            Region(fitted(at, renderer, codes, region), texture, region.amount)
            for region, texture in zip(self.regions, textures, strict=True)
        ]

    def _moves(self, at: Workspace, renderer: Renderer[SwappingModel], codes: SwapCodes) -> list[Move]:
        named: list[tuple[Directions, str, Along | Component]] = [
            (at.networks.directions(each.file), each.name, each) for each in self.directions
        ]
        for one in self.components:
            found = at.networks.distribution(self.model).components(one.part)
            named.append((found, f"component {one.index + 1}", one))
        return [
            Move(directions, {name: each.gain}, fitted(at, renderer, codes, each) if each.mask else None)
            for directions, name, each in named
            if each.gain
        ]

    # -- as people would write it -------------------------------------------------------------------------------------

    def as_command(self, at: Workspace) -> str:
        words: list[object] = ["edit", at.source(self.picture)]
        if self.texture:
            words += ["--texture", at.source(self.texture)]
        if self.seed_texture is not None:
            words += ["--random", self.seed_texture, "--psi", number(self.psi)]
        if (self.texture or self.seed_texture is not None) and (self.amount_texture, self.amount_structure) != (1, 0):
            words += ["--amount", number(self.amount_texture), "--structure-amount", number(self.amount_structure)]
        for each in self.regions:
            words += ["--region", f"{each.where}={at.source(each.texture)}:{number(each.amount)}"]
        for along in self.directions:
            words += ["--move", f"{along.name}={number(along.gain)}{along.inside}"]
        for one in self.components:
            words += ["--move", f"{one.part} {one.index + 1}={number(one.gain)}{one.inside}"]
        return command(*words, "-o", "edit.png", *self.reading())

    def as_python(self, at: Workspace) -> str:
        return self.opening()


def fitted(at: Workspace, renderer: Renderer[SwappingModel], codes: SwapCodes, one: Somewhere) -> Tensor:
    """A mask over the picture, with its soft edges."""
    return fit_mask(renderer, at.networks.mask(at.visitor.mask(str(one.mask))), codes, one.soft)
