"""Distributions of codes: what is planted is drawn again, numbers mean the same pictures, the unknown is told apart."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from claims import refused
from planted import cosine, planted
from tiny import model, pictures

from graftlab.artifacts import read_tensors, write_tensors
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.codes import SwapCodes
from graftlab.editing.distributions import (
    RECONSTRUCTION,
    Distribution,
    Gaussian,
    calibrate,
    distribution,
    draw_samples,
)
from graftlab.editing.fitting import fit, principal
from graftlab.editing.novelty import BEYOND, measure
from graftlab.images import read, write

ROSINALITY = Path(__file__).parent / "fixtures" / "sae_rosinality" / "checkpoint.pt"
HOSTILE = sorted((Path(__file__).parent / "fixtures" / "hostile").glob("*.safetensors"))


class Planted:
    """A model without a network: its codes are planted, the first number of a picture says which."""

    def __init__(self, textures):
        self.textures = torch.as_tensor(textures).float()

    def encode(self, images):
        which = images[:, 0, 0, 0].add(1).mul(127.5).round().long()
        structure = torch.randn(len(which), 3, 4, 4, generator=torch.Generator().manual_seed(int(which[0])))
        return SwapCodes(structure, self.textures[which], model="a" * 64)

    def decode(self, codes):
        """Black: of the pictures here, the lighter the further off."""
        return torch.full((len(codes), 3, 8, 8), -1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """200 pictures, each of one grey."""
    path = tmp_path_factory.mktemp("grey")
    for i in range(200):
        write(torch.full((1, 3, 8, 8), i / 127.5 - 1), path / f"{i:03d}.png")
    return path


@pytest.fixture(scope="module")
def weather(folder):
    return distribution(Planted(planted()[0]), folder, 8, axes=2)


# -- fitting ----------------------------------------------------------------------------------------------------------


def test_planted_axes_are_found(weather):
    textures, axes, _ = planted()
    textures = textures[:200]
    about = {"pictures": 200, "held_out": 40, "unreadable": 0, "photos": weather.about["photos"], "size": 8, "seed": 0}
    assert weather.about == about
    kept = textures[torch.arange(200) % 5 != 4]
    reference = fit(kept, 2)
    assert torch.allclose(weather.texture.axes, reference.vectors, atol=1e-4)
    assert torch.allclose(weather.texture.mean, reference.mean, atol=1e-4)
    assert (cosine(weather.texture.axes, axes).abs() > 0.99).all()
    left = torch.cov(kept.T, correction=0).trace() - reference.vectors.double().square().sum()
    assert weather.texture.rest == pytest.approx(left.item() / 10, rel=1e-3)
    assert weather.texture.rest == pytest.approx(0.05**2, rel=0.2)  # the noise
    assert weather.structure.axes.shape == (2, 3)
    assert (weather.unit, weather.model) == (False, "a" * 64)


def test_ranks_are_those_of_pictures_held_out(weather):
    textures = planted()[0][:200].float()
    held_out = weather.texture.distances(textures[4::5][:, None])
    assert torch.allclose(
        weather.texture.ranks[[0, 50, 100]].double(), held_out.quantile(torch.tensor([0, 0.5, 1]).double())
    )
    assert held_out.square().mean() == pytest.approx(1, abs=0.2)
    levels = torch.arange(200)[4::5] / 255  # of pictures that are drawn black
    assert torch.allclose(weather.errors[[0, 50, 100]], levels.quantile(torch.tensor([0, 0.5, 1])), atol=1e-6)


def test_distances_are_mahalanobis():
    covariance = torch.diag(torch.tensor([4.0, 1, 0.25, 0.25])).double()
    axes = torch.tensor([[2.0, 0, 0, 0], [0, 1, 0, 0]])
    gaussian = Gaussian(torch.tensor([1.0, 0, 0, 0]), axes, torch.tensor(0.25), torch.zeros(101))
    codes = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(0)).double()
    away = codes - gaussian.mean
    squares = torch.einsum("nri,ij,nrj->nr", away, torch.linalg.inv(covariance), away)
    assert torch.allclose(gaussian.distances(codes), (squares.mean(1) / 4).sqrt())


# -- drawing ----------------------------------------------------------------------------------------------------------


def test_textures_are_drawn_as_they_were_spread(weather):
    drawn = weather.textures(range(4000)).double()
    axes = weather.texture.axes.double()
    assert torch.allclose(drawn.mean(0), weather.texture.mean.double(), atol=0.1)
    assert torch.allclose(torch.cov(drawn.T), axes.T @ axes, atol=0.15)
    half = weather.textures(range(4000), psi=0.5).double()
    assert torch.allclose(half - weather.texture.mean, (drawn - weather.texture.mean) / 2, atol=1e-5)
    assert torch.allclose(weather.textures([3], psi=0)[0], weather.texture.mean, atol=1e-6)


def test_a_seed_is_a_texture_in_any_company(weather):
    alone = weather.textures([7])
    assert torch.equal(weather.textures([3, 7, 9])[1:2], alone)
    assert torch.equal(weather.textures([7, 7])[1:2], alone)
    assert not torch.equal(weather.textures([8]), alone)
    number = np.random.RandomState(7).randn(2)
    wanted = weather.texture.mean + torch.tensor(number).float() @ weather.texture.axes
    assert torch.allclose(alone[0], wanted, atol=1e-6)
    assert weather.textures([]).shape == (0, 12)


def test_unit_length_is_kept_where_it_was(folder):
    textures = torch.nn.functional.normalize(planted()[0], dim=1)
    known = distribution(Planted(textures), folder, 8, axes=4)
    assert known.unit
    assert torch.allclose(known.textures(range(9), 0.3).norm(dim=1), torch.ones(9), atol=1e-5)
    drawn = known.texture.sample(range(9), 0.3)
    assert torch.allclose(cosine(known.textures(range(9), 0.3), drawn), torch.ones(9).double(), atol=1e-5)


def test_sampled_codes_have_the_pictures_structure(weather):
    codes = SwapCodes(torch.randn(1, 3, 4, 5), torch.randn(1, 12), size=(7, 9), model="a" * 64)
    made = weather.sample(codes, [1, 2], 0.8)
    assert torch.equal(made.texture, weather.textures([1, 2], 0.8))
    assert torch.equal(made.structure, codes.structure.expand(2, -1, -1, -1))
    assert (made.size, made.model) == (codes.size, codes.model)


@pytest.fixture(scope="module")
def seasons(folder):
    """A distribution of textures in two clusters, along one axis and on either side of the mean."""
    textures, _, _ = planted()
    side = torch.where(torch.arange(len(textures)) % 3 == 0, 4.0, -2.0)
    textures[:, 0] += side
    return distribution(Planted(textures), folder, 8, axes=4, clusters=2), textures[:200].float()


def test_clusters_are_drawn_from(seasons):
    known, textures = seasons
    assert known.clusters.shares.tolist() == pytest.approx([2 / 3, 1 / 3], abs=0.01)
    drawn = known.textures(range(600))
    assert ((drawn[:, 0] > 1).float().mean() - 1 / 3).abs() < 0.05
    assert ((drawn[:, 0] - drawn[:, 0].mean()).abs() > 1).float().mean() > 0.95  # between them there is little
    middles = known.textures(range(600), psi=0).unique(dim=0)
    assert torch.allclose(middles[:, 0], torch.stack([textures[1::3, 0].mean(), textures[::3, 0].mean()]), atol=0.7)
    assert torch.equal(known.textures([3, 7])[1:], known.textures([7]))
    one = replace(known, clusters=None)
    codes = SwapCodes(torch.zeros(1, 3, 4, 4), textures[:1])
    assert one.novelty(codes) == known.novelty(codes)
    assert not torch.equal(one.textures([7]), known.textures([7]))


def test_clusters_have_as_many_axes_as_their_photos_bear(folder):
    textures = planted()[0]
    assert len(distribution(Planted(textures), folder, 8, clusters=10).texture.axes) == 8
    refused("200 readable pictures; a mixture of 21 needs 210", distribution, Planted(textures), folder, 8, clusters=21)


def test_truncation_without_sense_and_seeds_beyond_are_refused(weather):
    for psi in (float("nan"), float("inf"), 1001):
        refused("psi lies between -1000 and 1000", weather.textures, [1], psi)
    refused("psi of textures is 0 or more", weather.textures, [1], -0.1)
    for seed in (-1, 2**32):
        refused(f"0 to 4294967295, not {seed}", weather.textures, [1, seed])


# -- novelty ----------------------------------------------------------------------------------------------------------


def test_percentiles(weather):
    textures = planted()[0].float()
    structure = torch.randn(400, 3, 4, 4, generator=torch.Generator().manual_seed(8))
    found = weather.novelty(SwapCodes(structure[:150], textures[200:350]))
    percentiles = [one.percentile for one in found["texture"]]
    assert 40 < np.mean(percentiles) < 60  # uniform, as these are of the same kind
    assert 30 < np.mean([one.percentile for one in found["structure"]]) < 70
    far = weather.novelty(SwapCodes(50 * structure[:1], textures[:1] + 30))
    assert [one.percentile for (one,) in far.values()] == [100, 100]
    near = weather.novelty(SwapCodes(structure[:1] * 0, weather.texture.mean[None]))
    assert near["texture"][0].percentile == 0
    assert near["texture"][0].distance == pytest.approx(0, abs=1e-4)


def test_what_varies_nowhere_else_is_far_off(weather):
    """A texture on the axes, but for a little along one that hardly varies."""
    unknown = torch.linalg.svd(weather.texture.axes).Vh[-1]
    codes = SwapCodes(torch.zeros(1, 3, 4, 4), (weather.texture.mean + unknown)[None])
    assert weather.novelty(codes)["texture"][0].percentile == 100


def test_maps_are_as_far_as_their_places(weather):
    textures = planted()[0][:4].float()
    structure = torch.zeros(4, 3, 4, 4)
    vectors = weather.novelty(SwapCodes(structure, textures))["texture"]
    maps = weather.novelty(SwapCodes(structure, textures[:, :, None, None].expand(-1, -1, 2, 5)))["texture"]
    assert [one.distance for one in maps] == pytest.approx([one.distance for one in vectors])


def test_other_models_are_refused(weather):
    codes = SwapCodes(torch.zeros(1, 3, 4, 4), torch.zeros(1, 12), model="b" * 64)
    for use in (weather.novelty, lambda codes: weather.sample(codes, [1])):
        refused(r"another model \(a{12}\) cannot be used with these codes \(b{12}\)", use, codes)
        refused(r"of \(12, 3\) channels, not \(13, 3\)", use, SwapCodes(torch.zeros(1, 3, 4, 4), torch.zeros(1, 13)))
    replace(weather, model=None).novelty(codes)  # of no known model


def test_percentiles_of_other_photos(weather, folder, tmp_path):
    few = tmp_path / "light"
    few.mkdir()
    for path in sorted(folder.iterdir())[100:111]:
        (few / path.name).write_bytes(path.read_bytes())
    planted_model = Planted(planted()[0])
    other = calibrate(planted_model, weather, few, 8)
    assert torch.equal(other.texture.axes, weather.texture.axes)
    assert other.about == {**weather.about, "percentiles": {"photos": "light", "pictures": 11}}
    images = torch.full((1, 3, 8, 8), 105 / 127.5 - 1)  # the middle one
    found = measure(planted_model, other, images)
    assert found[RECONSTRUCTION][0].distance == pytest.approx(105 / 255)
    assert found[RECONSTRUCTION][0].percentile == pytest.approx(50, abs=0.1)
    assert RECONSTRUCTION not in measure(planted_model, replace(other, errors=None), images)  # as of earlier files
    next(few.iterdir()).unlink()
    next(few.iterdir()).unlink()
    refused("light has 9 readable pictures; percentiles need 10", calibrate, planted_model, weather, few, 8)


@pytest.mark.parametrize(
    ("name", "photo", "fails"),
    [
        ("landscapes-256", "@stream", True),  # 15.0 dB
        ("landscapes-256", "@autumn-hills", False),  # 21.3 dB, with a texture like no other
        ("colours-128", "@peaks", True),  # 15.9 dB
        ("colours-128", "@autumn-hills", False),  # 23.5 dB
    ],
)
def test_what_comes_out_badly_is_told_apart_by_the_shipped(name, photo, fails):
    network = load(name, device="cpu")
    found = measure(network, Distribution.load(name), read(photo, network.config.size, True))
    assert (found[RECONSTRUCTION][0].percentile > BEYOND) == fails


# -- photos -----------------------------------------------------------------------------------------------------------


def test_a_real_model(bundle):
    network = load(bundle / "landscapes-128.safetensors", device="cpu")
    said = []
    known = distribution(network, bundle / "photos", 32, progress=lambda *figures: said.append(figures))
    assert known.model == network.fingerprint
    assert known.unit
    count = known.about["pictures"]
    assert said[-1] == (count, count)
    assert len(known.texture.axes) == (count - count // 5) // 2  # fewer than asked for
    codes = network.encode(pictures(1))
    images = list(draw_samples(network, known, codes, [4, 5], 0.8, seed=3))
    assert torch.equal(images[1], network.decode(known.sample(codes, [5], 0.8), seed=3))
    assert torch.equal(images[1], next(draw_samples(network, known, codes, [5], 0.8, seed=3)))
    assert not torch.allclose(images[0], images[1], atol=1e-3)
    again = distribution(network, bundle / "photos", 32)
    for part in ("texture", "structure"):
        for field in fields(Gaussian):
            assert torch.equal(getattr(getattr(again, part), field.name), getattr(getattr(known, part), field.name))


def test_codes_of_any_length_stay_so(bundle):
    """rosinality's model normalises nothing: what is fitted, drawn and applied are its codes as they are."""
    network = load(ROSINALITY, device="cpu")
    known = distribution(network, bundle / "photos", 64)
    assert not known.unit
    assert known.textures(range(20)).norm(dim=1).std() > 0.01
    codes = network.encode(pictures(1, 64, 64))
    found = principal(network, bundle / "photos", 64, 2)
    moved = found.apply(codes, {"component 1": 2})
    way = found.positions(moved.texture) - found.positions(codes.texture)
    assert torch.allclose(way, torch.tensor([[2.0, 0]]).double(), atol=1e-4)
    (image,) = draw_samples(network, known, codes, [1])
    assert not torch.allclose(image, network.decode(codes), atol=1e-3)


