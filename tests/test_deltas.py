"""Models as what differs from their parent: how exact, how small, where the parent is found, what is refused."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from claims import refused
from tiny import stylegan2

import graftlab
from graftlab.artifacts import read_tensors, write_tensors
from graftlab.checkpoints.deltas import DELTA, EXACT, SCALE, save_delta
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import open_model


def tuned(strength=0.02):
    """Fine-tuned from the base: all but the noise has moved a little, the constant a lot."""
    model = deepcopy(stylegan2()).half().float()
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter += strength * torch.randn_like(parameter)
    model.synthesis.constant += 3 * torch.randn_like(model.synthesis.constant)
    return model


@pytest.fixture
def parent(tmp_path):
    save_model(tmp_path / "base.safetensors", stylegan2(), half=True)
    return tmp_path / "base.safetensors"


@pytest.fixture
def delta(tmp_path, parent):
    (tmp_path / "snapshots").mkdir()
    path = tmp_path / "snapshots/10.safetensors"
    save_delta(path, tuned(), open_model(parent), {"images_seen": 10})
    return path


def test_it_is_as_exact_as_float16_and_small(delta, parent):
    loaded, wanted = graftlab.load(delta, device="cpu").state_dict(), tuned().state_dict()
    for name, tensor in wanted.items():
        assert (loaded[name] - tensor).abs().max() <= EXACT * tensor.abs().max() * 1.001, name
    tensors, header = read_tensors(delta)
    kinds = {name: tensor.dtype for name, tensor in tensors.items()}
    assert kinds[DELTA + "synthesis.constant"] == torch.float16
    assert kinds[DELTA + "synthesis.blocks.1.conv.conv.weight"] == torch.int8
    assert not any("noise" in name and "strength" not in name for name in tensors)  # which has not moved
    whole = read_tensors(parent)[0]
    assert sum(map(torch.numel, tensors.values())) < 1.1 * sum(map(torch.numel, whole.values()))
    assert header["fingerprint"] == graftlab.load(delta, device="cpu").fingerprint
    assert open_model(delta).about == {"images_seen": 10}


def test_a_parent_is_found_in_the_package_beside_or_above(delta, parent, tmp_path, monkeypatch):
    wanted = graftlab.load(delta, device="cpu").fingerprint  # above
    beside = parent.rename(delta.parent / "another name.safetensors")
    assert graftlab.load(delta, device="cpu").fingerprint == wanted
    (tmp_path / "package").mkdir()
    beside.rename(tmp_path / "package/base.safetensors")
    refused("differs from base.safetensors, which is missing: put that file beside it", open_model, delta)
    monkeypatch.setattr("graftlab.checkpoints.deltas.BUNDLED", tmp_path / "package")
    assert graftlab.load(delta, device="cpu").fingerprint == wanted


def test_a_delta_is_no_parent(delta, parent):
    told = read_tensors(delta)
    parent.unlink()
    header = {**told[1], "fingerprint": told[1]["delta"]["parent"]}
    write_tensors(parent, told[0], header)
    refused("which is missing", open_model, delta)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: tensors | {"delta.nothing": torch.zeros(1)}, "delta.nothing is unknown"),
        (lambda tensors: tensors | {"mapping.average": torch.zeros(16)}, "mapping.average is unknown"),
        (lambda tensors: tensors | {DELTA + "synthesis.constant": torch.zeros(2).half()}, r"is \(2,\)"),
        (lambda tensors: tensors | {SCALE + "synthesis.constant": torch.zeros(16)}, "is .* of torch.float16"),
        (lambda tensors: tensors | {SCALE + "synthesis.blocks.0.rgb_bias": torch.zeros(9)}, r"is \(9,\)"),
        (lambda tensors: {name: -tensor for name, tensor in tensors.items()}, "do not give the model"),
    ],
)
def test_what_does_not_fit_is_refused(delta, change, said):
    tensors, header = read_tensors(delta)
    write_tensors(delta, change(tensors), header)
    refused(said, open_model, delta)


def test_another_network_is_no_parent(tmp_path, parent):
    other = stylegan2(channels=(16, 16))
    refused("is no parent of it", save_delta, tmp_path / "a.safetensors", other, open_model(parent))
    tuned_ = tuned()
    tuned_.synthesis.constant[0] = torch.nan
    refused("not finite numbers", save_delta, tmp_path / "a.safetensors", tuned_, open_model(parent))


def test_convert(graft, parent, tmp_path):
    save_model(Path("tuned.safetensors"), tuned(), {"parent": "abc"})
    result = graft("convert", "tuned.safetensors", tmp_path / "small.safetensors", "--delta", parent)
    assert result.code == 0
    assert open_model(tmp_path / "small.safetensors").about["parent"] == "abc"
    assert "from base.safetensors" in graft("inspect", tmp_path / "small.safetensors").out
    result = graft("convert", "tuned.safetensors", "small.pt", "--delta", parent)
    assert (result.code, Path("small.pt").exists()) == (2, False)
    assert "that this command reads" in graft("convert", "tuned.safetensors", parent, "--delta", parent).refusal()
