"""The film of a descent, from the beginning to the end: what a search made of photos, or words of pictures."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from graftlab.codes import CodesT
from graftlab.networks.model import Decoder
from graftlab.video.film import Film

AT_ONCE = 8  # pictures decoded together


def follow_search(
    model: Decoder[CodesT],
    photos: Tensor | None,  # (N, 3, H, W), shown above what they become; None: that alone
    steps: Sequence[CodesT],  # codes (N) after each: `Inversion.history`, `Guided.history`
    fps: Fraction,
    **rendering: Any,  # noise and seed
) -> Film:
    """What a model draws of the codes of each step, in a row."""

    def row(pictures: Tensor) -> Tensor:
        return torch.cat(list(pictures.clamp(-1, 1)[:, None]), dim=3)

    @torch.no_grad()
    def frame(number: int) -> Tensor:
        codes = steps[number]
        parts = [codes[i : i + AT_ONCE] for i in range(0, len(codes), AT_ONCE)]
        made = row(torch.cat([model.decode(part, **rendering).cpu() for part in parts]))
        return made if photos is None else torch.cat([row(photos), made], dim=2)

    return Film(len(steps), fps, frame)
