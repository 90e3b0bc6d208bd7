"""StyleGAN3: what NVIDIA's code computes of both configurations, blends and motions of it, and what is refused."""

from copy import deepcopy
from functools import cache
from math import cos, degrees, sin
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import differ
from torch import Tensor

from graftlab.blending.blend import adopt, blend
from graftlab.blending.weights import held, interpolate, layer_swap
from graftlab.checkpoints.build import build
from graftlab.checkpoints.readers import open_model
from graftlab.networks.stylegan3 import StyleGAN3

FIXTURES = Path(__file__).parent / "fixtures" / "stylegan3"
FILES = {"t.A": "t", "t.B": "t_finetuned", "r.A": "r", "r.B": "r_finetuned", "conditional": "conditional"}
NEAR = 5e-5  # of a tensor's largest value
LAYERS = {"L0_36_48": "layers.0", "L1_36_48": "layers.1", "L4_84_40": "layers.4", "L8_64_3": "to_rgb"}

pytestmark = pytest.mark.usefixtures("one_thread")


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
