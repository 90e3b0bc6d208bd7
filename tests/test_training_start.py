"""Training in one call, on tiny networks: the calls that stand beside `graft train`, `finetune` and `distill`."""

from dataclasses import replace

import pytest
import tiny
from training_fixture import make_photos

import graftlab
from graftlab.config import PairsConfig, StyleTrainConfig, preset, recipe, style_preset
from graftlab.networks.translator import Translator
from graftlab.training.pairs import Drawing, make_pairs
from graftlab.training.start import configure, configure_finetuning

pytestmark = pytest.mark.usefixtures("small_features")

SHORT = {"images": 8, "batch": 4, "precision": "float32", "snapshot_every": 8, "record_every": 4}


def test_train_and_finetune_in_one_call(tmp_path, capsys):
    photos, shown = make_photos(tmp_path / "photos", 12), []
    config = configure(photos, preset("tiny"), weights={"l1": 2.0}, **SHORT)
    assert config.recipe == replace(recipe("official"), l1=2.0)
    last = graftlab.train(config, tmp_path / "run", "cpu")
    assert capsys.readouterr().out.startswith("Only 11 photos to train on")
    model = graftlab.load(last, graftlab.SwappingAutoencoder, device="cpu")
    assert (last.parent / "last.textures.safetensors").exists()
    assert (last.parent / "best.textures.safetensors").exists()
    before = last.read_bytes()
    assert graftlab.train(config, tmp_path / "run", "cpu", tell=shown.append) == last  # nothing is left to do
    assert shown[-1] == f"{tmp_path / 'run'} has seen 8 images, no fewer than --images; to go on, ask for more."
    assert last.read_bytes() == before

    tuned = graftlab.finetune(last, photos, tmp_path / "tuned", weights={"l1": 3.0}, device="cpu", **SHORT)
    about = graftlab.load(tuned, device="cpu").about
    assert about["parent"] == model.fingerprint
    assert about["training"]["recipe"]["l1"] == 3.0
    assert [path.name for path in (tuned.parent / "models").iterdir()] == ["000000008.safetensors"]


def test_distill_in_one_call(tmp_path):
    base, blend = (tiny.stylegan2(seed) for seed in range(2))
    base.fingerprint, blend.fingerprint = "a" * 64, "b" * 64
    make_pairs(Drawing(base, blend, PairsConfig()), tmp_path / "pairs", 16)
    last = graftlab.distill(tmp_path / "pairs", tmp_path / "run", {"width": 4, "blocks": 0}, device="cpu", **SHORT)
    student = graftlab.load(last, Translator, device="cpu")
    assert (student.config.size, student.config.width, student.config.most) == (32, 4, 20)


def test_what_is_not_said_suits_network_and_recipe(tmp_path):
    config = configure("photos", style_preset("tiny"), "projected", images=8)
    assert (config.adapt, config.augment, config.recipe.projected) == (0.0, ("translation",), True)
    path = tiny.stylegan2().save(tmp_path / "base.safetensors")
    config = configure_finetuning(path, "photos", device="cpu")
    assert isinstance(config, StyleTrainConfig)
    assert (config.images, config.adapt_images, config.adapt) == (100_000, 100_000, 0.6)
    with pytest.raises(graftlab.GraftError, match="--views is for a Swapping Autoencoder"):
        configure_finetuning(path, "photos", weights={"views": 1.0})
