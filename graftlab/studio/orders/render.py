"""A scene as a picture to keep."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from graftlab import __version__, images
from graftlab.errors import GraftError
from graftlab.networks.model import Network
from graftlab.studio.networks import Workspace
from graftlab.studio.orders.base import Order
from graftlab.studio.scenes import AnyScene
from graftlab.work.progress import Watch


class Render(Order):
    """A scene at full size. The file tells the command, and the scene, from which the page restores what made it."""

    kind: Literal["render"]
    scene: AnyScene
    format: Literal["png", "jpg", "webp", "tif"] = "png"

    @property
    def file(self) -> str:
        return f"{self.scene.kind}.{self.format}"

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        with watch("rendering", 1) as progress:
            picture = self.scene.draw(replace(at, watch=watch))
            progress(1, 1)
        recipe = {
            "command": self._command(at),
            "version": __version__,
            "model": at.networks.model(self.scene.model, Network).fingerprint,
            "scene": self.scene.model_dump(mode="json"),
            "photos": self.scene.names(at),
            **self.scene.carried(at),
        }
        images.write(picture, out, recipe)

    def _command(self, at: Workspace) -> str:
        try:
            return self.scene.as_command(at)
        except GraftError:  # no command draws it
            return "graft studio"
