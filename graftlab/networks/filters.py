"""Low-pass filters of StyleGAN3 (Karras et al. 2021, appendix C.1), and a rectifier between two of them."""

from functools import lru_cache
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.networks.layers import rectify


@lru_cache(maxsize=256)
@torch.inference_mode(False)  # a filter made during inference is also good for the gradients of a later call
def lowpass(
    taps: int,
    cutoff: float,
    width: float,  # of the transition band, both halves together
    rate: float,  # samples per unit of length; cutoff and width are frequencies in the same unit
    radial: bool = False,  # the same in all directions, and so not separable
) -> Tensor:
    """A Kaiser-windowed filter that sums to 1, float64 on the CPU: (taps,), or (taps, taps) if `radial`.

    The ideal response is a sinc, or in the plane a jinc (eq. 10), whose middle no even number of taps meets."""
    with torch.device("cpu"):
        place = (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / rate
        window = torch.kaiser_window(
            taps, periodic=False, beta=kaiser_beta(taps, width / (rate / 2)), dtype=place.dtype
        )
        if radial:
            radius = torch.hypot(place, place[:, None]) * pi
            response = torch.special.bessel_j1(2 * cutoff * radius) / radius * torch.outer(window, window)
        else:
            response = torch.sinc(2 * cutoff * place) * window
        return response / response.sum()


def kaiser_beta(taps: int, width: float) -> float:
    """The window's shape for a transition band, as a share of the Nyquist frequency (Kaiser 1974)."""
    attenuation = 2.285 * (taps - 1) * pi * width + 7.95  # decibels
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21) if attenuation > 21 else 0.0


def filtered_rectify(
    x: Tensor,  # (N, C, H, W)
    up: int,
    before: Tensor,  # filter (T,) at the higher rate
    down: int,
    after: Tensor,  # filter (T,) or (T, T)
    pad: tuple[int, int],  # samples at the higher rate before and after, rows and columns alike; negative: cropped
    clamp: float = 0.0,
) -> Tensor:
    """Up to a higher rate, leaky rectifier (slope 0.2, gain 1), down to another (Fig. 4b): what the rectifier makes
    beyond the band is filtered away before it can fold back."""
    for axis in (2, 3):
        x = raise_rate(x, up, before, pad, axis)
    x = rectify(x, clamp)
    if after.ndim == 2:
        kernel = after.to(x)[None, None].expand(x.shape[1], 1, *after.shape)
        return F.conv2d(x, kernel, stride=down, groups=x.shape[1])
    for axis in (3, 2):
        x = F.conv2d(x, along(after, axis, x), stride=(down, 1) if axis == 2 else (1, down), groups=x.shape[1])
    return x


def raise_rate(x: Tensor, factor: int, taps: Tensor, pad: tuple[int, int], axis: int) -> Tensor:
    """Zeros between the samples of one axis and around them, then the filter, which makes up for the zeros."""
    whole = F.conv_transpose2d(
        x, along(taps * factor, axis, x), stride=(factor, 1) if axis == 2 else (1, factor), groups=x.shape[1]
    )
    start = len(taps) - 1 - pad[0]
    length = x.shape[axis] * factor + pad[0] + pad[1] - len(taps) + 1
    if start < 0 or start + length > whole.shape[axis]:
        ends = (max(-start, 0), max(start + length - whole.shape[axis], 0))
        whole, start = F.pad(whole, (0, 0, *ends) if axis == 2 else ends), max(start, 0)
    return whole.narrow(axis, start, length)


def along(taps: Tensor, axis: int, like: Tensor) -> Tensor:
    """A filter along one axis, for every channel."""
    line = taps.to(like)
    return (line[:, None] if axis == 2 else line[None]).expand(like.shape[1], 1, -1, -1)
