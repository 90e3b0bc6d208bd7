"""Which text model: by name, file, folder or hub id."""

from os.path import exists, isdir  # of any text, where those of Path raise for names that are too long
from pathlib import Path

import torch

from graftlab.checkpoints.catalogue import hub, registry
from graftlab.checkpoints.load import bundled_models, load
from graftlab.config import PRECISIONS
from graftlab.errors import GraftError
from graftlab.hardware import choose_device
from graftlab.language.hub_models import HubModel, downloaded
from graftlab.language.mini import MiniModel
from graftlab.language.offers import OFFERS
from graftlab.language.text_model import TextModel
from graftlab.networks.dual_encoder import DualEncoder

DEFAULT = "graft-mini"


def text_model(
    choice: str | Path = DEFAULT,  # graft-mini, a file like it, a name in OFFERS, a hub id, or a folder in its layout
    device: str | None = None,  # as PyTorch names it; None: the fastest there is
    precision: str = "float32",  # of a hub's model, or "bfloat16"
) -> TextModel:
    """A model of pictures and words, frozen.

    GraftError if there is none of this name, a package is missing, it cannot be fetched, or it has no tower for square
    pictures."""
    if precision not in PRECISIONS:
        raise GraftError(f"precision must be one of {', '.join(PRECISIONS)}, not '{precision}'.")
    name, place = str(choice), choose_device(device)
    if isdir(name):
        return HubModel(Path(name), name, place, getattr(torch, precision))
    if name in OFFERS and not Path(name).exists():
        return HubModel(OFFERS[name].fetch(), OFFERS[name].repository, place, getattr(torch, precision))
    if name != DEFAULT and hub.is_id(name) and not Path(name).exists():
        wanted = hub.parse(name)
        return HubModel(
            downloaded(wanted.repository, wanted.revision), wanted.repository, place, getattr(torch, precision)
        )
    if not (exists(name) or name in bundled_models() or registry.cached(name)):
        raise GraftError(
            f"{name} is neither a file, a folder or a hub id nor a known text model ({', '.join([DEFAULT, *OFFERS])})."
        )
    return MiniModel(load(name, DualEncoder, device=str(place)), Path(name).stem if name != DEFAULT else name)