def test_too_few_or_equal_photos_are_refused(folder, photos):
    refused("photos has 3 readable pictures; a distribution needs 10", distribution, model(), photos, 32)
    refused("texture codes of these photos are all the same", distribution, Planted(torch.ones(200, 12)), folder, 8)


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_file_gives_back_every_bit(weather, tmp_path):
    path = weather.save(tmp_path / "new" / "w.safetensors")
    loaded = Distribution.load(path)
    assert (loaded.unit, loaded.model, loaded.about) == (weather.unit, weather.model, weather.about)
    assert torch.equal(loaded.textures([1]), weather.textures([1]))
    before = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == before


def test_a_file_gives_back_its_clusters(seasons, tmp_path):
    known, _ = seasons
    path = known.save(tmp_path / "w.safetensors")
    loaded = Distribution.load(path)
    assert torch.equal(loaded.textures(range(9), 0.7), known.textures(range(9), 0.7))
    tensors, header = read_tensors(path)
    for name in ("clusters.shares", "clusters.means", "clusters.factors"):
        write_tensors(path, {key: value for key, value in tensors.items() if key != name}, header)
        refused(rf"no sensible .*{name}", Distribution.load, path)
    narrow = {"clusters.means": torch.zeros(2, 3), "clusters.factors": torch.zeros(2, 3, 3)}
    write_tensors(path, {**tensors, **narrow}, header)
    refused(r"no sensible .*along its axes", Distribution.load, path)


