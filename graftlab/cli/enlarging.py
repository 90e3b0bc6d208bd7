"""What makes pictures larger before they are written: the options that all commands for pictures and films share."""

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

from graftlab.errors import GraftError
from graftlab.rendering.renderer import DEFAULT_UPSCALER, Renderer

DeskT = TypeVar("DeskT", bound=Renderer[Any])

Upscale = Annotated[
    int | None,
    typer.Option(min=1, max=4, help="Enlarge the output by this factor, with --upscaler: 2, 3 or 4."),
]
UpscalerName = Annotated[
    str | None,
    typer.Option(help=f"File or name of an upscaler, {DEFAULT_UPSCALER} by default; alone, it enlarges as made for."),
]


@dataclass(frozen=True, kw_only=True)
class Enlarging:
    """The options of every command that writes pictures, other than sheets of them."""

    upscale: Upscale = None
    upscaler: UpscalerName = None

    def refuse_sheet(self, is_sheet: bool, instead: str) -> None:
        """GraftError if a sheet of pictures would be written larger, labels and all."""
        if is_sheet and (self.upscale, self.upscaler) != (None, None):
            raise GraftError(f"A sheet of pictures is not made larger (--upscale); {instead}.")

    def on(self, desk: DeskT) -> DeskT:
        """The desk, on which pictures become larger before they are written, if that was asked for."""
        if self.upscale is None and self.upscaler is None:
            return desk
        return desk.enlarging(self.upscaler, self.upscale)
