"""What one can do with codes: arithmetic on them, followed by `decode`."""

from graftlab.editing.directions import Directions
from graftlab.editing.distributions import Distribution
from graftlab.editing.tiles import Tiled
from graftlab.editing.upscaling import Upscaling, upscale

__all__ = [
    "Directions",
    "Distribution",
    "Tiled",
    "Upscaling",
    "upscale",
]
