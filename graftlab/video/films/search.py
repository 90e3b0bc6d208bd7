"""The film of an inversion: what the search made of photos, from the beginning to the end."""

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from graftlab.codes import StyleCodes
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.video.film import Film

AT_ONCE = 8  # pictures decoded together


def follow_search(model: StyleGAN2, photos: Tensor, steps: Sequence[StyleCodes], fps: Fraction) -> Film:
    """Photos (N, 3, H, W) in a row above what a model draws of the codes of each step: `Inversion.history`."""

    def row(pictures: Tensor) -> Tensor:
        return torch.cat(list(pictures.clamp(-1, 1)[:, None]), dim=3)

    @torch.no_grad()
    def frame(number: int) -> Tensor:
        codes = steps[number]
        made = [model.decode(codes[i : i + AT_ONCE]).cpu() for i in range(0, len(codes), AT_ONCE)]
        return torch.cat([row(photos), row(torch.cat(made))], dim=2)

    return Film(len(steps), fps, frame)
