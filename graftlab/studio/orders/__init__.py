"""Orders of jobs: each kind in a module of its own, and a line here."""

from typing import Annotated

from pydantic import Field

from graftlab.studio.orders.blend import FindParts, Invert, Levels, SaveBlend
from graftlab.studio.orders.film import FilmOrder
from graftlab.studio.orders.guide import Guide
from graftlab.studio.orders.render import Render
from graftlab.studio.orders.sheet import Sheet
from graftlab.studio.orders.show import Show
from graftlab.studio.orders.words import FromWords

AnyOrder = Annotated[
    FilmOrder | FindParts | FromWords | Guide | Invert | Levels | Render | SaveBlend | Sheet | Show,
    Field(discriminator="kind"),
]
