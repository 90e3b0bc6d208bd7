"""Tiles equal the whole."""

from dataclasses import replace

import pytest
import torch
from claims import refused
from tiny import differ, model, new_model, pictures

from graftlab.config import RosinalityConfig, preset
from graftlab.editing import blends, swaps, tiles
from graftlab.editing.tiles import Tiled, spans
from graftlab.networks.rosinality import RosinalityAutoencoder
from graftlab.networks.swapping import SwappingAutoencoder

BOUND = 5e-6  # of the largest value: float32 rounding


def test_spans_keep_everything_once_and_see_more():
    for length, tile, reach in ((1, 5, 2), (5, 5, 2), (23, 5, 2), (100, 7, 30)):
        line = spans(length, tile, reach)
        assert [cell for span in line for cell in range(length)[span.kept()]] == list(range(length))
        for span in line:
            assert tile / 2 <= span.stop - span.start <= tile or len(line) == 1
            assert span.first == max(0, span.start - reach)
            assert span.last == min(length, span.stop + reach)
            assert range(length)[span.seen()][span.inside()] == range(length)[span.kept()]


def networks():
    """One of each kind, with different strides and reaches."""
    torch.manual_seed(0)
    plain = replace(preset("tiny"), antialias=False, head_blocks=3, downsamplings=3, size=64)
    return {
        "tiny": new_model(),
        "plain": SwappingAutoencoder(plain),
        "rosinality": RosinalityAutoencoder(RosinalityConfig(width=2)),
    }


@pytest.fixture(scope="module", params=["tiny", "plain", "rosinality"])
def network(request):
    return networks()[request.param].eval().requires_grad_(False)


@pytest.mark.parametrize(("cells", "odd"), [((23, 39), 3), ((9, 63), 0)], ids=str)
def test_tiles_equal_the_whole(network, cells, odd):
    stride = network.config.stride
    picture = pictures(1, *(side * stride - odd for side in cells))
    tiled = Tiled(network, tile=12 * stride, whole=picture[0, 0].numel() - 1)
    whole, codes = network.encode(picture), tiled.encode(picture)
    assert tiled.stride == stride
    assert codes.size == whole.size
    assert differ(codes.structure, whole.structure) < BOUND
    assert codes.texture.shape == whole.texture.shape
    assert differ(tiled.decode(whole, seed=3), network.decode(whole, seed=3)) < BOUND
    assert tiled.decode(codes).shape == picture.shape
    own = replace(whole, noise=torch.randn(1, 1, *(side * stride for side in cells)))
    assert differ(tiled.decode(own), network.decode(own)) < BOUND


def test_a_smaller_reach_would_show(network):
    tiled = Tiled(network, tile=12 * network.config.stride)
    codes = network.encode(pictures(1, *[24 * tiled.stride] * 2))
    whole = network.decode(codes)
    assert differ(tiled.decode(codes), whole) < BOUND
    tiled.__dict__["decoder_reach"] = 1
    assert differ(tiled.decode(codes), whole) > 100 * BOUND


def test_texture_maps_are_cut_too_and_coarse_ones_read_at_the_cells():
    codes = model().encode(pictures(2, 96, 160))
    for shape in ((24, 40), (1, 40), (24, 1), (1, 1)):
        mapped = replace(codes, texture=torch.randn(2, 16, *shape))
        assert differ(Tiled(model(), 48).decode(mapped), model().decode(mapped)) < BOUND
    codes = replace(model().encode(pictures(1, 96, 160)), texture=torch.randn(1, 16, 5, 7))
    fine = torch.nn.functional.interpolate(codes.texture, (24, 40), mode="bilinear", align_corners=False)
    assert differ(Tiled(model(), 48).decode(codes), model().decode(replace(codes, texture=fine))) < BOUND


def test_origin_moves_all_tiles():
    codes = model().encode(pictures(1, 96, 96))
    assert differ(Tiled(model(), 48).decode(codes, origin=(5, 9)), model().decode(codes, origin=(5, 9))) < BOUND


def test_random_noise_has_no_seams():
    codes = model().encode(pictures(1, 96, 96))
    torch.manual_seed(3)
    drawn = Tiled(model(), 48).decode(codes, noise="random")
    torch.manual_seed(3)
    seed = int(torch.randint(2**32, ()))
    assert differ(drawn, model().decode(codes, seed=seed)) < BOUND
    assert differ(Tiled(model(), 48).decode(codes, noise="none"), model().decode(codes, noise="none")) < BOUND


def test_the_texture_is_the_whole_pictures():
    picture = pictures(1, 120, 160)
    assert torch.equal(Tiled(model(), 48).encode(picture).texture, model().encode(picture).texture)
    small = torch.nn.functional.interpolate(picture, (60, 80), mode="bilinear", antialias=True, align_corners=False)
    half = Tiled(model(), 48, whole=60 * 80).encode(picture)
    assert torch.equal(half.texture, model().encode(small).texture)


def test_everything_that_takes_a_model_takes_a_tiled_one():
    picture, other = pictures(1, 90, 122, seed=1), pictures(1, 64, 64, seed=2)
    tiled = Tiled(model(), 48)
    assert differ(swaps.swap(tiled, picture, other), swaps.swap(model(), picture, other)) < BOUND
    both = [model().encode(pictures(1, 64, 96, seed=seed)) for seed in (1, 2)]
    assert differ(tiled.decode(blends.panorama(both, 6)), model().decode(blends.panorama(both, 6))) < BOUND


def test_what_is_large_is_tiled(monkeypatch):
    picture = pictures(1, 40, 60)
    assert tiles.tiled_if_large(model(), picture) is model()
    assert tiles.tiled_if_large(model(), picture, tile=128).tile == 128
    monkeypatch.setattr(tiles, "WHOLE", 2 * 40 * 60)
    assert tiles.tiled_if_large(model(), picture, picture) is model()
    assert tiles.tiled_if_large(model(), picture, picture, picture).tile == tiles.TILE


def test_what_the_model_refuses_is_refused():
    for tile in (0, -5):
        refused("tile", Tiled, model(), tile)
    refused("too small", Tiled(model()).encode, pictures(1, 8, 8))
    codes = model().encode(pictures(1, 96, 96))
    refused("noise", Tiled(model(), 48).decode, codes, noise="loud")
    mine = new_model()
    mine.fingerprint = "a" * 64
    refused("another model", Tiled(mine, 48).decode, replace(codes, model="b" * 64))
    for size in ((97, 96), (92, 96)):
        refused("encode the picture again", Tiled(model(), 48).decode, replace(codes, size=size))
