"""Scenes seen more than once: which pictures belong together, what is made where there is only one, what is learned."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from training_fixture import CPU, config, make_photos, start

from graftlab.config import recipe
from graftlab.data import TrainingImages, open_source, pack
from graftlab.data.views import Scenes, light, recoloured, scene
from graftlab.objectives.swapping import objective, swap_pairs
from graftlab.perception.choice import feature_network
from graftlab.perception.distances import deep
from graftlab.training.swapping import SwappingTrainer, deep_distance

ALONE = ("p.png", "q.png", "r.png")


@pytest.fixture
def scenes(tmp_path):
    """Ten scenes in two or three views, a gradient each whose slope tells the scene and whose level the view."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(10):
        for view in range(2 + index % 2):
            ramp = np.linspace(0, 40 + 15 * index, 20)[None, :, None] + 10 * view
            picture = np.broadcast_to(ramp, (20, 20, 3)).astype(np.uint8)
            Image.fromarray(picture).save(folder / f"{index}@{view}.png")
    for name in ALONE:
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)).save(folder / name)
    return folder


@pytest.mark.parametrize(
    ("name", "place", "seen"),
    [
        ("lake@dawn.jpg", "lake@", "dawn"),
        ("alps/lake@dawn.jpg", "alps/lake@", "dawn"),
        ("me@home/lake.jpg", "me@home/lake.jpg", ""),
        ("a@b/lake@1@2.5.jpg", "a@b/lake@", "1@2.5"),
        ("lake.jpg", "lake.jpg", ""),
    ],
)
def test_scene_and_light_of_a_name(name, place, seen):
    assert (scene(name), light(name)) == (place, seen)


def test_another_view_is_any_of_the_others():
    found = Scenes(["a@1", "b@1", "a@2", "alone", "a@3"])
    rng = np.random.default_rng(0)
    assert {found.other(0, rng) for _ in range(40)} == {2, 4}
    assert {found.other(2, rng) for _ in range(40)} == {0, 4}
    assert [found.other(index, rng) for index in (1, 3)] == [1, 3]


def test_a_block_is_two_scenes_in_two_lights_where_there_are_such():
    names = ["a@x.jpg", "b@x.jpg", "b@y.jpg", "a@y.jpg", "c@x.jpg", "c@z.jpg", "alone.jpg", "d@q.jpg"]
    found = Scenes(names, shared_lights=True)
    for seed in range(20):
        block = found.block([0, 7, 6, 4], np.random.default_rng(seed))
        assert (block.ranks, block.framed, block.truths) == ((0, 2, 3, 1), (0, 1, 0, 1), (3, 2, 1, 0))
    pairs = found.block([4, 0, 6, 1], np.random.default_rng(0))  # nobody else has lights x and z
    assert (pairs.ranks, pairs.framed, pairs.truths) == ((4, 5, 6, 6), (0, 0, 2, 2), (0, 1, 2, 3))
    assert pairs.recoloured == (False, False, False, True)
    apart = Scenes(names).block([0, 7, 6, 4], np.random.default_rng(0))  # equal names may mean nothing
    assert apart.ranks == (0, 3, 6, 6)


def test_every_square_of_scenes_and_lights_comes():
    found = Scenes([f"{place}@{seen}.jpg" for place in "abc" for seen in "xyz"], shared_lights=True)
    squares = {found.block([0, 1, 2, 3], np.random.default_rng(seed)).ranks for seed in range(100)}
    assert squares == {(0, 3 * place + seen, seen, 3 * place) for place in (1, 2) for seen in (1, 2)}


def slope(image: torch.Tensor) -> int:
    return round((image[0, 0, -1] - image[0, 0, 0]).item() * 127.5)


