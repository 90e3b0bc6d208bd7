"""Known tensors in other wrappings, without the buffers that nothing depends on, or for other channels than three."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import save_file
from torch import Tensor

import graftlab
from graftlab.checkpoints.build import build
from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.convert import convert
from graftlab.checkpoints.describe import describe
from graftlab.checkpoints.formats import nvidia
from graftlab.checkpoints.formats.rosinality_stylegan2 import discriminator_names
from graftlab.checkpoints.formats.stylegan2_config import drawn_noise
from graftlab.checkpoints.formats.wrapping import prefixes
from graftlab.checkpoints.model_file import ModelFile
from graftlab.checkpoints.readers import open_model
from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError
from graftlab.networks.model import Network
from graftlab.networks.style_discriminator import StyleDiscriminator

FIXTURES = Path(__file__).parent / "fixtures"
PICKLE = FIXTURES / "stylegan2" / "nvidia.pkl"
ROSINALITY = FIXTURES / "stylegan2" / "rosinality.pt"
OFFICIAL = FIXTURES / "sae_official" / "default" / "checkpoint.pth"
SWAPPING = FIXTURES / "sae_rosinality" / "checkpoint_plain_args.pt"


def plain(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


@cache
def generator() -> dict[str, Tensor]:
    return plain(ROSINALITY)["g_ema"]


@cache
def their_state(part: str = "G_ema") -> dict[str, Tensor]:
    """What `G_ema.state_dict()` gives of NVIDIA's network."""
    return dict(nvidia.flatten(PICKLE, open_contents(PICKLE).tree[part]).tensors)


def before(prefix: str, state: dict[str, Any]) -> dict[str, Any]:
    return {prefix + name: value for name, value in state.items()}


def saved(path: Path, tree: dict[str, Any]) -> Path:
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous().clone() for name, tensor in tree.items()}, path)
    else:
        torch.save(tree, path)
    return path


