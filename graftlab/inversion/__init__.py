"""From a photo to the codes of a StyleGAN2: searched for, guessed by an encoder, and the generator bent towards it."""

from graftlab.inversion.encoding import train_encoder
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.photos import Inversion, invert, toonify
from graftlab.inversion.search import Search, Settings
from graftlab.inversion.tuning import Tuning
from graftlab.inversion.work import carry_out

__all__ = [
    "Inversion",
    "Likeness",
    "Search",
    "Settings",
    "Tuning",
    "carry_out",
    "invert",
    "toonify",
    "train_encoder",
]
