"""Training a StyleGAN2: what learns when, adaptive augmentation, fine-tuning, resuming."""

import json
from copy import deepcopy
from dataclasses import replace

import pytest
import tiny
import torch
from claims import refused
from training_fixture import CPU, files, make_photos
from training_fixture import start as start_swapping

import graftlab
from graftlab.artifacts import read_tensors
from graftlab.checkpoints.native import save_model
from graftlab.config import StyleRecipe, StyleTrainConfig, style_preset
from graftlab.errors import GraftError
from graftlab.networks.resampling import upsample
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import DOUBLE, StyleGAN2
from graftlab.objectives.stylegan2 import structure
from graftlab.training import augment
from graftlab.training.run import Run
from graftlab.training.stylegan2 import StyleGAN2Trainer

pytestmark = pytest.mark.usefixtures("small_features")

RECIPE = StyleRecipe(r1=0.5, r1_interval=2, path_interval=3, average_decay=0.5)


def config(photos="", **changes):
    values = {"images": 16, "batch": 4, "precision": "float32", "record_every": 8, "snapshot_every": 16}
    return StyleTrainConfig(
        **{"network": style_preset("tiny", 16), "recipe": RECIPE, "data": str(photos), **values, **changes}
    )


def make(**changes):
    return StyleGAN2Trainer(config(**changes), CPU)


def pictures(seed=0, count=4):
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def start(folder, photos, **changes):
    return Run(folder, config(photos, **changes), CPU)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos") / "photos", 24)


def test_every_step_trains_both_and_regularises_lazily():
    one, taken = make(), []
    for seed in range(6):
        figures = one.step(pictures(seed))
        assert {"D_real", "D_fake", "G_GAN", "D_accuracy_real", "augmented"} <= set(figures)
        taken.append(("D_R1" in figures, "G_path" in figures))
    assert taken == [(True, True), (False, False), (True, False), (False, True), (True, False), (False, False)]
    assert one.seen == 24
    assert all(parameter.requires_grad for parameter in one.discriminators.parameters())


def test_lazy_regularisation_slows_its_optimiser_down():
    one = make()
    rates = {name: (adam.defaults["lr"], adam.defaults["betas"]) for name, adam in one.optimizers.items()}
    assert rates["model"] == (pytest.approx(0.0025 * 3 / 4), (0.0, pytest.approx(0.99 ** (3 / 4))))
    assert rates["discriminators"] == (pytest.approx(0.0025 * 2 / 3), (0.0, pytest.approx(0.99 ** (2 / 3))))
    assert make(recipe=replace(RECIPE, path_length=0)).optimizers["model"].defaults["lr"] == 0.0025


def test_the_average_of_w_moves_towards_what_is_drawn_and_is_copied_to_the_average_model():
    one = make()
    assert not one.model.mapping.average.any()
    one.step(pictures())
    assert one.model.mapping.average.any()
    assert torch.equal(one.ema.mapping.average, one.model.mapping.average)
    torch.manual_seed(0)
    before = one.model.mapping.average.clone()
    with torch.no_grad():
        w = one._draw_codes(4, learn=True)
        one._move_averages()
    torch.manual_seed(0)
    first = one.model.mapping(torch.randn(8, 16))[:4].mean(0)
    assert torch.allclose(one.model.mapping.average, (before + first) / 2)
    assert w.shape == (4, one.config.network.layers, 16)


def test_no_average_of_training_takes_what_is_not_finite(monkeypatch):
    """A step without finite gradients is skipped; an average that such a step moved would stay so for ever."""
    one = make(recipe=replace(RECIPE, path_interval=1))
    one.step(pictures())
    average, lengths = one.model.mapping.average.clone(), one.path_mean
    weight = one.model.mapping.layers[-1].weight
    kept = weight.detach().clone()
    weight.data.fill_(torch.nan)
    one.step(pictures(1))
    weight.data.copy_(kept)
    assert one.skipped
    assert torch.equal(one.model.mapping.average, average)
    assert torch.equal(one.path_mean, lengths)


