"""`graft inspect`, `convert` and `verify`, from the shell's side."""

import json
import shutil
import struct
from pathlib import Path

import pytest
import tiny
import torch
from claims import refused
from safetensors.torch import load_file, save_file

import graftlab
from graftlab.artifacts import opened
from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.describe import describe
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import open_model
from graftlab.networks.model import fingerprint

FIXTURES = Path(__file__).parent / "fixtures"
PICKLE, ROSINALITY = FIXTURES / "stylegan2" / "nvidia.pkl", FIXTURES / "stylegan2" / "rosinality.pt"
OFFICIAL = FIXTURES / "sae_official" / "default" / "checkpoint.pth"
EVERY_KIND = [
    (PICKLE, "stylegan2", 64),
    (FIXTURES / "stylegan2" / "nvidia_conditional.pkl", "stylegan2", 32),
    (FIXTURES / "stylegan2" / "nvidia_oldstyle.pkl", "stylegan2", 16),
    (ROSINALITY, "stylegan2", 64),
    (OFFICIAL, "swapping-autoencoder", 256),
    (FIXTURES / "sae_rosinality" / "checkpoint.pt", "swapping-autoencoder-rosinality", 64),
]


@pytest.mark.parametrize(("path", "kind", "size"), EVERY_KIND, ids=lambda value: getattr(value, "stem", None))
def test_inspect_tells_what_load_gives_and_a_converted_model_is_the_same_model(graft, path, kind, size):
    told = json.loads(graft("inspect", path, "--json").out)
    assert (told["kind"], told["size"], told["bytes"]) == (kind, size, path.stat().st_size)
    model = graftlab.load(path, device="cpu")
    assert model.kind == kind
    assert told["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert told["config"] == json.loads(json.dumps(model.config.to_dict()))
    text = graft("inspect", path).out
    assert kind in text
    assert f"{size} px" in text
    assert graft("convert", path, "ours.safetensors").code == 0
    after = graftlab.load("ours.safetensors", device="cpu")
    assert model.fingerprint == after.fingerprint
    assert model.config == after.config
    assert open_model(Path("ours.safetensors")).about["converted_from"]["file"] == path.name
    assert graft("verify", "ours.safetensors").code == 0


def test_inspect_takes_no_memory_for_networks(monkeypatch):
    from graftlab.networks.layers import Equalized

    original, devices = Equalized.__init__, set()

    def watched(self):
        devices.add(torch.get_default_device().type)
        original(self)

    monkeypatch.setattr(Equalized, "__init__", watched)
    for path, _, _ in EVERY_KIND:
        assert describe(path)["parameters"] > 0
    assert devices == {"meta"}


def test_inspect_tells_of_classes_and_of_what_is_recorded(graft, tmp_path):
    told = json.loads(graft("inspect", FIXTURES / "stylegan2" / "nvidia_conditional.pkl", "--json").out)
    assert told["classes"] == 3
    about = {"images_seen": 5000, "licence": "CC0-1.0", "parent": "ab12"}
    save_model(tmp_path / "m.safetensors", tiny.model(), about)
    out = graft("inspect", "m.safetensors").out
    assert all(words in out for words in ("images seen: 5000", "licence: CC0-1.0", "parent: ab12"))


def test_inspect_of_what_is_no_model(graft):
    assert graft("encode", "photos/hill.png", "-o", "codes.safetensors").code == 0
    assert "no model, it holds SwapCodes: 2 entries (" in graft("inspect", "codes.safetensors").out
    assert "posix.system" in graft("inspect", FIXTURES / "hostile" / "reduce_os_system.pkl").refusal()
    assert not Path("/tmp/pwned_by_pickle").exists()


def test_half_precision_halves_the_file(graft):
    for name, options in (("whole", ()), ("half", ("--half",))):
        assert graft("convert", ROSINALITY, f"{name}.safetensors", *options).code == 0
    assert Path("half.safetensors").stat().st_size < 0.55 * Path("whole.safetensors").stat().st_size
    assert graft("verify", "half.safetensors").code == 0


def test_convert_names_its_file_in_either_way_and_once(graft):
    for names in (["a.safetensors"], ["-o", "b.safetensors"]):
        assert graft("convert", ROSINALITY, *names).code == 0
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()
    for names in ((), ("a.safetensors", "-o", "b.safetensors")):
        assert "Name one file to write" in graft("convert", ROSINALITY, *names).refusal()


@pytest.mark.parametrize("path", [ROSINALITY, PICKLE])
def test_a_model_in_several_files_is_opened_by_their_index(graft, path):
    """Other people's tensors as they name them, and a model of ours."""
    assert graft("convert", path, "ours.safetensors").code == 0
    contents = open_contents(path if path == ROSINALITY else Path("ours.safetensors"))
    tensors, places = {name: each for name, each in contents.named.items() if isinstance(each, torch.Tensor)}, {}
    metadata = contents.tree["metadata"] if path == PICKLE else {"format": "pt"}
    for shard in range(3):
        name = f"model-0000{shard + 1}-of-00003.safetensors"
        part = {key: tensors[key].clone() for key in list(tensors)[shard::3]}
        save_file(part, name, metadata)
        places |= dict.fromkeys(part, name)
    index = Path("model.safetensors.index.json")
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}, indent=2))
    assert graftlab.load(index, device="cpu").fingerprint == graftlab.load(path, device="cpu").fingerprint
    assert graft("verify", index).code == graft("inspect", index).code == 0
    for name, says in (
        ("../secret.safetensors", "beside it"),
        (".hidden.safetensors", "beside it"),
        ("no.safetensors", "no such file"),
    ):
        index.write_text(json.dumps({"weight_map": {**places, "more": name}}))
        assert says in graft("inspect", index).refusal()
    index.write_text(json.dumps({"weight_map": {**places, "more": places[min(places)]}}))
    assert "which lacks it" in graft("inspect", index).refusal()


