"""Masks: from files, in bands, softened, and of what looks alike."""

import math

import pytest
import torch
from claims import refused
from PIL import Image
from scipy.ndimage import convolve1d
from tiny import pictures

from graftlab.editing import masks


def step(length=40):
    return (torch.arange(length) >= length // 2).float().expand(1, 1, 6, length)


def test_a_mask_is_the_brightness_of_a_picture_of_any_mode(tmp_path):
    Image.new("L", (5, 3), 51).save(tmp_path / "gray.png")
    Image.new("RGB", (5, 3), (255, 0, 0)).save(tmp_path / "red.png")
    assert masks.read(tmp_path / "gray.png").shape == (1, 1, 3, 5)
    torch.testing.assert_close(masks.read(tmp_path / "gray.png"), torch.full((1, 1, 3, 5), 0.2))
    torch.testing.assert_close(masks.read(tmp_path / "red.png"), torch.full((1, 1, 3, 5), 1 / 3))


def test_masks_that_say_nothing(tmp_path):
    Image.new("L", (5, 3)).save(tmp_path / "black.png")
    (tmp_path / "text.png").write_text("no picture")
    for name, reason in (("black.png", "black all over"), ("text.png", "not an image"), ("none.png", "not exist")):
        refused(f"{name}.*{reason}", masks.read, tmp_path / name)


def test_a_soft_edge_is_a_straight_line():
    soft = masks.soften(step(), 8)
    assert torch.equal(masks.soften(step(), 0), step())
    assert torch.equal(soft[..., :16], torch.zeros(1, 1, 6, 16))
    assert torch.equal(soft[..., 24:].round(decimals=6), torch.ones(1, 1, 6, 16))
    torch.testing.assert_close(soft[0, 0, 3].diff()[15:24], torch.full((9,), 1 / 9))
    torch.testing.assert_close(masks.soften(step().mT, 8), soft.mT)


def test_what_all_cells_share_makes_none_alike():
    sky, grass, common = torch.eye(3)
    for shared in (0 * common, 100 * common):
        cells = torch.stack([sky, grass, grass], 1) + shared[:, None]
        assert masks.alike(cells.reshape(1, 3, 3, 1), (0.5, 0.9)).flatten().tolist() == [0, 1, 1]
    assert masks.alike(torch.ones(1, 3, 2, 2), (0, 0)).min() == 1, "a picture of one thing"


def test_what_no_mask_can_be_made_of():
    for width in (-1, math.nan, math.inf):
        refused("soft", masks.soften, step(), width)
        refused("fade", masks.bands, 2, (4, 4), "side", width)
    for at in ((-0.01, 0.5), (0.5, 1.01), (math.nan, 0.5)):
        refused("outside", masks.alike, torch.ones(1, 2, 3, 3), at)
    for threshold, softness in ((1.1, 0.1), (math.nan, 0.1), (0.5, -0.1), (0.5, math.nan)):
        refused("threshold", masks.alike, torch.ones(1, 2, 3, 3), (0.5, 0.5), threshold, softness)


def test_ramps_share_every_place():
    shares = masks.ramps(torch.arange(30) + 0.5, [10, 20], 4)
    torch.testing.assert_close(shares.sum(0), torch.ones(30))
    torch.testing.assert_close(shares[1, 8:12], torch.tensor([0.125, 0.375, 0.625, 0.875]))
    hard = masks.ramps(torch.arange(30) + 0.5, [10, 20], 0)
    assert torch.equal(hard.argmax(0), torch.arange(30) // 10)
    assert set(hard.unique().tolist()) == {0, 1}


def test_bands():
    side, stack, diagonal = (masks.bands(3, (6, 9), how) for how in masks.HOW)
    assert side.shape == stack.shape == diagonal.shape == (3, 1, 6, 9)
    assert torch.equal(side[:, 0].argmax(0), (torch.arange(9) // 3).expand(6, 9))
    assert torch.equal(stack[:, 0].argmax(0), (torch.arange(6) // 2)[:, None].expand(6, 9))
    for bands in (side, stack, diagonal, masks.bands(4, (7, 5), "diagonal", 3)):
        torch.testing.assert_close(bands.sum(0), torch.ones_like(bands[0]))
    assert diagonal[0, 0, 0, 0] == diagonal[2, 0, 5, 8] == diagonal[1, 0, 3, 4] == 1
    assert masks.bands(2, (6, 9), "diagonal", 2)[1, 0, 5, 0] == pytest.approx(0.5, abs=0.3)
    refused("upwards", masks.bands, 2, (4, 4), "upwards")


def test_alike_is_the_cosine_on_a_ramp_of_what_neighbours_share():
    structure = torch.randn(1, 4, 5, 7, generator=torch.Generator().manual_seed(0))
    around = structure[0].double().numpy()
    for side in (1, 2):
        around = convolve1d(around, [0.25, 0.5, 0.25], side, mode="nearest")
    own = torch.from_numpy(around - around.mean((1, 2), keepdims=True)).float()
    cosine = torch.cosine_similarity(own, own[:, 2:3, 3:4], dim=0)
    mask = masks.alike(structure, (0.5, 0.5), 0.3, 0.8)
    assert mask.shape == (1, 1, 5, 7)
    torch.testing.assert_close(mask[0, 0], ((cosine - 0.3) / 0.8 + 0.5).clamp(0, 1))
    assert torch.equal(masks.alike(structure, (0.5, 0.5), 0.3, 0)[0, 0], (cosine >= 0.3).float())


def test_an_overlay_keeps_what_is_selected():
    picture = pictures()
    seen = masks.overlay(picture, masks.bands(2, (32, 32), "side")[1:])
    assert torch.equal(seen[..., 16:], picture[..., 16:])
    gray = picture[..., :16].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(seen[..., :16] + 1, masks.DIMMED * (gray + 1))
