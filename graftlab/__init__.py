"""graftlab: swap codes and blend networks.

model = graftlab.load("landscapes-64")
a, b = (model.encode(graftlab.read(path, size=64)) for path in ("fuji.jpg", "alps.jpg"))
graftlab.write(model.decode(a.mix(b, texture=1)), "fuji-in-the-alps.png")
"""

from graftlab.checkpoints.load import load
from graftlab.codes import Codes, StyleCodes, SwapCodes
from graftlab.errors import GraftError
from graftlab.images import read, write

__version__ = "0.1.0"
__all__ = ["Codes", "GraftError", "StyleCodes", "SwapCodes", "load", "read", "write"]
