"""rosinality's StyleGAN2 files: read whole, written whole, and refused where they do not fit."""

import json
from functools import cache
from pathlib import Path

import pytest
import tiny
import torch
from claims import refused
from safetensors.torch import load_file
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.formats.rosinality_stylegan2 import discriminator_names, kernel, read, to_rosinality
from graftlab.config import StyleGAN2Config
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import StyleGAN2

ROOT = Path(__file__).parent / "fixtures" / "stylegan2"
FILES = {"A": "rosinality.pt", "B": "rosinality_finetuned.pt"}
CLOSE = 5e-5  # of the tensor's largest value


@cache
def stored(name: str) -> dict[str, dict[str, Tensor]]:
    return torch.load(ROOT / FILES[name], weights_only=True)


def contents(tree: object) -> Contents:
    return Contents(path=Path("model.pt"), container="torch zip", tree=tree, suspicions=())


def model_of(tree: object) -> StyleGAN2:
    file = read(contents(tree))
    model = StyleGAN2(file.config)
    model.load_state_dict(file.tensors)
    return model.eval().requires_grad_(False)


def judge(config: StyleGAN2Config) -> tuple[StyleDiscriminator, dict[str, Tensor]]:
    """A discriminator at random, and its state dict as rosinality's program writes it."""
    torch.manual_seed(0)
    discriminator = StyleDiscriminator(config).requires_grad_(False)
    table = discriminator_names(len(config.channels) - 1)
    state = {table[ours]: tensor for ours, tensor in discriminator.state_dict().items()}
    blocks = range(1, len(config.channels))
    kernels = {f"convs.{block}.{part}.0.kernel": kernel() for block in blocks for part in ("conv2", "skip")}
    return discriminator, state | kernels


@pytest.mark.parametrize("name", ["A", "B"])
def test_reads_what_their_program_shows(name: str) -> None:
    io, model = load_file(ROOT / "io_rosinality.safetensors"), model_of(stored(name))
    assert model.config == StyleGAN2Config((64, 64, 64, 32, 16), z_channels=64, w_channels=64, mapping_layers=2)
    for psi in (1, 0.7):
        codes = model.map(io["z"], psi=psi)
        assert tiny.differ(codes.w, io[f"{name}.latents_psi{psi}"]) < CLOSE
        if f"{name}.img_const_psi{psi}" in io:
            assert tiny.differ(model.decode(codes), io[f"{name}.img_const_psi{psi}"]) < CLOSE
    if name == "A":
        assert tiny.differ(model.decode(model.map(io["z"]), "none"), io["A.img_none_psi1"]) < CLOSE


@pytest.mark.parametrize("name", ["A", "B"])
def test_writes_what_it_read(name: str) -> None:
    theirs, ours = stored(name), to_rosinality(model_of(stored(name)))
    assert ours.keys() == theirs.keys()
    assert torch.equal(ours["latent_avg"], theirs["latent_avg"])
    assert ours["g_ema"].keys() == theirs["g_ema"].keys()
    for key, tensor in theirs["g_ema"].items():
        assert ours["g_ema"][key].shape == tensor.shape, key
        assert torch.equal(ours["g_ema"][key], tensor), key


def test_tensors_are_views_of_the_file_which_may_be_a_state_dict_alone() -> None:
    state = stored("A")["g_ema"]
    file = read(contents(state))
    assert file.tensors["synthesis.blocks.2.up.conv.weight"].data_ptr() == state["convs.2.conv.weight"].data_ptr()
    assert file.tensors["synthesis.blocks.2.conv.noise"].data_ptr() == state["noises.noise_4"].data_ptr()


def test_a_training_checkpoint() -> None:
    config = StyleGAN2Config((64, 64, 64, 32, 16), discriminator_channels=(10, 9, 8, 7, 6))
    discriminator, state = judge(config)
    tree = {"g": stored("B")["g_ema"], "d": state, "g_ema": stored("A")["g_ema"], "g_optim": {}, "args": object()}
    file = read(contents(tree))
    assert (file.config.discriminator_channels, file.config.channels) == ((10, 9, 8, 7, 6), (64, 64, 64, 32, 16))
    assert torch.equal(file.tensors["synthesis.constant"], stored("A")["g_ema"]["input.input"][0])
    again = StyleDiscriminator(file.config)
    again.load_state_dict(file.discriminators)
    images = tiny.pictures(2, 64, 64)
    assert torch.equal(again(images), discriminator(images))
    assert any("args, g, g_optim" in note for note in file.notes)
    assert any("4096" in note for note in file.notes)


