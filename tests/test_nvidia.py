"""NVIDIA's StyleGAN2 pickles of the PyTorch generation: what their code computes, and what is refused."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from claims import refused
from safetensors.torch import load_file
from tiny import differ
from torch import Tensor

from graftlab.checkpoints.build import build
from graftlab.checkpoints.containers.contents import Contents, open_contents
from graftlab.checkpoints.containers.pickles import Name, Record
from graftlab.checkpoints.convert import convert
from graftlab.checkpoints.formats.nvidia import CHECKOUTS, TABLES, Network, flatten, networks_of, read
from graftlab.checkpoints.formats.nvidia_writing import to_nvidia, widths_of
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import StyleGAN2Config
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import StyleGAN2

FIXTURES = Path(__file__).parent / "fixtures" / "stylegan2"
FILES = {"A": "nvidia", "B": "nvidia_finetuned", "conditional": "nvidia_conditional", "oldstyle": "nvidia_oldstyle"}
NEAR = 5e-5  # of a tensor's largest value


@cache
def whole(name: str) -> Contents:
    return open_contents(FIXTURES / f"{FILES[name]}.pkl")


def contents(name: str = "A") -> Contents:
    """What a fixture holds, for a test to change."""
    return deepcopy(whole(name))


def opened(name: str = "A", part: str = "G_ema") -> ModelFile:
    return read(contents(name), part)


@cache
def model(name: str, part: str = "G_ema") -> StyleGAN2:
    return build(opened(name, part))


def discriminator(name: str) -> StyleDiscriminator:
    file = opened(name)
    network = StyleDiscriminator(file.config)
    network.load_state_dict(dict(file.discriminators))
    return network.eval().requires_grad_(False)


@cache
def reference(name: str) -> dict[str, Tensor]:
    return load_file(FIXTURES / f"{name}.safetensors")


# -- what their code computes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["A", "B"])
def test_codes_and_pictures(name: str) -> None:
    expected, network = reference("io"), model(name)
    for psi in (1, 0.7):
        codes = network.map(expected["z"], psi=psi)
        assert differ(codes.w, expected[f"{name}.w_psi{psi}"]) < NEAR
        for noise in ("const", "none"):
            assert differ(network.decode(codes, noise), expected[f"{name}.img_{noise}_psi{psi}"]) < NEAR
    codes = network.map(expected["z"], psi=0.7, cutoff=4)
    assert differ(codes.w, expected[f"{name}.w_psi0.7_cutoff4"]) < NEAR


def test_activations() -> None:
    expected, synthesis = reference("io"), model("A").synthesis
    w = expected["A.w_psi1"]
    x, picture = synthesis.constant.expand(len(w), -1, -1, -1), None
    for block, size in zip(synthesis.blocks, (4, 8, 16), strict=False):
        x, picture = block(x, picture, w, lambda layer, like: None)
        assert differ(x, expected[f"A.act.b{size}.x"]) < NEAR
        assert differ(picture, expected[f"A.act.b{size}.img"]) < NEAR


def test_the_generator_in_training() -> None:
    expected, network = reference("io"), model("A", "G")
    picture = network.decode(network.map(expected["z"]), noise="none")
    assert differ(picture, expected["A.G.img_none_psi1"]) < NEAR


def test_discriminator() -> None:
    expected = reference("io")
    logits = discriminator("A")(expected["A.img_const_psi1"])
    assert differ(logits, expected["A.D_logits_of_A.img_const_psi1"]) < NEAR


@pytest.mark.parametrize("psi", [1, 0.7])
def test_classes_and_clamp(psi: float) -> None:
    expected, network = reference("io_conditional"), model("conditional")
    codes = network.map(expected["z"], expected["c"], psi)
    assert differ(codes.w, expected[f"w_psi{psi}"]) < NEAR
    for noise in ("const", "none"):
        assert differ(network.decode(codes, noise), expected[f"img_{noise}_psi{psi}"]) < NEAR


def test_without_clamp() -> None:
    holding, expected = contents("conditional"), reference("io_conditional")
    for name in modules(holding, "G_ema"):
        module(holding, name=name).pop("conv_clamp", None)
    file = read(holding)
    assert not file.discriminators
    assert "limits activations to 4 here and 0 in the generator" in file.notes[0]
    network = build(file)
    picture = network.decode(network.map(expected["z"], expected["c"]))
    assert differ(picture, expected["img_const_psi1_without_clamp"]) < NEAR


def test_old_pickles() -> None:
    expected, network = reference("io_oldstyle"), model("oldstyle")
    codes = network.map(expected["z"])
    assert differ(codes.w, expected["w_psi1"]) < NEAR
    for noise in ("const", "none"):
        assert differ(network.decode(codes, noise), expected[f"img_{noise}_psi1"]) < NEAR


# -- what the file tells ----------------------------------------------------------------------------------------------


def test_configuration() -> None:
    file = opened("conditional")
    assert file.kind == "stylegan2"
    assert file.format == "NVIDIA StyleGAN2 pickle (PyTorch)"
    assert file.notes == ()
    assert file.config == StyleGAN2Config(
        channels=(32, 32, 32, 16),
        z_channels=32,
        w_channels=32,
        classes=3,
        mapping_layers=2,
        clamp=4.0,
        discriminator_channels=(20, 20, 16, 8),
        discriminator_group=4,
    )


def test_background() -> None:
    holding = contents()
    holding.tree.update(cur_nimg=25_000, resume_pkl="ffhq256", augment_pipe=Record(Name("a", "B"), ()))
    file = read(holding)
    assert file.about["images_seen"] == 25_000
    assert file.about["resume_pkl"] == "ffhq256"
    assert file.about["trained_on"] == "./datasets/example.zip"
    assert file.about["training_set"]["xflip"] is False
    assert "augment_pipe" not in file.about


def test_generator_by_itself() -> None:
    holding = contents()
    file = read(Contents(Path("alone.pt"), "torch zip", holding.tree["G_ema"]))
    const = module(holding, name="synthesis.b4")["_parameters"]["const"]
    assert file.tensors["synthesis.constant"].data_ptr() == const.data_ptr()  # a view of the file
    assert file.tensors.keys() == opened().tensors.keys()
    assert not file.discriminators


def test_no_average() -> None:
    holding = contents()
    del holding.tree["G_ema"]
    file = read(holding)
    assert torch.equal(file.tensors["synthesis.constant"], opened("A", "G").tensors["synthesis.constant"])
    assert file.notes == ("There is no averaged generator (G_ema); the one in training (G) is used.",)


@pytest.mark.parametrize("tree", [None, [], {}, {"G_ema": 3}, {"D": 1}, {"G": {"w": torch.zeros(1)}}, torch.zeros(2)])
def test_other_kinds_are_left_alone(tree: object) -> None:
    assert read(Contents(Path("other.pt"), "torch zip", tree)) is None


def test_parts_that_are_not_there() -> None:
    holding = contents()
    del holding.tree["G"]
    refused("holds no network 'G', only G_ema, D", read, holding, "G")


# -- files of relatives -----------------------------------------------------------------------------------------------


def modules(holding: Contents, part: str = "G_ema") -> list[str]:
    """Dotted names of a network's modules; the network itself is ""."""
    names, waiting = [], [("", holding.tree[part])]
    while waiting:
        name, item = waiting.pop()
        names.append(name)
        children = item.arguments[0]["state"].get("_modules", {})
        waiting += [(f"{name}.{key}".lstrip("."), child) for key, child in children.items()]
    return names


