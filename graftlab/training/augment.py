"""Differentiable augmentation (Zhao et al. 2020) for small folders: reals and fakes change alike before they are
judged, so that the discriminators cannot learn the few photos by heart.

Each change draws its numbers once, for a batch, and then does the same to item n of every batch it is given: a hybrid
and the picture its texture comes from keep the same colours, which the patch discriminator compares. With a share below
1, which ADA adapts, each change comes to that share of the pictures.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.networks.chance import drawn
from graftlab.objectives.terms import Augment, no_augment


def colour(count: int, size: int, device: torch.device) -> Augment:
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


def translation(count: int, size: int, device: torch.device) -> Augment:
    """A shift of up to an eighth of the side, whole pixels, with grey beyond the border."""
    reach = max(1, size // 8)
    dy, dx = drawn(partial(torch.randint, -reach, reach + 1), (2, count, 1), 1, device)

    def change(images: Tensor) -> Tensor:
        n, line = len(images), torch.arange(size, device=images.device) + reach
        padded = F.pad(images, (reach, reach, reach, reach))
        item = torch.arange(n, device=images.device)[:, None, None]
        moved = padded.movedim(1, 3)[item, (line + dy[:n])[:, :, None], (line + dx[:n])[:, None, :]]
        return moved.movedim(3, 1)

    return change


def cutout(count: int, size: int, device: torch.device) -> Augment:
    """A grey square of half the side, its centre anywhere."""
    centre = drawn(torch.rand, (2, count, 1), 1, device) * size

    def change(images: Tensor) -> Tensor:
        line = torch.arange(size, device=images.device) + 0.5
        rows, columns = ((line - c[: len(images)]).abs() < size / 4 for c in centre)
        return images * ~(rows[:, None, :, None] & columns[:, None, None, :])

    return change


def geometry(count: int, size: int, device: torch.device) -> Augment:
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


def flip(count: int, size: int, device: torch.device) -> Augment:
    """Half of the pictures left to right."""
    turned = drawn(torch.rand, (count, 1, 1, 1), 0, device) < 0.5
    return lambda images: torch.where(turned[: len(images)], images.flip(3), images)


def quarter(count: int, size: int, device: torch.device) -> Augment:
    """Turned by 0, 90, 180 or 270 degrees."""
    turns = drawn(partial(torch.randint, 4), (count, 1, 1, 1), 0, device)

    def change(images: Tensor) -> Tensor:
        half = torch.where(turns[: len(images)] >= 2, images.flip(2, 3), images)
        return torch.where(turns[: len(images)] % 2 == 1, half.rot90(1, (2, 3)), half)

    return change


def rotation(count: int, size: int, device: torch.device) -> Augment:
    """Turned by any angle, reflected beyond the border."""
    angle = (drawn(torch.rand, (count,), 0, device) * 2 - 1) * pi
    zero = torch.zeros_like(angle)
    rows = [torch.stack([angle.cos(), angle.sin(), zero], 1), torch.stack([-angle.sin(), angle.cos(), zero], 1)]
    return sampled(torch.stack(rows, 1))


def hue(count: int, size: int, device: torch.device) -> Augment:
    """Colours turned about the axis of grays, by any angle (Rodrigues' formula)."""
    angle = (drawn(torch.rand, (count, 1, 1), 0, device) * 2 - 1) * pi
    unit, gray = torch.eye(3, device=device), torch.full((3, 3), 1 / 3, device=device)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / 3**0.5
    matrices = angle.cos() * unit + (1 - angle.cos()) * gray + angle.sin() * cross
    return lambda images: torch.einsum("nij,njhw->nihw", matrices[: len(images)].to(images), images)


def luma(count: int, size: int, device: torch.device) -> Augment:
    """Light and dark exchanged in half of the pictures, while hues stay."""
    turned = drawn(torch.rand, (count, 1, 1, 1), 0, device) < 0.5
    return lambda images: torch.where(turned[: len(images)], images - 2 * images.mean(1, keepdim=True), images)


def noise(count: int, size: int, device: torch.device) -> Augment:
    """Grain, whose deviation is that of a normal distribution of 0.1, without its sign."""
    grain = 0.1 * drawn(torch.randn, (count, 1, 1, 1), 0, device).abs()
    grain = grain * drawn(torch.randn, (count, 3, size, size), 0, device)
    return lambda images: images + grain[: len(images)].to(images)


def sampled(where: Tensor) -> Augment:
    """Pictures as they look through `where` (count, 2, 3), from the places of the new picture to those of the old."""

    def change(images: Tensor) -> Tensor:
        grid = F.affine_grid(where[: len(images)].to(images), list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, "bilinear", "reflection", align_corners=False)

    return change


CHANGES: dict[str, Callable[[int, int, torch.device], Augment]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
    "geometry": geometry,
    **{"flip": flip, "quarter": quarter, "rotation": rotation, "hue": hue, "luma": luma, "noise": noise},
}


def check(names: Sequence[str]) -> None:
    if unknown := [name for name in names if name not in CHANGES]:
        raise GraftError(f"There is no augmentation '{unknown[0]}'; choose among {', '.join(CHANGES)}.")


def draw(names: Sequence[str], count: int, size: int, device: torch.device, share: float = 1.0) -> Augment:
    """One random change of `count` pictures of `size` pixels a side, made of the named ones in order.

    `share` is the probability of each of them, for every picture on its own."""
    if not names or share <= 0:
        return no_augment
    changes = [CHANGES[name](count, size, device) for name in names]
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
