"""`load`: paths, names of bundled models, devices and precisions."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from claims import refused

import graftlab
from graftlab.checkpoints import load as loading
from graftlab.checkpoints.catalogue import registry
from graftlab.checkpoints.load import locate
from graftlab.checkpoints.native import save_model
from graftlab.editing.directions import Directions
from graftlab.editing.distributions import Distribution
from graftlab.hardware import BF16_CPUS, choose_device, training_precision


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """A folder with two bundled models, and photographs beside them."""
    folder = tmp_path / "bundled"
    save_model(folder / "valleys-32.safetensors", tiny.model())
    save_model(folder / "coasts-32.safetensors", tiny.new_model(5))
    (folder / "photos").mkdir()
    monkeypatch.setattr(loading, "BUNDLED", folder)
    monkeypatch.chdir(tmp_path)
    return folder


def test_bundled_models_by_name(bundled):
    assert list(loading.bundled_models()) == ["coasts-32", "valleys-32"]
    assert graftlab.load("valleys-32").fingerprint != graftlab.load("coasts-32").fingerprint
    by_path = graftlab.load(bundled / "coasts-32.safetensors")
    assert by_path.fingerprint == graftlab.load("coasts-32").fingerprint


def test_what_ships_beside_a_model_belongs_to_it():
    for shipped, kind in ((loading.bundled_directions(), Directions), (loading.bundled_textures(), Distribution)):
        assert "landscapes-128" in shipped
        for name in shipped:
            assert kind.load(name).model == graftlab.load(name, device="cpu").fingerprint


def test_files_beside_a_model_are_no_models(bundled):
    for kind, found in (("directions", loading.bundled_directions), ("textures", loading.bundled_textures)):
        path = bundled / f"coasts-32.{kind}.safetensors"
        path.touch()
        assert found() == {"coasts-32": path}
    assert list(loading.bundled_models()) == ["coasts-32", "valleys-32"]


def test_files_by_path(bundled, tmp_path):
    file = tmp_path / "my models" / "größe.bin"  # content decides, not the name
    file.parent.mkdir()
    shutil.copy(bundled / "coasts-32.safetensors", file)
    for path in (file, str(file), "my models/größe.bin"):
        model = graftlab.load(path)
        assert model.decode(model.encode(tiny.pictures())).shape == (1, 3, 32, 32)
        assert not model.training


def test_unknown_names_are_answered_with_the_known(bundled):
    refused(r"mountains is neither a file nor a known model \(coasts-32, valleys-32\)", graftlab.load, "mountains")
    for odd in ("", "x" * 5000, "a\0b", "missing/model.safetensors", "valleys-32.safetensors", "Valleys-32"):
        refused("", graftlab.load, odd)
    refused("bundled is a folder", graftlab.load, bundled)
    refused("is a folder", graftlab.load, ".")
    shutil.rmtree(bundled)
    refused(r"known model \(none is installed\)", graftlab.load, "coasts-32")


def test_addresses_and_homes(tmp_path, monkeypatch):
    known = next(entry for entry in registry.known() if not entry.member)
    refused(f"is an address; fetch it with 'graft models get {known.name}'", locate, known.source)
    refused("is an address; fetch it with 'graft models get", locate, Path(known.source))
    refused("is an address; fetch it with a browser, or curl", locate, "http://example.org/network.pkl")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine.pt").touch()
    assert locate("~/mine.pt") == tmp_path / "mine.pt"


def test_models_that_ship_are_called_by_their_names():
    directions, model = Directions.load("colours-128"), tiny.new_model()
    model.fingerprint = "f" * 64
    ours = model.encode(tiny.pictures())
    refused(r"another model \(colours-128\) cannot be used with these codes \(f{12}\)", directions.apply, ours, {})
    theirs = replace(ours, model=directions.model)
    refused(r"another model \(colours-128, this one is f{12}\)", model.decode, theirs)


def test_a_damaged_file_is_refused(bundled):
    path = bundled / "coasts-32.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    refused("fetch or make it again", graftlab.load, "coasts-32")
    graftlab.load("valleys-32")


def test_a_wrong_option_is_refused_before_the_file_is_read(bundled):
    (bundled / "huge.safetensors").write_bytes(b"")
    for name in ("bogus", "", "cuda:99", "meta", "hpu", "cpu gpu", "opengl"):
        refused(f"The device '{name}' is not available here; try --device cpu", graftlab.load, "huge", device=name)
    refused("precision must be one of float32, bfloat16, not 'float16'", graftlab.load, "huge", precision="float16")
    refused("precision must be", graftlab.load, "coasts-32", precision="")
    refused("by its file, its name or a hub id, and not by NoneType", graftlab.load, None)


def test_devices_and_precisions(bundled):
    model = graftlab.load("coasts-32", device="cpu", precision="bfloat16")
    assert model.precision == torch.bfloat16
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    full = graftlab.load("coasts-32", device="cpu")
    assert full.precision == torch.float32
    pictures = tiny.pictures()
    ours, theirs = (each.decode(each.encode(pictures)) for each in (model, full))
    assert 0 < tiny.differ(ours, theirs) < 0.1


@pytest.mark.parametrize(
    ("cuda", "mps", "rank", "expected"),
    [
        (True, True, "3", "cuda:3"),
        (True, False, None, "cuda:0"),
        (False, True, None, "mps"),
        (False, False, None, "cpu"),
    ],
)
def test_the_fastest_device_is_the_default(monkeypatch, cuda, mps, rank, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch, "zeros", lambda *size, device: torch.ones(*size))  # it is not truly there
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert str(choose_device()) == expected
    assert choose_device("cpu").type == "cpu"


def test_bfloat16_where_the_processor_computes_in_it(monkeypatch):
    for able in (True, False):
        for probe in BF16_CPUS:
            monkeypatch.setattr(torch.cpu, probe, lambda able=able: able, raising=False)
        assert training_precision(torch.device("cpu")) == ("bfloat16" if able else "float32")
    assert training_precision(torch.device("mps")) == "float32"


def test_a_slip_in_a_path_does_not_go_to_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    monkeypatch.setattr("graftlab.checkpoints.catalogue.hub.fetch", lambda name: pytest.fail("the hub was asked"))
    refused("runs holds no mine; for the hub's write hf:runs/mine", locate, "runs/mine")