def test_an_average_that_is_missing_is_estimated() -> None:
    tree = {"g": stored("A")["g_ema"]}
    file = read(contents(tree))
    assert any("g_ema" in note for note in file.notes)
    model = model_of(tree)
    mean = model.map(torch.randn(20_000, 64, generator=torch.Generator().manual_seed(0))).w[:, 0].mean(0)
    assert (model.mapping.average - mean).abs().max() < 0.1 * model.map(torch.randn(100, 64)).w.std()


def test_names_of_the_discriminator_are_theirs() -> None:
    layout = json.loads((ROOT.parent / "sae_rosinality" / "full_layout_256.json").read_text())["d"]["keys"]
    blocks = sum(name.endswith(".skip.1.weight") for name in layout)
    assert blocks == 6
    assert set(discriminator_names(blocks).values()) == {name for name in layout if not name.endswith(".kernel")}


def test_what_is_not_of_this_kind() -> None:
    for tree in (None, [1], {}, {"g_ema": 3}, {"g_ema": {"stem.weight": torch.zeros(1)}}, {"E.weight": torch.zeros(1)}):
        assert read(contents(tree)) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"conv1.activate.bias": None}, r"model\.pt holds no StyleGAN2 .* conv1\.activate\.bias is missing"),
        ({"extra": torch.zeros(1)}, "extra is unknown"),
        ({"convs.3.conv.weight": torch.zeros(1, 64, 65, 3, 3)}, r"convs\.3\.conv\.weight is \(64, 65, 3, 3\), not"),
        (
            {"convs.3.conv.weight": torch.zeros(2, 64, 64, 3, 3)},
            r"size one: convs\.3\.conv\.weight is \(2, 64, 64, 3, 3\)",
        ),
        ({"noises.noise_2": "loud"}, r"noises\.noise_2 is no tensor"),
        ({"convs.2.conv.weight": torch.zeros(3, 3)}, r"size one: convs\.2\.conv\.weight is \(3, 3\)\."),
        ({"convs.3.conv.weight": torch.zeros(1)}, "weights have other dimensions"),
        ({"convs.0.conv.weight": None}, r"convs\.0\.conv\.weight is missing"),
        ({"input.input": torch.zeros(1, 64, 4, 5)}, r"noises\.noise_0 is \(4, 4\), not \(4, 5\)"),
        (
            {"input.input": torch.zeros(1, 64, 4, 500)},
            r"model\.pt holds a StyleGAN2 that makes no sense: constant must",
        ),
        ({"style.2.weight": torch.zeros(32, 64)}, r"style\.2\.weight is \(32, 64\), not \(64, 64\)"),
        ({"to_rgbs.1.bias": torch.zeros(4)}, r"size one: to_rgbs\.1\.bias is \(4,\)"),
        ({"convs.0.conv.blur.kernel": torch.ones(4, 4)}, r"convs\.0\.conv\.blur\.kernel is another filter"),
        ({"to_rgbs.1.upsample.kernel": torch.ones(2, 2)}, r"to_rgbs\.1\.upsample\.kernel is another filter"),
    ],
)
def test_what_does_not_fit(change: dict[str, object], sentence: str) -> None:
    state = {**stored("A")["g_ema"], **change}
    state = {name: tensor for name, tensor in state.items() if tensor is not None}
    refused(sentence, read, contents({**stored("A"), "g_ema": state}))


def test_an_average_or_a_discriminator_that_does_not_fit() -> None:
    refused("latent_avg is no vector of 64", read, contents({**stored("A"), "latent_avg": torch.zeros(63)}))
    _, state = judge(StyleGAN2Config((64, 64, 64, 32, 16)))
    del state["final_linear.1.bias"]
    refused(r"final_linear\.1\.bias is missing", read, contents({**stored("A"), "d": state}))
    _, state = judge(StyleGAN2Config((64, 64, 64, 32)))
    refused("discriminator_channels must be as many as channels, 5, not 4", read, contents({**stored("A"), "d": state}))


def test_models_without_a_counterpart_but_a_limit_out_of_reach_is_dropped() -> None:
    refused("classes", to_rosinality, tiny.stylegan2(classes=2))
    refused("4 x 4", to_rosinality, tiny.stylegan2(constant=(4, 6)))
    refused("activations limited to 4", to_rosinality, tiny.stylegan2(clamp=4.0))
    model = tiny.stylegan2(clamp=256.0)
    again = model_of(to_rosinality(model))
    assert again.config.clamp == 0
    assert torch.equal(again.sample([1, 2], psi=0.7), model.sample([1, 2], psi=0.7))
