"""Swaps, grids, reconstructions and interpolations as calls in Python."""

import math

import pytest
import torch
from claims import refused
from tiny import model, pictures

from graftlab.editing import swaps
from graftlab.images import l1, psnr

A, B, TALL = pictures(1, seed=1), pictures(1, seed=2), pictures(1, 50, 37, seed=3)


def test_swap_takes_structure_from_one_and_texture_from_the_other():
    a, b = model().encode(TALL), model().encode(B)
    swapped = swaps.swap(model(), TALL, B, noise="none")
    assert swapped.shape == TALL.shape
    assert torch.equal(swapped, model().decode(a.mix(b, texture=1), noise="none"))
    assert torch.equal(swaps.swap(model(), A, A), model().decode(model().encode(A)))
    assert not swapped.requires_grad


def test_swap_of_a_batch_is_swap_of_its_items():
    several, others = torch.cat([A, B]), torch.cat([B, A])
    together = swaps.swap(model(), several, others, seed=3)
    apart = torch.cat([swaps.swap(model(), A, B, seed=3), swaps.swap(model(), B, A, seed=3)])
    torch.testing.assert_close(together, apart)


def test_grid_is_every_swap():
    for row, structure in zip(swaps.grid(model(), [A, TALL], [B, TALL, A], seed=1), [A, TALL], strict=True):
        for hybrid, texture in zip(row, [B, TALL, A], strict=True):
            assert torch.equal(hybrid, swaps.swap(model(), structure, texture, seed=1))


def test_reconstruction_measures_what_was_lost():
    both = torch.cat([A, B])
    result = swaps.reconstruct(model(), both, noise="none")
    assert torch.equal(result.image, model().decode(model().encode(both), noise="none"))
    assert result.l1 == l1(result.image, both).tolist()
    assert result.psnr == psnr(result.image, both).tolist()


@pytest.mark.parametrize("what", swaps.WHAT)
def test_interpolation_begins_and_ends_at_the_two(what):
    start, middle, end, beyond = swaps.interpolate(model(), A, B, [0, 0.5, 1, 1.5], what)
    a, b = model().encode(A), model().encode(B)
    assert torch.equal(start, model().decode(a))
    assert torch.equal(end, model().decode(a.mix(b, **dict.fromkeys(swaps.WHAT[what], 1))))
    if what == "both":
        assert torch.equal(end, model().decode(b))
    assert len({image.numpy().tobytes() for image in (start, middle, end, beyond)}) == 4


def test_interpolation_of_textures_does_not_mind_different_sizes():
    (image,) = swaps.interpolate(model(), TALL, B, [0.5])
    assert image.shape == TALL.shape


def test_what_cannot_be_interpolated():
    for amount in (math.nan, math.inf, -math.inf, 1001):
        refused("amount", list, swaps.interpolate(model(), A, B, [0, amount]))
    refused("colour", list, swaps.interpolate(model(), A, B, [0], "colour"))
    refused("structure", list, swaps.interpolate(model(), TALL, B, [0.5], "structure"))
