"""Directions: what is planted among textures is found, gains are standard deviations, files are whole or refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from planted import cosine, planted
from tiny import model, pictures

from graftlab.checkpoints.build import fingerprint
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import read_tensors, save_model, write_tensors
from graftlab.codes import SwapCodes
from graftlab.data import open_source
from graftlab.editing.directions import Directions, Moments, encoded, fit, principal, sweep
from graftlab.editing.factors import labelled
from graftlab.errors import GraftError
from graftlab.images import read

HOSTILE = sorted((Path(__file__).parent / "fixtures" / "hostile").glob("*.safetensors"))


@pytest.fixture
def directions():
    textures, _, _ = planted()
    return replace(fit(textures, 2, "a" * 64), about={"pictures": 400, "note": "größer"})


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
    for found in (fit(textures, 4), labelled(textures, {"a": planted()[2][:, 0], "b": planted()[2][:, 1]})):
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
    with pytest.raises(GraftError, match="one direction or more, not 0"):
        fit(textures, 0)
    with pytest.raises(GraftError, match="5 directions need more readable pictures than 5, not 5"):
        fit(textures[:5], 5)
    with pytest.raises(GraftError, match="vary in 2 ways only; ask for fewer directions than 3"):
        fit(numbers @ axes, 3)
    with pytest.raises(GraftError, match="fewer directions than 13"):
        fit(textures, 13)
    with pytest.raises(GraftError, match="vary in 0 ways only"):
        fit(torch.ones(9, 4), 1)


# -- applying ---------------------------------------------------------------------------------------------------------


def codes(count=2, channels=12, **options):
    generator = torch.Generator().manual_seed(4)
    return SwapCodes(
        torch.randn(count, 3, 2, 2, generator=generator), torch.randn(count, channels, generator=generator), **options
    )


def test_applying_adds_gains(directions):
    before = codes(model="a" * 64, size=(7, 8))
    after = directions.apply(before, {"component 1": 1.5, "component 2": -2.0})
    step = 1.5 * directions.vectors[0] - 2 * directions.vectors[1]
    assert torch.allclose(after.texture, before.texture + step, atol=1e-6)
    assert torch.equal(after.structure, before.structure)
    assert (after.model, after.size) == (before.model, before.size)
    one_by_one = directions.apply(directions.apply(before, {"component 2": -2.0}), {"component 1": 1.5})
    assert torch.allclose(one_by_one.texture, after.texture, atol=1e-6)
    assert torch.equal(directions.apply(before, {"component 1": 0}).texture, before.texture)


def test_texture_maps_move_everywhere_alike(directions):
    vector, before = codes(), codes()
    spread = replace(before, texture=before.texture[:, :, None, None].expand(-1, -1, 3, 5).bfloat16())
    moved = directions.apply(spread, {"component 1": 1}).texture
    assert moved.dtype == torch.bfloat16
    wanted = directions.apply(vector, {"component 1": 1}).texture[:, :, None, None].expand(-1, -1, 3, 5)
    assert torch.allclose(moved.float(), wanted, atol=0.05)


def test_codes_of_another_model_are_refused(directions):
    with pytest.raises(GraftError, match=r"another model \(aaaaaaaaaaaa\) than the codes \(bbbbbbbbbbbb\)"):
        directions.apply(codes(model="b" * 64), {"component 1": 1})
    directions.apply(codes(), {"component 1": 1})  # of no known model
    replace(directions, model=None).apply(codes(model="b" * 64), {"component 1": 1})
    with pytest.raises(GraftError, match="12 channels, not 13"):
        directions.apply(codes(channels=13), {"component 1": 1})


@pytest.mark.parametrize("gain", [1001, -1001, float("inf"), float("nan")])
def test_gains_without_sense_are_refused(directions, gain):
    with pytest.raises(GraftError, match="between -1000 and 1000"):
        directions.apply(codes(), {"component 1": gain})


def test_names(directions):
    renamed = replace(directions, names=("component 1 (night)", "night"))
    assert [renamed.index(name) for name in ("component 1 (night)", "component 1", "night")] == [0, 0, 1]
    with pytest.raises(GraftError, match=r"no direction 'snow', only component 1 \(night\), night"):
        renamed.index("snow")


def test_sweep_decodes_what_is_applied():
    network, image = model(), pictures(1)
    textures = network.encode(pictures(40, seed=3)).texture
    found = fit(textures, 2)
    rows = list(sweep(network, found, image, ["component 2", "component 1"], [-2, 0, 2], seed=5))
    assert [len(row) for row in rows] == [3, 3]
    assert torch.equal(rows[0][1], network.decode(network.encode(image), seed=5))
    moved = replace(network.encode(image), texture=network.encode(image).texture + 2 * found.vectors[0])
    assert torch.allclose(rows[1][2], network.decode(moved, seed=5), atol=1e-5)
    assert not torch.allclose(rows[1][2], rows[1][1], atol=1e-3)


# -- photos -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def network(bundle):
    return load(bundle / "landscapes-128.safetensors", "cpu")


def test_principal_is_the_fit_of_what_is_encoded(bundle, network):
    said = []
    found = principal(network, bundle / "photos", 32, 4, on_progress=lambda *figures: said.append(figures))
    squares = [read(path, 32, square=True) for path in sorted((bundle / "photos").glob("*.jpg"))]
    reference = fit(network.encode(torch.cat(squares)).texture, 4)
    assert found.model == fingerprint(network.state_dict())
    assert torch.allclose(found.explained, reference.explained, atol=0.02)
    assert torch.allclose(found.mean, reference.mean, atol=0.02)
    photos = len(squares)
    assert said[-1] == (photos, photos)
    assert found.about == {
        "pictures": photos,
        "components": 4,
        "unreadable": 0,
        "photos": "photos",
        "size": 32,
        "seed": 0,
    }


def test_principal_takes_at_most_so_many_and_passes_over_the_unreadable(photos, bundle, network):
    few = principal(network, bundle / "photos", 32, 2, most=5, seed=1)
    assert few.about["pictures"] == 5
    assert torch.equal(few.vectors, principal(network, bundle / "photos", 32, 2, most=5, seed=1).vectors)
    assert not torch.equal(few.mean, principal(network, bundle / "photos", 32, 2, most=5, seed=2).mean)
    (photos / "broken.png").write_bytes(b"no picture")
    found = principal(network, photos, 32, 2)
    assert (found.about["pictures"], found.about["unreadable"]) == (3, 1)
    with pytest.raises(GraftError, match="3 directions need more readable pictures than 3, not 3"):
        principal(network, photos, 32, 3)
    with pytest.raises(GraftError, match="4 directions need more readable pictures than 4, not 4"):
        principal(network, photos, 32, 4)


def test_encoded_keeps_numbers_beside_codes(photos, network, monkeypatch):
    monkeypatch.setattr("graftlab.editing.directions.BATCH", 2)
    (photos / "broken.png").write_bytes(b"no picture")  # the first by name
    source = open_source(photos)
    pieces = list(encoded(network, source, [3, 0, 1], 32))
    assert [indices for indices, _ in pieces] == [[3], [1]]
    assert [len(batch) for _, batch in pieces] == [1, 1]
    (alone,) = encoded(network, source, [1], 32)
    assert torch.allclose(alone[1].texture, pieces[1][1].texture, atol=1e-6)
    assert not alone[1].texture.requires_grad


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_file_gives_back_every_bit(directions, tmp_path):
    path = directions.save(tmp_path / "new" / "d.safetensors")
    loaded = Directions.load(path)
    assert (loaded.names, loaded.model, loaded.about) == (directions.names, directions.model, directions.about)
    for name in ("vectors", "mean", "explained"):
        assert torch.equal(getattr(loaded, name), getattr(directions, name))
    before = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == before


def test_bundled_directions_are_found_by_the_name_of_their_model(directions, tmp_path, monkeypatch):
    monkeypatch.setattr("graftlab.checkpoints.load.BUNDLED", tmp_path)
    directions.save(tmp_path / "hills-9.directions.safetensors")
    assert Directions.load("hills-9").names == directions.names
    with pytest.raises(GraftError, match="hills-8"):
        Directions.load("hills-8")


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_hostile_files_are_refused(path):
    with pytest.raises(GraftError) as refused:
        Directions.load(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["model", "codes", "cut", "empty", "folder", "missing", "structure"])
def test_other_files_are_refused(kind, directions, tmp_path):
    path = tmp_path / kind
    if kind == "model":
        save_model(path, model())
    elif kind == "codes":
        codes().save(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "structure":  # of a part that this version does not know
        tensors, header = read_tensors(directions.save(path))
        write_tensors(path, tensors, {**header, "part": "structure"})
    elif kind != "missing":
        data = directions.save(path).read_bytes()
        path.write_bytes(data[:-9] if kind == "cut" else b"")
    with pytest.raises(GraftError) as refused:
        Directions.load(path)
    assert str(path) in str(refused.value)
    assert str(refused.value).endswith(".")


BROKEN = {
    "no mean": lambda tensors, header: tensors.pop("mean"),
    "one tensor more": lambda tensors, header: tensors.update(more=torch.zeros(1)),
    "shapes": lambda tensors, header: tensors.update(vectors=tensors["vectors"][:, 1:]),
    "dimensions": lambda tensors, header: tensors.update(mean=tensors["mean"][None]),
    "shares": lambda tensors, header: tensors.update(explained=tensors["explained"][:1]),
    "scalar": lambda tensors, header: tensors.update(mean=torch.tensor(1.0)),
    "not finite": lambda tensors, header: tensors["vectors"][0].fill_(torch.nan),
    "infinite": lambda tensors, header: tensors["explained"].fill_(torch.inf),
    "whole numbers": lambda tensors, header: tensors.update(mean=tensors["mean"].long()),
    "no length": lambda tensors, header: tensors["vectors"][1].fill_(0),
    "no names": lambda tensors, header: header.pop("names"),
    "text for names": lambda tensors, header: header.update(names="ab"),
    "numbers for names": lambda tensors, header: header.update(names=[1, 2]),
    "too few names": lambda tensors, header: header.update(names=["a"]),
    "the same name twice": lambda tensors, header: header.update(names=["a", "a"]),
    "an empty name": lambda tensors, header: header.update(names=["a", " "]),
    "a line break in a name": lambda tensors, header: header.update(names=["a", "b\nc"]),
    "half a letter": lambda tensors, header: header.update(names=["a", "\ud800"]),
    "model": lambda tensors, header: header.update(model=7),
    "about": lambda tensors, header: header.update(about=[1]),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_files_without_sense_are_refused(change, directions, tmp_path):
    path = directions.save(tmp_path / "d")
    tensors, header = read_tensors(path)
    change(tensors, header)
    write_tensors(path, tensors, header)
    with pytest.raises(GraftError, match="directions without sense") as refused:
        Directions.load(path)
    assert "\n" not in str(refused.value)


def test_senseless_correlations_are_none(directions):
    for table in ([1], {"component 1": 3}, {"component 1": {"night": "much"}}):
        assert replace(directions, about={"correlations": table}).correlations("component 1") == {}
    assert json.loads(json.dumps(directions.about)) == directions.about


def test_only_directions_of_one_model_and_one_set_of_pictures_are_joined(directions):
    textures, _, _ = planted()
    with pytest.raises(GraftError, match="no directions to join"):
        Directions.cat([])
    for other in (fit(textures, 1, "b" * 64), fit(textures + 1, 1, "a" * 64)):
        with pytest.raises(GraftError, match="one model"):
            Directions.cat([directions, other])
    with pytest.raises(GraftError, match="a name of its own"):
        Directions.cat([directions, directions])
