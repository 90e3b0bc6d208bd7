"""Our own format: what is saved comes back, and what is damaged, hostile or something else is refused in a sentence."""

import errno
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random

import pytest
import tiny
import torch
from claims import refused
from safetensors.torch import load_file, save_file
from torch import Tensor

from graftlab import artifacts
from graftlab.artifacts import read_tensors, write_tensors
from graftlab.checkpoints import build
from graftlab.checkpoints.convert import convert
from graftlab.checkpoints.describe import describe
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.verify import verify
from graftlab.codes import Codes
from graftlab.config import preset
from graftlab.networks.model import fingerprint

HOSTILE = sorted((Path(__file__).parent / "fixtures" / "hostile").glob("*.safetensors"))
KIND = "swapping-autoencoder"


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, tiny.model(), {"images_seen": 5, "licence": "CC0-1.0"})
    return path


def named(words, act, path, *args):
    text = refused(words, act, path, *args)
    assert str(path) in text
    assert len(text) < 1500
    return text


def rewritten(path, header=None, **tensors):
    """The saved file with another header or other tensors; None takes a tensor out."""
    content = {**load_file(path), **{name.replace("__", "."): tensor for name, tensor in tensors.items()}}
    known = {"kind": KIND, "config": preset("tiny").to_dict(), "about": {}}
    content = {name: tensor for name, tensor in content.items() if tensor is not None}
    save_file(content, path, {"graftlab": json.dumps(known if header is None else header)})
    return path


# -- there and back ---------------------------------------------------------------------------------------------------


def test_a_model_comes_back(saved):
    model, loaded = tiny.model(), load(saved, device="cpu")
    assert loaded.config == model.config
    theirs = loaded.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(theirs[name], tensor)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    pictures = tiny.pictures()
    codes = loaded.encode(pictures)
    assert torch.equal(loaded.decode(codes), model.decode(model.encode(pictures)))
    assert codes.model == loaded.fingerprint == fingerprint(model.state_dict())
    assert len(codes.model) == 64


def test_half_precision_takes_half_the_space(saved, tmp_path):
    half = tmp_path / "half.safetensors"
    save_model(half, tiny.model(), half=True)
    count = sum(parameter.numel() for parameter in tiny.model().parameters())
    assert 2 * count <= half.stat().st_size < 2 * count + 20_000 < saved.stat().st_size
    loaded, pictures = load(half, device="cpu"), tiny.pictures()
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    whole = tiny.model().decode(tiny.model().encode(pictures))
    assert tiny.differ(loaded.decode(loaded.encode(pictures)), whole) < 0.01


def test_the_fingerprint_is_of_the_weights(tmp_path):
    first, second, third = (tmp_path / f"{i}.safetensors" for i in range(3))
    save_model(first, tiny.model(), {"name": "one"}, half=True)
    save_model(second, load(first, device="cpu"), {"name": "two"})
    save_model(third, load(second, device="cpu"), half=True)
    prints = {load(path, device="cpu").fingerprint for path in (first, second, third)}
    assert len(prints) == 1
    assert prints != {fingerprint(tiny.model().state_dict())}  # rounding is a change
    changed = load(second, device="cpu")
    changed.generator.rgb_bias[1] += 1e-6
    assert fingerprint(changed.state_dict()) not in prints
    assert fingerprint(tiny.new_model(0).state_dict()) != fingerprint(tiny.new_model(1).state_dict())


def test_a_known_fingerprint():
    """Pinned: codes saved with an earlier version still find their model."""
    model = tiny.new_model()
    for index, parameter in enumerate(model.parameters()):
        torch.nn.init.constant_(parameter, index / 8)
    assert fingerprint(model.state_dict()) == "32aaa79a030c012508cc8b4556d76ebea9babbf7be3be7ef4a36f1f3b92ee9ba"


def test_codes_of_a_file_fit_the_model_of_that_file(saved, tmp_path):
    codes = load(saved, device="cpu").encode(tiny.pictures(1, 30, 33))
    back = Codes.load(codes.save(tmp_path / "codes.safetensors"))
    assert torch.equal(load(saved, device="cpu").decode(back), load(saved, device="cpu").decode(codes))
    save_model(tmp_path / "other.safetensors", tiny.new_model(9))
    refused("belong to another model", load(tmp_path / "other.safetensors", device="cpu").decode, back)


