"""graftlab: swap the structure and the texture of pictures.

model = graftlab.load("landscapes-128", graftlab.SwappingAutoencoder)
a, b = (model.encode(graftlab.read(path, size=64, square=True)) for path in ("@peaks", "@autumn-hills"))
graftlab.write(model.decode(a.mix(b, texture=1)), "peaks-in-autumn.png")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graftlab import films
    from graftlab.blending.blend import blend
    from graftlab.blending.weights import layer_swap
    from graftlab.checkpoints.load import load
    from graftlab.codes import Codes, StyleCodes, SwapCodes
    from graftlab.editing.directions import Directions
    from graftlab.errors import GraftError
    from graftlab.images import read, write
    from graftlab.inversion.following import guide
    from graftlab.inversion.photos import invert
    from graftlab.networks.stylegan2 import StyleGAN2
    from graftlab.networks.stylegan3 import StyleGAN3
    from graftlab.networks.swapping import SwappingAutoencoder
    from graftlab.showing import show
    from graftlab.training.start import distill, finetune, train
    from graftlab.video.film import render

__version__ = "0.1.0"
__all__ = [
    "Codes",
    "Directions",
    "GraftError",
    "StyleCodes",
    "StyleGAN2",
    "StyleGAN3",
    "SwapCodes",
    "SwappingAutoencoder",
    "blend",
    "distill",
    "films",
    "finetune",
    "guide",
    "invert",
    "layer_swap",
    "load",
    "read",
    "render",
    "show",
    "train",
    "write",
]

_HOME = {
    "Codes": "codes",
    "Directions": "editing.directions",
    "GraftError": "errors",
    "StyleCodes": "codes",
    "StyleGAN2": "networks.stylegan2",
    "StyleGAN3": "networks.stylegan3",
    "SwapCodes": "codes",
    "SwappingAutoencoder": "networks.swapping",
    "blend": "blending.blend",
    "distill": "training.start",
    "films": "",  # a module
    "finetune": "training.start",
    "guide": "inversion.following",
    "invert": "inversion.photos",
    "layer_swap": "blending.weights",
    "load": "checkpoints.load",
    "read": "images",
    "render": "video.film",
    "show": "showing",
    "train": "training.start",
    "write": "images",
}


def __getattr__(name: str) -> Any:
    """Import at first use: the command line answers `--help` without waiting for PyTorch."""
    if name not in _HOME:
        raise AttributeError(f"module 'graftlab' has no attribute '{name}'")
    home = _HOME[name]
    found = getattr(import_module(f"graftlab.{home}"), name) if home else import_module(f"graftlab.{name}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(globals().keys() | _HOME.keys())
