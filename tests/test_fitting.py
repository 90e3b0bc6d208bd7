"""Finding directions: what is planted among textures, what sets two folders apart, what cells have in common."""

import numpy as np
import pytest
import torch
from claims import refused
from planted import cosine, planted
from tiny import pictures

from graftlab.checkpoints.load import load
from graftlab.data import open_source
from graftlab.editing.factors import fit_factors
from graftlab.editing.fitting import Moments, between, cells, difference, encode_photos, fit, principal
from graftlab.images import read, write
from graftlab.networks.model import fingerprint

# -- principal components ---------------------------------------------------------------------------------------------


def test_components_are_the_planted_axes():
    textures, axes, _ = planted()
    found = fit(textures, 3)
    assert found.names == ("component 1", "component 2", "component 3")
    assert (cosine(found.vectors[:2], axes).abs() > 0.99).all()
    assert found.about == {"pictures": 400, "components": 3}


def test_components_agree_with_singular_values():
    textures, _, _ = planted()
    found, centred = fit(textures, 12), textures - textures.mean(0)
    _, values, axes = torch.linalg.svd(centred, full_matrices=False)
    assert torch.allclose(found.mean.double(), textures.mean(0), atol=1e-6)
    assert torch.allclose(found.explained.double(), values.square() / values.square().sum(), atol=1e-6)
    assert torch.allclose(found.vectors.norm(dim=1).double(), values / len(textures) ** 0.5, rtol=1e-5)
    assert torch.allclose(cosine(found.vectors, axes).abs(), torch.ones(12).double(), atol=1e-5)
    assert found.explained.sum() == pytest.approx(1)


def test_a_gain_of_one_is_one_standard_deviation():
    textures, _, _ = planted()
    for found in (fit(textures, 4), fit_factors(textures, {"a": planted()[2][:, 0], "b": planted()[2][:, 1]})):
        places = found.positions(textures)
        assert torch.allclose(places.std(0, correction=0), torch.ones(len(found)).double(), atol=1e-5)
        assert torch.allclose(places.mean(0), torch.zeros(len(found)).double(), atol=1e-5)
        moved = found.positions(textures[:1] + 2.5 * found.vectors[0])[0, 0] - places[0, 0]
        assert moved == pytest.approx(2.5, abs=1e-5)


def test_the_sign_is_a_matter_of_the_pictures_alone():
    textures, _, _ = planted()
    vectors = fit(textures, 5).vectors
    assert (vectors.gather(1, vectors.abs().argmax(1, keepdim=True)) > 0).all()
    mirrored = 2 * textures.mean(0) - textures  # the same covariance
    assert torch.allclose(fit(mirrored, 5).vectors, vectors, atol=1e-5)
    assert torch.allclose(fit(textures.flip(0), 5).vectors, vectors, atol=1e-5)


@pytest.mark.parametrize("size", [1, 7, 399, 400])
def test_batches_give_what_all_at_once_gives(size):
    textures, _, _ = planted()
    whole, parts = fit(textures, 6), fit((batch for batch in textures.split(size)), 6)
    for name in ("vectors", "mean", "explained"):
        assert torch.allclose(getattr(parts, name), getattr(whole, name), atol=1e-6)


def test_moments_are_exact_far_from_zero():
    rows = torch.randn(300, 5, generator=torch.Generator().manual_seed(0)).double() + 1e6
    moments = Moments()
    for batch in rows.split(11):
        moments.add(batch)
    assert moments.count == 300
    assert torch.allclose(moments.covariance, torch.cov(rows.T, correction=0), atol=1e-8)


def test_too_many_directions_are_refused():
    textures, axes, numbers = planted()
    refused("one direction or more, not 0", fit, textures, 0)
    refused("5 directions need more readable pictures than 5, not 5", fit, textures[:5], 5)
    refused("vary in 2 ways only; ask for fewer directions than 3", fit, numbers @ axes, 3)
    refused("fewer directions than 13", fit, textures, 13)
    refused("vary in 0 ways only", fit, torch.ones(9, 4), 1)