def meta(holding: Contents, part: str = "G_ema", name: str = "") -> dict[str, Any]:
    """What a module's record holds: class_name, state and so on."""
    item = holding.tree[part]
    for key in name.split(".") if name else ():
        item = item.arguments[0]["state"]["_modules"][key]
    return item.arguments[0]


def module(holding: Contents, part: str = "G_ema", name: str = "") -> dict[str, Any]:
    """A module's attributes, to be changed."""
    return meta(holding, part, name)["state"]


def test_stylegan2_of_the_stylegan3_repository() -> None:
    holding = contents()
    for part in ("G_ema", "D"):
        for name in modules(holding, part):
            meta(holding, part, name)["module_src"] = "# training/networks_stylegan2.py of stylegan3"
            if "conv_clamp" in module(holding, part, name) and not name.endswith("skip"):
                module(holding, part, name)["conv_clamp"] = 256
    arguments = module(holding)["_init_kwargs"]
    arguments.update(fused_modconv_default="inference_only", **arguments.pop("synthesis_kwargs"))
    file = read(holding)
    assert file.config.clamp == 256
    assert file.discriminators
    assert torch.equal(file.tensors["mapping.average"], opened().tensors["mapping.average"])


def test_without_noise() -> None:
    holding, expected = contents(), reference("io")
    for name in modules(holding):
        state = module(holding, name=name)
        if "use_noise" in state:
            state["use_noise"] = False
            del state["_parameters"]["noise_strength"], state["_buffers"]["noise_const"]
    file = read(holding)
    network = build(file)
    picture = network.decode(network.map(expected["z"]), noise="const")
    assert differ(picture, expected["A.img_none_psi1"]) < NEAR