def test_describe_needs_no_weights(saved, monkeypatch):
    monkeypatch.setattr(build, "KINDS", None)
    told = describe(saved)
    assert told["kind"] == KIND
    assert told["config"] == preset("tiny").to_dict()
    assert told["about"] == {"images_seen": 5, "licence": "CC0-1.0"}
    assert told["parameters"] == sum(parameter.numel() for parameter in tiny.model().parameters())
    assert told["bytes"] == saved.stat().st_size


def test_tensors_of_any_type_and_layout(tmp_path):
    tensors = {
        "step": torch.tensor(3.0),
        "count": torch.arange(6).view(2, 3).T,
        "channels last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "learned": torch.randn(3, requires_grad=True),
        "bf16": torch.randn(4).bfloat16(),
        "empty": torch.zeros(0, 2),
        "long": torch.arange(3),
        "bytes": torch.arange(3, dtype=torch.uint8),
        "flags": torch.tensor([True, False]),
        "double": torch.randn(2).double(),
        "spread": torch.ones(1).expand(5),
    }
    write_tensors(tmp_path / "state", tensors, {"seen": 3, "ärger": [1.5, None]})
    back, header = read_tensors(tmp_path / "state")
    assert header == {"seen": 3, "ärger": [1.5, None]}
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)
    theirs = load_file(tmp_path / "state")
    assert all(torch.equal(theirs[name], tensor) for name, tensor in tensors.items())


