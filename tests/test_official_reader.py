"""The authors' checkpoints as files: configuration from shapes, weights under our names, what is missing or stale."""

import json
import lzma

import pytest
import torch
from claims import refused
from official_fixture import NAMES, ROOT, config_of, state_dict
from safetensors.torch import load_file

from graftlab.checkpoints import load as loading
from graftlab.checkpoints.formats.official_config import infer
from graftlab.checkpoints.readers import open_model
from graftlab.config import PRESETS
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.swapping import SwappingAutoencoder

LAYOUTS = sorted(path.stem.removeprefix("full_layout_") for path in ROOT.glob("full_layout_*.json"))


def shapes_of(layout: str) -> dict[str, tuple[int, ...]]:
    keys = json.loads((ROOT / f"full_layout_{layout}.json").read_text())["keys"]
    return {name: tuple(entry["shape"]) for name, entry in keys.items()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_releases_configurations_are_inferred(layout):
    preset = {"ffhq1024_smallerstructurecode": "ffhq1024-wide-structure"}.get(layout, layout)
    assert infer(shapes_of(layout)) == PRESETS[preset]


@pytest.mark.parametrize("name", NAMES)
def test_other_configurations_give_the_same_networks(name):
    state = state_dict(name)
    found = infer({key: tuple(tensor.shape) for key, tensor in state.items()})
    true = config_of(json.loads((ROOT / name / "options.json").read_text()))
    for network in (SwappingAutoencoder, Discriminators):
        with torch.device("meta"):
            ours, theirs = (network(config).state_dict() for config in (found, true))
        assert {key: tensor.shape for key, tensor in ours.items()} == {key: t.shape for key, t in theirs.items()}
    assert (found.size, found.patch_size, found.antialias) == (true.size, true.patch_size, true.antialias)


@pytest.fixture(params=["default", "no_antialias"])
def checkpoint(request):
    return ROOT / request.param / "checkpoint.pth"


@torch.no_grad()
def test_a_checkpoint_without_discriminators_opens(checkpoint):
    model, io = loading.load(checkpoint, device="cpu"), load_file(checkpoint.with_name("io.safetensors"))
    codes = model.encode(io["x"])
    for ours, theirs in (
        (codes.structure, io["sp"]),
        (codes.texture, io["gl"]),
        (model.decode(codes, noise="none"), io["rec_nonoise"]),
    ):
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()
    (note,) = open_model(checkpoint).notes
    assert "256 px" in note


def test_a_whole_checkpoint_brings_its_discriminators(tmp_path):
    path = tmp_path / "600k.bin"
    path.write_bytes(lzma.decompress((ROOT / "no_antialias" / "checkpoint_full.pth.xz").read_bytes()))
    file = open_model(path)
    with torch.device("meta"):
        expected = Discriminators(file.config).state_dict()
    assert {name: tensor.shape for name, tensor in file.discriminators.items()} == {
        name: tensor.shape for name, tensor in expected.items()
    }
    assert (file.notes, file.about["discriminator_iterations"], file.config.size) == ((), 12202, 64)


@pytest.fixture
def state():
    return torch.load(ROOT / "no_antialias" / "checkpoint.pth", weights_only=True)


def saved(state, tmp_path):
    torch.save(state, tmp_path / "latest_checkpoint.pth")
    return tmp_path / "latest_checkpoint.pth"


def test_stale_discriminators_are_left_out(state, tmp_path):
    state["D.stylegan2_D.convs.0.Conv.weight"] = torch.zeros(4, 3, 1, 1)
    file = open_model(saved(state, tmp_path))
    assert not file.discriminators
    assert "left out" in file.notes[0]
    assert loading.load(file.path, device="cpu").config == file.config


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"E.ToGlobalCode.0.weight": None}, r"E\.ToGlobalCode\.0\.weight is missing"),
        ({"G.ToRGB.bias": None}, r"G\.ToRGB\.bias is missing"),
        ({"E.another.weight": torch.zeros(3)}, r"E\.another\.weight is unknown"),
        ({"G.ToRGB.bias": torch.zeros(1, 4, 1, 1)}, r"G\.ToRGB\.bias is \(1, 4, 1, 1\), not \(3,\)"),
        ({"G.ToRGB.bias": "three"}, r"G\.ToRGB\.bias is no tensor"),
        ({"E.FromRGB.Conv.weight": torch.zeros(999, 3, 1, 1)}, "no growth of its channels explains"),
        ({"E.FromRGB.Conv.weight": torch.zeros(0)}, "latest_checkpoint"),
    ],
)
def test_what_does_not_fit_is_named(state, tmp_path, change, says):
    state.update(change)
    state = {name: value for name, value in state.items() if value is not None}
    sentence = refused(says, open_model, saved(state, tmp_path))
    assert "latest_checkpoint.pth" in sentence


def test_more_than_ten_problems_are_counted(state, tmp_path):
    state.update({f"E.extra.{i}": torch.zeros(1) for i in range(23)})
    refused(r"E\.extra\.9 is unknown and 13 more\.$", open_model, saved(state, tmp_path))


def test_nan_is_refused_unless_asked_for(state, tmp_path):
    state["G.ToRGB.bias"][:] = torch.nan
    path = saved(state, tmp_path)
    refused(r"not finite numbers: generator\.rgb_bias", loading.load, path, device="cpu")
    assert loading.load(path, device="cpu", allow_nan=True).generator.rgb_bias.isnan().all()