def test_constant_that_is_not_square() -> None:
    holding = contents("oldstyle")
    for name in modules(holding):
        state = module(holding, name=name)
        for table, key in (("_parameters", "const"), ("_buffers", "noise_const")):
            if key in state.get(table, {}):
                state[table][key] = torch.cat([state[table][key]] * 2, dim=-1)
    file = read(holding)
    assert file.config.constant == (4, 8)
    assert not file.discriminators  # which is square still
    assert "b4.fc.weight is (12, 192), not (12, 384)" in file.notes[0]
    build(file)


def test_half_precision() -> None:
    holding = contents("oldstyle")
    for name in modules(holding):
        for table in ("_parameters", "_buffers"):
            tensors = module(holding, name=name).get(table, {})
            tensors.update({key: tensor.half() for key, tensor in tensors.items() if tensor is not None})
    file = read(holding)
    assert file.tensors["synthesis.constant"].dtype == torch.float16
    assert build(file).synthesis.constant.dtype == torch.float32


def test_layers_of_torch_itself() -> None:
    """A fork's module of a class that is not persistent."""
    holding = contents()
    state = module(holding, name="mapping")
    fc0 = state["_modules"]["fc0"].arguments[0]["state"]
    state["_modules"]["fc0"] = Record(Name("torch.nn.modules.linear", "Linear"), (), fc0)
    refused("made of Linear, which is not StyleGAN2's", read, holding)


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "class_name", "told"),
    [
        ("synthesis.b4", "SynthesisInput", "a generator of StyleGAN3"),
        ("", "SuperresGenerator", "a generator of StyleGAN-XL"),
        ("", "TriPlaneGenerator", "a generator of EG3D"),
        ("", "SynthesisNetwork", "a generator made of SynthesisNetwork"),
        ("synthesis.b8", "AttentionBlock", "a generator made of AttentionBlock"),
    ],
)
def test_other_architectures(name: str, class_name: str, told: str) -> None:
    holding = contents()
    meta(holding, name=name)["class_name"] = class_name
    refused(rf"nvidia\.pkl holds {told}", read, holding)


@pytest.mark.parametrize(
    ("name", "option", "value", "told"),
    [
        ("synthesis.b8", "architecture", "resnet", "synthesis.b8 has architecture='resnet', not 'skip'"),
        ("synthesis.b8.conv1", "activation", "relu", "synthesis.b8.conv1 has activation='relu', not 'lrelu'"),
        ("mapping.fc1", "activation", "linear", "mapping.fc1 has activation='linear'"),
        ("synthesis.b4.conv1.affine", "activation", "lrelu", "affine has activation='lrelu', not 'linear'"),
        ("mapping.fc0", "bias_gain", 0.1, "mapping.fc0 has bias_gain=0.1, not 0.01"),
        ("", "img_channels", 5, "pictures with 5 channels, which cannot be opened"),
        ("", "img_channels", "RGB", "pictures with 'RGB' channels, which cannot be opened"),
        ("synthesis.b4.conv1", "conv_clamp", 7, "limits of activations"),
        ("synthesis.b4.conv1", "conv_clamp", "high", "limits of activations"),
    ],
)
def test_options_that_change_the_picture(name: str, option: str, value: object, told: str) -> None:
    holding = contents()
    module(holding, name=name)[option] = value
    refused(told, read, holding)


def test_unknown_arguments() -> None:
    for value in (True, 2.5, "pad", [4, 4], torch.ones(2)):
        holding = contents()
        module(holding, name="synthesis")["_init_kwargs"]["attention"] = value
        refused(r"synthesis has attention=.*, which is unknown", read, holding)


