"""Every structure with every texture."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from graftlab import __version__, images
from graftlab.rendering.sheets import draw_swaps
from graftlab.studio.networks import Workspace
from graftlab.studio.orders.base import Order
from graftlab.studio.scenes.base import PhotoId
from graftlab.work.progress import Watch

Shelf = Annotated[list[PhotoId], Field(min_length=1, max_length=100)]


class Sheet(Order):
    """A sheet of swaps, the photos in the margins (`graft grid`)."""

    kind: Literal["sheet"]
    model: str = Field(max_length=1000)
    structures: Shelf
    textures: Shelf
    size: int | None = Field(None, ge=16, le=1024, description="Short side of the pictures; the model's by default.")
    square: bool = True
    refine: int = Field(0, ge=0, le=200, description="As of a scene.")
    format: Literal["png", "jpg", "webp", "tif"] = "png"

    @property
    def file(self) -> str:
        return f"sheet.{self.format}"

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        side = self.size or at.renderer(self.model).side()
        renderer = replace(at, watch=watch).renderer(self.model, side, self.square, self.refine)
        rows, columns = (
            [(photo.name, renderer.read(photo.path)) for photo in map(at.visitor.photo, ids)]
            for ids in (self.structures, self.textures)
        )
        with watch("swapping", len(rows) * len(columns)) as progress:
            sheet = draw_swaps(renderer, rows, columns, progress)
        images.write(sheet, out, {"command": "graft studio", "version": __version__, **renderer.recipe})
