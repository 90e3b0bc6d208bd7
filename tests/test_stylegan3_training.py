"""Fine-tuning a StyleGAN3 with StyleGAN2's trainer: what learns, its discriminator, resuming, its parent."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny
import torch
from claims import refused
from safetensors.torch import load_file
from test_nvidia import FIXTURES
from tiny import differ
from training_fixture import CPU, make_photos

import graftlab
from graftlab.artifacts import read_tensors
from graftlab.blending.weights import interpolate
from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.formats import nvidia_stylegan3
from graftlab.config import StyleGAN3Config, StyleGAN3TrainConfig
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.training.run import Run
from graftlab.training.start import configure_finetuning

FEW = {"images": 8, "batch": 4, "precision": "float32", "record_every": 4, "snapshot_every": 8, "keep_models": False}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder, model = tmp_path_factory.mktemp("given"), tiny.stylegan3()
    model.save(folder / "base.safetensors")
    return SimpleNamespace(base=folder / "base.safetensors", photos=make_photos(folder / "photos", 8), model=model)


def start(folder: Path, given: SimpleNamespace, **changes: object) -> Run:
    return Run(folder, configure_finetuning(given.base, given.photos, device="cpu", **{**FEW, **changes}), CPU)


def test_a_fine_tuned_model_its_parent_and_a_run_that_is_resumed(given: SimpleNamespace, tmp_path: Path) -> None:
    run = start(tmp_path / "run", given)
    assert isinstance(run.trainer.config, StyleGAN3TrainConfig)
    assert (run.trainer.config.recipe.path_length, run.trainer.config.recipe.mixing) == (0, 0)
    assert "without its discriminators" in run.notes[0]
    assert torch.equal(run.trainer.ema.sample([1]), given.model.sample([1]))
    assert run.train()
    parent, tuned = (
        graftlab.load(given.base, device="cpu"),
        graftlab.load(tmp_path / "run/last.safetensors", device="cpu"),
    )
    still = {name for name, tensor in parent.state_dict().items() if torch.equal(tensor, tuned.state_dict()[name])}
    assert still == {f"synthesis.input.{name}" for name in ("frequencies", "phases", "transform")}
    assert tuned.about["parent"] == parent.fingerprint
    codes = parent.codes_of([3])
    halfway = graftlab.blend(parent, tuned, interpolate(0.5))
    assert len({model.decode(codes).sum().item() for model in (parent, tuned, halfway)}) == 3  # w is the parent's
    again = start(tmp_path / "again", SimpleNamespace(base=tmp_path / "run/last.safetensors", photos=given.photos))
    assert again.notes == []  # with its discriminators
    start(tmp_path / "parts", given, images=4).train()
    assert start(tmp_path / "parts", given).train()
    whole, parts = (read_tensors(max((tmp_path / name / "states").glob("*")))[0] for name in ("run", "parts"))
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())


def test_magnitudes_follow_what_the_generator_learns_from(given: SimpleNamespace, tmp_path: Path) -> None:
    trainer = start(tmp_path / "run", given).trainer
    first, seen = trainer.model.synthesis.layers[0], []
    first.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].detach().square().mean()))
    images = torch.zeros(4, 3, 32, 32)
    before = first.magnitude.clone()
    trainer.discriminator_step(images)
    assert torch.equal(first.magnitude, before)
    trainer.generator_step(images)
    assert torch.allclose(first.magnitude, torch.lerp(seen[-1], before, 0.5 ** (4 / 20_000)))
    assert torch.equal(trainer.ema.synthesis.layers[0].magnitude, first.magnitude)


def test_frozen_layers_stay(given: SimpleNamespace, tmp_path: Path) -> None:
    trainer = start(tmp_path / "run", given, frozen_generator=2).trainer
    still = {name for name, parameter in trainer.model.named_parameters() if not parameter.requires_grad}
    frozen = ("mapping.", "synthesis.input.", "synthesis.layers.0.", "synthesis.layers.1.")
    assert still == {name for name, _ in trainer.model.named_parameters() if name.startswith(frozen)}


def test_projected_and_by_a_phrase(given: SimpleNamespace, tmp_path: Path) -> None:
    projected = start(tmp_path / "projected", given, recipe="projected").trainer
    assert {"D_real", "G_GAN"} <= projected.step(torch.zeros(4, 3, 32, 32)).keys()
    words = Run(tmp_path / "words", configure_finetuning(given.base, device="cpu", text="night", batch=2), CPU).trainer
    assert "G_words" in words.step(torch.zeros(2, 3, 32, 32))


@pytest.mark.parametrize(("name", "note"), [("nvidia", None), ("nvidia_oldstyle", "as many as channels, 5, not 3")])
def test_the_discriminator_of_a_file(name: str, note: str | None) -> None:
    """It is a StyleGAN2's; for pictures of another size it is left out."""
    holding = open_contents(FIXTURES.parent / "stylegan3" / "t.pkl")
    holding.tree["D"] = open_contents(FIXTURES / f"{name}.pkl").tree["D"]
    file = nvidia_stylegan3.read(holding)
    assert file is not None
    if note:
        assert note in file.notes[0]
        assert not file.discriminators
        return
    discriminator = StyleDiscriminator(file.config.judge).eval()
    discriminator.load_state_dict(file.discriminators)
    expected = load_file(FIXTURES / "io.safetensors")
    assert differ(discriminator(expected["A.img_const_psi1"]), expected["A.D_logits_of_A.img_const_psi1"]) < 5e-5


def test_discriminators_of_other_sizes_are_refused() -> None:
    refused("as many as resolutions, 4, not 3", StyleGAN3Config, 32, (8, 8, 8), discriminator_channels=(8, 8, 8))
