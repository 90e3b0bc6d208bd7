"""Scenes: each kind in a module of its own, and a line here."""

from typing import Annotated

from pydantic import Field

from graftlab.studio.scenes.blend import Blend
from graftlab.studio.scenes.blend_film import BlendFilm
from graftlab.studio.scenes.edit import Edit
from graftlab.studio.scenes.film import FilmScene
from graftlab.studio.scenes.footage import Footage
from graftlab.studio.scenes.live import Live
from graftlab.studio.scenes.panorama import Panorama
from graftlab.studio.scenes.swap import Swap

AnyScene = Annotated[
    Swap | Edit | Blend | BlendFilm | Panorama | FilmScene | Footage | Live, Field(discriminator="kind")
]
