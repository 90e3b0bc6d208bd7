"""NVIDIA's StyleGAN2 pickles of the TensorFlow generation, made here from a network of the PyTorch one.

No file of theirs is small enough to be kept here. So the fixture's weights are written under TensorFlow's names and in
its layouts, by a table of its own, into a pickle that mentions their class; the pictures must be those of the fixture.
"""

import pickle
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from claims import refused
from safetensors.torch import load_file
from tiny import differ
from torch import Tensor

from graftlab.checkpoints.build import build
from graftlab.checkpoints.containers.contents import Contents, open_contents
from graftlab.checkpoints.formats import nvidia
from graftlab.checkpoints.formats.nvidia_writing import to_nvidia
from graftlab.checkpoints.formats.rosinality_stylegan2 import to_rosinality
from graftlab.checkpoints.formats.tensorflow import read
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import StyleGAN2Config
from graftlab.networks.style import second_moment
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import StyleGAN2

FIXTURES = Path(__file__).parent / "fixtures" / "stylegan2"
NEAR = 5e-5  # of a tensor's largest value

State = dict[str, Any]


# -- the other way: our names to theirs -------------------------------------------------------------------------------


@cache
def source(name: str = "nvidia", part: str = "G_ema") -> ModelFile:
    file = nvidia.read(open_contents(FIXTURES / f"{name}.pkl"), part)
    assert file is not None
    return file


def network(name: str, function: str, variables: State, version: int = 4, **fields: Any) -> State:
    """A network's state as their class pickles it."""
    state = {
        "version": version,
        "name": name,
        "static_kwargs": {},
        "build_module_src": "raise SystemExit('this text never runs')",
        "build_func_name": function,
        "variables": list(variables.items()),
    }
    return (
        state | ({"components": {}} if version > 2 else {}) | ({"input_shapes": None} if version == 5 else {}) | fields
    )


def dense(weights: dict[str, np.ndarray], ours: str, theirs: str) -> State:
    return {f"{theirs}/weight": weights[f"{ours}.weight"].T, f"{theirs}/bias": weights[f"{ours}.bias"]}


def modulated(weights: dict[str, np.ndarray], ours: str, theirs: str) -> State:
    kernel = weights[f"{ours}.weight"].transpose(2, 3, 1, 0)
    if theirs.endswith("_up"):
        kernel = kernel[::-1, ::-1]
    return {
        f"{theirs}/weight": np.ascontiguousarray(kernel),
        f"{theirs}/mod_weight": weights[f"{ours}.modulation.affine.weight"].T,
        f"{theirs}/mod_bias": weights[f"{ours}.modulation.affine.bias"] - 1,
    }


def layer(weights: dict[str, np.ndarray], ours: str, theirs: str) -> State:
    return {
        **modulated(weights, f"{ours}.conv", theirs),
        f"{theirs}/bias": weights[f"{ours}.bias"],
        f"{theirs}/noise_strength": np.float32(weights[f"{ours}.noise_strength"]),  # a scalar, as TensorFlow returns it
    }


def generator(file: ModelFile, version: int = 4) -> State:
    """A generator's state: its own variables, and mapping and synthesis as components."""
    weights = {name: tensor.numpy() for name, tensor in file.tensors.items()}
    mapping, synthesis = {}, {}
    if "mapping.embed.weight" in weights:
        mapping |= dense(weights, "mapping.embed", "LabelEmbed")
    for index in range(file.config.mapping_layers):
        mapping |= dense(weights, f"mapping.layers.{index}", f"Dense{index}")
    synthesis["4x4/Const/const"] = weights["synthesis.constant"][None]
    for block in range(len(file.config.channels)):
        ours, theirs = f"synthesis.blocks.{block}", f"{4 * 2**block}x{4 * 2**block}"
        if block:
            synthesis |= layer(weights, f"{ours}.up", f"{theirs}/Conv0_up")
            synthesis[f"noise{2 * block - 1}"] = weights[f"{ours}.up.noise"][None, None]
        synthesis |= layer(weights, f"{ours}.conv", f"{theirs}/Conv1" if block else "4x4/Conv")
        synthesis[f"noise{2 * block}"] = weights[f"{ours}.conv.noise"][None, None]
        synthesis |= modulated(weights, f"{ours}.to_rgb", f"{theirs}/ToRGB")
        synthesis[f"{theirs}/ToRGB/bias"] = weights[f"{ours}.rgb_bias"]
    own = {"lod": np.float32(0), "dlatent_avg": weights["mapping.average"]}
    parts = {
        "mapping": network("G_mapping", "G_mapping", mapping, version),
        "synthesis": network("G_synthesis", "G_synthesis_stylegan2", synthesis, version),
    }
    options = {"num_channels": 3, "resolution": 64, "label_size": file.config.classes, "fmap_base": 8192}
    return network("G", "G_main", own, version, static_kwargs=options, components=parts)


