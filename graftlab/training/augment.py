"""Differentiable augmentation (Zhao et al. 2020) for small folders: reals and fakes change alike before they are
judged, so that the discriminators cannot learn the few photos by heart.

Each change draws its numbers once, for a batch, and then does the same to item n of every batch it is given: a hybrid
and the picture its texture comes from keep the same colours, which the patch discriminator compares. With a share below
1, which ADA adapts, each change comes to that share of the pictures.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from math import pi

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.data.crops import Size, extent
from graftlab.errors import GraftError
from graftlab.networks.chance import drawn
from graftlab.objectives.terms import Augment, no_augment

Extent = tuple[int, int]
"""Height and width, pixels."""


def colour(count: int, size: Extent, device: torch.device) -> Augment:
    """Brightness up to 0.5 either way (of a range of 2), saturation 0 to 2, contrast 0.5 to 1.5."""
    brightness, saturation, contrast = drawn(torch.rand, (3, count, 1, 1, 1), 1, device)

    def change(images: Tensor) -> Tensor:
        n = len(images)
        images = images + (brightness[:n] - 0.5)
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * (2 * saturation[:n])
        mean = images.mean((1, 2, 3), keepdim=True)
        return mean + (images - mean) * (contrast[:n] + 0.5)

    return change


def translation(count: int, size: Extent, device: torch.device) -> Augment:
    """A shift of up to an eighth of each side, whole pixels, mirrored beyond the border.

    Grey there, as DiffAugment has it, shows in what a generator draws where pictures are always shifted."""
    down, across = (max(1, side // 8) for side in size)
    where = [
        torch.arange(side, device=device)
        + reach
        + drawn(partial(torch.randint, -reach, reach + 1), (count, 1), 0, device)
        for side, reach in zip(size, (down, across), strict=True)
    ]

    def change(images: Tensor) -> Tensor:
        n, (rows, columns) = len(images), where
        padded = F.pad(images, (across, across, down, down), mode="reflect")
        item = torch.arange(n, device=images.device)[:, None, None]
        return padded.movedim(1, 3)[item, rows[:n, :, None], columns[:n, None, :]].movedim(3, 1)

    return change


def cutout(count: int, size: Extent, device: torch.device) -> Augment:
    """A grey rectangle of half the sides, its centre anywhere."""
    inside = [
        (torch.arange(side, device=device) + 0.5 - drawn(torch.rand, (count, 1), 0, device) * side).abs() < side / 4
        for side in size
    ]

    def change(images: Tensor) -> Tensor:
        rows, columns = (line[: len(images)] for line in inside)
        return images * ~(rows[:, None, :, None] & columns[:, None, None, :])

    return change


def geometry(count: int, size: Extent, device: torch.device) -> Augment:
    """Turned by up to 15 degrees, 0.75 to 1.33 times as large, sides in proportions from 3:4 to 4:3, reflected beyond
    the border: what ADA changes of a picture's geometry, kept small, for scenes that have an above and a below."""
    turn, scale, aspect = drawn(torch.rand, (3, count), 1, device) * 2 - 1
    angle, scale, aspect = turn * (pi / 12), (4 / 3) ** scale, (4 / 3) ** (aspect / 2)
    zero = torch.zeros_like(angle)
    rows = [
        torch.stack([angle.cos() * scale * aspect, angle.sin() * scale * aspect, zero], 1),
        torch.stack([-angle.sin() * scale / aspect, angle.cos() * scale / aspect, zero], 1),
    ]
    return sampled(torch.stack(rows, 1))


def flip(count: int, size: Extent, device: torch.device) -> Augment:
    """Half of the pictures left to right."""
    turned = drawn(torch.rand, (count, 1, 1, 1), 0, device) < 0.5
    return lambda images: torch.where(turned[: len(images)], images.flip(3), images)


def quarter(count: int, size: Extent, device: torch.device) -> Augment:
    """Turned by 0, 90, 180 or 270 degrees; what is no square is reflected beyond the border."""
    turns = drawn(partial(torch.randint, 4), (count, 1, 1, 1), 0, device)
    if size[0] != size[1]:
        return sampled(turned(turns.flatten() * (pi / 2)))

    def change(images: Tensor) -> Tensor:
        half = torch.where(turns[: len(images)] >= 2, images.flip(2, 3), images)
        return torch.where(turns[: len(images)] % 2 == 1, half.rot90(1, (2, 3)), half)

    return change


def rotation(count: int, size: Extent, device: torch.device) -> Augment:
    """Turned by any angle, reflected beyond the border."""
    return sampled(turned((drawn(torch.rand, (count,), 0, device) * 2 - 1) * pi))


def turned(angle: Tensor) -> Tensor:
    """Matrices (count, 2, 3) of turns, for `sampled`."""
    zero = torch.zeros_like(angle)
    rows = [torch.stack([angle.cos(), angle.sin(), zero], 1), torch.stack([-angle.sin(), angle.cos(), zero], 1)]
    return torch.stack(rows, 1)


def hue(count: int, size: Extent, device: torch.device) -> Augment:
    """Colours turned about the axis of grays, by any angle (Rodrigues' formula)."""
    angle = (drawn(torch.rand, (count, 1, 1), 0, device) * 2 - 1) * pi
    unit, gray = torch.eye(3, device=device), torch.full((3, 3), 1 / 3, device=device)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / 3**0.5
    matrices = angle.cos() * unit + (1 - angle.cos()) * gray + angle.sin() * cross
    return lambda images: torch.einsum("nij,njhw->nihw", matrices[: len(images)].to(images), images)


