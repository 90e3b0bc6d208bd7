"""StyleGAN3: what NVIDIA's code computes of both configurations, blends and motions of it, and what is refused."""

from copy import deepcopy
from functools import cache
from math import cos, degrees, sin
from pathlib import Path

import pytest
import tiny
import torch
import torch.nn.functional as F
from claims import refused, shows
from safetensors.torch import load_file
from test_nvidia import alike, meta, module
from tiny import differ
from torch import Tensor

from graftlab.blending.blend import adopt, blend
from graftlab.blending.channels import features_at
from graftlab.blending.clusters import observe
from graftlab.blending.inputs import probe_seeds
from graftlab.blending.weights import held, interpolate, layer_swap
from graftlab.checkpoints.build import build
from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.convert import convert
from graftlab.checkpoints.formats.nvidia import flatten, networks_of
from graftlab.checkpoints.formats.nvidia_stylegan3 import read
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import open_model, read_model
from graftlab.config import StyleGAN3Config
from graftlab.editing.style_directions import sefa
from graftlab.inversion.encoder import Encoder
from graftlab.inversion.photos import invert
from graftlab.inversion.search import Centre
from graftlab.networks import winograd
from graftlab.networks.affines import affines
from graftlab.networks.filters import filtered_rectify, filtered_rectify_in_phases, lowpass
from graftlab.networks.stylegan3 import StyleGAN3

FIXTURES = Path(__file__).parent / "fixtures" / "stylegan3"
FILES = {"t.A": "t", "t.B": "t_finetuned", "r.A": "r", "r.B": "r_finetuned", "conditional": "conditional"}
NEAR = 5e-5  # of a tensor's largest value
LAYERS = {"L0_36_48": "layers.0", "L1_36_48": "layers.1", "L4_84_40": "layers.4", "L8_64_3": "to_rgb"}


@cache
def model(name: str) -> StyleGAN3:
    return build(open_model(FIXTURES / f"{FILES[name]}.pkl"))  # type: ignore[return-value]


@cache
def reference() -> dict[str, Tensor]:
    return load_file(FIXTURES / "io.safetensors")


# -- what their code computes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_codes_features_and_pictures(name: str) -> None:
    expected, network = reference(), model(name)
    seen: dict[str, Tensor] = {}
    handles = [
        network.synthesis.get_submodule(ours).register_forward_hook(
            lambda *call, theirs=theirs: seen.update({theirs: call[-1]})
        )
        for theirs, ours in {**LAYERS, "input": "input"}.items()
    ]
    labels = expected["c"] if network.config.classes else None
    for psi in (0.7, 1):
        codes = network.map(expected["z"], labels, psi)
        assert differ(codes.w, expected[f"{name}.w_psi{psi}"]) < NEAR
        assert differ(network.decode(codes), expected[f"{name}.img_psi{psi}"]) < NEAR
    for handle in handles:
        handle.remove()
    for theirs in LAYERS:
        assert differ(seen[theirs][:1, :8], expected[f"{name}.act.{theirs}"]) < NEAR, theirs
    assert differ(seen["input"][:1, :8], expected[f"{name}.input"]) < NEAR


@pytest.mark.parametrize("name", FILES)
def test_motion(name: str) -> None:
    expected, network = reference(), model(name)
    wanted, transform = expected[f"{name}.img_transformed"], expected[f"{name}.transform"]
    codes = network.map(expected["z"], expected["c"] if network.config.classes else None)
    moved = deepcopy(network)
    moved.synthesis.input.transform.copy_(transform)
    assert differ(moved.decode(codes), wanted) < NEAR
    exact = torch.tensor([[cos(0.4), -sin(0.4), 0.11], [sin(0.4), cos(0.4), -0.07], [0, 0, 1]])  # theirs, not rounded
    moved.synthesis.input.transform.copy_(exact)
    (_, _, right), (_, _, down), _ = exact.double().inverse().tolist()
    alike = network.move(codes, degrees(0.4), right, down)
    assert differ(network.decode(alike), moved.decode(codes)) < NEAR
    assert torch.equal(network.decode(network.move(codes)), network.decode(codes))


@pytest.mark.parametrize("kind", ["t", "r"])
def test_blends(kind: str) -> None:
    expected, a, b = reference(), model(f"{kind}.A"), model(f"{kind}.B")
    codes = a.map(expected["z"])
    swapped = blend(a, b, held(layer_swap(32), mapping=0.0, average=0.0))
    assert differ(swapped.decode(adopt(codes, a, swapped)), expected[f"{kind}.swap_from_L4_84_40.mapA.img_psi1"]) < NEAR
    halfway = blend(a, b, held(interpolate(0.5), mapping=0.0, average=0.0))
    assert differ(halfway.decode(adopt(codes, a, halfway)), expected[f"{kind}.interp0.5.mapA.img_psi1"]) < NEAR


