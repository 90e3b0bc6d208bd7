"""Low-pass filters of StyleGAN3 (Karras et al. 2021, appendix C.1), and a rectifier between two of them."""

from collections.abc import Sequence
from functools import lru_cache
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.networks.layers import rectify
from graftlab.networks.resampling import Filter

LANES = 16  # channels that a processor works on at once
IN_CACHE = 2**20  # numbers of one phase that are worked on at once


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


def filtered_rectify_in_phases(
    x: Tensor,
    up: int,
    before: Tensor,
    down: int,
    after: Tensor,
    pad: tuple[int, int],
    clamp: float = 0.0,
) -> Tensor:
    """The same, where `down` divides `up`: what the plain form interleaves and takes apart again stays apart.

    Each of down x down phases of the higher rate is a filter of x without any zeros, is rectified by itself, and has
    its share of every result. So no axis is ever longer than at the lower rate, and a processor works on a few channels
    at a time, as many as fit its cache; along one axis, then along the other, save where `after` is radial."""
    n, channels, side = x.shape[:3]
    apart, taps = up // down, len(before) // up
    size = (side * up + sum(pad) - len(before) + 1 - len(after)) // down + 1
    rows = size + len(after) // down - 1  # of each phase
    shift = len(before) - 1 - pad[0]
    first, last = shift // up, (shift + up - 1) // up
    reach = taps + last - first  # of kernels that all begin at the same sample
    low = taps - 1 - first
    high = -(-rows // apart) + reach - 1 - low - side
    kernels = [phase_of(before, up, place + shift, reach, first) for place in range(up)]
    phases = [kernels[start::down] for start in range(down)]
    mirrored = after.flip(*range(after.ndim))
    done = []
    few = LANES * max(1, IN_CACHE // (n * rows * rows * LANES)) if x.device.type == "cpu" else channels
    for part in x.split(few, 1):
        part, shares = F.pad(part, (low, high, low, high)), []
        for across, column in enumerate(phases):
            raised, sums = interleaved(part, column, 3, rows), []
            for along, row in enumerate(phases):
                phase = rectify(interleaved(raised, row, 2, rows), clamp)
                share = mirrored[along::down, across::down] if after.ndim == 2 else mirrored[along::down, None]
                sums.append(filtered(phase, share))
            shares.append(summed(sums) if after.ndim == 2 else filtered(summed(sums), mirrored[None, across::down]))
        done.append(summed(shares))
    return torch.cat(done, 1)


def filtered(x: Tensor, kernel: Tensor) -> Tensor:
    """x (N, C, H, W) met by a kernel wherever all of that lies within it, the same for every channel."""
    y: Tensor = Filter.apply(x, kernel.to(x).contiguous(), (0, 0), None)
    return y


def summed(terms: Sequence[Tensor]) -> Tensor:
    """The sum of fresh tensors, in the first one's place."""
    total, *others = terms
    for term in others:
        total = total.add_(term)
    return total


def phase_of(taps: Tensor, up: int, place: int, reach: int, first: int) -> Tensor:
    """The numbers of a filter that meet samples, not zeros, at a place of the higher rate, as a kernel (reach,)."""
    chosen = taps[place % up :: up].flip(0) * up
    late = place // up - first
    return F.pad(chosen, (late, reach - len(chosen) - late))


def interleaved(x: Tensor, kernels: Sequence[Tensor], axis: int, length: int) -> Tensor:
    """x (N, C, H, W) filtered by each of some kernels along an axis; what they make in turn, that many of it."""
    pieces = [filtered(x, kernel[:, None] if axis == 2 else kernel[None]) for kernel in kernels]
    if len(pieces) == 1:
        return pieces[0].narrow(axis, 0, length)
    whole = torch.stack([piece.permute(0, 2, 3, 1) for piece in pieces], axis).flatten(axis - 1, axis)
    return whole.permute(0, 3, 1, 2).narrow(axis, 0, length)


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