# -- two sides --------------------------------------------------------------------------------------------------------


def sides(count=20, gap=2.0, seed=0):
    """Textures of two kinds, (count, 12) each, whose means lie `gap` apart along the first planted axis."""
    _, axes, _ = planted()
    rng = np.random.default_rng(seed)
    noise = torch.tensor(rng.standard_normal((2, count, 12)))
    return noise[0] * 0.1, noise[1] * 0.1 + gap * axes[0]


def test_the_difference_of_means_is_found():
    one, other = sides()
    found = difference(one, other, "night", "a" * 64)
    assert (found.names, found.model, found.part) == (("night",), "a" * 64, "texture")
    assert cosine(found.vectors[0], other.mean(0) - one.mean(0)) == pytest.approx(1, abs=1e-6)
    assert cosine(found.vectors[0], planted()[1][0]) > 0.99
    whole = found.about["difference"]["night"]
    assert torch.allclose(one.mean(0) + whole * found.vectors[0], other.mean(0), atol=1e-3)
    places = torch.cat([found.positions(one), found.positions(other)])
    assert places.std(correction=0) == pytest.approx(1, abs=1e-5)
    everything = torch.cat([one, other])
    spread = (everything - everything.mean(0)).square().sum(1).mean()
    assert found.explained[0] == pytest.approx((found.vectors[0].square().sum() / spread).item(), rel=1e-5)


def test_sides_weigh_the_same_however_many_they_are():
    one, other = sides()
    even, uneven = difference(one, other, "a"), difference(one, other.repeat(50, 1), "a")
    assert torch.allclose(even.vectors, uneven.vectors, atol=1e-6)
    assert torch.allclose(even.mean, uneven.mean, atol=1e-6)


def test_separation_is_of_what_was_left_out():
    """Against doing it the long way: a direction without each texture, and where that texture lies on it."""
    one, other = sides(gap=0.3)
    right, places = [0, 0], ([], [])
    for which, (mine, theirs) in enumerate(((one, other), (other, one))):
        for i in range(len(mine)):
            own = torch.cat([mine[:i], mine[i + 1 :]]).mean(0)
            way = own - theirs.mean(0)
            place = ((mine[i] - (own + theirs.mean(0)) / 2) @ way / way.square().sum()).item()
            places[which].append(place)
            right[which] += place > 0
    told = difference(one, other, "a").about["separation"]["a"]
    assert told["right"] == pytest.approx(sum(right) / 40, abs=1e-4)
    within = np.sqrt((np.var(places[0], ddof=1) + np.var(places[1], ddof=1)) / 2)
    assert told["distance"] == pytest.approx((np.mean(places[0]) + np.mean(places[1])) / within, abs=1e-3)


def test_separation_of_what_is_alike_is_a_coins():
    shares = [difference(*sides(40, 0, seed), "a").about["separation"]["a"]["right"] for seed in range(20)]
    assert 0.4 < np.mean(shares) < 0.6  # fitted textures would be told apart far better
    assert difference(*sides(40, 5), "a").about["separation"]["a"]["right"] == 1


def test_sides_without_difference_are_refused():
    one, _ = sides()
    refused("the same mean", difference, one, one.flip(0), "a")
    refused("two pictures or more, best 20 on either side, not 20, 1", difference, one, one[:1], "a")
    refused("the same mean", difference, one[:1].repeat(3, 1), one[:1].repeat(2, 1), "a")
    assert difference(torch.zeros(2, 3), torch.ones(2, 3), "a").explained == 1


# -- photos -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def network(bundle):
    return load(bundle / "landscapes-128.safetensors", device="cpu")


def test_principal_is_the_fit_of_what_is_encoded(bundle, network):
    said = []
    found = principal(network, bundle / "photos", 32, 4, progress=lambda *figures: said.append(figures))
    squares = [read(path, 32, square=True) for path in sorted((bundle / "photos").glob("*.jpg"))]
    reference = fit(network.encode(torch.cat(squares)).texture, 4)
    assert found.model == fingerprint(network.state_dict())
    assert torch.allclose(found.explained, reference.explained, atol=0.02)
    assert torch.allclose(found.mean, reference.mean, atol=0.02)
    photos = len(squares)
    assert said[-1] == (photos, photos)
    facts = {"pictures": photos, "components": 4, "unreadable": 0, "photos": "photos", "size": 32, "seed": 0}
    assert found.about == facts


