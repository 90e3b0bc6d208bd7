"""Several pictures in one, held against closed forms."""

import math
from dataclasses import replace
from itertools import pairwise, product

import pytest
import torch
import torch.nn.functional as F
from claims import refused
from tiny import differ, model, pictures

from graftlab.codes import SwapCodes
from graftlab.editing import blends, masks, swaps
from graftlab.editing.seams import join, minimum_path

A, B, C = (model().encode(pictures(seed=seed)) for seed in (1, 2, 3))
TALL = model().encode(pictures(1, 48, 36, seed=4))
ROUNDING = 1e-5


def whole(grid=(8, 8), value=1.0):
    return torch.full((1, 1, *grid), value)


# -- spherical --------------------------------------------------------------------------------------------------------


def test_slerp_turns_at_constant_speed():
    a, b = torch.tensor([[1.0, 0, 0]]), torch.tensor([[math.cos(1.2), math.sin(1.2), 0]])
    for amount in (-0.5, 0, 0.25, 0.5, 1, 1.5):
        turned = torch.tensor([[math.cos(1.2 * amount), math.sin(1.2 * amount), 0]])
        torch.testing.assert_close(blends.slerp(a, b, amount), turned)
        torch.testing.assert_close(blends.slerp(2 * a, 4 * b, amount), (2 + 2 * amount) * turned)


def test_slerp_of_parallel_and_opposite_codes_is_the_straight_line():
    a = torch.randn(1, 5)
    assert blends.slerp(a, torch.zeros(1, 5), 0.5).isfinite().all()
    for b in (a, 3 * a, -a):
        torch.testing.assert_close(blends.slerp(a, b, 0.25), torch.lerp(a, b, 0.25))


def test_slerp_looks_at_each_cell():
    a, b = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    cell = blends.slerp(a[:, :, 1, 2], b[:, :, 1, 2], 0.3)
    torch.testing.assert_close(blends.slerp(a, b, 0.3)[:, :, 1, 2], cell)


def test_spherical_begins_and_ends_at_the_codes():
    for part in ("structure", "texture"):
        for amount, end in ((0, A), (1, B)):
            assert torch.equal(getattr(blends.spherical(A, B, amount, part), part), getattr(end, part))
    half = blends.spherical(A, B, 0.5, "texture")
    assert torch.equal(half.structure, A.structure)
    torch.testing.assert_close(half.texture, F.normalize(A.texture + B.texture))


def test_interpolation_along_great_circles():
    a, b = pictures(seed=1), pictures(seed=2)
    linear, round_about = (list(swaps.interpolate(model(), a, b, [0, 0.3, 0.5, 1], how=how)) for how in swaps.WAYS)
    assert differ(round_about[1], model().decode(blends.spherical(A, B, 0.3, "texture"))) < ROUNDING
    for i in (0, 2, 3):  # halfway the straight line points the same way
        assert differ(linear[i], round_about[i]) < ROUNDING
    assert differ(linear[1], round_about[1]) > 1e-4
    refused("winding", list, swaps.interpolate(model(), a, b, [0.5], how="winding"))


# -- mixtures ---------------------------------------------------------------------------------------------------------


def test_a_mixture_is_the_weighted_mean():
    mixed = blends.mixture(A, [A, B, TALL], [1, 2, 5])
    torch.testing.assert_close(mixed.texture, (A.texture + 2 * B.texture + 5 * TALL.texture) / 8)
    assert torch.equal(mixed.structure, A.structure)
    torch.testing.assert_close(blends.mixture(A, [B, C], [0.2, 0.2]).texture, blends.mixture(A, [B, C], [7, 7]).texture)
    assert torch.equal(blends.mixture(A, [B], [3]).texture, B.texture)
    torch.testing.assert_close(blends.mixture(A, [A, B], [-0.5, 1.5]).texture, A.mix(B, texture=1.5).texture)


def test_weights_that_make_no_mixture():
    for weights in ([0, 0], [1, -1], [math.nan, 1], [math.inf, 1], [-1, 0.5], [], [1], [1, 1, 1]):
        refused("eights", blends.mixture, A, [A, B], weights)


def test_codes_of_different_models_are_not_mixed():
    mine, other = replace(A, model="a" * 64), replace(B, model="b" * 64)
    for call in (
        lambda: blends.mixture(mine, [other], [1]),
        lambda: blends.weave([mine, other], [whole()]),
        lambda: blends.panorama([mine, other]),
    ):
        refused("different models", call)
    assert blends.panorama([A, mine]).model == mine.model


# -- woven ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(8, 8), (3, 50), (1, 1)])
def test_a_mask_of_ones_is_a_swap(size):
    woven = blends.weave([A, B], [whole(size)], "texture")
    assert differ(model().decode(woven), model().decode(A.mix(B, texture=1))) < ROUNDING
    both = blends.weave([A, B], [whole(size)])
    assert differ(model().decode(both), model().decode(B)) < ROUNDING