def test_arguments_that_do_not_matter() -> None:
    options = {"num_fp16_res": 4, "fp16_channels_last": True, "init_res": [4, 4]}
    for given in ({**options, "attention": None}, {**options, "attention": False}):
        holding = contents()
        module(holding, name="synthesis")["_init_kwargs"].update(given)
        assert read(holding) is not None


def test_another_filter() -> None:
    holding = contents()
    kernel = module(holding, name="synthesis.b8.conv0")["_buffers"]["resample_filter"]
    module(holding, name="synthesis.b8.conv0")["_buffers"]["resample_filter"] = torch.full_like(kernel, 1 / 16)
    module(holding, name="synthesis.b16.conv0")["_buffers"]["resample_filter"] = torch.tensor([[1.0]])
    refused(r"synthesis.b\d+.conv0.resample_filter is another filter; synthesis.b\d+", read, holding)


def change(**tables: Any) -> Callable[[dict[str, Any]], None]:
    """Replace entries of a module's tables."""

    def apply(state: dict[str, Any]) -> None:
        for table, entries in tables.items():
            state[table].update(entries)

    return apply


@pytest.mark.parametrize(
    ("name", "edit", "told"),
    [
        ("mapping", lambda state: state["_buffers"].clear(), "mapping.w_avg is missing"),
        ("synthesis.b4", lambda state: state["_parameters"].clear(), "synthesis.b4.const is missing"),
        ("mapping", lambda state: state["_modules"].clear(), "mapping.fc0.weight is missing"),
        ("synthesis", lambda state: state["_modules"].clear(), "synthesis.b4.const is missing"),
        ("synthesis.b8", change(_buffers={"x" * 9: torch.zeros(1)}), "synthesis.b8.xxxxxxxxx is unknown"),
        ("synthesis.b8.conv1", change(_parameters={"bias": torch.zeros(5)}), r"conv1.bias is \(5,\), not \(64,\)"),
        ("synthesis.b8.torgb", change(_parameters={"bias": torch.zeros(4)}), r"torgb.bias is \(4,\), not \(3,\)"),
        ("synthesis.b8.conv1", change(_parameters={"weight": torch.zeros(5)}), "not"),
        ("synthesis.b4", change(_parameters={"const": torch.zeros(64)}), "other dimensions than StyleGAN2's"),
        ("synthesis.b4", change(_parameters={"const": torch.zeros(64, 4, 0)}), "makes no sense: constant must be"),
        ("synthesis.b4.conv1", change(_parameters={"weight": torch.zeros(())}), "other dimensions than StyleGAN2's"),
        ("synthesis.b4.conv1", change(_parameters={"weight": 3}), "no network at 'synthesis.b4.conv1.weight'"),
        ("synthesis.b4", change(_modules={"conv1": torch.zeros(1)}), "no network at 'synthesis.b4.conv1'"),
        ("synthesis", lambda state: state.update(_modules=[]), "synthesis.b4.const is missing"),
        ("synthesis", lambda state: state.update(_modules=[3]), "whose _modules are no table"),
    ],
)
def test_tensors_that_do_not_fit(name: str, edit: Callable[[dict[str, Any]], None], told: str) -> None:
    holding = contents()
    edit(module(holding, name=name))
    sentence = refused(told, read, holding)
    assert sentence.startswith(str(holding.path))


def test_lists_the_first_ten() -> None:
    holding = contents()
    module(holding)["_buffers"].update({f"extra{index}": torch.zeros(1) for index in range(13)})
    sentence = refused(r"extra9 is unknown and 3 more\.$", read, holding)
    assert sentence.count("is unknown") == 10


def test_missing_numbers_are_the_loaders_affair() -> None:
    holding = contents()
    bias = module(holding, name="synthesis.b8.conv1")["_parameters"]["bias"]
    bias[0] = torch.nan
    file = read(holding)
    refused(r"not finite numbers: synthesis\.blocks\.1\.conv\.bias", build, file)


