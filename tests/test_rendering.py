"""A renderer reads and draws as its options say, and stills are drawn of the codes that they are made of."""

from contextlib import contextmanager

import pytest
import tiny
import torch

from graftlab.editing import blends, masks
from graftlab.editing.swaps import both, swap
from graftlab.images import read_recipe, write
from graftlab.rendering import Renderer, many
from graftlab.rendering.stills import mix, paint_regions, panorama, select, weave

A, B, C = (tiny.pictures(1, 32, 48, seed=seed) for seed in range(3))


@pytest.fixture(scope="module")
def renderer():
    return Renderer(tiny.model(), "fixed", 3)


@pytest.fixture(scope="module")
def codes():
    return [tiny.model().encode(picture) for picture in (A, B, C)]


def decoded(codes):
    return tiny.model().decode(codes, noise="fixed", seed=3)


def test_pictures_keep_their_size_up_to_a_limit_and_those_that_join_have_the_smallest(tmp_path):
    large, small = write(tiny.pictures(1, 60, 80), tmp_path / "large.png"), write(A, tmp_path / "small.png")
    own = Renderer(tiny.model(), own=50)
    assert own.read(large).shape == (1, 3, 50, 67)
    assert own.read(small).shape == (1, 3, 32, 48)
    assert own.together([large, small]).read(large).shape == (1, 3, 32, 43)
    assert Renderer(tiny.model(), own=50, size=40, square=True).read(large).shape == (1, 3, 40, 40)
    assert Renderer(tiny.model()).read(large).shape[2] == tiny.model().config.size


def test_noise_is_the_models_usual_one_if_nothing_is_said():
    network = tiny.stylegan2()
    w = network.codes_of([7])
    assert torch.equal(Renderer(network).decode(w), network.decode(w, noise="const"))
    assert torch.equal(Renderer(network, "none").draw(w, 5), network.decode(w, noise="none"))


def test_what_is_written_remembers_how(renderer, tmp_path):
    told = []
    one = Renderer(tiny.model(), "none", 9, about={"command": "graft x"}, tell=told.append)
    one.write(A, tmp_path / "a.png")
    assert told == [tmp_path / "a.png"]
    assert read_recipe(tmp_path / "a.png") == {"command": "graft x", "model": None, "noise": "none", "seed": 9}


def test_no_picture_is_encoded_twice(tmp_path, monkeypatch):
    """Where codes are refined, that is nearly all of the work."""
    files = [write(picture, tmp_path / f"{i}.png") for i, picture in enumerate((A, B, C))]
    network, encoded = tiny.new_model(), []
    monkeypatch.setattr(
        network, "encode", lambda images: encoded.append(images) or type(network).encode(network, images)
    )
    one = Renderer(network, "none", size=32)
    first, second = both(network, A, B, noise="none")
    assert torch.equal(first, swap(network, A, B, noise="none"))
    assert torch.equal(second, swap(network, B, A, noise="none"))
    assert len(encoded) == 2 + 2 + 2
    encoded.clear()
    wanted = [many.Swap(a, b, f"{a.stem}{b.stem}.png") for a in files for b in files if a != b]
    assert many.swap(one, wanted, tmp_path / "hybrids") == {}
    assert len(encoded) == 3
    encoded.clear()
    monkeypatch.setattr(many, "SHARD", 2)  # a row of the sheet in each
    named = [(file.stem, one.read(file)) for file in files]
    many.grid(one, named, named[:2], tmp_path / "grid.png")
    assert len(encoded) == 3 + 2


def test_stills_are_drawn_of_mixed_codes(renderer, codes):
    mask = torch.linspace(0, 1, 48).expand(1, 1, 32, 48)
    a, b, c = codes
    assert torch.equal(panorama(renderer, [A, B], overlap=2), decoded(blends.panorama([a, b], 2)))
    mean = blends.mixture(blends.panorama([a, b], 2), [a, b], [1, 1])
    assert torch.equal(panorama(renderer, [A, B], 2, weights=[]), decoded(mean))
    snow = blends.mixture(blends.panorama([a, b], 2), [c], [1])
    assert torch.equal(panorama(renderer, [A, B], 2, textures=[C], weights=[2]), decoded(snow))
    assert torch.equal(mix(renderer, A, [B, C], [1, 2], own=1), decoded(blends.mixture(a, [a, b, c], [1, 1, 2])))
    assert torch.equal(
        paint_regions(renderer, A, [mask], [B], soft=0), decoded(blends.weave([a, b], [mask], "texture"))
    )
    grid = (a.structure.shape[2], a.structure.shape[3])
    bands = list(masks.bands(2, grid, "stack", 1)[1:].split(1))
    assert torch.equal(weave(renderer, [A, B], "stack", 1), decoded(blends.weave([a, b], bands)))
    alike = masks.resize(masks.alike(a.structure, (0.5, 0.5)), (32, 48))
    assert torch.equal(select(renderer, A, [(0.5, 0.5)]), alike.reshape(1, 1, 32, 48))


def test_refined_codes_are_watched(renderer):
    seen = []

    @contextmanager
    def watch(what, total, unit):
        yield lambda done, total, note: seen.append((what, done, total))

    refining = Renderer(tiny.model(), "fixed", refine=2, watch=watch)
    swap(refining.network(A, B), A, B)
    assert seen == [("refining", done, 2) for _ in "ab" for done in (1, 2)]
