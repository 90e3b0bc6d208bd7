"""The recipe of words: what is known of a picture, captions that say it, which of them fit which pictures."""

import csv
import dataclasses
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from test_recipes import RECIPES, landscapes

sys.path.insert(0, str(RECIPES / "words"))  # scripts that use the files beside them

import captions
import factors
import train
import views

from graftlab.language.words import Vocabulary


def row(seed: int, **factors) -> dict[str, str]:
    """As in index.csv, of a random structure and texture."""
    rng = np.random.default_rng(seed)
    pair = landscapes.Structure.sample(rng), landscapes.Texture.sample(rng)
    found = {}
    for name, value in {**dataclasses.asdict(pair[0]), **dataclasses.asdict(pair[1]), **factors}.items():
        parts = (
            {f"{name}_{part}": number for part, number in zip("rgb", value, strict=True)}
            if isinstance(value, tuple)
            else {name: value}
        )
        found |= {key: str(part) for key, part in parts.items()}
    return found


def test_facts_say_what_the_renderer_drew():
    told = captions.facts(row(1, archetype="winter", place="valley", lake=0.7, wind=0.1, ice=0.0, skyline=0.5))
    for claim in (("season", "winter"), ("snow", "ground"), ("water", "lake"), ("surface", "calm"), ("hour", "day")):
        assert told[claim]
    for claim in (("season", "summer"), ("water", "none"), ("surface", "waves"), ("climate", "desert")):
        assert told[claim] is False
    told = captions.facts(row(1, archetype="night", place="coast", stars=0.2))
    assert told["water", "sea"]
    assert ("stars", "yes") not in told  # in between, one cannot say
    older = {name: value for name, value in row(2, archetype="dawn").items() if name not in ("place", "flowers")}
    assert captions.facts(older)["place", "coast"] is False  # the renderer's first version knew valleys only


def test_captions_are_true_and_can_be_read():
    rng = np.random.default_rng(0)
    vocabulary = Vocabulary.of(captions.everything([]))
    for seed in range(40):
        told = captions.facts(row(seed))
        for length in (None, 1, 99):
            made = captions.caption(told, rng, length)
            assert made.claims
            assert all(told[claim] for claim in made.claims)
            assert vocabulary.unknown(made.text) == []
        assert len(captions.caption(told, rng, 1).claims) == 1


def test_photographs_are_told_of_and_twelve_are_kept_apart():
    told = captions.photos(train.PHOTOS)
    assert sum(photo.use == "judge" for photo in told) == 12
    assert len({photo.name for photo in told}) == len(told) == 95
    assert all(len(photo.captions) >= 2 for photo in told if photo.use == "train")
    (peak,) = (photo for photo in told if photo.name == "tomasz-smal")
    assert peak.facts["snow", "ground"]
    assert peak.facts["sun", "none"]


def test_which_captions_fit_which_pictures():
    photo = captions.Photo("peak", "train", captions.told("hour=night"), ["a peak"])
    scenes = [
        train.Scene("a", {("hour", "night"): True, ("water", "lake"): True}),
        train.Scene("b", {("hour", "night"): False, ("water", "lake"): True}),
        train.Scene("c", photo.facts, photo),
    ]
    said = [
        captions.Caption("night", (("hour", "night"),)),
        captions.Caption("lake at night", (("hour", "night"), ("water", "lake"))),
        captions.Caption("a peak", (("hour", "night"),), "peak"),
    ]
    known = train.truth(scenes)
    assert train.fits(scenes, known, said).tolist() == [[1, 1, 0], [-1, -1, -1], [1, 0, 1]]


def test_the_objective_is_cross_entropy_where_one_caption_fits():
    products, fit = torch.randn(3, 4), torch.tensor([[1, -1, -1, -1], [-1, -1, 1, 0], [0, -1, -1, -1]])
    rows = [
        products[0].softmax(0)[0],
        products[1, :3].softmax(0)[2],
    ]  # what one cannot say is left out, and the last row
    assert torch.allclose(train.contrast(products, fit), -torch.stack(rows).log().mean())
    several = torch.tensor([[1, 1, -1, -1]])
    wanted = -products[:1].log_softmax(1)[0, :2].mean()
    assert torch.allclose(train.contrast(products[:1], several), wanted)


def test_held_out_renderings_share_nothing_with_the_others(tmp_path):
    names = [f"{index:06d}@{index + view:06d}.jpg" for index in range(130) for view in range(2)]
    rows = [{"file": name, **row(0)} for name in names]
    with open(tmp_path / "index.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    for name in names[:-1]:
        (tmp_path / name).touch()
    scenes = train.renderings(tmp_path)
    parts = {held: {tuple(s.path.stem.split("@")) for s in scenes if s.held == held} for held in (True, False)}
    for side in (0, 1):
        assert not {pair[side] for pair in parts[True]} & {pair[side] for pair in parts[False]}
    assert len(parts[True]) == 40
    assert len(scenes) == len(names) - 1 - 4  # of both neighbours of both blocks, one picture


def test_views_are_kept_and_only_new_pictures_are_looked_at(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(tmp_path / f"{name}.png")
    wanted, kept = {str(tmp_path / "a.png"): 1}, tmp_path / "views.safetensors"
    first = views.compute(wanted, kept)
    assert first.picture.tolist() == [0, 0, 0]
    look = views.look
    monkeypatch.setattr(
        views, "look", lambda path, crops: look(path, crops) if path.endswith("b.png") else pytest.fail(path)
    )
    both = views.compute({str(tmp_path / "b.png"): 0, **wanted}, kept)
    assert both.picture.tolist() == [0, 0, 1, 1, 1]
    assert torch.equal(both.number(1, [1]), first.number(1, [0]))


def test_factors_are_read_off_what_tells_them(tmp_path):
    seen = torch.randn(480, 6)
    night = seen[::2, 3] > 0  # of each picture two views
    seen[1::2] = seen[::2]
    scenes = [
        train.Scene(tmp_path, {("hour", "night"): bool(dark), ("hour", "day"): not dark}, held=index % 4 == 0)
        for index, dark in enumerate(night)
    ]
    found = factors.fit(scenes, views.Views([], seen, torch.arange(480) // 2))
    assert found.claims == [("hour", "day"), ("hour", "night")]
    assert min(found.right) > 0.8
    found.save(tmp_path / "factors.safetensors")
    again = factors.Factors.load(tmp_path / "factors.safetensors")
    assert again.claims == found.claims
    assert torch.equal(again.scores(seen), found.scores(seen))
