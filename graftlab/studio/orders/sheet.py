"""Every structure with every texture."""

from dataclasses import replace
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import Field

from graftlab import __version__, images
from graftlab.rendering.sheets import draw_swaps
from graftlab.studio.networks import Workspace
from graftlab.studio.orders.base import Order
from graftlab.studio.scenes.base import PhotoId, command
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
        renderer = replace(at, watch=watch).renderer(self.model, self._side(at), self.square, self.refine)
        rows, columns = (
            [(called(photo.source), renderer.read(photo.path)) for photo in map(at.visitor.photo, ids)]
            for ids in (self.structures, self.textures)
        )
        with watch("swapping", len(rows) * len(columns)) as progress:
            sheet = draw_swaps(renderer, rows, columns, progress)
        images.write(sheet, out, {"command": self.as_command(at), "version": __version__, **renderer.recipe})

    def _side(self, at: Workspace) -> int:
        return self.size or at.renderer(self.model).side()

    # -- as people would write it -------------------------------------------------------------------------------------

    def as_command(self, at: Workspace) -> str:
        """The `graft` command that draws it."""
        words: list[object] = []
        for option, ids in (("--structures", self.structures), ("--textures", self.textures)):
            words += [word for id in ids for word in (option, at.source(id))]
        square = [] if self.square else ["--no-square"]
        refine = ["--refine", self.refine] if self.refine else []
        size = ["--size", self._side(at)]
        return command("grid", *words, "-o", "sheet.png", *size, *square, *refine, "--model", self.model)

    def as_python(self, at: Workspace) -> str:
        """The Python that draws it."""
        how = f"size={self._side(at)}" + (", square=True" if self.square else "")
        how += f", refine={self.refine}" if self.refine else ""

        def read(ids: list[str]) -> str:
            named = [f"    ({called(source)!r}, renderer.read({source!r}))," for source in map(at.source, ids)]
            return "\n".join(["[", *named, "]"])

        return (
            "import graftlab\nfrom graftlab.rendering import Renderer\n"
            "from graftlab.rendering.sheets import draw_swaps\n\n"
            f"renderer = Renderer(graftlab.load({self.model!r}), {how})\n"
            f"structures = {read(self.structures)}\ntextures = {read(self.textures)}\n"
            'renderer.write(draw_swaps(renderer, structures, textures), "sheet.png")\n'
        )


def called(source: str) -> str:
    """What a photo is called in the margin."""
    return PurePath(source.removeprefix("@")).stem
