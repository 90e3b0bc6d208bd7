"""`graft pairs`: the same pairs however they are drawn, whole shards or none, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from claims import refused

from graftlab.blending.blend import adopt
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.config import PairsConfig
from graftlab.data import TrainingImages, open_source
from graftlab.data import pairs as store
from graftlab.data.pairs import Pairs
from graftlab.errors import GraftError
from graftlab.images import from_uint8, read_recipe, to_uint8
from graftlab.training import pairs as drawing
from graftlab.training.pairs import Drawing, make_pairs
from graftlab.work.files import lock

SHARD = 12  # of these tests; no multiple of a block


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(store, "SHARD", SHARD)
    monkeypatch.setattr(drawing, "SHARD", SHARD)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    found = []
    for seed in range(2):
        save_model(folder / f"{seed}.safetensors", tiny.stylegan2(seed))
        found.append(load(folder / f"{seed}.safetensors", device="cpu"))
    return found


@pytest.fixture
def draw(models):
    return lambda **options: Drawing(*models, PairsConfig(**options))


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix in (".pack", ".json")}


# -- what a pair is ----------------------------------------------------------------------------------------------------


def test_a_pair_is_one_w_of_the_base_drawn_by_both(tmp_path, models, draw):
    base, blend = models
    report = make_pairs(draw(psi=(0.7, 0.7), keep=1), tmp_path, 3)
    assert (report.pairs, report.shards, report.made, report.size, report.dropped) == (3, 1, 1, 32, 0)
    made = Pairs(tmp_path)
    assert len(made) == 3
    randoms = [np.random.default_rng([0, number]) for number in range(3)]
    for random in randoms:
        random.uniform()  # a pair's first number is its psi's
    z = np.stack([random.standard_normal(12) for random in randoms])
    codes = base.map(torch.from_numpy(z), psi=0.7)
    for model, half in ((base, slice(0, 32)), (blend, slice(32, 64))):
        expected = to_uint8(model.decode(adopt(codes, base, model)))
        drawn = np.stack([made.images[i][half] for i in range(3)])
        assert np.abs(drawn.astype(int) - expected).max() <= 1
    assert not np.array_equal(made.images[0][:32], made.images[0][32:])


def test_psi_varies_within_its_range(draw):
    average = draw().base.mapping.average
    near, _ = draw(psi=(0, 0), keep=1).codes(range(4))
    assert torch.allclose(near.w, average.expand_as(near.w))
    one, some = (draw(psi=psi, keep=1).codes(range(4))[0].w - average for psi in ((1, 1), (0.5, 1)))
    shares = (some.flatten(1).norm(dim=1) / one.flatten(1).norm(dim=1)).tolist()
    assert all(0.5 <= share <= 1 for share in shares)
    assert len({round(share, 3) for share in shares}) == 4


def test_the_filter_turns_down_the_w_far_from_the_mean(draw):
    every, some = draw(psi=(1, 1), keep=1), draw(psi=(1, 1), keep=0.3)
    (all_codes, tried), (near_codes, tries) = every.codes(range(64)), some.codes(range(64))
    distance = some._distance(near_codes.w)
    assert distance.max() <= some.limit < every._distance(all_codes.w).max()
    assert tried == [1] * 64
    assert 130 < sum(tries) < 330  # 64 / 0.3 is 213
    kept = every._distance(all_codes.w) <= some.limit
    assert 8 < kept.sum() < 32
    assert torch.allclose(near_codes.w[kept], all_codes.w[kept], atol=1e-6)  # who passes at once is the same pair


def test_conditional_models_draw_all_classes(tmp_path):
    base, blend = (tiny.stylegan2(seed, classes=3) for seed in range(2))
    base.fingerprint, blend.fingerprint = "a", "b"
    assert make_pairs(Drawing(base, blend, PairsConfig()), tmp_path, 4).pairs == 4


# -- shards ------------------------------------------------------------------------------------------------------------


def test_workers_and_interruptions_change_nothing(tmp_path, draw, monkeypatch):
    make_pairs(draw(), tmp_path / "a", 30)
    make_pairs(draw(), tmp_path / "b", 30, workers=3)
    whole = bytes_of(tmp_path / "a")
    assert set(whole) == {"pairs.json", "000000.pack", "000001.pack", "000002.pack"}
    assert bytes_of(tmp_path / "b") == whole

    one, drawn = draw(), []
    monkeypatch.setattr(one, "pictures", lambda numbers: drawn.append(numbers) or Drawing.pictures(one, numbers))

    def stop(done, *_):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_pairs(one, tmp_path / "c", 30, progress=stop)
    assert set(bytes_of(tmp_path / "c")) == {"pairs.json", "000000.pack"}
    assert not list((tmp_path / "c").glob(".*"))
    drawn.clear()
    assert make_pairs(one, tmp_path / "c", 30).made == 2
    assert min(block[0] for block in drawn) == SHARD  # the first shard was not drawn again
    assert bytes_of(tmp_path / "c") == whole


def test_more_pairs_are_added_and_fewer_remove_none(tmp_path, draw):
    make_pairs(draw(), tmp_path / "a", 30)
    assert make_pairs(draw(), tmp_path / "b", 14).pairs == 14
    assert make_pairs(draw(), tmp_path / "b", 30).made == 2  # the one that was not full, and the last
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert make_pairs(draw(), tmp_path / "b", 14).pairs == 30


def test_blocks_are_drawn_whole_for_rounding_depends_on_who_is_drawn_together(tmp_path, draw, monkeypatch):
    one, drawn = draw(), []
    monkeypatch.setattr(one, "pictures", lambda numbers: drawn.append(numbers) or Drawing.pictures(one, numbers))
    report = make_pairs(one, tmp_path, 11)
    assert drawn == [range(8), range(8, 16)]
    tries = [times for numbers in drawn for times in one.codes(numbers)[1]]
    assert report.dropped == 1 - 11 / sum(tries[:11])


def test_a_damaged_shard_is_refused_and_drawn_again(tmp_path, draw):
    make_pairs(draw(), tmp_path, 30)
    before = bytes_of(tmp_path)
    shard = tmp_path / "000001.pack"
    data = bytearray(shard.read_bytes())
    data[9000] ^= 1
    shard.write_bytes(data)
    refused(r"000001\.pack is damaged: its image 1 ", Pairs(tmp_path).take, np.arange(30))
    assert make_pairs(draw(), tmp_path, 30).made == 1
    assert bytes_of(tmp_path) == before
    shard.write_bytes(shard.read_bytes()[:-5000])
    refused(r"000001\.pack is damaged or cut off .* same 'graft pairs' command", Pairs, tmp_path)
    assert make_pairs(draw(), tmp_path, 30).made == 1
    assert bytes_of(tmp_path) == before
    shard.unlink()
    refused(r"000001\.pack is missing between others", Pairs, tmp_path)


def test_shards_of_other_pairs_do_not_mix(tmp_path, draw):
    make_pairs(draw(), tmp_path / "a", 30)
    make_pairs(draw(seed=1), tmp_path / "b", 30)
    (tmp_path / "a/000001.pack").write_bytes((tmp_path / "b/000001.pack").read_bytes())
    refused(r"000001\.pack holds pairs of other models or options", Pairs, tmp_path / "a")


def test_a_full_disk_leaves_whole_shards_and_one_sentence(tmp_path, draw, monkeypatch):
    def full(out, size, entries, metadata):
        if out.name == "000001.pack":
            raise GraftError(f"{out} could not be written, because there is no space left on the disk.")
        return write_pack(out, size, entries, metadata)

    write_pack = drawing.write_pack
    monkeypatch.setattr(drawing, "write_pack", full)
    refused("no space left", make_pairs, draw(), tmp_path / "a", 30)
    assert len(Pairs(tmp_path / "a")) == SHARD
    monkeypatch.setattr(drawing, "write_pack", write_pack)
    monkeypatch.setattr("graftlab.hardware.disk_usage", lambda place: type("", (), {"free": 1000}))
    refused(r"its disk has 1 KB free", make_pairs, draw(), tmp_path / "a", 30)


def test_one_process_at_a_time(tmp_path, draw):
    make_pairs(draw(), tmp_path, 4)
    with lock(tmp_path / "lock", ""), pytest.raises(GraftError, match="is in use by another process"):
        make_pairs(draw(), tmp_path, 30)
    assert make_pairs(draw(), tmp_path, 30).pairs == 30


# -- as training data --------------------------------------------------------------------------------------------------


def test_pairs_are_batches_whose_halves_are_mirrored_alike(tmp_path, draw):
    make_pairs(draw(), tmp_path, 40)
    source = open_source(tmp_path)
    assert isinstance(source, Pairs)
    images = TrainingImages(source, 32, paired=True, holdout=0.2)
    held_out = images.held_out(100)
    assert held_out.shape[1:] == (3, 64, 32)
    assert len(held_out) + len(images) == 40
    known = {tuple(source.images[i][:, ::step].tobytes() for step in (1, -1)): i for i in range(40)}
    straight = {plain: i for (plain, _), i in known.items()}
    mirrored = {back: i for (_, back), i in known.items()}
    batch = to_uint8(images.batch(0, len(images)))
    found = [straight.get(pair.tobytes(), mirrored.get(pair.tobytes())) for pair in batch]
    assert None not in found
    assert len(set(found)) == len(images)
    assert any(pair.tobytes() in mirrored for pair in batch)
    assert torch.equal(TrainingImages(source, 32, paired=True, holdout=0).held_out(4), torch.empty(0, 3, 64, 32))


def test_pairs_and_photos_are_told_apart(tmp_path, draw, photos):
    make_pairs(draw(), tmp_path / "pairs", 4)
    refused("pairs is pairs, not photos", TrainingImages, open_source(tmp_path / "pairs"), 32)
    refused("is no folder of pairs; make one", TrainingImages, open_source(photos), 32, paired=True)
    source = open_source(tmp_path / "pairs")
    refused("is packed at 32 px and training wants 16", TrainingImages, source, 16, paired=True)


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(graft):
    for name, model in {"a": tiny.stylegan2(), "b": tiny.stylegan2(1), "wide": tiny.stylegan2(w_channels=8)}.items():
        save_model(Path(f"{name}.safetensors"), model)
    save_model(Path("flat.safetensors"), tiny.stylegan2(constant=(4, 6)))
    return graft


TWO = ("--base", "a.safetensors", "--blend", "b.safetensors")


def test_the_command_draws_pairs_and_a_sheet(files):
    done = files("pairs", *TWO, "--count", "14", "--shard", "2/2", "--json", "--psi", "0.7", "-o", "p")
    assert done.code == 0, done
    told = json.loads(done.out)
    assert (told["pairs"], told["made"], told["size"]) == (14, 2, 32)
    assert 0 <= told["dropped"] < 0.5
    assert read_recipe("p/examples.jpg")["model"] == load("a.safetensors", device="cpu").fingerprint
    plan = json.loads(Path("p/pairs.json").read_bytes())
    assert plan["psi"] == [0.7, 0.7]
    again = files("pairs", *TWO, "--count", "14", "--psi", "0.7", "-o", "p")
    assert "14 pairs of 32 px in 2 shards (none drawn now)" in again.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--base", "a.safetensors", "--blend", "wide.safetensors"), "built differently, in w_channels (16 and 8)"),
        (("--base", "a.safetensors", "--blend", "a.safetensors"), "are the same model"),
        (("--base", "flat.safetensors", "--blend", "flat.safetensors"), "a student learns from squares"),
        (("--base", "landscapes-128", "--blend", "b.safetensors"), "and this needs a StyleGAN."),
        ((*TWO, "--psi", "much"), "--psi takes a number or a range"),
        ((*TWO, "--psi", "1-0.5"), "psi must rise"),
        ((*TWO, "--count", "2000000000"), "to 1,000,000,000 pairs, not 2,000,000,000"),
        ((*TWO, "--keep", "0"), "'--keep': it must be between 0.01 and 1"),
        ((*TWO, "-o", "photos"), "photos is no folder of pairs, and not empty"),
        ((*TWO, "-o", "a.safetensors"), "a.safetensors is no folder of pairs"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(files, arguments, sentence):
    assert sentence in files("pairs", "--count", "4", *arguments).refusal()
    assert not Path("pairs").exists()


def test_a_folder_of_other_pairs_is_refused(files):
    assert files("pairs", *TWO, "--count", "4").code == 0
    said = files("pairs", "--base", "b.safetensors", "--blend", "a.safetensors", "--count", "4").refusal()
    assert "pairs holds pairs of another base, blend; name another folder" in said
    assert "pairs of another seed" in files("pairs", *TWO, "--count", "4", "--seed", "1").err
    Path("pairs/pairs.json").write_text("{")
    assert "pairs.json cannot be read" in files("pairs", *TWO, "--count", "4").err


def test_halves_come_back_as_they_went(tmp_path, draw):
    make_pairs(draw(), tmp_path, 3)
    made = Pairs(tmp_path)
    assert np.array_equal(to_uint8(from_uint8(made.take(np.array([2, 0])))), made.take(np.array([2, 0])))
    assert made.key(0) != made.key(1)
    assert made.names == [f"{number:07d}" for number in range(3)]
