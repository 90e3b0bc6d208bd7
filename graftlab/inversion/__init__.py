"""From a photo to the codes of a StyleGAN: searched for, guessed by an encoder, and the generator bent towards it; and
from codes to those that follow words."""

from graftlab.inversion.encoding import train_encoder
from graftlab.inversion.faces import Face, find_faces
from graftlab.inversion.following import Guided, guide
from graftlab.inversion.guidance import Guidance, Guiding
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.photos import Inversion, invert
from graftlab.inversion.published import read_encoder
from graftlab.inversion.redrawing import Redrawing, redraw, toonify
from graftlab.inversion.search import Search, Settings
from graftlab.inversion.sources import Finding, Source, find_codes, parse_sources, read_sources
from graftlab.inversion.tuning import Tuning
from graftlab.inversion.work import carry_out

__all__ = [
    "Face",
    "Finding",
    "Guidance",
    "Guided",
    "Guiding",
    "Inversion",
    "Likeness",
    "Redrawing",
    "Search",
    "Settings",
    "Source",
    "Tuning",
    "carry_out",
    "find_codes",
    "find_faces",
    "guide",
    "invert",
    "parse_sources",
    "read_encoder",
    "read_sources",
    "redraw",
    "toonify",
    "train_encoder",
]