@pytest.mark.parametrize(("pad", "up", "radial"), [((9, 8), 2, True), ((-6, -9), 4, False), ((-11, -12), 2, False)])
def test_phases_do_what_the_plain_form_does(pad: tuple[int, int], up: int, radial: bool) -> None:
    x = torch.randn(2, 19, 38, 38, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    filters = lowpass(6 * up, 2.0, 12.0, 32), lowpass(12, 3.0, 9.6, 32, radial)
    slopes = []
    for form in (filtered_rectify, filtered_rectify_in_phases):
        free = x.clone().requires_grad_()
        made = form(free, up, filters[0], 2, filters[1], pad, 0.5)
        (slope,) = torch.autograd.grad(made.square().sum(), free)
        slopes += [made.detach(), slope]
    plain, plain_slope, phases, phases_slope = slopes
    assert differ(phases, plain) < 1e-12
    assert differ(phases_slope, plain_slope) < 1e-12


def test_fewer_multiplications_do_what_a_convolution_does() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 5, 9, 14), torch.randn(7, 5, 3, 3)
    plain = F.conv2d(x.double(), weight.double(), padding=2)
    assert differ(winograd.convolve(x.double(), winograd.transformed(weight.double()), None, 2), plain) < 1e-12
    assert differ(winograd.convolve(x, winograd.transformed(weight), None, 2), plain) < 5e-6
    bias = torch.randn(7)
    inner = plain[:, :, 2:-2, 2:-2] + bias[:, None, None]
    assert differ(winograd.convolve(x, winograd.transformed(weight), bias, 0), inner) < 5e-6


def test_wide_frozen_layers_multiply_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fixtures' narrow ones, too, if that is asked for, and with the same pictures."""
    monkeypatch.setattr(winograd, "WIDE", 1)
    monkeypatch.setattr(winograd, "MUCH", 1)
    network = deepcopy(model("t.A")).requires_grad_(False)
    expected = reference()
    assert differ(network.decode(network.map(expected["z"])), expected["t.A.img_psi1"]) < NEAR
    assert "transformed" in network.synthesis.layers[0]._kept


@pytest.mark.parametrize("name", ["t.A", "r.A", "conditional"])
def test_what_goes_back_is_what_came(name: str, tmp_path: Path) -> None:
    """The objects that their code pickled and those written here, filters and schedule included."""
    origin, path = FIXTURES / f"{FILES[name]}.pkl", tmp_path / "back.pkl"
    convert(origin, path)
    old, new = (flatten(file, networks_of(open_contents(file).tree)["G_ema"]) for file in (origin, path))
    alike(new, old)
    for key, tensor in old.tensors.items():
        torch.testing.assert_close(new.tensors[key], tensor, rtol=0, atol=1e-7 if key.endswith("_filter") else 0)
    ours, theirs = (each.attributes[""]["_init_kwargs"] for each in (new, old))
    assert {option: ours[option] for option in theirs} == theirs | {"num_fp16_res": 0}
    assert (again := open_model(path)).config == model(name).config
    assert build(again).fingerprint == model(name).fingerprint
    refused("has no StyleGAN3; write this model for", convert, origin, path, checkout="stylegan2-ada-pytorch")


# -- our own use of them ----------------------------------------------------------------------------------------------


def test_the_schedule_of_256_pixels() -> None:
    """As in NVIDIA's print-outs: a stop band of layer 9 lies on a power of two, where rounding could go either way."""
    stages = StyleGAN3Config(256, channels=(512,) * 14).stages
    assert [stage.size for stage in stages] == [36] * 3 + [52] * 2 + [84] * 2 + [148] * 3 + [276] * 3 + [256] * 2


def test_pictures_and_films_that_turn_and_shift(graft) -> None:
    network = tiny.stylegan3()
    save_model(Path("net.safetensors"), network)
    save_model(Path("old.safetensors"), tiny.stylegan2())
    network = load("net.safetensors", StyleGAN3, device="cpu")
    moving = ("sample", "--seeds", 7, "--rotate", 30, "--translate", "0.25,-0.5", "-o", "moved.png", "-m")
    assert graft(*moving, "net.safetensors", "--codes", "codes.safetensors").code == 0
    moved = network.move(network.codes_of([7], 0.7), 30, 0.25, -0.5)
    assert shows("moved.png", network.decode(moved))
    assert graft("decode", "codes.safetensors", "-m", "net.safetensors", "-o", "again.png").code == 0
    assert shows("again.png", network.decode(moved))
    assert "A StyleGAN2 cannot turn or shift" in graft(*moving, "old.safetensors").refusal()
    walk = ("film", "walk", "--seeds", 7, "-m", "net.safetensors", "--frames", 4, "--loop", "-o", "%d.png")
    assert graft(*walk, "--rotate", "0:360", "--translate", "0,0:1,0").code == 0
    codes = network.codes_of([7], 0.7)
    for frame, motion in enumerate([(0, 0), (90, 0.5), (180, 1), (270, 0.5)]):
        assert shows(f"{frame}.png", network.decode(network.move(codes, *motion)))
    for wrong in ("1", "1,2,3", "1,a"):
        assert "--translate takes right and down" in graft(*walk, "--translate", wrong).refusal()
    assert "finite" in graft(*moving[:4], "nan", "-m", "net.safetensors").refusal()