def discriminator(file: ModelFile, version: int = 4) -> State:
    weights = {name: tensor.numpy() for name, tensor in file.discriminators.items()}
    variables: State = {}

    def conv(ours: str, theirs: str) -> None:
        variables[f"{theirs}/weight"] = weights[f"{ours}.weight"].transpose(2, 3, 1, 0)
        if f"{ours}.bias" in weights:
            variables[f"{theirs}/bias"] = weights[f"{ours}.bias"]

    blocks = len(file.config.discriminator_channels) - 1
    conv("from_rgb", f"{4 * 2**blocks}x{4 * 2**blocks}/FromRGB")
    for block in range(blocks):
        size = 4 * 2 ** (blocks - block)
        for ours, theirs in (("conv1", "Conv0"), ("conv2", "Conv1_down"), ("skip", "Skip")):
            conv(f"blocks.{block}.{ours}", f"{size}x{size}/{theirs}")
    conv("conv", "4x4/Conv")
    variables |= dense(weights, "linear1", "4x4/Dense0") | dense(weights, "linear2", "Output")
    if file.config.classes:
        variables |= dense(weights, "mapping.embed", "LabelEmbed")
        for index in range(8):
            variables |= dense(weights, f"mapping.layers.{index}", f"Mapping{index}")
    return network("D", "D_stylegan2", variables, version)


@cache
def states(version: int = 4) -> bytes:
    """G, D and Gs of the fixture, as states; pickled, so that every test has its own."""
    parts = (generator(source(part="G"), version), discriminator(source(), version), generator(source(), version))
    return pickle.dumps(parts)


def file_of(tree: Any, path: Path, module: str = "dnnlib.tflib.network", protocol: int = 4) -> Contents:
    """Pickle a tree, with every state as an object of their class, and open it."""
    kind = type("Network", (), {"__module__": module, "__qualname__": "Network"})

    def objects(item: Any) -> Any:
        if isinstance(item, list | tuple):
            return type(item)(map(objects, item))
        if not isinstance(item, dict):
            return item
        item = {key: objects(value) for key, value in item.items()}
        if "static_kwargs" in item:
            made = kind()
            made.__dict__.update(item)
            return made
        return item

    home = ModuleType(module)
    home.Network = kind  # type: ignore[attr-defined]
    names = [module[: len(module) - len(rest)].rstrip(".") for rest in tails(module)]
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setitem(sys.modules, name, ModuleType(name))
        patch.setitem(sys.modules, module, home)
        path.write_bytes(pickle.dumps(objects(tree), protocol=protocol))
    return open_contents(path)


def tails(module: str) -> Iterator[str]:
    while "." in module:
        module = module.partition(".")[2]
        yield module


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., ModelFile]:
    """Read the fixture as a TensorFlow pickle, after a change to the states of G, D and Gs."""

    def open_changed(
        change: Callable[[State, State, State], object] = lambda *_: None, version: int = 4, **how: Any
    ) -> ModelFile:
        parts = pickle.loads(states(version))
        change(*parts)
        file = read(file_of(parts, tmp_path / "network.pkl", **how))
        assert file is not None
        return file

    return open_changed


@cache
def reference(name: str = "io") -> dict[str, Tensor]:
    return load_file(FIXTURES / f"{name}.safetensors")


def pictures(file: ModelFile, noise: Any) -> Tensor:
    model = build(file)
    assert isinstance(model, StyleGAN2)
    return model.decode(model.map(reference()["z"]), noise)


def variables(state: State) -> dict[str, Any]:
    return dict(state["variables"])


def put(state: State, **changes: Any) -> None:
    """Set variables, with __ for / in their names; None takes one away."""
    found = variables(state) | {name.replace("__", "/"): value for name, value in changes.items()}
    state["variables"] = [(name, value) for name, value in found.items() if value is not None]


# -- what is read -----------------------------------------------------------------------------------------------------