def test_a_model_may_replace_its_own_file_and_outlives_it(saved):
    loaded = load(saved, device="cpu")
    save_model(saved, loaded)
    assert load(saved, device="cpu").fingerprint == loaded.fingerprint
    loaded, (tensors, _) = load(saved, device="cpu"), read_tensors(saved)
    before = {name: tensor.clone() for name, tensor in tiny.model().state_dict().items()}
    size = saved.stat().st_size
    with saved.open("r+b") as file:  # as `cp` does, on top of it
        file.seek(size // 2)
        file.write(b"\xff" * (size - size // 2))
    for name, tensor in before.items():
        assert torch.equal(loaded.state_dict()[name], tensor)
        assert torch.equal(tensors[name], tensor)


# -- what is not written ----------------------------------------------------------------------------------------------


def test_weights_that_are_not_finite_are_not_saved(saved, tmp_path):
    before, model = saved.read_bytes(), tiny.new_model()
    for value in (torch.nan, torch.inf):
        model.encoder.from_rgb.weight[0, 0] = value
        named("not written, because weights are not finite numbers: encoder.from_rgb.weight", save_model, saved, model)
        assert saved.read_bytes() == before
    model = tiny.new_model()
    model.generator.rgb_bias[0] = 1e5
    refused(r"not finite numbers: generator\.rgb_bias", save_model, tmp_path / "m", model, half=True)
    save_model(tmp_path / "m", model)


def test_a_full_disk_is_one_sentence(tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
        text = named("could not be written, because", write_tensors, tmp_path / "m", {"a": torch.zeros(9999)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in text
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="inodes and modes are POSIX's")
def test_what_is_flushed_is_what_is_written(tmp_path, monkeypatch):
    flushed, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle)) or fsync(handle))
    write_tensors(tmp_path / "m", {"a": torch.zeros(999)}, {})
    now = (tmp_path / "m").stat()
    assert (flushed[0].st_ino, flushed[0].st_size) == (now.st_ino, now.st_size)
    (tmp_path / "plain").touch()
    assert now.st_mode == (tmp_path / "plain").stat().st_mode  # readable by whom the user lets read


def test_what_was_changed_after_writing_is_noticed(tmp_path):
    path = tmp_path / "m"
    tensors = {"a": torch.arange(6.0), "b": torch.ones(2, 2, dtype=torch.uint8), "empty": torch.zeros(0)}
    write_tensors(path, tensors, {"name": "one"})
    whole = path.read_bytes()
    begin = 8 + int.from_bytes(whole[:8], "little")
    for place in (whole.index(b"one"), whole.index(b"sha256") + 12, *range(begin, len(whole), 5)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        named(r"no longer holds what was written \(SHA-256\); fetch", read_tensors, path)
    path.write_bytes(whole.replace(b'"b"', b'"c"'))
    named("no longer holds what was written", read_tensors, path)
    path.write_bytes(whole.replace(b"sha256", b"sha252"))
    named("no longer holds what was written", read_tensors, path)
    save_file(tensors, path, {"graftlab": json.dumps({"name": "one"})})  # of before there were digests
    assert read_tensors(path)[1] == {"name": "one"}


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_no_flipped_bit_of_a_model_is_used_or_converted(tmp_path, ending):
    path = tmp_path / f"m.{ending}"
    if ending == "pt":
        save_model(tmp_path / "ours.safetensors", tiny.stylegan2())
        convert(tmp_path / "ours.safetensors", path)
    else:
        save_model(path, tiny.model(), {"licence": "CC0-1.0"}, discriminators={"d": torch.randn(99)})
    whole, random = path.read_bytes(), Random(0)
    header = 8 + int.from_bytes(whole[:8], "little") if ending == "safetensors" else 4000
    load_here, tree = partial(load, device="cpu"), torch.load(path, weights_only=True) if ending == "pt" else {}
    before = {**tree.get("g_ema", {}), "latent_avg": tree.get("latent_avg")}
    for place in [random.randrange(8 * len(whole)) for _ in range(30)] + [
        random.randrange(8 * header) for _ in range(10)
    ]:
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        for use in (load_here, verify, partial(convert, target=tmp_path / "out.safetensors")):
            if ending == "pt" and is_padding(path, before):  # times, gaps between members
                continue
            refused("", use, path)
    assert not (tmp_path / "out.safetensors").exists()


def is_padding(path: Path, before: dict[str, Tensor]) -> bool:
    """Whether a flipped bit changed nothing that anybody reads, as PyTorch itself sees it."""
    try:
        now = torch.load(path, weights_only=True)
    except Exception:
        return False
    flat = {**now["g_ema"], "latent_avg": now["latent_avg"]}
    return flat.keys() == before.keys() and all(torch.equal(flat[name], before[name]) for name in flat)


# -- what is not read -------------------------------------------------------------------------------------------------


def test_what_is_no_file_of_ours(tmp_path):
    contents = {
        "empty": b"",
        "page": b"<html>no</html>",
        "photo": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "zip": b"PK\x03\x04" + bytes(60),
        "zeros": bytes(1000),
        "pickle": b"\x80\x02}q\x00.",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        named("is damaged or no safetensors file .*; fetch or make it again", read_tensors, tmp_path / name)
    named("is a folder", read_tensors, tmp_path)
    named("no such file", read_tensors, tmp_path / "nothing")
    named("no such file", read_tensors, tmp_path / ("x" * 1000))
    save_file({"a": torch.zeros(1)}, tmp_path / "other", {"format": "pt"})
    named("was not written by graftlab", read_tensors, tmp_path / "other")
    for text in ("5", "[]", "null", '"swapping-autoencoder"'):
        save_file({"a": torch.zeros(1)}, tmp_path / "other", {"graftlab": text})
        named("was not written by graftlab", read_tensors, tmp_path / "other")
    for text in ("", "{", "[" * 100_000):
        save_file({"a": torch.zeros(1)}, tmp_path / "other", {"graftlab": text})
        named("is damaged", read_tensors, tmp_path / "other")


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_hostile_files_are_refused(path):
    named("fetch or make it again", load, path)


def test_files_that_are_cut_off_or_too_long_are_refused(saved):
    whole = saved.read_bytes()
    for damaged in (*(whole[: int(len(whole) * share)] for share in (0.0001, 0.3, 0.9, 0.9999)), whole + b"\0"):
        saved.write_bytes(damaged)
        named("fetch or make it again|no checkpoint of a kind", load, saved)


def test_files_that_may_not_be_read(saved, monkeypatch):
    def forbidden(*args):
        raise PermissionError(errno.EACCES, "Permission denied", str(saved))

    monkeypatch.setattr(artifacts, "safe_open", forbidden)
    named("Permission denied", read_tensors, saved)


def test_other_kinds_of_files_are_refused(saved, tmp_path):
    codes = tiny.model().encode(tiny.pictures()).save(tmp_path / "codes.safetensors")
    named(r"no model that graftlab knows, but a safetensors file of SwapCodes: 2 entries", load, codes)
    named("of stylegan9: ", load, rewritten(saved, {"kind": "stylegan9"}))
    named("makes no sense", load, rewritten(saved, {"kind": "stylegan2"}))
    named("of None: ", load, rewritten(saved, {}))
    named("configuration that makes no sense", load, rewritten(saved, {"kind": KIND}))
    refused("holds no codes", Codes.load, rewritten(saved))


def test_a_pack_of_photos_is_no_model(tmp_path):
    from PIL import Image

    from graftlab.data import open_source
    from graftlab.data.pack import pack

    (tmp_path / "photos").mkdir()
    for i in range(2):
        Image.new("RGB", (20, 20), (i, 2, 3)).save(tmp_path / "photos" / f"{i}.png")
    pack(open_source(str(tmp_path / "photos")), tmp_path / "photos.pack", 16)
    named("no model that graftlab knows", load, tmp_path / "photos.pack")
    refused(r"photos\.pack was not written by graftlab", Codes.load, tmp_path / "photos.pack")


def test_tensors_that_do_not_fit_are_listed(saved):
    before = saved.read_bytes()
    text = named(
        r"encoder\.from_rgb\.weight is missing; other is unknown; generator\.rgb_bias is \(4,\), not \(3,\)\.",
        load,
        rewritten(saved, encoder__from_rgb__weight=None, other=torch.zeros(1), generator__rgb_bias=torch.zeros(4)),
    )
    assert "does not fit its configuration" in text
    saved.write_bytes(before)
    nothing = dict.fromkeys((name.replace(".", "__") for name in load_file(saved)), None)
    named(r" and \d\d more\.", load, rewritten(saved, **nothing, other=torch.zeros(1)))


def test_weights_that_are_no_finite_numbers_are_refused(saved):
    for dtype in (torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn):
        named(f"rgb_bias holds {dtype}", load, rewritten(saved, generator__rgb_bias=torch.zeros(3).to(dtype)))
    for value in (torch.nan, -torch.inf):
        bad = rewritten(saved, generator__rgb_bias=torch.tensor([0, value, 0]))
        named(r"not finite numbers: generator\.rgb_bias", load, bad)


def test_weights_may_have_any_precision(saved):
    for dtype in (torch.float64, torch.bfloat16):
        other = {name.replace(".", "__"): tensor.to(dtype) for name, tensor in load_file(saved).items()}
        loaded = load(rewritten(saved, **other), device="cpu")
        assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


TINY = preset("tiny").to_dict()


def test_configurations_without_sense_are_refused(saved):
    for config in (
        None,
        [],
        {**TINY, "unknown": 1},
        {**TINY, "size": "32"},
        {**TINY, "size": 31},
        {**TINY, "head_blocks": 10**9},
        {**TINY, "downsamplings": 10**9},
        {**TINY, "downsamplings": 10**30},
        {**TINY, "texture_channels": 10**12},
        {**TINY, "structure_channels": -8},
        {**TINY, "encoder_growth": 1e300},
        {**TINY, "encoder_capacity": float("nan")},
        {**TINY, "noise": None},
    ):
        named("configuration that makes no sense", load, rewritten(saved, {"kind": KIND, "config": config}))


def test_a_configuration_of_other_networks_is_refused(saved):
    for change in ({"structure_channels": 9}, {"head_blocks": 3}, {"downsamplings": 1}, {"generator_capacity": 256.0}):
        header = {"kind": KIND, "config": {**TINY, **change}}
        named("does not fit its configuration", load, rewritten(saved, header))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_claim_of_huge_networks_takes_no_memory(saved):
    config = {**TINY, "texture_channels": 2**16, "encoder_capacity": 256.0, "generator_capacity": 256.0}
    program = """
import sys
from pathlib import Path
from graftlab.checkpoints.load import load
from graftlab.errors import GraftError
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.config import preset
import torch
with torch.device("meta"):
    SwappingAutoencoder(preset("tiny"))

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

before = peak()
try:
    load(Path(sys.argv[1]), device="cpu")
except GraftError as error:
    print(peak() - before, error)
"""
    path = rewritten(saved, {"kind": KIND, "config": config})
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    grown, _, text = done.stdout.partition(" ")
    assert "does not fit its configuration" in text
    assert int(grown) < 30_000  # kB