def test_bfloat16() -> None:
    network = tiny.stylegan3()
    exact = network.sample([7])
    network.precision = torch.bfloat16
    assert 1e-6 < differ(network.sample([7]), exact) < 0.05


def test_noise_is_no_matter_and_none_is_searched_for() -> None:
    network = tiny.stylegan3()
    codes = network.codes_of([3])
    assert torch.equal(network.decode(codes, "random"), network.decode(codes, "none"))
    refused("draws without noise", invert, network, tiny.pictures(), steps=1, features=0, free_noise=True)


def test_inversion() -> None:
    network = tiny.stylegan3()
    image = network.sample([5])
    found = invert(network, image, steps=40, space="w+", features=0)
    assert found.codes.w.shape == (1, network.config.layers, 16)
    assert (found.images - image).abs().mean() < 0.5 * (network.decode(network.codes_of([0], 0)) - image).abs().mean()


def test_directions_and_encoder(tmp_path: Path) -> None:
    network = tiny.stylegan3()
    assert [len(affines(network, [row])) for row in range(6)] == [0, 1, 1, 1, 1, 0]  # input, four layers, colours
    found = sefa(affines(network, range(4)), network.codes_of, 2, range(4), count=100)
    moved = found.apply(network.codes_of([7]), {"factor 1": 2.0})
    assert not torch.equal(network.decode(moved), network.sample([7]))
    encoder = Encoder.of(network, Centre(network.mapping.average, 1.0), 8)
    encoder.save(tmp_path / "encoder.safetensors")
    again = Encoder.load(tmp_path / "encoder.safetensors").fitting(network)
    assert torch.equal(again.encode(tiny.pictures()).w, encoder.encode(tiny.pictures()).w)


def test_clusters_lie_within_the_picture() -> None:
    network = tiny.stylegan3()
    features = features_at(network, 16)
    assert (features.name, features.readers, features.margin) == ("synthesis.layers.1", ("synthesis.layers.2",), 4)
    whole = []
    handle = network.synthesis.layers[1].register_forward_hook(lambda module, inputs, output: whole.append(output))
    (probe,) = probe_seeds([3])
    _, seen = observe(network, features, probe)
    handle.remove()
    assert torch.equal(seen, whole[0][:, :, 4:-4, 4:-4])
    assert seen.shape[2:] == (16, 16)


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "option", "value", "told"),
    [
        ("synthesis", "output_scale", 0.5, "output_scale=0.5, not 0.25"),
        ("synthesis", "margin_size", 8, "in_sampling_rate|padding|size"),
        ("synthesis.L2_52_48", "padding", [0, 0, 0, 0], r"synthesis.L2_52_48: padding=\[0, 0, 0, 0\], not"),
        ("synthesis.L4_84_40", "up_factor", 2, "synthesis.L4_84_40: up_factor=2, not 4"),
        ("", "img_channels", 1, "pictures with 1 channels; only 3"),
        ("", "img_resolution", 96, "size must be a power of two, not 96"),
        ("mapping.fc0", "activation", "linear", "mapping.fc0 has activation='linear'"),
    ],
)
def test_options_that_draw_another_picture(where: str, option: str, value: object, told: str) -> None:
    holding = open_contents(FIXTURES / "t.pkl")
    module(holding, name=where)[option] = value
    refused(told, read, holding)


def test_filters_that_are_not_the_configurations() -> None:
    holding = open_contents(FIXTURES / "r.pkl")
    buffers = module(holding, name="synthesis.L3_52_48")["_buffers"]
    buffers["down_filter"] = buffers["down_filter"] * 1.01
    refused("synthesis.L3_52_48: down_filter is another filter", read, holding)


def test_a_generator_in_training_and_a_discriminator() -> None:
    holding = open_contents(FIXTURES / "t.pkl")
    holding.tree["D"] = holding.tree.pop("G_ema")
    file = read(holding)
    assert file is not None
    averaged, judge = file.notes
    assert averaged.startswith("There is no averaged generator (G_ema)")
    assert judge.startswith("The discriminator is left out: holds a discriminator of StyleGAN3")


def test_forks_of_it() -> None:
    for class_name, told in (("SuperresGenerator", "StyleGAN-XL"), ("AttentionBlock", "made of AttentionBlock")):
        holding = open_contents(FIXTURES / "t.pkl")
        meta(holding, name="synthesis.L0_36_48" if class_name == "AttentionBlock" else "")["class_name"] = class_name
        refused(told, read_model, holding)
