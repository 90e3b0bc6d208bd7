"""A picture that follows words."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr
from torch import Tensor

import graftlab
from graftlab.codes import SwapCodes
from graftlab.editing import masks
from graftlab.editing.distributions import Distribution
from graftlab.errors import GraftError
from graftlab.networks.swapping import SwappingModel
from graftlab.objectives.words import NEUTRAL, Prompt
from graftlab.rendering.renderer import Renderer
from graftlab.studio.networks import Workspace
from graftlab.studio.orders.base import Order
from graftlab.studio.scenes.base import MaskId, Words
from graftlab.studio.scenes.edit import MAPPED, Edit
from graftlab.work.progress import Watch

OFTEN = 0.5  # seconds between codes that can be looked at on the way


class Guide(Order):
    """The texture of an edit's whole picture, led by phrases (`graft guide`): codes that are kept under an id, which an
    edit takes as `found`. Those on the way are there as long as it goes on."""

    kind: Literal["guide"]
    scene: Edit
    text: Annotated[list[Words], Field(min_length=1, max_length=16, description="What it is to become.")]
    avoid: Annotated[tuple[Words, ...], Field(max_length=16, description="What it is to move away from.")] = ()
    neutral: Words = Field(NEUTRAL, description="What the phrases change.")
    mask: MaskId | None = Field(None, description="Where it may change; none: everywhere.")
    soft: float = Field(8, ge=0, le=512, allow_inf_nan=False, description="Width of the mask's edges, pixels.")
    _found: str | None = PrivateAttr(None)
    _notices: tuple[str, ...] = PrivateAttr(())
    _ended: bool = PrivateAttr(False)

    @property
    def file(self) -> str:
        return f"codes-{self._found}.safetensors" if self._ended else "codes.safetensors"

    @property
    def found(self) -> str | None:
        return self._found

    @property
    def notices(self) -> tuple[str, ...]:
        return self._notices

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        at = replace(at, own=None, watch=watch)  # at the size on the screen, for which it will do at any
        renderer = self.scene.renderer(at)
        start, way, last = self.scene.begin(at, renderer), set[str](), time.monotonic()
        if self.mask and self.scene.regions:
            raise GraftError(MAPPED)

        def keep(codes: SwapCodes) -> str:
            # of the structure nothing is needed, nor of the noise
            small = replace(codes, structure=codes.structure[:, :, :1, :1].clone(), size=None, noise=None)
            small.save(out)
            return at.visitor.add_codes(out.read_bytes())

        def follow(codes: SwapCodes) -> None:
            nonlocal last
            if time.monotonic() - last >= OFTEN:
                self._found, last = keep(codes), time.monotonic()
                way.add(self._found)

        def tell(notice: str) -> None:
            self._notices += (notice,)

        try:
            guided = graftlab.guide(
                renderer.model,
                start,
                [*map(Prompt, self.text), *(Prompt(each, -1) for each in self.avoid)],
                mask=self._where(at, renderer, start),
                neutral=self.neutral,
                textures=self._known(at),
                words=at.networks.words(),
                watch=watch,
                follow=follow,
                tell=tell,
                **renderer.rendering,
            )
            self._found, self._ended = keep(guided.codes), True
        finally:
            at.visitor.forget(way - ({self._found} if self._found else set()))

    def _where(self, at: Workspace, renderer: Renderer[SwappingModel], start: SwapCodes) -> Tensor | None:
        """Of the size of the picture."""
        if self.mask is None:
            return None
        height, width = (cells * renderer.model.config.stride for cells in start.structure.shape[2:])
        return masks.fit(at.mask(self.mask), start.size or (height, width), self.soft)

    def _known(self, at: Workspace) -> Distribution | None:
        try:
            known = at.networks.distribution(self.scene.model)
        except GraftError:  # it came without
            return None
        return known if known.model == at.renderer(self.scene.model).model.fingerprint else None
