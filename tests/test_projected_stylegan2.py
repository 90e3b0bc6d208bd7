"""StyleGAN2 under a frozen teacher: hinge loss, growing from smaller pictures, bases of either recipe, resuming."""

from dataclasses import replace

import pytest
import torch
from claims import refused
from tiny import new_model, pictures
from training_fixture import CPU, make_photos

from graftlab.artifacts import read_tensors
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import open_model
from graftlab.config import StyleRecipe, StyleTrainConfig, SwappingTrainConfig, preset, recipe, style_preset
from graftlab.networks.noise import noise_source
from graftlab.networks.resampling import upsample
from graftlab.networks.stylegan2 import DOUBLE
from graftlab.objectives.projected_stylegan2 import adversarial, enlarge, variety
from graftlab.perception.efficientnet import DEFAULT, JUDGE
from graftlab.training.run import Run
from graftlab.training.trainers import new_trainer

pytestmark = pytest.mark.usefixtures("small_features")

RECIPE = StyleRecipe(projected=True, r1=0.0, path_length=0.0, average_decay=0.5)


def config(photos="", **changes):
    values = {"batch": 4, "precision": "float32", "augment": ("translation",), "adapt": 0.0, "recipe": RECIPE}
    values |= {"images": 8, "record_every": 8, "snapshot_every": 8, "network": style_preset("tiny", 16)}
    return StyleTrainConfig(data=str(photos), **values | changes)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos") / "photos", 8)


# -- objective --------------------------------------------------------------------------------------------------------


def test_hinge_at_every_position():
    def judge(maps, labels):
        return maps[0].flatten(1)

    real, made = ((torch.tensor(values)[:, None, None],) for values in ([[3.0, 0.5]], [[-2.0, 1.0]]))
    assert {name: term.item() for name, term in adversarial("discriminators", judge, real, made).items()} == {
        "D_real": 0.25,  # 0 and 0.5
        "D_fake": 1.0,  # 0 and 2
    }
    assert adversarial("generator", judge, real, made)["G_GAN"].item() == 0.5


