"""What the commands share that search for codes of photos: how photos, encoders and states are read and kept."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.cli.progress import bar, console
from graftlab.codes import Codes, StyleCodes
from graftlab.errors import GraftError
from graftlab.images import read
from graftlab.inversion.crops import Box, cut
from graftlab.inversion.encoder import Encoder
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.search import Search, Settings
from graftlab.inversion.work import carry_out
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.perception.efficientnet import DEFAULT, efficientnet_lite
from graftlab.perception.features import FeatureNetwork
from graftlab.work.parts import open_parts
from graftlab.work.progress import part


def place(model: StyleGAN2) -> torch.device:
    """The device of a model."""
    return next(model.parameters()).device


def prepared(model: StyleGAN2, photos: list[Path], enlarge: bool) -> Tensor:
    """The middle of every photo at the size of the model's pictures: (N, 3, H, W)."""

    size = model.config.resolutions[-1]
    images = [read(photo) for photo in photos]
    cuts = [
        cut(image, Box.central(image, size), size, str(photo), enlarge)
        for photo, image in zip(photos, images, strict=True)
    ]
    return torch.cat(cuts)


def seeing(model: StyleGAN2, features: float) -> FeatureNetwork | None:
    """The feature network, where features count."""

    return efficientnet_lite(DEFAULT, place(model)) if features else None


def guessed(model: StyleGAN2, encoder: Path | None, images: Tensor) -> StyleCodes | None:
    """What an encoder takes the codes of pictures for."""

    return Encoder.load(encoder).fitting(model).encode(images) if encoder else None


def owned(path: Path, model: StyleGAN2) -> StyleCodes:
    """The codes of one picture in a file. GraftError if they are another model's."""

    codes = Codes.load(path)
    if not isinstance(codes, StyleCodes) or len(codes) != 1:
        raise GraftError(f"{path} holds {len(codes)} {type(codes).__name__}, and this needs StyleCodes of one photo.")
    if codes.model not in (None, model.fingerprint):
        raise GraftError(
            f"{path} holds codes of another model than --base; find them with 'graft invert' and that one."
        )
    return codes


def planned(
    model: StyleGAN2,
    images: Tensor,
    settings: Settings,
    encoder: Path | None,
    features: float,
    pixels: float,
    more: dict[str, Any],
) -> dict[str, Any]:
    """All that the outcome of a search depends on: what is kept of an earlier one counts if it is equal."""
    guess = hashlib.sha256(encoder.read_bytes()).hexdigest() if encoder and encoder.is_file() else None
    pictures = hashlib.sha256(images.contiguous().numpy().data).hexdigest()
    weights = {"features": features, "pixels": pixels}
    return {"model": model.fingerprint, "photos": pictures, "encoder": guess, **settings.to_dict(), **weights, **more}


@contextmanager
def kept(out: Path, plan: dict[str, Any], resume: bool) -> Iterator[Path]:
    """A hidden folder beside the output for the states of unfinished work, of an earlier call if its plan was equal."""

    with open_parts(out, ".safetensors", 1, plan, resume) as parts:
        if parts.note:
            console.print(parts.note, soft_wrap=True)
        try:
            yield parts.folder
        except KeyboardInterrupt:
            console.print("Interrupted; the same command goes on from the last state, half a minute ago at most.")
            raise
        parts.finished = True


def searched(
    model: StyleGAN2,
    likeness: Likeness,
    settings: Settings,
    start: StyleCodes | None,
    folder: Path,
    batch: int = 1,
    keep_every: int = 0,
) -> Search:
    """A search, done, whose state lies in the folder meanwhile."""

    search = Search(model, likeness, settings, start, batch, keep_every)
    if not settings.steps:
        return search
    total = settings.steps * len(likeness)
    with bar("searching", total) as progress:
        carry_out(search, part(progress, 0, total, len(likeness)), folder / "search.safetensors")
    return search