def test_pictures(opened: Callable[..., ModelFile]) -> None:
    file = opened()
    assert file.format == "NVIDIA StyleGAN2 pickle (TensorFlow)"
    for noise in ("const", "none"):
        assert differ(pictures(file, noise), reference()[f"A.img_{noise}_psi1"]) < NEAR


@pytest.mark.parametrize(
    ("version", "module", "protocol"),
    [
        (2, "dnnlib.tflib.network", 2),
        (3, "tflib.network", 3),
        (4, "src.dnnlib.tflib.network", 4),
        (5, "dnnlib.tflib.network", 5),
    ],
)
def test_every_weight(opened: Callable[..., ModelFile], version: int, module: str, protocol: int) -> None:
    file = opened(version=version, module=module, protocol=protocol)
    assert (file.notes, file.config) == ((), source().config)
    for mine, expected in ((file.tensors, source().tensors), (file.discriminators, source().discriminators)):
        assert mine.keys() == expected.keys()
        for name, tensor in expected.items():
            assert mine[name].shape == tensor.shape
            assert torch.allclose(mine[name], tensor, atol=1e-6), name  # what 1 less and 1 more leaves


def test_discriminator(opened: Callable[..., ModelFile]) -> None:
    file = opened()
    judge = StyleDiscriminator(file.config)
    judge.load_state_dict(dict(file.discriminators))
    logits = judge.requires_grad_(False)(reference()["A.img_const_psi1"])
    assert differ(logits, reference()["A.D_logits_of_A.img_const_psi1"]) < NEAR


def test_classes_and_clamp(tmp_path: Path) -> None:
    original, expected = source("nvidia_conditional"), reference("io_conditional")
    parts = (generator(original), discriminator(original), generator(original))
    for part in parts:
        part["static_kwargs"]["conv_clamp"] = 4
    parts[1]["static_kwargs"].update(mapping_layers=8, mapping_lrmul=0.01, mbstd_group_size=4)
    file = read(file_of(parts, tmp_path / "network.pkl"))
    assert file is not None
    assert file.config == original.config
    assert file.discriminators.keys() == original.discriminators.keys()
    model = build(file)
    assert isinstance(model, StyleGAN2)
    picture = model.decode(model.map(expected["z"], expected["c"]))
    assert differ(picture, expected["img_const_psi1"]) < NEAR


def test_the_generator_in_training(tmp_path: Path) -> None:
    contents = file_of(pickle.loads(states()), tmp_path / "network.pkl")
    file = read(contents, "G")
    assert file is not None
    assert torch.equal(file.tensors["synthesis.constant"], source(part="G").tensors["synthesis.constant"])
    refused("holds no network 'H', only G, D, Gs", read, contents, "H")


def test_dictionaries_and_single_networks(tmp_path: Path) -> None:
    training, judge, average = pickle.loads(states())
    constant = source().tensors["synthesis.constant"]
    for tree in ({"G": training, "D": judge, "Gs": average}, average):
        file = read(file_of(tree, tmp_path / "network.pkl"))
        assert file is not None
        assert torch.equal(file.tensors["synthesis.constant"], constant)
    file = read(file_of({"G": training}, tmp_path / "network.pkl"))
    assert file is not None
    assert file.notes == ("There is no averaged generator (Gs); the one in training (G) is used.",)


@pytest.mark.parametrize("tree", [None, {}, (1, 2, 3), {"Gs": {}}, {"D": None}, [torch.zeros(1)] * 3])
def test_other_kinds_are_left_alone(tree: object) -> None:
    assert read(Contents(Path("other.pkl"), "pickle", tree)) is None


def test_variables_without_components(opened: Callable[..., ModelFile]) -> None:
    """All in one list, by full names."""

    def flatten(_g: State, _d: State, average: State) -> None:
        for name, part in average.pop("components").items():
            average["variables"] += [(f"G_{name}/{key}", value) for key, value in part["variables"]]

    assert differ(pictures(opened(flatten, version=2), "none"), reference()["A.img_none_psi1"]) < NEAR


def test_z_that_is_not_normalized(opened: Callable[..., ModelFile]) -> None:
    """As in aydao's extended StyleGAN2, where the text of the module alone tells; or by an option."""

    def told(_g: State, _d: State, average: State) -> None:
        average["components"]["mapping"]["build_module_src"] = "def G_mapping():\n    normalize_latents  = False\n"

    normal, z = build(opened()), 3 * reference()["z"]
    for change in (told, options(normalize_latents=False)):
        model = build(opened(change))
        assert isinstance(model, StyleGAN2)
        assert torch.equal(model.map(second_moment(z)).w, normal.map(z).w)  # type: ignore[operator]
        assert differ(model.map(z).w, normal.map(z).w) > 0.1  # type: ignore[operator]
        refused("a z that is not normalised", to_rosinality, model)
        refused("a normalised z", to_nvidia, model, {})
    assert not opened(told).config.normalize  # type: ignore[attr-defined]


