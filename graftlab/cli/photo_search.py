"""The options of commands that take photos in the place of a StyleGAN's codes."""

from typing import Annotated

from graftlab.inversion.sources import Finding

PhotoSearch = Annotated[Finding, "How a StyleGAN's codes of photos are found"]