def test_style_mixing():
    one = make(recipe=replace(RECIPE, mixing=1.0))
    w = one._draw_codes(64)
    assert (w[:, 0] != w[:, -1]).any(1).all()  # the last row is always of the second vector
    changes = (w[:, 1:] != w[:, :-1]).any(2).sum(1)
    assert (changes == 1).all()
    assert len({int(row.float().argmax()) for row in (w[:, 1:] != w[:, :-1]).any(2)}) > 2  # anywhere
    plain = make(recipe=replace(RECIPE, mixing=0.0))._draw_codes(8)
    assert torch.equal(plain, plain[:, :1].expand_as(plain))


def test_randomness_depends_on_seed_and_images_seen_alone():
    def after(seed, seen, pollution):
        one = make(seed=seed, augment=("colour", "geometry"), adapt=0)
        one.seen = seen
        torch.manual_seed(pollution)
        return one.step(pictures())

    assert after(0, 8, 1) == after(0, 8, 2) != after(0, 16, 1)
    assert after(1, 8, 1) != after(0, 8, 1)


# ---------------------------------------------------------------------------------------------- adaptive augmentation


def test_augmentation_rises_with_overfitting_and_falls_without():
    one = make(adapt_images=100, augment=("colour",))
    assert one.strength == 0
    one._signs = [1.0, 1.0, 1.0, 0.8]
    one._adapt()
    assert one.strength == pytest.approx(0.16)  # 4 steps of 4 images, of 100
    assert one._signs == []
    one._signs = [0.6]
    one._adapt()
    assert one.strength == 0
    one._signs = [0.0]
    one._adapt()
    assert one.strength == 0  # never below
    one.strength, one._signs = 0.9, [1.0]
    one._adapt()
    assert one.strength == 1  # nor above


def test_without_adaptation_augmentation_is_always_on():
    one = make(adapt=0, augment=("colour",))
    for seed in range(5):
        assert one.step(pictures(seed))["augmented"] == 1


def test_a_share_of_the_pictures_is_changed():
    torch.manual_seed(0)
    images = pictures(count=400)
    names = ["colour", "translation", "cutout", "geometry"]
    for name in names:
        change = augment.draw([name], 400, 16, CPU, 0.3)
        changed = (change(images) != images).flatten(1).any(1).float().mean().item()
        assert 0.2 < changed < 0.4
        assert torch.equal(change(images[:7]), change(images)[:7])  # item n always in the same way
    assert torch.equal(augment.draw(names, 4, 16, CPU, 0.0)(images), images)


def test_geometry_keeps_flat_pictures_and_has_a_gradient():
    torch.manual_seed(1)
    change = augment.geometry(8, 16, CPU)
    flat = torch.full((8, 3, 16, 16), 0.25)
    assert torch.allclose(change(flat), flat, atol=1e-6)  # reflected beyond the border, so never dark there
    images = pictures(count=8).requires_grad_()
    change(images).sum().backward()
    assert images.grad.abs().sum() > 0


# --------------------------------------------------------------------------------------------------------- the run


def test_a_run_leaves_samples_models_figures_and_a_report(tmp_path, photos):
    run = start(tmp_path / "run", photos, keep_models=True, snapshot_every=8)
    assert run.train()
    written = files(tmp_path / "run")
    assert {"models/000000008.safetensors", "models/000000016.safetensors", "samples/000000000.jpg"} <= set(written)
    assert "Distance of samples to photos" in written["report.html"].decode()
    assert len(run.references) == 24  # without any held out, samples are compared with what it learns from
    kernel = [
        line["validation_kernel"]
        for line in map(json.loads, written["stats.jsonl"].splitlines())
        if "validation_kernel" in line
    ]
    assert len(kernel) == 2
    assert run.best == min(kernel)
    model = graftlab.load(tmp_path / "run/last.safetensors")
    assert isinstance(model, StyleGAN2)
    assert torch.equal(model.sample([3]), run.trainer.ema.sample([3]))
    tensors, header = read_tensors(tmp_path / "run/last.safetensors")
    assert any(name.startswith("discriminators.") for name in tensors)
    assert header["about"]["images_seen"] == 16
    assert "parent" not in header["about"]
    assert not any("discriminators." in name for name in read_tensors(tmp_path / "run/models/000000008.safetensors")[0])