def test_bundled_ones_are_found_by_the_name_of_their_model(weather, tmp_path, monkeypatch):
    monkeypatch.setattr("graftlab.checkpoints.load.BUNDLED", tmp_path)
    weather.save(tmp_path / "hills-9.textures.safetensors")
    assert torch.equal(Distribution.load("hills-9").textures([1]), weather.textures([1]))
    refused("hills-8", Distribution.load, "hills-8")


def test_other_files_are_refused(weather, tmp_path):
    save_model(tmp_path / "model", model())
    fit(planted()[0], 2).save(tmp_path / "directions")
    (tmp_path / "cut").write_bytes(weather.save(tmp_path / "cut").read_bytes()[:-9])
    (tmp_path / "empty").touch()
    for path in (*tmp_path.iterdir(), tmp_path / "missing", *HOSTILE):
        assert str(path) in refused("", Distribution.load, path)


BROKEN = {
    "no mean": lambda tensors, header: tensors.pop("texture.mean"),
    "one tensor more": lambda tensors, header: tensors.update(more=torch.zeros(1)),
    "shapes": lambda tensors, header: tensors.update({"texture.axes": tensors["texture.axes"][:, 1:]}),
    "no axes": lambda tensors, header: tensors.update({"texture.axes": tensors["texture.axes"][:0]}),
    "a vector of axes": lambda tensors, header: tensors.update({"texture.axes": tensors["texture.mean"]}),
    "ranks": lambda tensors, header: tensors.update({"structure.ranks": tensors["structure.ranks"][:9]}),
    "errors": lambda tensors, header: tensors.update({"reconstruction.ranks": tensors["reconstruction.ranks"][:9]}),
    "errors that fall": lambda tensors, header: tensors["reconstruction.ranks"].neg_(),
    "ranks that fall": lambda tensors, header: tensors["structure.ranks"].neg_(),
    "negative rest": lambda tensors, header: tensors["texture.rest"].neg_(),
    "not finite": lambda tensors, header: tensors["texture.axes"].fill_(torch.nan),
    "whole numbers": lambda tensors, header: tensors.update({"texture.mean": tensors["texture.mean"].long()}),
    "no length": lambda tensors, header: tensors["texture.axes"][1].fill_(0),
    "unit": lambda tensors, header: header.update(unit="yes"),
    "model": lambda tensors, header: header.update(model=7),
    "about": lambda tensors, header: header.update(about=[1]),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_files_without_sense_are_refused(change, weather, tmp_path):
    path = weather.save(tmp_path / "w")
    tensors, header = read_tensors(path)
    change(tensors, header)
    write_tensors(path, tensors, header)
    refused("no sensible distribution", Distribution.load, path)
