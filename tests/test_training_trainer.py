"""The steps of the algorithm: alternation, lazy R1, the average, and steps that must not be taken."""

import sys
from dataclasses import replace
from functools import partial
from math import inf, isfinite, log, nan
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from training_fixture import CPU, config, files, make_photos, start

from graftlab.artifacts import read_tensors
from graftlab.config import preset
from graftlab.errors import GraftError
from graftlab.objectives import terms
from graftlab.objectives.swapping import r1_penalty
from graftlab.training import ema, trainer
from graftlab.training.monitor import Stats
from graftlab.training.swapping import SwappingTrainer
from graftlab.training.trainer import accuracies

pytestmark = pytest.mark.usefixtures("small_features")


def pictures(seed=0, count=4):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def make(**changes) -> SwappingTrainer:
    return SwappingTrainer(config("", **changes), CPU)


def copy(of: SwappingTrainer) -> dict:
    return {name: tensor.clone() for name, tensor in of.state()[0].items()}


def changed(before: dict, after: dict) -> set[str]:
    """Parts of the state that differ: "model", "discriminators", "ema", "adam.model", "adam.discriminators"."""
    differ = {name for name in before | after if name not in before or not torch.equal(before[name], after[name])}
    return {".".join(name.split(".")[: 2 if name.startswith("adam") else 1]) for name in differ}


# --------------------------------------------------------------------------------------------------------- alternation


def test_discriminators_and_generator_take_turns():
    one = make()
    before = copy(one)
    for seed, parts in enumerate([{"discriminators", "adam.discriminators"}, {"model", "adam.model", "ema"}] * 2):
        one.step(pictures(seed))
        after = copy(one)
        assert changed(before, after) == parts
        before = after
    assert one.seen == 16
    assert all(parameter.requires_grad for parameter in one.discriminators.parameters())


def test_randomness_depends_on_seed_and_images_seen_alone():
    def after(seed, seen, pollution):
        one = make(seed=seed, augment=("colour", "translation", "cutout"))
        one.seen = seen
        torch.manual_seed(pollution)
        return one.step(pictures()) | {"weights": one.discriminators.image.linear2.weight.sum().item()}

    assert after(0, 8, 1) == after(0, 8, 2) != after(0, 16, 1)
    assert after(1, 8, 1) != after(0, 8, 1)