@pytest.mark.parametrize("packed", [False, True])
def test_pairs_show_one_scene_where_a_truth_is_told(scenes, tmp_path, packed):
    source = open_source(scenes)
    if packed:
        pack(source, tmp_path / "photos.pack", 20)
        source = open_source(tmp_path / "photos.pack")
    data = TrainingImages(source, 20, holdout=0, views=0.5)
    count = 400
    images, truths = data.batch(0, count), data.truths(0, count)
    pairs, told = images.unflatten(0, (-1, 2)), (truths >= 0).unflatten(0, (-1, 2))
    assert torch.equal(told[:, 0], told[:, 1])
    assert torch.equal(truths[truths >= 0], torch.arange(count)[truths >= 0])
    assert 0.4 < told.float().mean() < 0.6
    alike = 0
    for (first, second), known in zip(pairs, told[:, 0].tolist(), strict=True):
        if known and slope(first) and (first[:, 0] == first[:, 1]).all():  # of a scene: every row is equal
            assert slope(first) == slope(second)  # of one sign: mirrored together
            assert not torch.equal(first, second)
            alike += 1
    assert alike > 50
    strangers = [slope(first) == slope(second) for first, second in pairs[~told[:, 0]]]
    assert sum(strangers) < 0.3 * len(strangers)


def test_pairs_are_a_function_of_the_position(scenes):
    data, other = (TrainingImages(open_source(scenes), 16, crop="random", views=0.5) for _ in range(2))
    whole = data.batch(34, 16)
    assert torch.equal(whole, torch.cat([other.batch(43, 7), other.batch(34, 9)]).roll(9, 0))
    assert (TrainingImages(open_source(scenes), 16).truths(3, 20) == -1).all()  # without views nothing is told
    parts = [other.truths(34, 9), other.truths(43, 7)]
    assert torch.equal(
        data.truths(34, 16), torch.cat([part + at * (part >= 0) for part, at in zip(parts, (0, 9), strict=True)])
    )


def test_squares_hold_their_hybrids(scenes):
    data = TrainingImages(open_source(scenes), 20, holdout=0, views=1.0, shared_lights=True)
    images, truths = data.batch(0, 400), data.truths(0, 400)
    squares = [at for at in range(0, 400, 4) if truths[at] == at + 3]
    assert len(squares) > 50
    for at in squares:
        assert (truths[at : at + 4] - at).tolist() == [3, 2, 1, 0]
        one, two = images[at], images[at + 1]
        for place, structure, texture in ((2, one, two), (3, two, one)):
            assert slope(images[at + place]) == slope(structure)  # mirrored alike, too
            assert images[at + place].min() == texture.min()
    assert (data.truths(2, 4) == -1).sum() >= 2  # a hybrid whose picture is in another batch is unknown


def test_a_scene_is_held_out_whole(scenes):
    held = TrainingImages(open_source(scenes), 16, holdout=0.4, views=0.5).names_held_out
    in_views = [name for name in held if "@" in name]
    everything = [path.name for path in scenes.iterdir()]
    assert in_views
    assert {scene(name) for name in in_views}.isdisjoint(scene(name) for name in everything if name not in held)


def test_a_picture_alone_is_recoloured():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (8, 8, 3), np.uint8)
    made = [recoloured(image, np.random.default_rng(seed)) for seed in range(30)]
    assert all(one.dtype == np.uint8 and one.shape == image.shape for one in made)
    assert all((one != image).any() for one in made)
    grey = np.repeat(np.linspace(10, 200, 16).astype(np.uint8)[:, None, None], 3, 2)
    for seed in range(30):  # one light for the whole picture: what was brighter is not darker now
        ordered = recoloured(grey, np.random.default_rng(seed)).astype(int)
        assert (np.diff(ordered, axis=0) >= 0).all()
    assert np.array_equal(recoloured(image, np.random.default_rng(5)), recoloured(image, np.random.default_rng(5)))


# ---------------------------------------------------------------------------------------------------- what is learned


