"""Orders of jobs: each kind in a module of its own, and a line here."""

from typing import Annotated

from pydantic import Field

from graftlab.studio.orders.guide import Guide
from graftlab.studio.orders.render import Render
from graftlab.studio.orders.sheet import Sheet

AnyOrder = Annotated[Render | Sheet | Guide, Field(discriminator="kind")]