def test_without_noise(opened: Callable[..., ModelFile]) -> None:
    def silence(_g: State, _d: State, average: State) -> None:
        average["static_kwargs"]["use_noise"] = False
        part = average["components"]["synthesis"]
        part["variables"] = [(name, value) for name, value in part["variables"] if "noise" not in name]

    assert differ(pictures(opened(silence), "const"), reference()["A.img_none_psi1"]) < NEAR


def test_constant_that_is_not_square(opened: Callable[..., ModelFile]) -> None:
    """Forks keep the scopes' names, whatever the shape of the constant."""

    def widen(_g: State, _d: State, average: State) -> None:
        average["static_kwargs"]["init_res"] = [4, 8]
        part = average["components"]["synthesis"]
        wide = [name for name in variables(part) if name.startswith("noise") or name.endswith("const")]
        put(part, **{name: np.concatenate([variables(part)[name]] * 2, axis=3) for name in wide})

    file = opened(widen)
    assert isinstance(file.config, StyleGAN2Config)
    assert file.config.constant == (4, 8)
    build(file)


def test_group_of_the_discriminator(opened: Callable[..., ModelFile]) -> None:
    eight = {"mbstd_group_size": 8}
    for function, given, group in (
        ("D_stylegan2", {}, 4),
        ("D_main", {}, 2**16),
        ("D_main", eight, 8),
        ("D_stylegan2", eight, 8),
    ):
        state = {"build_func_name": function, "static_kwargs": given}
        file = opened(lambda _g, judge, _gs, state=state: judge.update(state))
        assert file.config.discriminator_group == group


# -- what is refused --------------------------------------------------------------------------------------------------


def part(name: str, **changes: Any) -> Callable[[State, State, State], None]:
    """Change variables of a component of Gs; "Gs" is the network itself."""
    return lambda _g, _d, average: put(average["components"].get(name, average), **changes)


def options(**values: Any) -> Callable[[State, State, State], None]:
    return lambda _g, _d, average: average["static_kwargs"].update(values)


def rgb_of_the_last(_g: State, _d: State, average: State) -> None:
    kept = average["components"]["synthesis"]
    kept["variables"] = [(name, item) for name, item in kept["variables"] if "ToRGB" not in name or "64x64" in name]


def channels(places: list[int]) -> Callable[[State, State, State], None]:
    """Make the pictures of Gs of other channels: these of the three."""

    def change(_g: State, _d: State, average: State) -> None:
        kept = average["components"]["synthesis"]
        kept["variables"] = [
            (name, item[..., places] if name.endswith(("ToRGB/weight", "ToRGB/bias")) else item)
            for name, item in kept["variables"]
        ]
        average["static_kwargs"]["num_channels"] = len(places)

    return change


def test_gray_becomes_colours(opened: Callable[..., ModelFile]) -> None:
    file = opened(channels([1]))
    assert any("gray, of one channel" in note for note in file.notes)
    assert torch.allclose(pictures(file, "const"), pictures(opened(), "const")[:, [1, 1, 1]], atol=1e-6)


