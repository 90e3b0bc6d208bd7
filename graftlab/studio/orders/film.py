"""A film to keep."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from graftlab import __version__
from graftlab.networks.model import Network
from graftlab.rendering.renderer import Renderer
from graftlab.studio.networks import Workspace
from graftlab.studio.orders.base import Order
from graftlab.studio.scenes.blend_film import BlendFilm
from graftlab.studio.scenes.film import FilmScene
from graftlab.studio.scenes.footage import Footage
from graftlab.video.film import render
from graftlab.work.parts import forget
from graftlab.work.progress import Watch


class FilmOrder(Order):
    """All of a film, whose moments scenes draw. The file tells the command."""

    kind: Literal["film"] = "film"
    scene: Annotated[FilmScene | Footage | BlendFilm, Field(discriminator="kind")]
    format: Literal["mp4", "webm", "gif", "png"] = "mp4"

    @property
    def file(self) -> str:
        return f"{self.scene.film}.{self.format}"

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        renderer = Renderer(at.networks.model(self.scene.model, Network))
        about = {
            "command": self.scene.as_command(at),
            "version": __version__,
            "scene": self.scene.model_dump(mode="json"),
            **self.scene.carried(at),
        }
        film = replace(
            self.scene.shot(replace(at, watch=watch)),
            recipe={**about, "photos": self.scene.names(at), **renderer.recipe},
        )
        try:
            with watch("filming", film.frames) as progress:
                render(film, out, progress=progress, resume=False)
        finally:
            forget(out)
