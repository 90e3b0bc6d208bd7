"""`show`: pictures that show themselves where they are the last line of a notebook's cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

import torch
from torch import Tensor

from graftlab.codes import Codes, CodesT
from graftlab.errors import GraftError
from graftlab.figures.sheets import block, sheet
from graftlab.images import to_png, write
from graftlab.networks.model import Decoder

CLEAR = 128  # pixels of a short side up to which pictures are enlarged
AT_ONCE = 8  # codes decoded at once


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture (1, 3, H, W) in [-1, 1], which a notebook draws."""

    image: Tensor

    def _repr_png_(self) -> bytes:
        return to_png(self.image)

    def __repr__(self) -> str:
        return f"a picture of {self.image.shape[3]} × {self.image.shape[2]} pixels"

    def save(self, path: str | Path) -> Path:
        """Write it, as `graftlab.write`."""
        return write(self.image, path)


def show(
    what: Tensor | Sequence[Tensor] | CodesT,  # pictures (N, 3, H, W) in [-1, 1], several of them, or codes
    model: Decoder[CodesT] | None = None,  # that decodes the codes
    across: int | None = None,  # pictures in a row; None: about as many as there are rows
    labels: Sequence[str] = (),  # one above each picture, all of which are then in one row
) -> Shown:
    """Pictures beside each other, small ones enlarged by whole pixels; of codes what a model draws of them.

    GraftError for codes without a model, and for pictures of different size."""
    if isinstance(what, Codes):
        images = _draw(what, model)
    else:
        several = [what] if isinstance(what, Tensor) else list(what)
        if not several or len({image.shape[-2:] for image in several}) > 1:
            raise GraftError("Pictures are shown beside others of their size; read them at one size.")
        images = torch.cat([image.cpu() if image.ndim == 4 else image.cpu()[None] for image in several])
    images = images.detach().float().clamp(-1, 1)
    scale = max(1, CLEAR // min(images.shape[2:]))
    if labels:
        return Shown(sheet([images.split(1)], columns=labels, scale=scale))
    return Shown(block(images, across or ceil(sqrt(len(images))), scale))


@torch.no_grad()
def _draw(codes: CodesT, model: Decoder[CodesT] | None) -> Tensor:
    if model is None:
        raise GraftError("Codes are numbers; show them with the model that draws them: show(codes, model).")
    return torch.cat([model.decode(codes[i : i + AT_ONCE]).cpu() for i in range(0, len(codes), AT_ONCE)])
