"""graftlab: swap the structure and the texture of pictures.

model = graftlab.load("landscapes-128")
a, b = (model.encode(graftlab.read(path, size=64, square=True)) for path in ("fuji.jpg", "alps.jpg"))
graftlab.write(model.decode(a.mix(b, texture=1)), "fuji-in-the-alps.png")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graftlab.blending.blend import blend
    from graftlab.blending.weights import layer_swap
    from graftlab.checkpoints.load import load
    from graftlab.codes import Codes, StyleCodes, SwapCodes
    from graftlab.errors import GraftError
    from graftlab.images import read, write

__version__ = "0.1.0"
__all__ = ["Codes", "GraftError", "StyleCodes", "SwapCodes", "blend", "layer_swap", "load", "read", "write"]

_HOME = {
    "Codes": "codes",
    "GraftError": "errors",
    "StyleCodes": "codes",
    "SwapCodes": "codes",
    "blend": "blending.blend",
    "layer_swap": "blending.weights",
    "load": "checkpoints.load",
    "read": "images",
    "write": "images",
}


def __getattr__(name: str) -> Any:
    """Import at first use: the command line answers `--help` without waiting for PyTorch."""
    if name not in _HOME:
        raise AttributeError(f"module 'graftlab' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(f"graftlab.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _HOME.keys())