def test_resumed_equals_uninterrupted(tmp_path, photos):
    changes = {"augment": ("colour",), "adapt_images": 40, "images": 28, "snapshot_every": 12}
    assert start(tmp_path / "a", photos, **changes).train()
    for images in (4, 20):
        start(tmp_path / "b", photos, **changes | {"images": images}).train()
    assert start(tmp_path / "b", photos, **changes).train()
    whole, parts = (read_tensors(max((tmp_path / name / "states").glob("*"))) for name in "ab")
    for header in (whole[1], parts[1]):
        del header["stats"], header["best"]  # of more snapshots
    assert whole[1] == parts[1]
    assert whole[1]["strength"] > 0
    for name, tensor in whole[0].items():
        assert torch.equal(tensor, parts[0][name]), name


def test_pictures_that_are_no_squares(tmp_path, photos):
    wide = {"network": style_preset("tiny", (16, 32)), "mirror_vertical": True, "snapshot_every": 12, "images": 12}
    wide |= {"augment": ("quarter", "translation", "filters"), "adapt": 0.0}
    whole = start(tmp_path / "a", photos, **wide)
    whole.train()
    assert graftlab.load(tmp_path / "a/last.safetensors").sample([1]).shape == (1, 3, 16, 32)
    assert whole.references.shape == (24, 3, 16, 32)
    assert {tuple(image.shape) for image in whole.data.batch(0, 2)} == {(3, 16, 32)}


def test_without_the_feature_network_nothing_is_validated(tmp_path, photos, monkeypatch):
    def missing(name, device):
        raise GraftError("not installed")

    monkeypatch.setattr("graftlab.training.style_pictures.efficientnet_lite", missing)
    start(tmp_path / "run", photos).train()
    written = files(tmp_path / "run")
    assert "last.safetensors" in written
    assert "best.safetensors" not in written


# ------------------------------------------------------------------------------------------------------ fine-tuning


def test_fine_tuning_starts_from_the_base_and_names_its_parent(tmp_path, photos):
    base = start(tmp_path / "base", photos)
    base.train()
    path = tmp_path / "base/last.safetensors"
    parent = graftlab.load(path).fingerprint
    run = start(tmp_path / "tuned", photos, base=str(path), parent=parent, frozen=1, ema_rampup=1e6)
    assert run.notes == []
    for name in ("model", "ema"):
        assert torch.equal(run.trainer.ema.sample([1]), base.trainer.ema.sample([1])), name
    assert torch.equal(run.trainer.discriminators.linear2.weight, base.trainer.discriminators.linear2.weight)
    before = {name: tensor.clone() for name, tensor in run.trainer.discriminators.state_dict().items()}
    run.train()
    after = run.trainer.discriminators.state_dict()
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert still == {"from_rgb.weight", "from_rgb.bias"}
    about = read_tensors(tmp_path / "tuned/last.safetensors")[1]["about"]
    assert about["parent"] == parent
    assert about["training"]["base"] == "last.safetensors"

    path.unlink()  # it is needed at the start alone
    longer = start(tmp_path / "tuned", photos, base=str(path), parent=parent, frozen=1, ema_rampup=1e6, images=20)
    assert longer.trainer.seen == 16


def test_frozen_blocks_of_the_generator_stay(tmp_path, photos):
    run = start(tmp_path / "run", photos, frozen_generator=1, augment=("hue", "noise"), adapt_from=0.25)
    assert run.trainer.strength == 0.25
    before = {name: tensor.clone() for name, tensor in run.trainer.model.named_parameters()}
    run.train()
    for name, tensor in run.trainer.model.named_parameters():
        frozen = name.startswith(("mapping.", "synthesis.blocks.0.", "synthesis.constant"))
        assert torch.equal(tensor, before[name]) == frozen, name


