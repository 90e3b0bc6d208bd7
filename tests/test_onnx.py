"""ONNX files of every kind of model that has them draw what the model draws, at sizes that nobody told them."""

import hashlib
import json

import onnx
import onnxruntime
import pytest
import tiny
import torch
import torch.nn.functional as F
from claims import refused

from graftlab.config import CompactConfig, TranslatorConfig
from graftlab.exporting import networks
from graftlab.exporting.tracing import doubled
from graftlab.networks.translator import Translator
from graftlab.networks.upscalers import CompactUpscaler


def student():
    torch.manual_seed(0)
    model = Translator(TranslatorConfig(size=32, width=4, blocks=1))
    torch.nn.init.normal_(model.to_rgb.weight, std=0.3)  # at first it draws the photo itself
    return tiny.ready(model)


MODELS = {
    "stylegan2 with classes": lambda: tiny.stylegan2(classes=3, channels=(8, 8)),
    "student": student,
    "upscaler": lambda: tiny.ready(CompactUpscaler(CompactConfig(factor=2, width=4, convolutions=1))),
}


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_draws_the_same(kind):
    for one in networks.exported(MODELS[kind]()):
        assert one.error < 1e-5, one.part.name
        assert "ConvTranspose" not in {node.op_type for node in onnx.load_from_string(one.data).graph.node}


@pytest.mark.parametrize(("side", "padding", "groups"), [(3, 0, 1), (4, 1, 4), (1, 0, 1), (6, 2, 2)])
def test_doubled_is_a_transposed_convolution(side, padding, groups):
    x, weight = torch.randn(2, 4, 5, 7), torch.randn(4, 3, side, side)
    wanted = F.conv_transpose2d(x, weight, stride=2, padding=padding, groups=groups)
    assert torch.allclose(doubled(x, weight, 2, padding, groups), wanted, atol=1e-5)


def test_a_swap_by_the_files_alone(tmp_path):
    """Encoder, noise by position and generator, as `model.json` tells to call them, are `decode` of mixed codes."""
    model, photos = tiny.model(), tiny.pictures(2, height=40, width=32)
    assert all(one.error < 1e-5 for one in networks.export_onnx(model, tmp_path))
    told = json.loads((tmp_path / "model.json").read_text())
    for name, network in told["networks"].items():
        assert network["sha256"] == hashlib.sha256((tmp_path / f"{name}.onnx").read_bytes()).hexdigest()

    def run(name, **given):
        session = onnxruntime.InferenceSession(tmp_path / f"{name}.onnx", providers=["CPUExecutionProvider"])
        return [torch.from_numpy(x) for x in session.run(None, {key: x.numpy() for key, x in given.items()})]

    structure, texture = run("encoder", images=photos)
    noise = {}
    for layer, times in told["fineness"].items():
        y, x = (torch.arange(cells * times) for cells in structure.shape[2:])
        noise[f"noise_{layer}"] = run("noise", seed=torch.tensor(7), layer=torch.tensor(int(layer)), y=y, x=x)[0]
    (found,) = run("generator", structure=structure[:1], texture=texture[1:], **noise)
    codes = model.encode(photos)
    assert (found - model.decode(codes[0].mix(codes[1], texture=1), seed=7)).abs().max() < 1e-4


def test_half_is_taken_only_where_it_changes_nothing(monkeypatch):
    (part,) = networks.parts(student())
    small, whole = networks.export(part, half=True), networks.export(part)
    assert len(small.data) < 0.7 * len(whole.data)
    assert small.error < networks.TOLERANCE
    monkeypatch.setattr(networks, "TOLERANCE", small.error / 2)
    assert networks.export(part, half=True).data == whole.data


def test_what_has_no_files_is_refused(tmp_path):
    refused("StyleGAN3.* a student", networks.export_onnx, tiny.stylegan3(), tmp_path)
    assert not list(tmp_path.iterdir())