def test_woven_along_a_mask_is_a_mix():
    mask = torch.rand(1, 1, 8, 8)
    woven, mixed = blends.weave([A, B], [mask]), A.mix(B, structure=mask, texture=mask)
    torch.testing.assert_close(woven.structure, mixed.structure)
    torch.testing.assert_close(woven.texture, mixed.texture)
    assert torch.equal(blends.weave([A, B], [mask], "texture").structure, A.structure)
    assert torch.equal(blends.weave([A, B], [mask], "structure").texture, A.texture)


def test_masks_share_where_they_overlap_and_leave_the_rest():
    left, all_of_it = masks.bands(2, (8, 8), "side")[:1], whole()
    texture = blends.weave([A, B, TALL], [left, all_of_it], "texture").texture
    torch.testing.assert_close(texture[:, :, 0, 0], (B.texture + TALL.texture) / 2)
    torch.testing.assert_close(texture[:, :, 0, 7], TALL.texture)
    faint = blends.weave([A, B, C], [whole(value=0.25), whole(value=0.5)], "texture").texture
    torch.testing.assert_close(faint[:, :, 3, 3], 0.25 * A.texture + 0.25 * B.texture + 0.5 * C.texture)


def test_a_texture_map_has_bounds(monkeypatch):
    monkeypatch.setattr(blends, "LARGEST_MAP", 20)
    woven = blends.weave([A, B], [whole()])
    assert woven.texture.shape[2:] == (5, 5)
    assert woven.structure.shape == A.structure.shape


def test_what_is_not_woven():
    for mask in (0 * whole((4, 4)), math.nan * whole((4, 4)), torch.ones(4, 4), torch.ones(1, 3, 4, 4)):
        refused("mask", blends.weave, [A, B], [mask])
    refused("--square", blends.weave, [A, TALL], [whole()])
    for shares in ([], [whole(), whole()]):
        refused("mask", blends.weave, [A, B], shares)
    refused("mask", blends.weave, [A], [])


# -- panorama ---------------------------------------------------------------------------------------------------------


def turned(codes):
    maps = codes.texture.mT if codes.texture.ndim == 4 else codes.texture
    return replace(codes, structure=codes.structure.mT, texture=maps)


@pytest.mark.parametrize(("overlap", "fade"), [(0, None), (1, 0), (4, None), (4, 0), (7, None)])
def test_a_panorama_is_as_wide_as_all_less_the_overlaps(overlap, fade):
    codes = [A, B, C]
    wide = blends.panorama(codes, overlap, fade)
    assert wide.structure.shape == (1, 8, 8, 24 - 2 * overlap)
    assert model().decode(wide).shape == (1, 3, 32, 4 * (24 - 2 * overlap))
    high = blends.panorama([turned(each) for each in codes], overlap, fade, "stack")
    assert torch.equal(turned(high).structure, wide.structure)
    assert torch.equal(turned(high).texture, wide.texture)


def test_without_a_fade_it_is_a_hard_cut():
    wide = blends.panorama([A, B], 0)
    assert torch.equal(wide.structure, torch.cat([A.structure, B.structure], 3))
    assert torch.equal(wide.texture[0, :, 0, :8], A.texture[0, :, None].expand(-1, 8))
    assert torch.equal(wide.texture[0, :, 0, 8:], B.texture[0, :, None].expand(-1, 8))
    cut = blends.panorama([A, B], 4, 0).structure
    ours, theirs = (cut[..., 4:8] == A.structure[..., 4:]).all(1), (cut[..., 4:8] == B.structure[..., :4]).all(1)
    assert torch.equal(ours, ~theirs)  # every cell is of one of them
    assert (ours.int().diff() <= 0).all()  # and those of the first lie to the left


def test_the_fade_is_a_straight_line_in_the_middle_of_the_overlap():
    ones, zeros = replace(A, structure=torch.ones(1, 8, 8, 8)), replace(A, structure=torch.zeros(1, 8, 8, 8))
    line = blends.panorama([ones, zeros], 6, 4).structure[0, 0, 0]
    torch.testing.assert_close(line, torch.tensor([1, 1, 1, 0.875, 0.625, 0.375, 0.125, 0, 0, 0]))
    torch.testing.assert_close(blends.panorama([ones] * 5, 3).structure, torch.ones(1, 8, 8, 28))


def test_each_seam_has_an_overlap_and_a_fade_of_its_own():
    levels = [replace(A, structure=torch.full((1, 8, 8, 8), level)) for level in (0.0, 1.0, 3.0)]
    line = blends.panorama(levels, [2, 6], [0, 4]).structure[0, 0, 0]
    expected = [0.0] * 7 + [1.0] * 2 + [1.25, 1.75, 2.25, 2.75] + [3.0] * 3
    torch.testing.assert_close(line, torch.tensor(expected))
    alike = blends.panorama([A, B, C], [4, 4], [1, 1])
    assert torch.equal(alike.texture, blends.panorama([A, B, C], 4, 1).texture)
    assert torch.equal(alike.structure, blends.panorama([A, B, C], 4, 1).structure)