def test_coarse_pictures_are_held_to_the_base(tmp_path, photos):
    base = tmp_path / "base.safetensors"
    save_model(base, tiny.stylegan2(channels=(16, 16, 16), z_channels=16))
    held = {"base": str(base), "structure_blocks": 2, "recipe": replace(RECIPE, structure=50.0)}
    whole, parts = start(tmp_path / "whole", photos, **held), start(tmp_path / "parts", photos, **held, images=8)
    model, source, w = whole.trainer.model.synthesis, deepcopy(whole.trainer.source), torch.randn(3, 6, 16)
    assert structure(model, source, w)["G_structure"].eq(0).all()
    for block in source.blocks:
        block.rgb_bias.add_(0.5)  # which the finer picture has from both
    finer = 0.5 + upsample(torch.full((1, 1, 4, 4), 0.5), DOUBLE)
    wanted = (0.25 + finer.square().mean()).expand(3)
    torch.testing.assert_close(structure(model, source, w)["G_structure"], wanted)
    assert whole.train()
    parts.train()
    base.unlink()  # it is needed at the start alone
    again = start(tmp_path / "parts", photos, **held)
    again.train()
    for name, tensor in whole.trainer.state()[0].items():
        assert torch.equal(tensor, again.trainer.state()[0][name]), name


def test_a_base_without_discriminators_is_told(tmp_path, photos):
    model = StyleGAN2(style_preset("tiny", 16))
    save_model(tmp_path / "base.safetensors", model)
    run = start(tmp_path / "run", photos, base=str(tmp_path / "base.safetensors"))
    assert "without its discriminators" in run.notes[0]
    assert torch.equal(run.trainer.ema.sample([2]), model.sample([2]))


def test_another_base_and_another_kind_of_run_are_refused(tmp_path, photos):
    save_model(tmp_path / "base.safetensors", StyleGAN2(style_preset("tiny", 32)))
    base = str(tmp_path / "base.safetensors")
    refused(r"base\.safetensors is no beginning of this run's networks", start, tmp_path / "run", photos, base=base)
    start_swapping(tmp_path / "other", photos)
    refused("holds a run that trains other networks", start, tmp_path / "other", photos)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"batch": 6}, "batch must divide into groups of 4"),
        (
            {"network": replace(style_preset("tiny", 16), classes=3)},
            "Networks of 3 classes learn from photos of as many",
        ),
        ({"adapt": 1.0}, "adapt must be between 0 and 0.99"),
        ({"frozen": -1}, "frozen must be between 0 and 12"),
        ({"frozen_generator": 3}, "3 blocks one must learn"),
        ({"adapt": 0.0, "adapt_from": 0.5}, "--adapt-from is for"),
        ({"structure_blocks": 4, "base": "b"}, "has 3 blocks, not 4"),
        ({"structure_blocks": 1}, "holds a model to the one it is fine-tuned from"),
    ],
)
def test_contradictions_are_refused(changes, sentence):
    refused(sentence, config, **changes)


def test_presets():
    assert style_preset("full").channels == (512, 512, 512, 512, 512, 256, 128, 64, 32)
    assert style_preset("medium").channels == (512, 512, 512, 512, 256, 128, 64)
    assert StyleDiscriminator(style_preset("tiny")) is not None
    refused("no preset 'huge'; choose one of tiny, small, medium, full", style_preset, "huge")
    for size in (4, 48, 0):
        refused("power of two", style_preset, "small", size)
    for size, constant, blocks in (((128, 256), (4, 8), 6), ((512, 768), (4, 6), 8), ((576, 1024), (9, 16), 7)):
        wide = style_preset("small", size)
        assert (wide.resolutions[-1], wide.constant, len(wide.channels)) == (size, constant, blocks)
    for size in ((360, 640), (128, 1024), (4, 8)):
        refused("choose sides that halve more often", style_preset, "small", size)
