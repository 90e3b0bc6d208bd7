"""Directions: what is planted among textures is found, gains are standard deviations, files are whole or refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from claims import refused
from planted import planted
from tiny import model, pictures

from graftlab.artifacts import read_tensors, write_tensors
from graftlab.checkpoints.native import save_model
from graftlab.codes import StyleCodes, SwapCodes
from graftlab.editing.directions import Directions, sweep
from graftlab.editing.fitting import fit

HOSTILE = sorted((Path(__file__).parent / "fixtures" / "hostile").glob("*.safetensors"))


@pytest.fixture
def directions():
    textures, _, _ = planted()
    return replace(fit(textures, 2, "a" * 64), about={"pictures": 400, "note": "größer"})


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
    says = r"another model \(a{12}\) cannot be used with these codes \(b{12}\)"
    refused(says, directions.apply, codes(model="b" * 64), {"component 1": 1})
    directions.apply(codes(), {"component 1": 1})  # of no known model
    replace(directions, model=None).apply(codes(model="b" * 64), {"component 1": 1})
    refused("12 channels, not 13", directions.apply, codes(channels=13), {"component 1": 1})


def test_names_and_gains_without_sense(directions):
    for gain in (1001, -1001, float("inf"), float("nan")):
        refused("between -1000 and 1000", directions.apply, codes(), {"component 1": gain})
    renamed = replace(directions, names=("component 1 (night)", "night"))
    assert [renamed.index(name) for name in ("component 1 (night)", "component 1", "night")] == [0, 0, 1]
    refused(r"no direction 'snow', only component 1 \(night\), night", renamed.index, "snow")


# -- parts, regions, layers -------------------------------------------------------------------------------------------


def of(part, channels, layers=None):
    generator = torch.Generator().manual_seed(6)
    vectors = torch.randn(2, channels, generator=generator)
    mean, shares = torch.zeros(channels), torch.tensor([0.5, 0.1])
    return Directions(("a", "b"), vectors, mean, shares, "a" * 64, {}, part, layers)


def test_structures_move_in_every_cell_alike():
    before, shapes = codes(), of("structure", 3)
    after = shapes.apply(before, {"a": 2, "b": -1})
    step = (2 * shapes.vectors[0] - shapes.vectors[1])[:, None, None]
    assert torch.allclose(after.structure, before.structure + step, atol=1e-6)
    assert torch.equal(after.texture, before.texture)


def test_a_mask_bounds_the_change(directions):
    before = replace(codes(), structure=torch.randn(2, 3, 4, 6))
    mask = torch.zeros(1, 1, 4, 6)
    mask[..., :3] = 1
    moved = of("structure", 3).apply(before, {"a": 1}, mask)
    step = of("structure", 3).vectors[0][:, None, None]
    assert torch.allclose(moved.structure[..., :3], before.structure[..., :3] + step, atol=1e-6)
    assert torch.equal(moved.structure[..., 3:], before.structure[..., 3:])
    turned = directions.apply(before, {"component 1": 1}, mask).texture
    assert turned.shape == (2, 12, 4, 6)
    assert torch.allclose(turned[..., 0, 0], before.texture + directions.vectors[0], atol=1e-6)
    assert torch.allclose(turned[..., 3, 5], before.texture)
    large = directions.apply(before, {"component 1": 1}, mask.repeat_interleave(32, 2).repeat_interleave(32, 3)).texture
    assert large.shape == turned.shape  # the structure's cells, not the mask's pixels
    assert torch.allclose(large[..., [0, 1, 4, 5]], turned[..., [0, 1, 4, 5]], atol=1e-6)
    half = directions.apply(before, {"component 1": 1}, torch.full((1, 1, 4, 6), 0.5)).texture
    assert torch.allclose(half[..., 0, 0], before.texture + directions.vectors[0] / 2, atol=1e-5)
    everywhere = directions.apply(before, {"component 1": 1}, torch.ones(1, 1, 9, 9)).texture
    assert torch.allclose(everywhere[..., 2, 2], directions.apply(before, {"component 1": 1}).texture, atol=1e-6)


def test_masks_without_sense_are_refused(directions):
    one, shapes = torch.ones(1, 1, 8, 8), (torch.ones(8, 8), torch.ones(1, 3, 8, 8), torch.ones(1, 1, 0, 8))
    refused("0 everywhere", directions.apply, codes(), {"component 1": 1}, 0 * one)
    for mask in (*shapes, 1.5 * one, torch.nan * one, one.long()):
        refused("numbers from 0 to 1", directions.apply, codes(), {"component 1": 1}, mask)


def test_w_moves_at_its_layers():
    before = StyleCodes(torch.randn(3, 6, 5))
    everywhere, some = of("w", 5), of("w", 5, (1, 2))
    step = everywhere.vectors[0]
    assert torch.allclose(everywhere.apply(before, {"a": 2}).w, before.w + 2 * step, atol=1e-6)
    for after, rows in (
        (some.apply(before, {"a": 2}), [1, 2]),
        (some.apply(before, {"a": 2}, layers=[5]), [5]),
        (everywhere.apply(before, {"a": 2}, layers=range(4)), [0, 1, 2, 3]),
        (some.apply(before, {"a": 2}, layers=[]), []),
    ):
        wanted = before.w.clone()
        wanted[:, rows] += 2 * step
        assert torch.allclose(after.w, wanted, atol=1e-6)
    refused("layers 0 to 5, not 6", everywhere.apply, before, {"a": 1}, layers=[6])


def test_what_does_not_go_with_a_part_is_refused(directions):
    styles = StyleCodes(torch.randn(3, 6, 5))
    refused("change w, which SwapCodes .* they have structure and texture", of("w", 5).apply, codes(), {"a": 1})
    refused("change texture, which StyleCodes do not have; they have w", directions.apply, styles, {"component 1": 1})
    refused("layers are for w", directions.apply, codes(), {"component 1": 1}, layers=[0])
    refused("mask is for pictures", of("w", 5).apply, styles, {"a": 1}, torch.ones(1, 1, 8, 8))
    refused("structure codes of 4 channels, not 3", of("structure", 4).apply, codes(), {"a": 1})
    refused("w codes of 4 channels, not 5", of("w", 4).apply, styles, {"a": 1})
    refused("layers belong to w alone", of, "texture", 4, (1,))


# -- making others of them --------------------------------------------------------------------------------------------


def test_composing_adds(directions):
    made = directions.compose("dusk", {"component 1": 1.5, "component 2": -0.5})
    assert made.names == ("component 1", "component 2", "dusk")
    before = codes(model="a" * 64)
    whole, parts = made.apply(before, {"dusk": 2}), made.apply(before, {"component 1": 3, "component 2": -1})
    assert torch.allclose(whole.texture, parts.texture, atol=1e-5)
    assert made.about["composed"] == {"dusk": {"component 1": 1.5, "component 2": -0.5}}
    again = made.compose("night", {"dusk": 2})
    assert set(again.about["composed"]) == {"dusk", "night"}
    assert again.explained[2:].tolist() == [0, 0]  # nobody knows
    for gains in ({}, {"component 1": 0}, {"dusk": 1, "component 1": -1.5, "component 2": 0.5}):
        refused("Nothing is left of 'nil'", made.compose, "nil", gains)
    refused("a name of its own", made.compose, "dusk", {"component 1": 1})
    refused("between -1000 and 1000", made.compose, "nil", {"component 1": float("nan")})


def test_orthogonalising_takes_out_what_is_shared():
    vectors = torch.tensor([[1.0, 1, 0, 0], [0, 2, 0, 0], [0, 2, 0, 0], [0, 0, 0, 3]])
    about = {"correlations": {"a": {"snow": 0.5}, "d": {"snow": 0.1}}, "pictures": 7}
    found = Directions(tuple("abcd"), vectors, torch.zeros(4), torch.full((4,), 0.1), None, about)
    made = found.orthogonalise("a", found.select(["b", "c"]))  # alike: what they span has one dimension
    assert torch.allclose(made.vectors, torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 0], [0, 2, 0, 0], [0, 0, 0, 3]]))
    assert (found.vectors == vectors).all()  # the old ones are as they were
    assert made.explained.tolist() == pytest.approx([0, 0.1, 0.1, 0.1])
    assert made.about == {"correlations": {"d": {"snow": 0.1}}, "orthogonal": {"a": ["b", "c"]}, "pictures": 7}
    refused("Nothing is left of 'b'", found.orthogonalise, "b", found.select(["c"]))
    for other in (replace(found, model="b" * 64), replace(found, part="structure")):
        refused("of one model, and of one part", found.orthogonalise, "a", other)


def test_orthogonal_directions_leave_the_others_alone(directions):
    textures, _, _ = planted()
    mixed = directions.compose("mix", {"component 1": 1, "component 2": 1})
    made = mixed.orthogonalise("mix", directions.select(["component 1"]))
    moved = made.positions(textures + 2 * made.vectors[2]) - made.positions(textures)
    assert moved[:, 0].abs().max() < 1e-5
    assert torch.allclose(moved[:, 1], torch.tensor(2.0).double(), atol=1e-5)


def test_renaming_goes_through(directions):
    about = {"correlations": {"component 1": {"snow": 0.4}}, "toward": {"component 1": "snow"}, "size": 3}
    full = replace(directions, names=("component 1 (snow)", "component 2"), about=about)
    made = replace(full, names=("component 1", "component 2")).rename("component 1", "snow")
    assert made.names == ("snow", "component 2")
    assert made.about == {"correlations": {"snow": {"snow": 0.4}}, "toward": {"snow": "snow"}, "size": 3}
    assert full.rename("component 1", "x").names == ("x", "component 2")
    refused("a name of its own", full.rename, "component 2", "component 1 (snow)")
    refused("no direction 'x'", full.rename, "x", "y")


def test_select_keeps_the_order_asked_for(directions):
    made = directions.select(["component 2", "component 1"])
    assert made.names == ("component 2", "component 1")
    assert torch.equal(made.vectors, directions.vectors.flip(0))
    assert torch.equal(made.explained, directions.explained.flip(0))


def test_sweep_decodes_what_is_applied():
    network, image = model(), pictures(1)
    textures = network.encode(pictures(40, seed=3)).texture
    found = fit(textures, 2)
    rows = list(sweep(network, found, network.encode(image), ["component 2", "component 1"], [-2, 0, 2], seed=5))
    assert [len(row) for row in rows] == [3, 3]
    assert torch.equal(rows[0][1], network.decode(network.encode(image), seed=5))
    moved = replace(network.encode(image), texture=network.encode(image).texture + 2 * found.vectors[0])
    assert torch.allclose(rows[1][2], network.decode(moved, seed=5), atol=1e-5)
    assert not torch.allclose(rows[1][2], rows[1][1], atol=1e-3)


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
    for part, layers in (("structure", None), ("w", None), ("w", (0, 3)), ("w", ())):
        loaded = Directions.load(of(part, 5, layers).save(path))
        assert (loaded.part, loaded.layers) == (part, layers)


def test_other_files_are_refused(directions, tmp_path):
    save_model(tmp_path / "model", model())
    codes().save(tmp_path / "codes")
    whole = directions.save(tmp_path / "cut").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-9])
    (tmp_path / "empty").touch()
    tensors, header = read_tensors(directions.save(tmp_path / "part"))
    write_tensors(tmp_path / "part", tensors, {**header, "part": "shape"})  # which this version does not know
    for path in (*tmp_path.iterdir(), tmp_path, tmp_path / "missing", *HOSTILE):
        assert str(path) in refused("", Directions.load, path)


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
    "layers of textures": lambda tensors, header: header.update(layers=[1]),
    "layers": lambda tensors, header: header.update(part="w", layers=["1"]),
    "no list of layers": lambda tensors, header: header.update(part="w", layers=3),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_files_without_sense_are_refused(change, directions, tmp_path):
    path = directions.save(tmp_path / "d")
    tensors, header = read_tensors(path)
    change(tensors, header)
    write_tensors(path, tensors, header)
    refused("no sensible directions", Directions.load, path)


def test_senseless_correlations_are_none(directions):
    for table in ([1], {"component 1": 3}, {"component 1": {"night": "much"}}):
        assert replace(directions, about={"correlations": table}).correlations("component 1") == {}
    assert json.loads(json.dumps(directions.about)) == directions.about


def test_only_directions_of_one_model_and_one_set_of_pictures_are_joined(directions):
    textures, _, _ = planted()
    refused("no directions to join", Directions.cat, [])
    for other in (fit(textures, 1, "b" * 64), fit(textures + 1, 1, "a" * 64)):
        refused("one model", Directions.cat, [directions, other])
    refused("a name of its own", Directions.cat, [directions, directions])