def test_a_path_is_the_least():
    cost = torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(3))
    found = minimum_path(cost)
    for each, path in zip(cost, found.tolist(), strict=True):
        steps = (path for path in product(range(6), repeat=5) if all(abs(a - b) < 2 for a, b in pairwise(path)))
        assert path == list(min(steps, key=lambda columns: sum(each[i, j] for i, j in enumerate(columns))))


def test_structures_meet_where_they_are_alike():
    a, b = (each.structure.repeat(1, 1, 1, 2) for each in (A, B))
    b[..., :10] = a[..., 6:] + 1
    same = torch.tensor([3, 3, 4, 5, 5, 6, 7, 7])  # columns of the overlap, by rows: a way down on which both agree
    for row, column in enumerate(same.tolist()):
        b[:, :, row, column - 1 : column + 2] = a[:, :, row, 5 + column : 8 + column]
    joined = join(a, b, 10, 1)
    for row, column in enumerate(same.tolist()):
        assert torch.equal(joined[:, :, row, : 6 + column], a[:, :, row, : 6 + column])
        assert torch.equal(joined[:, :, row, 7 + column :], b[:, :, row, column + 1 :])
    shifted = torch.cat([a[..., 6:], b[..., :6]], 3)
    assert torch.equal(join(a, shifted, 10), torch.cat([a, b[..., :6]], 3))  # of a picture with its own continuation


def test_rows_without_anything_in_them_fade_over_all_the_overlap():
    detail = torch.randn(2, 1, 3, 40, 24, generator=torch.Generator().manual_seed(0))
    a, b = (
        torch.cat([torch.full((1, 3, 40, 24), level), each], 2) for level, each in zip((0.2, 0.6), detail, strict=True)
    )
    line = join(a, b, 12)[0, 0, 10]
    assert ((line > 0.21) & (line < 0.59)).sum() >= 10  # there nothing can be seen twice
    share = (join(a, b, 12)[..., 12:24] - a[..., 12:]) / (b[..., :12] - a[..., 12:])
    assert (share[0, 0, 50:] * (1 - share[0, 0, 50:]) > 1e-3).sum(1).max() <= 4


def test_a_fade_as_long_as_the_overlap_is_a_cross_fade():
    share = (torch.arange(4) + 0.5) / 4
    middle = A.structure[..., 4:] * (1 - share) + B.structure[..., :4] * share
    torch.testing.assert_close(blends.panorama([A, B], 4, 4).structure[..., 4:8], middle)


def test_a_panorama_of_one_picture_continues_it():
    tiled = replace(A, structure=A.structure[..., :1].expand(1, 8, 8, 8))  # the same in every column
    wide = model().decode(blends.panorama([tiled, tiled, tiled], 3))
    long = model().decode(replace(tiled, structure=A.structure[..., :1].expand(1, 8, 8, 18)))
    assert differ(wide, long) < ROUNDING
    assert differ(model().decode(blends.panorama([A])), model().decode(A)) < ROUNDING


def test_what_makes_no_panorama():
    refused("--square", blends.panorama, [A, TALL])
    refused(r"8 cells, not 8 \(--overlap\)", blends.panorama, [A, B], overlap=8)
    refused("overlap", blends.panorama, [A, B], overlap=-1)
    for fade in (5, -1, math.nan):
        refused("fade", blends.panorama, [A, B], overlap=4, fade=fade)
    refused("overlap of 2", blends.panorama, [A, B, C], overlap=[4, 2], fade=3)
    refused("2 seams", blends.panorama, [A, B, C], overlap=[4])
    refused("round", blends.panorama, [A, B], how="round")


def test_what_is_a_blend_already_is_not_blended_again():
    blend = blends.panorama([A, B])
    for call in (
        lambda: blends.panorama([blend, blend]),
        lambda: blends.weave([blend, blend], [whole()]),
        lambda: blends.mixture(A, [blend], [1]),
    ):
        refused("encode it again", call)
    refused("no codes", blends.panorama, [])


def test_a_batch_goes_through_everything():
    two = SwapCodes.cat([A, B])
    assert len(blends.panorama([two, two], 2)) == len(blends.weave([two, two], [whole()])) == 2
    alone = blends.panorama([B, C], 2)
    together = blends.panorama([two, SwapCodes.cat([B, C])], 2)[1]
    assert torch.equal(together.structure, alone.structure)
    assert torch.equal(together.texture, alone.texture)


@pytest.mark.parametrize(("how", "wanted"), [("side", 3), ("stack", 2)])
def test_the_usual_overlap_is_a_third_at_most(how, wanted):
    small, large = (SwapCodes(torch.zeros(1, 2, *grid), torch.zeros(1, 3)) for grid in ((6, 9), (60, 90)))
    assert blends.usual_overlap([small, large], 16, how) == wanted
    assert blends.usual_overlap([large], 16, how) == 16