def test_small_pictures_are_enlarged_for_the_teacher():
    assert enlarge(pictures(1)).shape[2:] == (128, 128)
    assert enlarge(pictures(1)[:, :, :8]).shape[2:] == (128, 128 * pictures(1).shape[3] // 8)
    large = pictures(1, 160, 160)
    assert torch.equal(enlarge(large), large)


def test_leaving_out_a_kind_costs_variety():
    kinds = torch.tensor([1.0, -1.0]).repeat(50)[:, None, None, None]  # two of equal frequency, as maps of one number
    assert variety((kinds,), (kinds,))["G_variety"].mean() == pytest.approx(2 * 99 / 100 - 1 - 1, abs=1e-6)
    assert variety((kinds,), (torch.ones_like(kinds),))["G_variety"].mean() == pytest.approx(2 * 99 / 100 - 1, abs=1e-6)
    made = torch.tensor([0.5, 0.6])[:, None, None, None].requires_grad_()
    variety((kinds,), (made,))["G_variety"].mean().backward()
    assert made.grad[0] > 0 > made.grad[1]  # what is alike is driven apart


# -- steps ------------------------------------------------------------------------------------------------------------


def test_both_learn_and_the_teacher_and_the_projection_do_not():
    one = new_trainer(config(), CPU)
    before = {name: tensor.clone() for name, tensor in one.state()[0].items()}
    teacher = [weight.clone() for weight in one._teacher.module.state_dict().values()]
    figures = one.step(pictures(4, 16, 16))
    assert {"D_real", "D_fake", "G_GAN", "D_accuracy_real", "augmented"} == set(figures) - {"D_accuracy_fake"}
    moved = {
        name for name, tensor in one.state()[0].items() if name in before and not torch.equal(tensor, before[name])
    }
    assert {"model.synthesis.constant", "ema.synthesis.constant", "model.mapping.average"} <= moved
    assert all(f"discriminators.heads.{scale}.{2 * n}.bias" in moved for scale, n in enumerate((3, 2, 2, 1)))
    assert not any(".mix." in name for name in moved)
    assert all(torch.equal(a, b) for a, b in zip(teacher, one._teacher.module.state_dict().values(), strict=True))


def test_path_lengths_if_asked_for():
    one = new_trainer(config(recipe=replace(RECIPE, path_length=2.0, path_interval=2)), CPU)
    taken = ["G_path" in one.step(pictures(4, 16, 16, seed)) for seed in range(3)]
    assert taken == [True, False, True]


def test_variety_teaches_the_generator():
    plain, varied = (new_trainer(config(recipe=replace(RECIPE, variety=weight)), CPU) for weight in (0.0, 10.0))
    assert ["G_variety" in one.step(pictures(4, 16, 16)) for one in (plain, varied)] == [False, True]
    assert not torch.equal(plain.model.synthesis.constant, varied.model.synthesis.constant)


def test_restored_equals_continued():
    settings = config(network=style_preset("tiny", 32))
    one = new_trainer(settings, CPU)
    batches = [pictures(4, seed=seed) for seed in range(4)]
    for batch in batches[:2]:
        one.step(batch)
    tensors, header = one.state()
    saved = {name: tensor.clone() for name, tensor in tensors.items()}
    two = new_trainer(settings, CPU)
    two.restore(saved, header)
    for batch in batches[2:]:
        assert one.step(batch) == two.step(batch)
    continued, restored = one.state()[0], two.state()[0]
    assert all(torch.equal(continued[name], restored[name]) for name in continued)


def test_who_teaches_does_not_compare_and_one_process_is_not_told_of_several():
    for teacher, other in ((DEFAULT, JUDGE), (JUDGE, DEFAULT)):
        one = new_trainer(config(batch=2, recipe=replace(RECIPE, teacher=teacher)), CPU)
        assert (one.compared_in, one.advice()) == (other, [])


# -- bases ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(photos, tmp_path_factory):
    """A StyleGAN2 of 16 px with its projected discriminator."""
    folder = tmp_path_factory.mktemp("base") / "run"
    Run(folder, config(photos), CPU).train()
    return folder / "last.safetensors"


def test_grown_pictures_begin_as_the_small_ones_enlarge(base):
    small = new_trainer(config(), CPU)
    assert small.adopt(open_model(base))
    large = new_trainer(config(network=style_preset("tiny", 32)), CPU)
    assert large.adopt(open_model(base))  # projected discriminators know no sizes
    silent = noise_source("none")
    for name in ("model", "ema"):
        one, two = getattr(small, name), getattr(large, name)
        w = one.mapping(torch.randn(2, 16))[:, None].expand(-1, 10, -1)
        torch.testing.assert_close(two.synthesis(w, silent), upsample(one.synthesis(w[:, :8], silent), DOUBLE))
    figures = large.step(pictures(4))
    assert figures["G_GAN"] == figures["G_GAN"]
    assert large.model.synthesis.blocks[3].to_rgb.weight.any()  # and what is new learns


def test_discriminators_of_pictures_learn_anew_at_another_size(tmp_path):
    small, large = (new_trainer(config(network=style_preset("tiny", s), recipe=StyleRecipe()), CPU) for s in (16, 32))
    small.ema.save(tmp_path / "small.safetensors", discriminators=small.discriminator_weights())
    assert not large.adopt(open_model(tmp_path / "small.safetensors"))


def test_only_the_first_blocks_of_these_networks_grow(base):
    wider = style_preset("tiny", 32)
    for network in (style_preset("tiny", 8), replace(wider, channels=(16, 16, 8, 8)), replace(wider, w_channels=8)):
        refused("is no beginning of this run", new_trainer(config(network=network), CPU).adopt, open_model(base))


def test_discriminators_go_on_under_their_own_recipe_alone(base, photos, tmp_path):
    tuned = Run(tmp_path / "tuned", config(photos, base=str(base)), CPU)
    assert tuned.notes == []
    kept = read_tensors(base)[0]
    assert all(
        torch.equal(tensor, kept[f"discriminators.{name}"])
        for name, tensor in tuned.trainer.discriminators.state_dict().items()
    )
    for number, other in enumerate((StyleRecipe(), replace(RECIPE, teacher="efficientnet-lite1"))):
        run = Run(tmp_path / str(number), config(photos, base=str(base), recipe=other), CPU)
        assert "came with discriminators of another kind" in run.notes[0]


def test_an_autoencoder_of_projected_discriminators(graft, photos, tmp_path):
    settings = {"network": preset("tiny"), "data": "photos", "batch": 4, "precision": "float32"}
    one = new_trainer(SwappingTrainConfig(recipe=recipe("projected"), **settings), CPU)
    about = {"training": {"recipe": recipe("projected").to_dict()}}
    save_model(tmp_path / "base.safetensors", new_model(), about, discriminators=one.discriminator_weights())
    command = ("finetune", tmp_path / "base.safetensors", photos, "--images", "4", "--batch", "4", "--run")
    options = ("--precision", "float32", "--device", "cpu")
    result = graft(*command, "own", *options)
    assert result.code == 0
    assert "have to learn anew" not in result.err
    assert read_tensors(tmp_path / "own/last.safetensors")[1]["about"]["training"]["recipe"]["projected"]
    result = graft(*command, "other", "--recipe", "official", *options)
    assert "came with discriminators of another kind" in " ".join(result.err.split())
    assert "--r1 is for discriminators of pictures" in graft(*command, "no", "--r1", "1", *options).err