def basicsr(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Its tensors by the names of BasicSR, which keeps no kernels."""
    words = {"input.input": "constant_input.weight", "noises.noise_": "noises.noise"}
    words |= {
        ".noise.weight": ".weight",
        ".conv.": ".modulated_conv.",
        "style.": "style_mlp.",
        "conv1.": "style_conv1.",
    }
    named = {}
    for name, tensor in state.items():
        for word, other in words.items():
            name = name.replace(word, other)
        named[name.replace("convs.", "style_convs.")] = tensor
    return {name: tensor for name, tensor in named.items() if not name.endswith("kernel")}


def whole(state: dict[str, Tensor]) -> torch.nn.Module:
    """A module with this state dict."""
    module = torch.nn.Module()
    for name, tensor in state.items():
        inner, (*parts, last) = module, name.split(".")
        for part in parts:
            inner._modules.setdefault(part, torch.nn.Module())
            inner = inner._modules[part]
        inner.register_buffer(last, tensor)
    module.register_buffer("passing", torch.zeros(1), persistent=False)
    return module


WRAPPED = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "params_ema": lambda state: {"params_ema": state, "params": {"other": torch.zeros(1)}},
    "basicsr": lambda state: {"params_ema": basicsr(state)},
    "ema": lambda state: {"ema": {"model": state}},
    "model": lambda state: {"model": state},
    "parallel": lambda state: before("module.", state),
    "compiled": lambda state: {"g_ema": before("_orig_mod.", state)},
    "compiled in parallel": lambda state: {"net": before("module._orig_mod.module.", state)},
    "saved whole": lambda state: {"net": whole(state)},
    "saved whole in parallel": lambda state: {"g_ema": torch.nn.DataParallel(whole(state)), "g": whole(state).double()},
    "pixel2style2pixel": lambda state: {
        "state_dict": {**before("decoder.", state), "encoder.body.0.weight": torch.zeros(1)},
        "opts": {"size": 64},
    },
    **{
        name: lambda state, name=name: {"g": {key: 0 * value for key, value in state.items()}, name: state}
        for name in ("Gema", "g_avg", "net_average", "net_averaged", "netG_smooth", "gen_shadow", "Gs")
    },
    "lightning": lambda state: {
        "epoch": 3,
        "pytorch-lightning_version": "2.5",
        "state_dict": {**before("generator_ema.", state), **before("generator.", {k: 0 * state[k] for k in state})},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}}],
    },
}


BOTH = pytest.mark.parametrize("state", [generator, their_state], ids=["rosinality", "nvidia"])


@pytest.mark.parametrize(
    ("wrapper", "state"), [*((name, generator) for name in WRAPPED), ("bare", their_state), ("lightning", their_state)]
)
def test_a_generator_is_found_in_any_wrapper(tmp_path, wrapper, state):
    file = open_model(saved(tmp_path / "net.ckpt", WRAPPED[wrapper](state())))
    reference = open_model(PICKLE)  # the two fixtures are one network
    weights = [name for name in reference.tensors if name != "mapping.average"]
    for name in weights:
        assert tiny.differ(file.tensors[name].float(), reference.tensors[name].float()) < 1e-5, name
    assert wrapper == "bare" or any("read from" in note for note in file.notes)
    if wrapper == "pixel2style2pixel":
        assert "Not used: encoder, opts." in file.notes


@pytest.mark.parametrize("prefix", ["", "g_ema.", "module.", "state_dict.generator_ema."])
@BOTH
def test_plain_safetensors_of_a_known_layout(tmp_path, prefix, state):
    model = graftlab.load(saved(tmp_path / "net.safetensors", before(prefix, state())), device="cpu")
    want = graftlab.load(PICKLE, device="cpu")
    assert tiny.differ(model.synthesis.constant, want.synthesis.constant) < 1e-6


def test_the_average_of_w_is_found_beside_or_inside(tmp_path):
    whole = plain(ROSINALITY)
    want = open_model(ROSINALITY).tensors["mapping.average"]
    rows = whole["latent_avg"].repeat(10, 1)  # as e4e keeps it: one for each layer
    for name, tree in {
        "beside": {"state_dict": before("decoder.", whole["g_ema"]), "latent_avg": whole["latent_avg"]},
        "inside": {**whole["g_ema"], "latent_avg": whole["latent_avg"]},
        "rows": {"state_dict": before("decoder.", whole["g_ema"]), "latent_avg": rows},
    }.items():
        assert torch.equal(open_model(saved(tmp_path / name, tree)).tensors["mapping.average"], want)


def test_a_discriminator_comes_along(tmp_path):
    tree = {**before("G_ema.", their_state()), **before("D.", their_state("D"))}
    file, want = open_model(saved(tmp_path / "net.safetensors", tree)), open_model(PICKLE)
    assert file.config.discriminator_channels == want.config.discriminator_channels
    assert all(torch.equal(file.discriminators[name], tensor) for name, tensor in want.discriminators.items())


AUTOENCODERS = {
    "module.pt": lambda tree: {part: before("module.", state) for part, state in tree.items() if part != "args"},
    "compiled.ckpt": lambda tree: {"state_dict": {part: before("_orig_mod.", s) for part, s in tree.items()}},
    "flat.safetensors": lambda tree: {
        f"{part}.{name}": tensor
        for part, state in tree.items()
        for name, tensor in state.items()
        if isinstance(tensor, Tensor)
    },
}


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_rosinalitys_autoencoder_in_other_wrappings(tmp_path, name):
    tree = {part: state for part, state in plain(SWAPPING).items() if part in ("e_ema", "g_ema")}
    same(saved(tmp_path / name, AUTOENCODERS[name](tree)), SWAPPING)


@pytest.mark.parametrize("prefix", ["module.", "singlegpu_model.", "state_dict.model_ema."])
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_the_authors_autoencoder_in_other_wrappings(tmp_path, prefix, ending):
    same(saved(tmp_path / f"net.{ending}", before(prefix, plain(OFFICIAL))), OFFICIAL)


def same(path: Path, other: Path) -> None:
    file, want = open_model(path), open_model(other)
    assert file.kind == want.kind
    assert file.tensors.keys() == want.tensors.keys()
    assert all(torch.equal(file.tensors[name], tensor) for name, tensor in want.tensors.items())


def test_names_that_only_look_alike_are_left_alone(tmp_path):
    for tree in (
        {"backbone.stem.0.weight": torch.zeros(3, 3)},  # many a network has a stem
        {"state_dict": {"decoder.conv1.conv.weight": torch.zeros(1)}},
        {"x": torch.zeros(1)},
    ):
        assert describe(saved(tmp_path / "net.pt", tree))["kind"] is None
    assert prefixes({"schema.a": 0, "ema.a": 0, "x.a": 0}, "a") == ["ema.", "schema.", "x."]


# -- what nothing depends on ------------------------------------------------------------------------------------------


def test_without_noise_it_is_drawn_and_said(tmp_path):
    whole = plain(ROSINALITY)
    state = {name: tensor for name, tensor in whole["g_ema"].items() if not name.startswith("noises.")}
    path = saved(tmp_path / "net.pt", {**whole, "g_ema": state})
    file = open_model(path)
    assert sum("no constant noise; it was drawn from a seed" in note for note in file.notes) == 1
    noise = [tensor for name, tensor in file.tensors.items() if name.endswith(".noise")]
    assert [tensor.shape[0] for tensor in noise] == [4, 8, 8, 16, 16, 32, 32, 64, 64]
    assert abs(torch.cat([tensor.flatten() for tensor in noise]).std() - 1) < 0.05
    once, again = (graftlab.load(path, device="cpu") for _ in range(2))
    assert once.fingerprint == again.fingerprint
    want = graftlab.load(ROSINALITY, device="cpu")
    assert torch.equal(once.sample([1], noise="none"), want.sample([1], noise="none"))
    convert(path, tmp_path / "ours.safetensors")
    assert torch.equal(graftlab.load(tmp_path / "ours.safetensors", device="cpu").sample([1]), once.sample([1]))


def test_one_noise_that_is_missing_is_damage(tmp_path):
    state = {name: tensor for name, tensor in generator().items() if name != "noises.noise_3"}
    with pytest.raises(GraftError, match=r"noises\.noise_3 is missing"):
        open_model(saved(tmp_path / "net.pt", {"g_ema": state}))


def test_noise_is_not_drawn_for_pictures_that_nobody_makes(tmp_path):
    config = StyleGAN2Config((1,) * 12, constant=(64, 64))
    with pytest.raises(GraftError, match="for 131072 px none is drawn"):
        drawn_noise(tmp_path, config)


def test_nvidias_parameters_without_buffers(tmp_path):
    buffers = ("noise_const", "w_avg", "resample_filter")
    state = {name: tensor for name, tensor in their_state().items() if not name.endswith(buffers)}
    file = open_model(saved(tmp_path / "net.pt", state))
    assert {word for note in file.notes for word in ("drawn", "estimated") if word in note} == {"drawn", "estimated"}


# -- channels ---------------------------------------------------------------------------------------------------------


def of_channels(count: int, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A generator whose pictures have so many channels: those of the first, repeated or cut."""
    places = [0, 1, 2, 0, 0][:count] if count != 2 else [0, 2]
    changed = {}
    for name, tensor in state.items():
        if "to_rgb" in name and name.endswith((".conv.weight", "bias")) and "modulation" not in name:
            tensor = tensor[:, places]
        if name.endswith(("torgb.weight", "torgb.bias")):
            tensor = tensor[places]
        changed[name] = tensor
    return changed


@pytest.mark.parametrize(
    ("count", "places", "said"),
    [(1, [0, 0, 0], "gray, of one channel"), (2, [0, 0, 0], "gray with alpha"), (4, [0, 1, 2], "alpha, is left out")],
)
@BOTH
def test_pictures_of_other_channels(tmp_path, count, places, said, state):
    path = saved(tmp_path / "net.pt", of_channels(count, state()))
    assert any(said in note for note in open_model(path).notes)
    want = graftlab.load(saved(tmp_path / "whole.pt", state()), device="cpu").sample([1, 2])
    have = graftlab.load(path, device="cpu").sample([1, 2])
    assert torch.allclose(have, want[:, places], atol=1e-6)


def test_a_discriminator_of_gray_is_left_out(tmp_path):
    judge = StyleDiscriminator(open_model(ROSINALITY).config)
    table = discriminator_names(4)
    state = {table[ours]: tensor for ours, tensor in judge.state_dict().items()}
    state["convs.0.0.weight"] = state["convs.0.0.weight"][:, :1]
    file: ModelFile = open_model(saved(tmp_path / "net.pt", {"g_ema": of_channels(1, generator()), "d": state}))
    assert not file.discriminators
    assert any("discriminator is left out" in note for note in file.notes)
    model: Network = build(file)
    assert model.config.discriminator_channels == ()


def test_pictures_of_five_channels_are_refused_in_few_words(tmp_path):
    with pytest.raises(GraftError, match=r"net\.pt makes pictures of 5 channels; only .* \(1 to 4\)\.$"):
        open_model(saved(tmp_path / "net.pt", of_channels(5, generator())))


def test_layers_that_disagree_are_listed(tmp_path):
    state = {**generator(), "to_rgb1.conv.weight": generator()["to_rgb1.conv.weight"][:, :1]}
    with pytest.raises(GraftError, match=r"to_rgb1\.conv\.weight is \(1, 64, 1, 1\), not"):
        open_model(saved(tmp_path / "net.pt", state))