def test_discriminators_come_along(graft):
    assert graft("convert", PICKLE, "ours.safetensors").code == 0
    theirs, ours = open_model(PICKLE), open_model(Path("ours.safetensors"))
    assert ours.discriminators.keys() == theirs.discriminators.keys() != set()
    assert all(torch.equal(ours.discriminators[name], theirs.discriminators[name]) for name in ours.discriminators)


def test_stylegan2_goes_back_to_rosinality(graft):
    assert graft("convert", PICKLE, "back.pt").code == 0
    back, theirs = (torch.load(path, weights_only=True) for path in ("back.pt", ROSINALITY))
    assert back["g_ema"].keys() == theirs["g_ema"].keys()
    for name, tensor in theirs["g_ema"].items():
        assert torch.allclose(back["g_ema"][name], tensor, atol=1e-6), name
    assert torch.allclose(back["latent_avg"], theirs["latent_avg"])
    assert graftlab.load("back.pt", device="cpu").fingerprint == graftlab.load(ROSINALITY, device="cpu").fingerprint


def test_what_cannot_be_converted(refuses):
    shutil.copy(ROSINALITY, "net.pt")
    mistakes = (
        ((OFFICIAL, "out.pt"), "is no StyleGAN2"),
        ((OFFICIAL, "out.pkl"), "is no StyleGAN2"),
        ((PICKLE, "out.pkl", "--checkout", "stylegan1"), "choose stylegan2-ada-pytorch or stylegan3"),
        ((OFFICIAL, "out.onnx"), "must end in .safetensors"),
        (("photos/hill.png", "out.safetensors"), "hill.png"),
        (("photos", "out.safetensors"), "folder"),
        (("net.pt", "net.pt"), "net.pt"),
    )
    refuses(mistakes, "convert")


def test_nan_is_kept_only_on_demand(graft):
    state = torch.load(ROSINALITY, weights_only=True)
    state["latent_avg"][:] = torch.nan
    torch.save(state, "nan.pt")
    assert "not finite (mapping.average): it is damaged" in graft("inspect", "nan.pt").out
    assert "mapping.average" in graft("convert", "nan.pt", "ours.safetensors").refusal()
    assert graft("convert", "nan.pt", "ours.safetensors", "--allow-nan").code == 0
    assert graft("verify", "ours.safetensors").code == 2


def test_verify_notices_a_changed_weight(graft):
    save_model(Path("m.safetensors"), tiny.model())
    told = json.loads(graft("verify", "m.safetensors", "--json").out)
    assert told["recorded"]
    assert told["fingerprint"] == graftlab.load("m.safetensors", device="cpu").fingerprint
    content = bytearray(Path("m.safetensors").read_bytes())
    content[-4:] = struct.pack("<f", 1234.5)
    Path("m.safetensors").write_bytes(content)
    for command in (("verify",), ("convert", "other.safetensors"), ("convert", "other.pt")):
        said = graft(command[0], "m.safetensors", *command[1:]).refusal()
        assert "no longer holds what was written (SHA-256)" in said
    assert not Path("other.safetensors").exists()


def test_a_changed_weight_of_a_file_without_a_digest_is_noticed_by_the_fingerprint(graft):
    """As models were written before they carried one."""
    save_model(Path("m.safetensors"), tiny.model())
    tensors, metadata = load_file("m.safetensors"), opened(Path("m.safetensors"))[1]
    save_file(tensors, "m.safetensors", {"graftlab": metadata["graftlab"]})
    assert graftlab.load("m.safetensors", device="cpu").fingerprint == fingerprint(tiny.model().state_dict())
    assert not json.loads(graft("verify", "m.safetensors", "--json").out)["proven"]
    tensors["generator.rgb_bias"][0] += 1
    save_file(tensors, "m.safetensors", {"graftlab": metadata["graftlab"]})
    refused("was changed after it was written", graftlab.load, "m.safetensors", device="cpu")
    assert "was changed after it was written" in graft("verify", "m.safetensors").err


def test_verify_of_all_that_is_written(graft):
    save_model(Path("m.safetensors"), tiny.model(), discriminators={"d": torch.ones(3)})
    tiny.model().encode(tiny.pictures()).save("codes.safetensors")
    assert graft("data", "pack", "photos", "-o", "photos.pack", "--size", "16").code == 0
    assert graft("convert", ROSINALITY, "theirs.pt").code == 0
    for name in ("m.safetensors", "codes.safetensors", "photos.pack", "theirs.pt"):
        told = json.loads(graft("verify", name, "--json").out)
        assert told["proven"], name
        assert "all of it as it was written" in graft("verify", name).out
        content = bytearray(Path(name).read_bytes())
        content[2 * len(content) // 3] ^= 1
        Path(name).write_bytes(content)
        assert f"{name} is" in graft("verify", name).refusal()


def test_verify_of_other_peoples_files(graft):
    out = graft("verify", PICKLE).out
    assert "the file tells none to compare" in out
    assert "not a file that graftlab knows" in out
