"""From a photo to the codes of a StyleGAN2: searched for, guessed by an encoder, and the generator bent towards it; and
from codes to those that follow words."""

from graftlab.inversion.encoding import train_encoder
from graftlab.inversion.following import Guided, guide
from graftlab.inversion.guidance import Guidance, Guiding
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.photos import Inversion, invert, toonify
from graftlab.inversion.search import Search, Settings
from graftlab.inversion.tuning import Tuning
from graftlab.inversion.work import carry_out

__all__ = [
    "Guidance",
    "Guided",
    "Guiding",
    "Inversion",
    "Likeness",
    "Search",
    "Settings",
    "Tuning",
    "carry_out",
    "guide",
    "invert",
    "toonify",
    "train_encoder",
]
