"""The structure of one photo with the texture of another."""

from typing import Literal

from torch import Tensor

from graftlab.editing.edits import edit
from graftlab.studio.networks import Workspace
from graftlab.studio.scenes.base import PhotoId, Scene, Share, command, number


class Swap(Scene):
    """The structure of one photo with the texture of another (Park et al. 2020, Fig. 1), or something between."""

    kind: Literal["swap"]
    structure: PhotoId
    texture: PhotoId
    amount_texture: Share = 1
    amount_structure: Share = 0

    def draw(self, at: Workspace) -> Tensor:
        renderer = self.renderer(at)
        a, b = at.codes(renderer, self.model, self.structure, self.texture, together=bool(self.amount_structure))
        return at.decode(renderer, edit(a, b, self.amount_texture, self.amount_structure))

    def photos(self) -> list[str]:
        return [self.structure, self.texture]

    def as_command(self, at: Workspace) -> str:
        structure, texture = (at.source(id) for id in (self.structure, self.texture))
        if (self.amount_texture, self.amount_structure) == (1, 0):
            return command("swap", structure, texture, "-o", "swap.png", *self.reading())
        amounts = ["--amount", number(self.amount_texture), "--structure-amount", number(self.amount_structure)]
        return command("edit", structure, "--texture", texture, *amounts, "-o", "swap.png", *self.reading())

    def as_python(self, at: Workspace) -> str:
        structure, texture = (at.source(id) for id in (self.structure, self.texture))
        weights = f"texture={number(self.amount_texture)}"
        if self.amount_structure:
            weights += f", structure={number(self.amount_structure)}"
        both = f"renderer = renderer.together({[structure, texture]!r})\n" if self.amount_structure else ""
        return (
            f"{self.opening()}{both}"
            f"a, b = (renderer.encode(path) for path in ({structure!r}, {texture!r}))\n"
            f'renderer.write(renderer.decode(a.mix(b, {weights})), "swap.png")\n'
        )