def no_mapping(_g: State, _d: State, average: State) -> None:
    del average["components"]["mapping"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (no_mapping, "Progressive GAN"),
        (part("synthesis", ToRGB_lod0__weight=np.zeros(1)), "progressive growing"),
        (part("mapping", LabelConcat__weight=np.zeros((3, 64))), "LabelConcat"),
        (part("synthesis", **{"64x64/SelfAtten/sigma": np.zeros(1)}), "aydao's StyleGAN2 with self-attention"),
        (part("synthesis", **{"8x8/Skip/weight": np.zeros((1, 1, 2, 2))}), "the architecture 'resnet'"),
        (rgb_of_the_last, "the architecture 'orig'"),
        (options(architecture="orig"), "architecture='orig', not 'skip'"),
        (options(resample_kernel=None), r"resample_kernel=None, not \[1, 3, 3, 1\]"),
        (options(resample_kernel=np.array([1, 2, 1])), r"resample_kernel=\[1, 2, 1\]"),
        (options(nonlinearity="relu"), "nonlinearity='relu'"),
        (options(mapping_lrmul=1), "mapping_lrmul=1, not 0.01"),
        (channels([0, 1, 2, 0, 0]), "pictures of 5 channels"),
        (options(scale_type="pad"), "scale_type='pad', which is unknown"),
        (options(conv_clamp="much"), "conv_clamp"),
        (lambda _g, _d, average: average.update(version=6), "network of version 6"),
        (lambda _g, _d, average: average.update(version=None), "network of version None"),
        (lambda _g, _d, average: average.update(variables=3), "damaged"),
        (lambda _g, _d, average: average.update(components=[1]), "damaged"),
        (lambda _g, _d, average: average["components"].update(mapping=3), "a TensorFlow network that graftlab"),
        (part("Gs", dlatent_avg="none"), "a variable that is no array"),
        (part("Gs", dlatent_avg=None), "dlatent_avg is missing"),
        (part("mapping", Dense0__weight=None), "mapping/Dense0/weight is missing"),
        (part("mapping", Dense7__weight=np.zeros((4, 4))), "mapping/Dense2/weight is missing"),
        (part("synthesis", noise3=None), "synthesis/noise3 is missing"),
        (part("synthesis", **{"8x8/Conv0_up/mod_bias": None}), "synthesis/8x8/Conv0_up/mod_bias is missing"),
        (part("synthesis", **{"8x8/Conv1/extra": np.zeros(3)}), "synthesis/8x8/Conv1/extra is unknown"),
        (part("synthesis", **{"8x8/Conv1/bias": np.zeros(3)}), r"8x8/Conv1/bias is \(3,\), not \(64,\)"),
        (part("synthesis", **{"8x8/Conv0_up/weight": np.zeros(3)}), r"Conv0_up/weight is \(3,\), not \(64, 64, 3, 3\)"),
        (part("synthesis", noise3=np.zeros((8, 8, 8))), r"synthesis/noise3 is \(8, 8, 8\), not \(16, 16\)"),
        (part("synthesis", **{"4x4/Const/const": np.zeros(3)}), "other dimensions than StyleGAN2's"),
    ],
)  # fmt: skip
def test_generators_that_do_not_fit(
    opened: Callable[..., ModelFile], change: Callable[[State, State, State], None], told: str
) -> None:
    sentence = refused(told, opened, change)
    assert "network.pkl" in sentence


def test_lists_the_first_ten(opened: Callable[..., ModelFile]) -> None:
    thirteen = part("synthesis", **{f"extra{index}": np.zeros(1) for index in range(13)})
    assert refused(r"extra9 is unknown and 3 more\.$", opened, thirteen).count("is unknown") == 10


def test_options_that_do_not_matter(opened: Callable[..., ModelFile]) -> None:
    values = {"attention": None, "truncation_psi": 0.7, "fused_modconv": True, "num_fp16_res": 4, "fmap_max": 64}
    assert opened(options(**values)).tensors.keys() == source().tensors.keys()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"static_kwargs": {"architecture": "skip"}}, "architecture='skip', not 'resnet'"),
        ({"static_kwargs": {"use_spectral_norm": True}}, "use_spectral_norm=True, which is unknown"),
        ({"static_kwargs": {"conv_clamp": 256}}, "limits activations to 256 here and 0 in the generator"),
        ({"variables": []}, "4x4/FromRGB/weight is missing"),
        ({"version": 1}, "network of version 1"),
    ],
)
def test_a_discriminator_that_does_not_fit_is_left_out(
    opened: Callable[..., ModelFile], change: State, told: str
) -> None:
    file = opened(lambda _g, judge, _gs: judge.update(change))
    assert not file.discriminators
    assert file.notes[0].startswith("The discriminator is left out: ")
    assert told in file.notes[0]
    build(file)


def test_classes_of_a_discriminator_with_another_learning_rate(tmp_path: Path) -> None:
    """Theirs is 0.1 where nothing is said, the PyTorch generation's 0.01."""
    original = source("nvidia_conditional")
    parts = (generator(original), discriminator(original), generator(original))
    for item in parts:
        item["static_kwargs"]["conv_clamp"] = 4
    file = read(file_of(parts, tmp_path / "network.pkl"))
    assert file is not None
    assert not file.discriminators
    assert "mapping_lrmul=0.1, not 0.01" in file.notes[0]