@pytest.mark.parametrize(
    ("name", "edit", "told"),
    [
        ("b8", lambda state: state.update(architecture="orig"), "b8 has architecture='orig', not 'resnet'"),
        ("b4.mbstd", lambda state: state.update(num_channels=2), "b4.mbstd has num_channels=2, not 1"),
        ("b4.conv", change(_parameters={"bias": None}), "b4.conv.bias is missing"),
        ("b8.conv0", change(_parameters={"weight": torch.zeros(())}), "other dimensions than StyleGAN2's"),
        ("b4.mbstd", lambda state: state.update(group_size=2.5), "discriminator_group must be a whole number"),
    ],
)
def test_a_discriminator_that_does_not_fit_is_left_out(
    name: str, edit: Callable[[dict[str, Any]], None], told: str
) -> None:
    holding = contents()
    edit(module(holding, "D", name))
    file = read(holding)
    assert not file.discriminators
    assert file.notes[0].startswith("The discriminator is left out: ")
    assert told in file.notes[0]
    assert file.config.discriminator_channels == ()
    build(file)


def test_deviation_over_the_whole_batch() -> None:
    holding = contents()
    module(holding, "D", "b4.mbstd")["group_size"] = None
    file = read(holding)
    network = StyleDiscriminator(file.config)
    network.load_state_dict(dict(file.discriminators))
    assert network(torch.zeros(6, 3, 64, 64)).shape == (6, 1)  # no multiple of four


# -- the way back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checkout", CHECKOUTS)
@pytest.mark.parametrize("name", ["A", "conditional"])
def test_what_goes_back_is_what_came(name: str, checkout: str, tmp_path: Path) -> None:
    """The objects that their code pickled and those written here have the same classes, attributes and tensors, beside
    the text of modules, what only trains or prints, and options whose values are all the defaults."""
    origin, path = FIXTURES / f"{FILES[name]}.pkl", tmp_path / "back.pkl"
    convert(origin, path, checkout=checkout)
    theirs, ours = (networks_of(open_contents(file).tree) for file in (origin, path))
    for part in ("G_ema", "D"):
        old, new = flatten(origin, theirs[part]), flatten(path, ours[part])
        alike(new, old)
        assert all(torch.equal(new.tensors[key].float(), old.tensors[key].float()) for key in old.tensors)
    assert {ours["D"].name.module, ours["G"].name.module} == {CHECKOUTS[checkout]}
    assert build(read(open_contents(path))).fingerprint == model(name).fingerprint


def alike(new: Network, old: Network) -> None:
    """Have the same classes, names of tensors and attributes."""
    assert new.classes == old.classes
    assert new.tensors.keys() == old.tensors.keys()
    for module, attributes in old.attributes.items():
        missing = attributes.keys() - new.attributes[module].keys()
        assert all(option.startswith("_") for option in missing), (module, missing)
        for option in attributes.keys() - missing - {"w_avg_beta", "training", *HALF, *TABLES}:
            if not option.startswith("_"):
                assert told(new, module, option) == pytest.approx(told(old, module, option)), (module, option)


HALF = ("use_fp16", "channels_last", "num_fp16_res")  # which layers compute in half precision on a GPU: none do


def told(network: Network, module: str, option: str) -> object:
    """An option as plain numbers."""
    value = network.attributes[module][option]
    return value.item() if isinstance(value, Tensor) else value


def test_arguments_that_would_make_the_networks_again(tmp_path: Path) -> None:
    """Their `init_kwargs`, where channels follow their rule."""
    path = tmp_path / "back.pkl"
    for checkout in CHECKOUTS:
        convert(FIXTURES / "nvidia.pkl", path, checkout=checkout)
        arguments = flatten(path, networks_of(open_contents(path).tree)["G_ema"]).attributes[""]["_init_kwargs"]
        synthesis = arguments["synthesis_kwargs"] if checkout == "stylegan2-ada-pytorch" else arguments
        assert (synthesis["channel_base"], synthesis["channel_max"]) == (1024, 64)
    assert widths_of((64, 48, 32)) == {}


def test_a_discriminator_of_another_kind_stays_here(tmp_path: Path) -> None:
    alone = tmp_path / "alone.pkl"
    alone.write_bytes(to_nvidia(model("A"), {}))
    assert networks_of(open_contents(alone).tree).keys() == {"G", "G_ema"}
    refused("choose stylegan2-ada-pytorch or stylegan3", to_nvidia, model("A"), {}, "stylegan4")
    wide = StyleGAN2(replace(model("A").config, constant=(4, 6)))
    refused("square pictures only", to_nvidia, wide, {})