def test_principal_takes_at_most_so_many_and_passes_over_the_unreadable(photos, bundle, network):
    few = principal(network, bundle / "photos", 32, 2, most=5, seed=1)
    assert few.about["pictures"] == 5
    assert torch.equal(few.vectors, principal(network, bundle / "photos", 32, 2, most=5, seed=1).vectors)
    assert not torch.equal(few.mean, principal(network, bundle / "photos", 32, 2, most=5, seed=2).mean)
    (photos / "broken.png").write_bytes(b"no picture")
    found = principal(network, photos, 32, 2)
    assert (found.about["pictures"], found.about["unreadable"]) == (3, 1)
    refused("3 directions need more readable pictures than 3, not 3", principal, network, photos, 32, 3)
    refused("4 directions need more readable pictures than 4, not 4", principal, network, photos, 32, 4)


def test_encoded_keeps_numbers_beside_codes(photos, network, monkeypatch):
    monkeypatch.setattr("graftlab.data.squares.BATCH", 2)
    (photos / "broken.png").write_bytes(b"no picture")  # the first by name
    source = open_source(photos)
    pieces = list(encode_photos(network, source, [3, 0, 1], 32))
    assert [indices for indices, _ in pieces] == [[3], [1]]
    assert [len(batch) for _, batch in pieces] == [1, 1]
    (alone,) = encode_photos(network, source, [1], 32)
    assert torch.allclose(alone[1].texture, pieces[1][1].texture, atol=1e-6)
    assert not alone[1].texture.requires_grad


def test_components_of_structures_are_those_of_their_cells(bundle, network):
    found = principal(network, bundle / "photos", 32, 2, part="structure")
    squares = torch.cat([read(path, 32, square=True) for path in sorted((bundle / "photos").glob("*.jpg"))])
    structure = network.encode(squares).structure
    rows = structure.permute(0, 2, 3, 1).reshape(-1, structure.shape[1])
    assert torch.equal(cells(structure).flatten(0, 1), rows)
    reference = fit(rows, 2)
    assert (found.part, found.model, found.about["pictures"]) == ("structure", network.fingerprint, len(squares))
    assert torch.allclose(found.explained, reference.explained, atol=0.02)
    assert torch.allclose(found.mean, reference.mean, atol=0.02)
    refused("structure codes vary in", principal, network, bundle / "photos", 32, 9, part="structure")
    refused("structure or texture, not of 'w'", principal, network, bundle / "photos", 32, 2, part="w")


def test_between_is_the_difference_of_what_is_encoded(bundle, photos, network):
    said = []
    found = between(network, bundle / "photos", photos, 32, "mine", progress=lambda *figures: said.append(figures))
    textures = []
    for folder in (bundle / "photos", photos):
        source = open_source(folder)
        pieces = encode_photos(network, source, range(len(source)), 32)
        textures.append(torch.cat([codes.texture for _, codes in pieces]))
    wanted = difference(*textures, "mine", network.fingerprint)
    assert torch.equal(found.vectors, wanted.vectors)
    assert found.model == network.fingerprint
    everything = sum(map(len, textures))
    assert said[-1] == (everything, everything, "")
    facts = {"unreadable": 0, "photos": ["photos", "photos"], "size": 32, "seed": 0}
    assert found.about == {**wanted.about, **facts}


def test_between_wants_two_pictures_on_either_side(photos, tmp_path, network):
    for name, count in (("none", 0), ("one", 1)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "broken.png").write_bytes(b"no picture")
        for i in range(count):
            write(pictures(1), folder / f"{i}.png")
        refused(f"{name} has {count} readable picture", between, network, photos, folder, 32, "a")
    refused("the same mean", between, network, photos, photos, 32, "a")
