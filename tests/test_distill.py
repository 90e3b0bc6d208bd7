"""The student: network, objective, training, `graft distill` and `graft translate`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
import torch.nn.functional as F
from claims import refused
from training_fixture import CPU, files

import graftlab
from graftlab.artifacts import read_tensors
from graftlab.blending.blend import blend
from graftlab.blending.weights import interpolate
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.config import DistillConfig, DistillRecipe, PairsConfig, TranslatorConfig
from graftlab.images import read, read_recipe, to_uint8, write
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.translator import PairDiscriminator, Translator
from graftlab.objectives.distillation import matching, objective, r1_penalty
from graftlab.training.distillation import DistillTrainer, halves, validate
from graftlab.training.pairs import Drawing, make_pairs
from graftlab.training.report import read_config
from graftlab.training.run import Run

pytestmark = pytest.mark.usefixtures("small_features")

SIZES = TranslatorConfig(32, width=4, most=8, halvings=2, blocks=1, discriminator_width=4)
RECIPE = DistillRecipe(r1_interval=2)
JUDGE = "discriminators.scales.1.to_logits.weight"


def config(data="", **changes):
    values = {"images": 16, "batch": 4, "precision": "float32", "record_every": 8, "snapshot_every": 16}
    return DistillConfig(**{"network": SIZES, "recipe": RECIPE, "data": str(data), **values, **changes})


def student(seed=0):
    """As after training: it changes photos."""
    torch.manual_seed(seed)
    model = Translator(SIZES)
    torch.nn.init.normal_(model.to_rgb.weight, std=0.3)
    return model.eval().requires_grad_(False)


def tall(count=4, seed=0):
    """Pairs (count, 3, 64, 32): photos, and the same brighter and upside down in colours."""
    photos = tiny.pictures(count, seed=seed)
    return torch.cat([photos, -photos.flip(1) * 0.5 + 0.2], dim=2)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    base, other = (tiny.stylegan2(seed) for seed in range(2))
    base.fingerprint, other.fingerprint = "a" * 64, "b" * 64
    make_pairs(Drawing(base, other, PairsConfig()), folder, 40)
    return folder


# -- the networks ------------------------------------------------------------------------------------------------------


def test_a_new_student_changes_nothing_and_a_trained_one_does():
    photos = tiny.pictures(2)
    assert torch.equal(Translator(SIZES).translate(photos), photos)
    assert (student().translate(photos) - photos).abs().mean() > 0.05


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 40), (33, 47), (3, 5)])
def test_any_size(height, width):
    model, photo = student(), tiny.pictures(1, height, width)
    made = model.translate(photo)
    assert made.shape == photo.shape
    assert made.dtype == torch.float32
    if height % 4 or width % 4:
        larger = F.pad(photo, (0, -width % 4, 0, -height % 4), mode="replicate")
        assert torch.allclose(made, model(larger)[:, :, :height, :width], atol=1e-6)


def test_sizes_without_sense_and_what_is_no_photo_are_refused():
    refused("size must be a multiple of 8 from 16 up, not 36", replace, SIZES, size=36, halvings=3)
    refused("from 16 up, not 8", replace, SIZES, size=8)
    refused("width must be between", replace, SIZES, width=0)
    for wrong in (torch.zeros(3, 32, 32), torch.zeros(1, 4, 32, 32), torch.zeros(1, 3, 0, 32)):
        refused(r"Photos are \(N, 3, H, W\)", student().translate, wrong)


def test_it_sees_beyond_a_patch():
    """A change of one pixel reaches what the coarsest resolution carries."""
    photo = tiny.pictures(1, 64, 64)
    other = photo.clone()
    other[:, :, 32, 32] += 1
    moved = (student().translate(photo) - student().translate(other)).abs().sum(1)[0].nonzero()
    assert (moved.max(0).values - moved.min(0).values).min() > 24


def test_a_file_gives_the_same_student(tmp_path):
    model, path = student(), tmp_path / "student.safetensors"
    save_model(path, model, {"images_seen": 7})
    loaded = graftlab.load(path, device="cpu")
    assert isinstance(loaded, Translator)
    assert torch.equal(loaded.translate(tiny.pictures()), model.translate(tiny.pictures()))
    assert loaded.fingerprint
    precise = graftlab.load(path, device="cpu", precision="bfloat16").translate(tiny.pictures())
    assert 0 < (precise - loaded.translate(tiny.pictures())).abs().max() < 0.1
    refused("is a student that redraws photos, and this needs a StyleGAN2", load, path, StyleGAN2)
    refused("Blending does not know a student", blend, loaded, graftlab.load(path, device="cpu"), interpolate(0.5))


def test_each_judge_sees_photo_and_picture():
    judge = PairDiscriminator(SIZES)
    photos, pictures = halves(tall())
    judged = judge(photos, pictures)
    assert [scale[-1].shape for scale in judged] == [(4, 1, 4, 4), (4, 1, 2, 2)]
    assert [len(scale) for scale in judged] == [5, 5]
    for other in (judge(photos.flip(0), pictures), judge(photos, pictures.flip(0))):
        assert all(not torch.allclose(a[-1], b[-1]) for a, b in zip(judged, other, strict=True))


# -- the objective -----------------------------------------------------------------------------------------------------


def test_losses_are_their_closed_forms():
    model, judge, (photos, pictures) = student(), PairDiscriminator(SIZES), halves(tall())
    made = model(photos)
    terms = objective("generator", model, judge, photos, pictures, RECIPE)
    assert set(terms) == {"G_L1", "G_GAN", "G_matching"}
    assert torch.allclose(terms["G_L1"], (made - pictures).abs().mean((1, 2, 3)))
    fakes, trues = judge(photos, made), judge(photos, pictures)
    gan = sum(F.softplus(-scale[-1]).mean((1, 2, 3)) for scale in fakes) / 2
    assert torch.allclose(terms["G_GAN"], gan, atol=1e-6)
    layers = [pair for x, y in zip(fakes, trues, strict=True) for pair in zip(x[:-1], y[:-1], strict=True)]
    apart = [(a - b).abs().mean((1, 2, 3)) for a, b in layers]
    assert len(apart) == 8
    assert torch.allclose(terms["G_matching"], sum(apart) / 8, atol=1e-5)
    assert matching(trues, trues).abs().max() == 0

    told = objective("discriminators", model, judge, photos, pictures, RECIPE)
    assert torch.allclose(told["D_real"], sum(F.softplus(-scale[-1]).mean((1, 2, 3)) for scale in trues) / 2, atol=1e-6)
    assert torch.allclose(told["D_fake"], sum(F.softplus(scale[-1]).mean((1, 2, 3)) for scale in fakes) / 2, atol=1e-6)


def test_r1_is_the_slope_at_true_pictures():
    judge, (photos, pictures) = PairDiscriminator(SIZES), halves(tall(2))
    found = r1_penalty(judge, photos, pictures)["D_R1"]
    x = pictures.clone().requires_grad_()
    mean = sum(scale[-1].mean((1, 2, 3)) for scale in judge(photos, x)) / 2
    (slope,) = torch.autograd.grad(mean.sum(), x)
    assert torch.allclose(found, 0.5 * slope.square().sum((1, 2, 3)), rtol=1e-4)


def test_augmentation_changes_photo_and_picture_alike():
    model, judge, (photos, pictures) = student(), PairDiscriminator(SIZES), halves(tall())
    seen = []
    both = judge(photos.flip(3).repeat(2, 1, 1, 1), torch.cat([pictures.flip(3), model(photos).flip(3)]))
    augment = lambda images: seen.append(images) or images.flip(3)  # noqa: E731
    told = objective("discriminators", model, judge, photos, pictures, RECIPE, augment)
    assert len(seen) == 3
    expected = sum(F.softplus(-scale[-1][:4]).mean((1, 2, 3)) for scale in both) / 2
    assert torch.allclose(told["D_real"], expected, atol=1e-6)


def test_terms_without_weight_are_left_out():
    model, judge, (photos, pictures) = student(), PairDiscriminator(SIZES), halves(tall())
    assert set(objective("generator", model, judge, photos, pictures, DistillRecipe(gan=0))) == {"G_L1"}
    assert set(objective("generator", model, judge, photos, pictures, DistillRecipe(matching=0))) == {"G_L1", "G_GAN"}
    refused("A student needs a loss", DistillRecipe, l1=0, gan=0)


# -- training ----------------------------------------------------------------------------------------------------------


def test_every_step_trains_both_and_regularises_lazily():
    one, regularised = DistillTrainer(config(), CPU), []
    for seed in range(4):
        state = one.state()[0]
        before = {name: state[name].clone() for name in ("model.to_rgb.weight", JUDGE)}
        figures = one.step(tall(seed=seed))
        assert {"D_real", "D_fake", "G_L1", "G_GAN", "G_matching", "D_accuracy_real"} <= set(figures)
        regularised.append("D_R1" in figures)
        after = one.state()[0]
        assert all(not torch.equal(after[name], value) for name, value in before.items())
    assert regularised == [True, False, True, False]
    assert one.seen == 16
    assert all(parameter.requires_grad for parameter in one.discriminators.parameters())


def test_without_discriminators_only_the_student_learns():
    one = DistillTrainer(config(recipe=DistillRecipe(gan=0)), CPU)
    before = [parameter.clone() for parameter in one.discriminators.parameters()]
    assert set(one.step(tall())) == {"G_L1"}
    assert all(torch.equal(a, b) for a, b in zip(before, one.discriminators.parameters(), strict=True))
    assert one.discriminator_weights() == {}
    assert set(one.steps()) == {"student"}


def test_it_learns_what_pairs_have_in_common():
    one = DistillTrainer(config(learning_rate=0.01, recipe=DistillRecipe(gan=0)), CPU)
    for seed in range(120):
        one.step(tall(seed=seed))
    told = validate(one.ema, tall(8, seed=1000))
    assert told["validation_l1"] < 0.35 * told["validation_photo"]
    assert told["validation_error"] == told["validation_l1"]


def test_deep_features_count_where_they_are_asked_for(monkeypatch):
    def far(made, pictures):
        return (made - pictures).square().mean((1, 2, 3))

    monkeypatch.setattr("graftlab.training.distillation.deep_distance", lambda device: far)
    assert "G_features" in DistillTrainer(config(recipe=replace(RECIPE, features=2.0)), CPU).step(tall())


def test_a_run_leaves_samples_a_model_figures_and_a_report(tmp_path, pairs):
    run = Run(tmp_path / "run", config(pairs, models=("a", "b")), CPU)
    assert run.train()
    written = files(tmp_path / "run")
    assert {"samples/000000000.jpg", "samples/reals.jpg", "best.safetensors", "last.safetensors"} <= set(written)
    page = written["report.html"].decode()
    assert "Distance to the two steps" in page
    assert "none: photos to pictures" in page
    model = graftlab.load(tmp_path / "run/last.safetensors", device="cpu")
    assert torch.equal(model.translate(tiny.pictures()), run.trainer.ema.translate(tiny.pictures()))
    about = read_tensors(tmp_path / "run/last.safetensors")[1]["about"]
    assert about["training"]["models"] == ["a", "b"]
    assert read_config(tmp_path / "run") == run.config
    lines = [json.loads(line) for line in written["stats.jsonl"].splitlines()]
    assert {"validation_l1", "validation_psnr", "validation_photo"} <= set().union(*lines)


def test_resumed_equals_uninterrupted(tmp_path, pairs):
    changes = {"augment": ("colour",), "images": 24, "snapshot_every": 8}
    assert Run(tmp_path / "a", config(pairs, **changes), CPU).train()
    for images in (4, 16, 24):
        Run(tmp_path / "b", config(pairs, **changes | {"images": images}), CPU).train()
    whole, parts = (read_tensors(max((tmp_path / name / "states").glob("*")))[0] for name in "ab")
    assert set(whole) == set(parts)
    for name, tensor in whole.items():
        assert torch.equal(tensor, parts[name]), name


def test_a_run_does_not_go_on_with_pairs_of_other_models(tmp_path, pairs):
    Run(tmp_path, config(pairs, models=("a", "b")), CPU).train()
    refused(r"holds a run with other options \(models", Run, tmp_path, config(pairs, models=("a", "c")), CPU)


def test_another_width_is_told_without_what_follows_from_it(tmp_path, pairs):
    def sized(width):
        return replace(config(pairs), network=TranslatorConfig(32, width=width, blocks=0, most=5 * width))

    Run(tmp_path, sized(4), CPU).train()
    refused(r"other options \(network.width 4, now 6\)", Run, tmp_path, sized(6), CPU)


# -- the commands ------------------------------------------------------------------------------------------------------

FAST = ("--images", "16", "--batch", "4", "--width", "4", "--blocks", "0", "--snapshot-every", "16", "--device", "cpu")


def test_interrupted_pairs_say_how_they_go_on(graft, monkeypatch):
    def dying(*given, progress, **more):
        progress(1)
        raise KeyboardInterrupt

    for seed, name in enumerate(("base", "blend")):
        save_model(Path(f"{name}.safetensors"), tiny.stylegan2(seed))
    monkeypatch.setattr("graftlab.cli.distillation.make_pairs", dying)
    stopped = graft("pairs", "--base", "base.safetensors", "--blend", "blend.safetensors", "--device", "cpu")
    assert stopped.code == 130
    assert "Interrupted; the same command goes on from the last whole thousand." in stopped.err
    assert "pairs/s" in stopped.err


def test_distill_and_translate(graft, pairs):
    done = graft("distill", pairs, "--run", "run", *FAST)
    assert done.code == 0, done
    model = graftlab.load("run/last.safetensors", device="cpu")
    assert model.config == TranslatorConfig(32, width=4, most=20, blocks=0)
    assert read_config(Path("run")).models == ("a" * 64, "b" * 64)
    assert graft("distill", pairs, "--run", "run", *FAST[2:], "--images", "24").code == 0  # which goes on
    assert int(read_tensors(Path("run/last.safetensors"))[1]["about"]["images_seen"]) == 24

    save_model(Path("student.safetensors"), student())
    photos = [path for path in Path("photos").iterdir() if path.suffix in (".png", ".jpg")]
    done = graft("translate", *photos, "-m", "student.safetensors", "-o", "t.png")
    assert done.code == 0, done
    assert len(list(Path().glob("t-00*.png"))) == len(photos)
    expected = student().translate(read(photos[0], 32))
    assert (to_uint8(read("t-000.png")) == to_uint8(expected)).all()
    assert "command" in read_recipe("t-000.png")
    assert graft("translate", photos[0], "-m", "student.safetensors", "--square", "--size", "40", "--enlarge").code == 0
    assert read("translated.png").shape == (1, 3, 40, 40)


def test_what_it_costs(graft, pairs, monkeypatch):
    monkeypatch.setattr("graftlab.training.estimate.PROBE_SECONDS", 0)
    done = graft("distill", pairs, "--run", "run", *FAST, "--dry-run", "--json")
    assert set(json.loads(done.out)["parameters"]) == {"student", "discriminators"}
    assert not Path("run").exists()


def test_bad_input_of_distill(graft, pairs):
    few = Path("few")
    base, other = (tiny.stylegan2(seed) for seed in range(2))
    base.fingerprint, other.fingerprint = "a", "b"
    make_pairs(Drawing(base, other, PairsConfig()), few, 5)
    for arguments, sentence in (
        (("few", "--run", "run", *FAST), "few holds 5 pairs, too few for a batch of 4"),
        (("photos", "--run", "run", *FAST), "photos is no folder of pairs; make one with 'graft pairs'"),
        ((pairs, "--run", "run", *FAST, "--gan", "0", "--l1", "0"), "A student needs a loss"),
        ((pairs, "--run", "run", *FAST, "--width", "0"), "'--width': it must be between 1 and 1024"),
    ):
        assert sentence in graft("distill", *arguments).refusal()
        assert not Path("run").exists()
    said = graft("distill", pairs, "--run", "photos", *FAST).refusal()
    assert "--run photos is no folder of a run, and not empty; choose another." in said
    assert len(list(Path("photos").iterdir())) == 3
    said = graft("train", pairs, "--run", "run", "--preset", "tiny", "--images", "4", "--batch", "2").refusal()
    assert "is pairs, not photos" in said


def test_bad_input_of_translate(graft):
    save_model(Path("student.safetensors"), student())
    write(tiny.pictures(1, 20, 60), "small.png")
    said = graft("translate", "small.png", "-m", "student.safetensors").refusal()
    assert "small.png has 20 pixels on its short side, fewer than the 32" in said
    assert graft("translate", "small.png", "-m", "student.safetensors", "--enlarge").code == 0
    said = graft("translate", "small.png", "-m", "student.safetensors", "-o", "small.png").refusal()
    assert "is a file that this command reads" in said
    assert "and this needs a student that redraws photos" in graft("translate", "small.png", "-m", "landscapes-128").err
    assert graft("translate", "none.png", "-m", "student.safetensors").code == 2
    said = graft("swap", "small.png", "small.png", "-m", "student.safetensors").refusal()
    assert "is a student that redraws photos, and this needs" in said