def test_restored_equals_continued():
    """Fused Adam walks memory, not indices: moments must be laid out as their parameters are."""
    one = make()
    for seed in range(4):
        one.step(pictures(seed))
    tensors, header = one.state()
    other = make(seed=0)
    other.restore({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, header)
    for network in ("model", "discriminators"):
        for parameter, moments in other.optimizers[network].state.items():
            assert moments["exp_avg"].stride() == moments["exp_avg_sq"].stride() == parameter.stride()
    for seed in range(4, 6):
        assert one.step(pictures(seed)) == other.step(pictures(seed))
    assert changed(copy(one), copy(other)) == set()


@pytest.mark.parametrize(
    ("real", "fake", "chance"), [(terms.real, terms.fake, log(2)), (terms.hinge_real, terms.hinge_fake, 1.0)]
)
def test_accuracies(real, fake, chance):
    """A logit above zero says "real": the loss of a real is then below that of who cannot tell, of a fake above."""
    assert chance in (terms.LOGISTIC_CHANCE, terms.HINGE_CHANCE)
    real, fake = real(torch.tensor([[-1.0], [2], [3], [4]])), fake(torch.tensor([[-1.0], [1], [2], [3]]))
    assert accuracies({"D_real": real, "D_mix": fake, "PatchD_real": real, "PatchD_mix": fake}, chance) == {
        "D_accuracy_real": 0.75,
        "D_accuracy_mix": 0.25,
        "PatchD_accuracy_real": 0.75,
        "PatchD_accuracy_mix": 0.25,
    }


# ------------------------------------------------------------------------------------------------------------- lazy R1


def test_r1_every_sixteenth_discriminator_step(monkeypatch):
    one = make()
    taken = []
    monkeypatch.setattr(one, "discriminator_step", lambda images: {"D": 0.0})
    monkeypatch.setattr(one, "generator_step", lambda images, truths: {"G": 0.0})
    monkeypatch.setattr(one, "r1_step", lambda images: taken.append(one.seen // 4) or {"R1": 0.0})
    for _ in range(70):
        one.step(pictures())
    assert taken == [0, 32, 64]


def test_adam_is_slowed_for_the_extra_steps():
    """StyleGAN2, appendix B: learning rate times c, betas to the power of c, c = 16/17."""
    adam = make(betas=(0.5, 0.99), learning_rate=0.002).optimizers
    assert adam["model"].defaults["lr"] == 0.002
    assert adam["model"].defaults["betas"] == (0.5, 0.99)
    assert adam["discriminators"].defaults["lr"] == pytest.approx(0.002 * 16 / 17, rel=1e-12)
    assert adam["discriminators"].defaults["betas"] == pytest.approx((0.5 ** (16 / 17), 0.99 ** (16 / 17)), rel=1e-12)


def test_r1_counts_sixteen_times(monkeypatch):
    one = make()
    losses = []
    monkeypatch.setattr(one, "_descend", lambda which, loss: losses.append((which, loss)))
    torch.manual_seed(5)
    figures = one.r1_step(pictures())
    torch.manual_seed(5)
    found = r1_penalty(one.discriminators, pictures(), one.config.recipe, one.config.network.patch_size)
    ((which, loss),) = losses
    assert which == "discriminators"
    torch.testing.assert_close(loss, 16 * (10 * found["D_R1"].mean() + found["PatchD_R1"].mean()))
    assert figures == {name: term.mean().item() for name, term in found.items()}


def test_figures_are_terms_before_their_weights():
    one, heavy = make(), make(recipe=replace(config("").recipe, l1=3.0, gan=2.0))
    one.seen = heavy.seen = 4  # the generator's turn
    assert one.step(pictures()) == heavy.step(pictures())


def test_r1_is_float32_whatever_the_precision():
    one = make(precision="bfloat16")
    dtypes = set()
    for layer in (
        one.discriminators.image.blocks[0].conv1,
        one.discriminators.patch.blocks[0].conv1,
        one.discriminators.image.linear1,
    ):
        layer.register_forward_hook(lambda module, inputs, output: dtypes.add(output.dtype))
    one.discriminator_step(pictures())
    assert dtypes == {torch.bfloat16}
    dtypes.clear()
    one.r1_step(pictures())
    assert dtypes == {torch.float32}
    assert {parameter.grad.dtype for parameter in one.discriminators.parameters() if parameter.grad is not None} == {
        torch.float32
    }


# ------------------------------------------------------------------------------------------------------------- average


def test_average_in_closed_form_with_ramp_up():
    model = nn.Linear(1, 1, bias=False)
    average = ema.begin(model)
    expected = average.weight.item()
    for seen in range(10, 1000, 10):
        model.weight.data.fill_(float(seen % 70))
        ema.update(average, model, 10, seen, halflife=20, rampup=0.05)
        keep = 0.5 ** (10 / min(20, 0.05 * seen))
        expected = keep * expected + (1 - keep) * (seen % 70)
        assert average.weight.item() == pytest.approx(expected, rel=1e-5)


def test_average_copies_buffers_and_is_its_own():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = ema.begin(model)
    assert not average.training
    assert not any(parameter.requires_grad for parameter in average.parameters())
    model(torch.randn(8, 2))
    assert average[1].num_batches_tracked == 0
    ema.update(average, model, 1, 1, halflife=1e9, rampup=inf)
    assert all(torch.equal(a, b) for a, b in zip(average.buffers(), model.buffers(), strict=True))


def test_average_of_a_generator_step():
    """Both turns of the alternation count: a step of batch 4 brings the images seen to 8."""
    one = make(ema_rampup=0.5, ema_halflife=1000)
    start, name = copy(one), "model.encoder.from_rgb.weight"
    one.step(pictures())
    one.step(pictures())
    after, keep = copy(one), 0.5 ** (8 / (8 * 0.5))
    expected = keep * start[name] + (1 - keep) * after[name]
    torch.testing.assert_close(after[name.replace("model", "ema", 1)], expected)


# ----------------------------------------------------------------------------------------------------------- not finite


@pytest.mark.parametrize(("turn", "value"), [(0, nan), (1, inf)])
def test_step_without_finite_gradients_is_skipped(turn, value):
    one = make()
    for seed in range(4 + turn):
        one.step(pictures(seed))
    before = copy(one)
    bad = pictures(9)
    bad[1, 0, 5, 5] = value
    one.step(bad)
    assert (one.skipped, one.seen) == (1, 20 + 4 * turn)
    assert changed(before, copy(one)) <= {"ema"}  # which draws near to weights that stay
    assert all(tensor.isfinite().all() for tensor in copy(one).values())
    one.step(pictures(10))
    one.step(pictures(11))
    assert one.skipped == 1
    assert changed(before, copy(one)) == {"model", "discriminators", "ema", "adam.model", "adam.discriminators"}


def test_gradients_whose_squares_overflow_are_skipped():
    """Adam would divide by infinity, and the weight would stand still for ever."""
    one = make()
    one._descend("discriminators", 1e25 * one.discriminators.image.linear2.weight.sum())
    assert one.skipped == 1
    assert not one.optimizers["discriminators"].state


def test_one_optimiser_that_diverges_alone_stops_the_run(monkeypatch):
    monkeypatch.setattr(trainer, "PATIENCE", 3)
    one = make()
    fine = one._objective

    def diverge(player, model, *rest, **more):
        broken = {"G_L1": model.encoder.from_rgb.weight.sum() * nan}
        return broken if player == "generator" else fine(player, model, *rest, **more)

    one._objective = diverge
    for seed in range(4):
        one.step(pictures(seed))
    one._objective = fine
    for seed in range(2):
        one.step(pictures(seed))
    one._objective = diverge  # a good step has ended the row
    with pytest.raises(GraftError, match="3 steps in a row gave no finite gradients"):
        [one.step(pictures(seed)) for seed in range(20)]
    assert (one.skipped, one.seen) == (5, 4 * 11)


def test_nothing_that_is_not_finite_is_saved(tmp_path):
    run = start(tmp_path / "run", make_photos(tmp_path / "photos", 12), images=48)
    steps = iter(range(100))
    step = run.trainer.step
    run.trainer.step = lambda images, truths: step(images * nan if next(steps) % 3 == 0 else images, truths)
    assert run.train()
    names = [name for name in files(tmp_path / "run") if name.endswith(".safetensors")]
    assert len(names) == 4
    for name in names:
        tensors, _ = read_tensors(tmp_path / "run" / name)
        assert all(tensor.isfinite().all() for tensor in tensors.values())
    stats = (tmp_path / "run" / "stats.jsonl").read_text()
    assert "NaN" not in stats
    assert stats.splitlines()[-2].endswith('"skipped": 5}')  # steps 0 (with its R1), 3, 6 and 9


def test_means_leave_out_what_is_not_finite(tmp_path):
    stats = Stats(tmp_path / "stats.jsonl")
    for value in (1.0, nan, 2.0, -inf):
        stats.add({"a": value, "b": 1.0})
    stats.record(4, 2)
    assert stats.path.read_text() == '{"seen": 4, "a": 1.5, "b": 1.0, "skipped": 2}\n'
    assert all(map(isfinite, stats.latest.values()))


def test_tensorboard_if_installed(tmp_path, monkeypatch):
    """A resumed run hides what an earlier one drew beyond the state it went on from."""
    opened, drawn = [], []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            opened.append((folder, purge_step))

        def add_scalar(self, *figure):
            drawn.append(figure)

        def flush(self):
            drawn.append("flush")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=SummaryWriter))
    stats = Stats(tmp_path / "stats.jsonl")
    assert not opened
    stats.append({"seen": 8, "a": 1.0})
    stats.append({"seen": 16, "a": 2.0})
    stats.state()
    assert opened == [(str(tmp_path / "tensorboard"), 8)]
    assert drawn == [("seen", 8, 8), ("a", 1.0, 8), ("seen", 16, 16), ("a", 2.0, 16), "flush"]


def test_compiled_steps_equal_plain_ones(monkeypatch):
    """What is traced is the algorithm; the backend that makes machine code of it is PyTorch's own to test."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=False))
    shallow = replace(preset("tiny"), size=16, downsamplings=1, texture_downsamplings=1, head_blocks=1)
    settings = replace(config("", augment=("colour", "translation", "cutout")), network=shallow)
    plain, compiled = (SwappingTrainer(settings, CPU, compiled=each) for each in (False, True))
    for turn in range(4):
        one, other = (of.step(pictures(turn)[..., :16, :16]) for of in (plain, compiled))
        assert one == pytest.approx(other, rel=1e-5, abs=1e-6)


def test_a_term_that_is_switched_off_has_no_accuracy():
    figures = make(recipe=replace(config("").recipe, patch=0.0)).discriminator_step(pictures())
    assert {name for name in figures if "accuracy" in name} == {f"D_accuracy_{key}" for key in ("real", "rec", "mix")}
