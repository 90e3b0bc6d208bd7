"""`graft train` and `graft data`: what the options become, what is printed, what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import graftlab
from graftlab.artifacts import read_tensors
from graftlab.checkpoints.native import save_model
from graftlab.config import (
    RECIPES,
    StyleRecipe,
    StyleTrainConfig,
    SwappingTrainConfig,
    preset,
    style_preset,
)
from graftlab.data import open_source
from graftlab.data.pack import Pack
from graftlab.editing.distributions import Distribution, distribution
from graftlab.images import write
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.training import estimate, run

pytestmark = pytest.mark.usefixtures("small_features")

TINY = ("--preset", "tiny", "--batch", "2", "--device", "cpu")


# -- data -------------------------------------------------------------------------------------------------------------


def test_scan(graft):
    Path("photos/broken.png").write_bytes(b"no picture")
    result = graft("data", "scan", "photos", "--json")
    assert "scanning" in result.err
    report = json.loads(result.out)
    assert (report["total"], report["usable"]) == (4, 3)
    assert report["findings"]["unreadable"]["count"] == 1
    result = graft("data", "scan", "photos")
    assert result.out.startswith("photos (folder): 3 of 4 images usable\n")
    assert "broken.png" in result.out
    assert "scanning" in result.err


def test_scan_and_pack_tell_what_they_leave_out(graft, monkeypatch):
    monkeypatch.setattr("graftlab.images.plugins.find_spec", lambda name: None)  # a machine without the helpers
    Path("photos/x.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(12))
    Path("photos/no name").write_bytes(Path("photos/hill.png").read_bytes())
    for arguments in (("scan", "photos"), ("pack", "photos", "--out", "a.pack", "--size", 16)):
        told = json.loads(graft("data", *arguments, "--json").out)
        assert told.get("total", told.get("images")) == 4
        assert told["left_out"] == {"HEIC": {"count": 1, "names": ["x.heic"]}}
        assert "1 HEIC (pip install 'graftlab[heif]'" in graft("data", *arguments).out


def test_pack(graft):
    result = graft("data", "pack", "photos", "--out", "a.pack", "--size", 16, "--json")
    assert json.loads(result.out) == {
        "path": "a.pack",
        "images": 3,
        "photos": 3,
        "size": 16,
        "bytes": Path("a.pack").stat().st_size,
        "unreadable": 0,
        "reasons": [],
        "left_out": {},
    }
    assert isinstance(open_source("a.pack"), Pack)
    assert graft("data", "pack", "photos", "-o", "b.pack", "--size", 16).out == "b.pack: 3 images of 16 px, 0.0 MiB\n"
    assert Path("b.pack").read_bytes() == Path("a.pack").read_bytes()


def test_every_option_of_pack_matters(graft):
    packs = set()
    for i, options in enumerate(
        (
            ("--size", 16),
            ("--size", 20),
            ("--size", 16, "--crop", "resize"),
            ("--size", 16, "--crops", 2, "--crop", "random"),
            ("--size", 16, "--crops", 2, "--crop", "random", "--seed", 1),
        )
    ):
        assert graft("data", "pack", "photos", "-o", f"{i}.pack", *options).code == 0
        packs.add(Pack(f"{i}.pack").images.tobytes())
    assert len(packs) == 5
    assert len(Pack("4.pack")) == 6


def test_impossible_packs(refuses):
    mistakes = (
        (("--size", 0), "--size"),
        (("--size", 10**6), "x.pack"),
        (("--crops", 0), "--crops"),
        (("--crop", "tall"), "tall"),
        (("--crops", 2, "--crop", "random", "--seed", -1), "--seed"),
    )
    refuses(mistakes, "data", "pack", "photos", "-o", "x.pack")


def test_what_holds_no_photos(refuses):
    Path("empty").mkdir()
    Path("text.zip").write_text("no zip")
    for command in (
        ("data", "scan"),
        ("data", "pack", "-o", "x"),
        ("train", "--run", "r"),
        ("train", "--run", "r", "--dry-run"),
    ):
        refuses([((photos,), photos) for photos in ("missing", "empty", "photos/hill.png", "text.zip")], *command)


# -- train ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(graft, monkeypatch):
    """Run `graft train` with a training that only notes what it was told."""

    class Run:
        finishes = True

        def __init__(self, *told):
            Run.told = told
            self.data, self.first, self.notes = range(1000), True, []
            self.trainer = SimpleNamespace(seen=0, encodes=False)

        def train(self, progress):
            progress(4, 8, "L1 0.25")
            return Run.finishes

    monkeypatch.setattr(run, "Run", Run)

    def train(*options, finishes=True, command=("train", "photos")):
        Run.finishes = finishes
        return graft(*command, "--run", "runs/mine", *options), *Run.told

    return train


def test_what_train_does_by_default(trained):
    result, folder, config, device, compiled = trained("--device", "cpu")
    assert (result.code, result.out) == (0, "")
    assert folder == Path("runs/mine")
    assert config == SwappingTrainConfig(preset("small"), RECIPES["official"], "photos", precision=config.precision)
    assert (device.type, compiled) == ("cpu", None)


def test_every_option_of_train_reaches_the_run(trained):
    _, _, usual, *_ = trained("--device", "cpu")
    for options, changes in (
        (("--preset", "tiny"), {"network": preset("tiny")}),
        (("--size", "64"), {"network": preset("small", 64)}),
        (("--images", "25M"), {"images": 25_000_000}),
        (("--images", "0.5k"), {"images": 500}),
        (("--images", "1234"), {"images": 1234}),
        (("--batch", "8"), {"batch": 8}),
        (("--recipe", "paper"), {"recipe": RECIPES["paper"]}),
        (
            ("--recipe", "projected", "--teacher", "efficientnet-lite1"),
            {"recipe": replace(RECIPES["projected"], teacher="efficientnet-lite1")},
        ),
        (("--r1", "2.5"), {"recipe": replace(RECIPES["official"], r1=2.5)}),
        (("--patch-r1", "0"), {"recipe": replace(RECIPES["official"], patch_r1=0.0)}),
        (("--augment", "colour,cutout"), {"augment": ("colour", "cutout")}),
        (("--crop", "random"), {"crop": "random"}),
        (("--no-mirror",), {"mirror": False}),
        (("--precision", "float32"), {"precision": "float32"}),
        (("--learning-rate", "0.001"), {"learning_rate": 0.001}),
        (("--seed", "3"), {"seed": 3}),
        (("--snapshot-every", "2k"), {"snapshot_every": 2000}),
        (("--record-every", "7"), {"record_every": 7}),
    ):
        result, _, config, *_ = trained("--device", "cpu", *options)
        assert result.code == 0
        assert config == replace(usual, **changes)
    assert trained("--compile")[-1] is True
    assert trained("--no-compile")[-1] is False


def test_what_stylegan_train_does_by_default(trained):
    result, folder, config, *_ = trained("--device", "cpu", command=("stylegan", "train", "photos"))
    assert (result.code, result.out, folder) == (0, "", Path("runs/mine"))
    usual = StyleTrainConfig(style_preset("small"), StyleRecipe.for_size(64, 16), "photos", precision=config.precision)
    assert config == replace(usual, augment=("colour", "geometry", "translation"))


def test_every_option_of_stylegan_train_reaches_the_run(trained):
    command = ("stylegan", "train", "photos")
    _, _, usual, *_ = trained("--device", "cpu", command=command)
    for options, changes in (
        (("--preset", "tiny", "--r1", "0.1"), {"network": style_preset("tiny"), "recipe": StyleRecipe(r1=0.1)}),
        (("--size", "32", "--r1", "1"), {"network": style_preset("small", 32), "recipe": StyleRecipe()}),
        (("--batch", "8"), {"batch": 8, "recipe": StyleRecipe.for_size(64, 8)}),
        (("--path-length", "0"), {"recipe": replace(StyleRecipe.for_size(64, 16), path_length=0.0)}),
        (("--mixing", "0.5"), {"recipe": replace(StyleRecipe.for_size(64, 16), mixing=0.5)}),
        (("--augment", ""), {"augment": ()}),
        (("--adapt", "0"), {"adapt": 0.0}),
        (("--grow", "alpine-64"), {"base": "alpine-64"}),
        (
            ("--recipe", "projected", "--mixing", "0.9", "--teacher", "efficientnet-lite2"),
            {
                "recipe": StyleRecipe(projected=True, r1=0.0, path_length=0.0, teacher="efficientnet-lite2"),
                "adapt": 0.0,
                "augment": ("translation",),
            },
        ),
        (("--keep-models",), {"keep_models": True}),
        (("--images", "25M"), {"images": 25_000_000}),
        (("--learning-rate", "0.001"), {"learning_rate": 0.001}),
    ):
        result, _, config, *_ = trained("--device", "cpu", *options, command=command)
        assert result.code == 0
        assert config == replace(usual, **changes)


def test_finetune_takes_networks_and_parent_from_the_base(trained):
    network = style_preset("tiny", 16)
    model = StyleGAN2(network)
    save_model(Path("base.safetensors"), model)
    parent = graftlab.load("base.safetensors").fingerprint
    _, _, config, *_ = trained("--device", "cpu", "--frozen", "2", command=("finetune", "base.safetensors", "photos"))
    assert isinstance(config, StyleTrainConfig)
    assert (config.network, config.base, config.parent) == (network, "base.safetensors", parent)
    assert (config.frozen, config.keep_models, config.adapt, config.adapt_images) == (2, True, 0.6, 100_000)
    assert config.augment == ("colour", "geometry", "translation")
    assert config.recipe == StyleRecipe.for_size(16, 16)

    save_model(Path("base.safetensors"), SwappingAutoencoder(preset("tiny")))
    command = ("finetune", "base.safetensors", "photos")
    _, _, config, *_ = trained("--device", "cpu", command=command)
    assert isinstance(config, SwappingTrainConfig)
    assert (config.network, config.augment, config.keep_models) == (preset("tiny"), (), True)
    assert (config.images, config.learning_rate, config.snapshot_every) == (100_000, 0.002, 5_000)

    more = ("--recipe", "projected", "--weight", "texture=1.5", "--weight", "l1=2", "--side", "64")
    _, _, changed, *_ = trained("--device", "cpu", *more, command=command)
    assert changed == replace(config, recipe=replace(RECIPES["projected"], texture=1.5, l1=2.0), side=64)


def test_finetune_keeps_to_the_recipe_of_the_base(trained):
    about = {"training": {"recipe": StyleRecipe(projected=True, teacher="efficientnet-lite1").to_dict()}}
    save_model(Path("base.safetensors"), StyleGAN2(style_preset("tiny", 16)), about)
    command = ("finetune", "base.safetensors", "photos")
    _, _, config, *_ = trained("--device", "cpu", command=command)
    assert config.recipe == StyleRecipe(projected=True, teacher="efficientnet-lite1", r1=0.0, path_length=0.0)
    assert (config.adapt, config.augment) == (0.0, ("translation",))
    _, _, config, *_ = trained("--device", "cpu", "--teacher", "efficientnet-lite0", command=command)
    assert config.recipe.teacher == "efficientnet-lite0"
    _, _, config, *_ = trained("--device", "cpu", "--recipe", "stylegan2", "--mixing", "0.5", command=command)
    assert config.recipe == replace(StyleRecipe.for_size(16, 16), mixing=0.5)


def test_projected_discriminators_refuse_what_they_do_not_have(graft):
    save_model(Path("base.safetensors"), StyleGAN2(style_preset("tiny", 16)))
    for command, said in (
        (("stylegan", "train", "photos", "--recipe", "projected", "--r1", "1"), "--r1 is for discriminators of pict"),
        (("finetune", "base.safetensors", "photos", "--recipe", "projected", "--frozen", "1"), "--frozen is for"),
        (("stylegan", "train", "photos", "--recipe", "official"), "no recipe 'official' of a StyleGAN;"),
        (("train", "photos", "--teacher", "efficientnet-lite1"), "--teacher is for discriminators that see"),
        (("train", "photos", "--recipe", "projected", "--teacher", "vgg"), "no teacher 'vgg'; choose one of"),
        (
            ("finetune", "base.safetensors", "--text", "night", "--teacher", "efficientnet-lite1"),
            "--teacher is for who",
        ),
    ):
        result = graft(*command, "--run", "r")
        assert result.code == 2
        assert said in " ".join(result.err.split())


def test_finetune_refuses_what_it_cannot_train(graft):
    save_model(Path("base.safetensors"), SwappingAutoencoder(preset("tiny")))
    for option, value in (("--frozen", "1"), ("--adapt", "0.5"), ("--path-length", "0"), ("--mixing", "0")):
        result = graft("finetune", "base.safetensors", "photos", "--run", "r", option, value)
        assert (result.code, result.out) == (2, "")
        assert f"{option} is for a StyleGAN," in result.err
    save_model(Path("style.safetensors"), StyleGAN2(style_preset("tiny", 16)))
    result = graft("finetune", "style.safetensors", "photos", "--run", "r", "--side", "64")
    assert "--side is for a Swapping Autoencoder, and style.safetensors is none" in result.err
    result = graft("finetune", "none.safetensors", "photos", "--run", "r")
    assert result.code == 2
    assert "none.safetensors" in result.err
    assert not Path("r").exists()


def test_a_short_fine_tuning_of_the_bundled_model(graft):
    """From a Swapping Autoencoder without discriminators, and on from what came of it."""
    save_model(Path("base.safetensors"), SwappingAutoencoder(preset("tiny")))
    options = ("--images", "8", "--batch", "4", "--snapshot-every", "8", "--precision", "float32")
    result = graft("finetune", "base.safetensors", "photos", "--run", "one", *options)
    assert result.code == 0
    assert "came without its discriminators" in result.err
    result = graft("finetune", "one/last.safetensors", "photos", "--run", "two", *options)
    assert result.code == 0
    assert "without its discriminators" not in result.err
    about = read_tensors(Path("two/models/000000008.safetensors"))[1]["about"]
    assert about["parent"] == graftlab.load("one/last.safetensors").fingerprint


def test_an_interrupted_training_says_how_to_go_on(trained):
    result, *_ = trained(finishes=False)
    assert (result.code, result.out) == (130, "")
    assert "the same command goes on from there" in result.err


def test_a_short_training(graft):
    command = ("train", "photos", "--run", "run", *TINY, "--images", "8", "--precision", "float32")
    result = graft(*command, "--snapshot-every", "4", "--record-every", "2")
    assert (result.code, result.out) == (0, "")
    assert "--augment" in result.err  # so few photos
    assert "not known to graft novelty: photos has 3 readable pictures" in " ".join(result.err.split())
    assert "8/8" in result.err
    assert graft("swap", "photos/hill.png", "photos/海.png", "-m", "run/last.safetensors").code == 0
    before = Path("run/last.safetensors").read_bytes()
    assert graft(*command, "--snapshot-every", "4", "--record-every", "2").code == 0  # nothing is left to do
    assert Path("run/last.safetensors").read_bytes() == before


def test_a_model_knows_the_textures_of_its_training(graft, bundle, monkeypatch):
    photos = bundle / "photos"
    command = ("train", photos, "--run", "run", *TINY, "--precision", "float32", "--snapshot-every", "4")
    assert graft(*command, "--images", "8").code == 0
    for name in ("last", "best"):
        model, known = graftlab.load(f"run/{name}.safetensors", device="cpu"), Path(f"run/{name}.textures.safetensors")
        wanted = distribution(model, photos, model.config.size)
        written = Distribution.load(known)
        assert (written.model, written.about) == (model.fingerprint, wanted.about)
        assert torch.equal(written.texture.axes, wanted.texture.axes)
        told = graft("novelty", "photos/hill.png", "-m", f"run/{name}.safetensors", "--json")
        assert (
            told.out
            == graft("novelty", "photos/hill.png", "-m", f"run/{name}.safetensors", "--json", "--from", known).out
        )
        assert json.loads(told.out)

    write(torch.rand(1, 3, 32, 32).round() * 2 - 1, "noise.png")
    reconstructed = ("reconstruct", "noise.png", "-m", "run/best.safetensors")
    assert "noise.png comes out worse than 95 of 100 photos do with run/best.safetensors" in " ".join(
        graft(*reconstructed).err.split()
    )

    Path("run/last.textures.safetensors").unlink()
    kept = Path("run/best.textures.safetensors").read_bytes()
    fitted = []
    monkeypatch.setattr(
        "graftlab.training.start.distribution",
        lambda *given, **more: fitted.append(given) or distribution(*given, **more),
    )
    for _ in range(2):  # given again, the finished command makes what is missing, and then nothing
        assert graft(*command, "--images", "8").code == 0
        assert len(fitted) == 1
    assert Distribution.load("run/last.textures.safetensors").model == graftlab.load("run/last.safetensors").fingerprint
    assert Path("run/best.textures.safetensors").read_bytes() == kept

    save_model(Path("run/best.safetensors"), SwappingAutoencoder(preset("tiny")))  # as if trained on, and cut short
    done = graft(*reconstructed)
    assert done.code == 0
    assert "beyond" not in done.err


def test_a_folder_of_other_things_is_no_run(graft):
    for command in (("train",), ("stylegan", "train")):
        before = sorted(Path().rglob("*"))
        result = graft(*command, "photos", "--run", "photos", *TINY, "--images", "4")
        assert result.code == 2
        assert "--run photos is no folder of a run, and not empty; choose another." in result.err
        assert sorted(Path().rglob("*")) == before
    Path("run").mkdir()
    Path("run/lock").touch()  # of a run that was killed as it began
    assert graft("train", "photos", "--run", "run", *TINY, "--images", "2", "--precision", "float32").code == 0


def test_dry_run(graft, monkeypatch):
    monkeypatch.setattr(estimate, "PROBE_SECONDS", 0)
    before = sorted(Path().rglob("*"))
    costs = json.loads(graft("train", "photos", "--run", "run", *TINY, "--dry-run", "--json").out)
    assert costs["parameters"].keys() == {"encoder", "generator", "image discriminator", "patch discriminator"}
    assert costs["seconds"] == pytest.approx(500_000 / costs["images_per_second"])
    result = graft("train", "photos", "--run", "run", *TINY, "--dry-run")
    assert result.code == 0
    assert "images/s" in result.out
    assert sorted(Path().rglob("*")) == before


def test_impossible_trainings(refuses):
    mistakes = (
        (("--batch", "3"), "batch"),
        (("--batch", "0"), "batch"),
        (("--size", "100", "--preset", "small"), "100"),
        (("--size", "0"), "size"),
        (("--size", "8"), "size"),
        (("--preset", "huge"), "huge"),
        (("--recipe", "pie"), "pie"),
        (("--augment", "colour,glitter"), "glitter"),
        (("--crop", "tall"), "tall"),
        (("--images", "lots"), "--images"),
        (("--images", "0"), "--images"),
        (("--images", "0.0001k"), "--images"),
        (("--images", "infM"), "--images"),
        (("--snapshot-every", "0"), "--snapshot-every"),
        (("--record-every", "x"), "--record-every"),
        (("--learning-rate", "nan"), "--learning-rate"),
        (("--learning-rate", "-1"), "--learning-rate"),
        (("--r1", "nan"), "--r1"),
        (("--patch-r1", "-1"), "--patch-r1"),
        (("--seed", "-1"), "--seed"),
        (("--seed", str(2**32)), "--seed"),
        (("--precision", "float16"), "float16"),
        (("--device", "toaster"), "toaster"),
    )
    refuses([*mistakes, (("--json", "--images", "2"), "--dry-run")], "train", "photos", "--run", "run", *TINY)
    refuses(mistakes, "train", "photos", "--run", "run", *TINY, "--dry-run")


def test_a_run_folder_that_is_a_file(graft):
    result = graft("train", "photos", "--run", "photos/hill.png", *TINY)
    assert result.code == 2
    assert str(Path("photos/hill.png")) in result.err