def test_hybrids_are_compared_with_the_pictures_that_they_should_be():
    model, discriminators = tiny.model(), tiny.discriminators()
    torch.manual_seed(0)
    images, truths = torch.rand(4, 3, 32, 32) * 2 - 1, torch.tensor([3, 1, -1, -1])
    weights = recipe("official")
    silent = lambda layer, like: None  # noqa: E731
    terms = objective("generator", model, discriminators, images, weights, silent, truths=truths)
    structure, texture = model.encoder(images)
    hybrids = model.generator(swap_pairs(structure), texture, silent)
    expected = (hybrids - images[[3, 1, 0, 0]]).abs().mean((1, 2, 3)) * torch.tensor([1, 1, 0, 0])
    assert torch.allclose(terms["G_views"], expected, atol=1e-6)
    assert "G_views" not in objective("generator", model, discriminators, images, weights, silent)


def test_the_deep_distance_of_known_hybrids_counts():
    model, discriminators = tiny.model(), tiny.discriminators()
    images, truths = tiny.pictures(4), torch.tensor([2, -1, 0, 3])
    silent = lambda layer, like: None  # noqa: E731
    weights = recipe("official")
    of_pixels = lambda made, aim: (made - aim).square().mean((1, 2, 3))  # noqa: E731
    terms = objective("generator", model, discriminators, images, weights, silent, truths=truths, deep=of_pixels)
    structure, texture = model.encoder(images)
    rec = model.generator(structure[:2], texture[:2], silent)
    mix = model.generator(swap_pairs(structure), texture, silent)
    assert torch.allclose(terms["G_features"], of_pixels(rec, images[:2]), atol=1e-6)
    expected = of_pixels(mix, images[[2, 0, 0, 3]]) * torch.tensor([1, 0, 1, 1])
    assert torch.allclose(terms["G_view_features"], expected, atol=1e-6)


def test_deep_features_are_those_of_the_evaluation_with_gradients():
    made, aim = tiny.pictures(2, 64, 64).requires_grad_(), tiny.pictures(2, 64, 64, seed=1)
    distance = deep_distance(CPU)(made, aim)
    distance.sum().backward()
    assert made.grad.abs().amax((1, 2, 3)).min() > 0
    network = replace(feature_network("efficientnet-lite0", "cpu"), side=64)
    assert torch.allclose(distance, deep(network(made.detach()), network(aim)), atol=1e-5)
    assert deep_distance(CPU)(aim, aim).abs().max() < 1e-6


def test_without_adversaries_the_generator_has_every_step():
    one = SwappingTrainer(config("", recipe=replace(config("").recipe, gan=0.0, patch=0.0)), CPU)
    before = {name: tensor.clone() for name, tensor in one.discriminators.state_dict().items()}
    images = torch.rand(4, 3, 32, 32) * 2 - 1
    figures = [one.step(images, torch.arange(4)) for _ in range(3)]
    assert all(figure.keys() == {"G_L1", "G_views"} for figure in figures)
    assert all(torch.equal(tensor, before[name]) for name, tensor in one.discriminators.state_dict().items())
    assert one.seen == 12


@pytest.mark.parametrize(("off", "left"), [("gan", {"G_L1", "G_mix"}), ("patch", {"G_L1", "G_GAN_rec", "G_GAN_mix"})])
def test_an_adversary_of_no_weight_is_not_asked(off, left):
    model, discriminators = tiny.model(), tiny.discriminators()
    images, weights = torch.rand(2, 3, 32, 32) * 2 - 1, replace(recipe("official"), **{off: 0.0})
    assert objective("generator", model, discriminators, images, weights).keys() == left
    asked = objective("discriminators", model, discriminators, images, weights).keys()
    assert asked == {"D_real", "D_rec", "D_mix"} if off == "patch" else {"PatchD_real", "PatchD_mix"}


def test_adversaries_may_join_a_run_that_began_without(tmp_path):
    photos = make_photos(tmp_path / "photos")
    quiet = replace(config("").recipe, gan=0.0, patch=0.0)
    start(tmp_path / "run", photos, recipe=quiet, views=1.0, images=8).train()
    longer = start(tmp_path / "run", photos, views=0.5, images=24)
    assert longer.trainer.seen == 8
    assert longer.train()
    last = (tmp_path / "run" / "stats.jsonl").read_text().splitlines()[-2]
    assert {"G_views", "G_mix", "D_real"} <= json.loads(last).keys()