def luma(count: int, size: Extent, device: torch.device) -> Augment:
    """Light and dark exchanged in half of the pictures, while hues stay."""
    turned = drawn(torch.rand, (count, 1, 1, 1), 0, device) < 0.5
    return lambda images: torch.where(turned[: len(images)], images - 2 * images.mean(1, keepdim=True), images)


def noise(count: int, size: Extent, device: torch.device) -> Augment:
    """Grain, whose deviation is that of a normal distribution of 0.1, without its sign."""
    grain = 0.1 * drawn(torch.randn, (count, 1, 1, 1), 0, device).abs()
    grain = grain * drawn(torch.randn, (count, 3, *size), 0, device)
    return lambda images: images + grain[: len(images)].to(images)


def sampled(where: Tensor) -> Augment:
    """Pictures as they look through `where` (count, 2, 3), from the places of the new picture to those of the old, both
    in pixels from the middle."""

    def change(images: Tensor) -> Tensor:
        ratio = images.shape[2] / images.shape[3]
        shares = torch.tensor([[1, ratio, 1], [1 / ratio, 1, 1]]).to(
            images
        )  # of widths and heights, which grids are in
        grid = F.affine_grid(where[: len(images)].to(images) * shares, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, "bilinear", "reflection", align_corners=False)

    return change


def filters(count: int, size: Extent, device: torch.device) -> Augment:
    """Each of four bands of frequencies, octaves from the finest down, made stronger or weaker, by a factor of two for
    one deviation, while the power of a usual picture stays (ADA, appendix B, image-space filtering)."""
    gains = drawn(torch.randn, (count, 4), 0, device).exp2()
    usual = torch.tensor([10.0, 1, 1, 1], device=device) / 13  # power of the bands, from the coarsest up
    taps = (gains / (usual * gains.square()).sum(1, keepdim=True).sqrt()) @ bands().to(device)  # (count, T)
    reach = taps.shape[1] // 2

    def change(images: Tensor) -> Tensor:
        n, channels = images.shape[:2]
        kernels = taps[:n].to(images).repeat_interleave(channels, 0)[:, None]  # (n C, 1, T)
        x = images.reshape(1, n * channels, *images.shape[2:])
        for axis, weight in ((2, kernels[..., None]), (3, kernels[:, :, None])):
            x = F.conv2d(x.index_select(axis, reflected(x.shape[axis], reach, x.device)), weight, groups=n * channels)
        return x.view_as(images)

    return change


@cache
def bands() -> Tensor:
    """Symmetric filters (4, 43) of four octaves, from the coarsest up, which sum to one that changes nothing.

    With H the low-pass filter of the wavelet sym2, H(z) H(1/z) / 2 halves the band and H(-z) H(-1/z) / 2 is the rest;
    on every second, fourth, ... coefficient they divide the lower bands (ADA, appendix B)."""
    root = np.sqrt(3)
    low = np.array([1 + root, 3 + root, 3 - root, 1 - root]) / (4 * np.sqrt(2))  # sym2 is Daubechies' of two moments
    half = np.convolve(low, low[::-1]) / 2
    rest = half * (-1.0) ** (np.arange(len(half)) - len(half) // 2)
    lower, found = np.ones(1), []
    for octave in range(3):
        found.append(np.convolve(lower, spread(rest, 2**octave)))
        lower = np.convolve(lower, spread(half, 2**octave))
    whole = len(lower)
    return torch.tensor(np.stack([np.pad(each, (whole - len(each)) // 2) for each in (lower, *found[::-1])])).float()


def spread(taps: np.ndarray, step: int) -> np.ndarray:
    """A filter whose taps stand so many apart."""
    wide = np.zeros((len(taps) - 1) * step + 1)
    wide[::step] = taps
    return wide


def reflected(length: int, reach: int, device: torch.device) -> Tensor:
    """Places along a side that is continued by so many pixels at both ends, to and fro, in a picture however small."""
    period = max(1, 2 * (length - 1))
    place = torch.arange(-reach, length + reach, device=device) % period
    return torch.minimum(place, period - place).clamp(0, length - 1)


CHANGES: dict[str, Callable[[int, Extent, torch.device], Augment]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
    "geometry": geometry,
    **{"flip": flip, "quarter": quarter, "rotation": rotation, "hue": hue, "luma": luma, "noise": noise},
    "filters": filters,
}


def check(names: Sequence[str]) -> None:
    if unknown := [name for name in names if name not in CHANGES]:
        raise GraftError(f"There is no augmentation '{unknown[0]}'; choose among {', '.join(CHANGES)}.")


def draw(names: Sequence[str], count: int, size: Size, device: torch.device, share: float = 1.0) -> Augment:
    """One random change of `count` pictures of a size in pixels, made of the named ones in order.

    `share` is the probability of each of them, for every picture on its own."""
    if not names or share <= 0:
        return no_augment
    changes = [CHANGES[name](count, extent(size), device) for name in names]
    if share < 1:
        changes = [sometimes(change, drawn(torch.rand, (count, 1, 1, 1), 0, device) < share) for change in changes]

    def change(images: Tensor) -> Tensor:
        for one in changes:
            images = one(images)
        return images

    return change


def sometimes(change: Augment, chosen: Tensor) -> Augment:
    """A change of the chosen pictures (N, 1, 1, 1) alone."""
    return lambda images: torch.where(chosen[: len(images)], change(images), images)
