"""Every kind of checkpoint file opens, and what people give by mistake is told them in one sentence."""

import gzip
import lzma
import pickle
import struct
import tarfile
import warnings
import zipfile
from argparse import Namespace
from collections import OrderedDict
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from claims import refused
from safetensors.torch import save_file

from graftlab.checkpoints.containers import archives
from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.containers.pickles import Name, Record

FIXTURES = Path(__file__).parent / "fixtures"
TORCH_FILES = [FIXTURES / "stylegan2" / name for name in ("rosinality.pt", "rosinality_finetuned.pt")]
TORCH_FILES += [FIXTURES / "sae_rosinality" / name for name in ("checkpoint.pt", "checkpoint_plain_args.pt")]
NVIDIA = sorted((FIXTURES / "stylegan2").glob("nvidia*.pkl"))

GENERATOR = torch.Generator().manual_seed(0)
WIDE = torch.randn(6, 8, generator=GENERATOR)
STATE = OrderedDict(
    weight=WIDE,
    transposed=WIDE.T,
    window=WIDE[1:3, ::2],
    half=WIDE.half(),
    brain=WIDE.bfloat16(),
    double=WIDE.double(),
    count=torch.tensor([3]),
    flag=torch.tensor([True, False]),
    empty=torch.zeros(0, 3),
    number=torch.tensor(2.5),
)


def same(found: object, expected: object) -> None:
    """Compare trees; a Namespace is a record of its fields."""
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for left, right in zip(found, expected, strict=True):
            same(left, right)
    elif isinstance(expected, Namespace):
        assert (found.name, found.arguments) == (Name("argparse", "Namespace"), ())
        same(found.state, vars(expected))
    else:
        assert found == expected


@pytest.mark.parametrize("path", TORCH_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_torch_files_hold_what_torch_reads(path):
    with torch.serialization.safe_globals([Namespace]):
        expected = torch.load(path, weights_only=True)
    contents = open_contents(path)
    assert contents.container == "torch zip"
    same(contents.tree, expected)


@pytest.mark.parametrize("folder", ["default", "no_antialias", "sp5"])
def test_official_checkpoints(folder, tmp_path):
    path = tmp_path / "latest_checkpoint.pth"
    path.write_bytes(lzma.decompress((FIXTURES / "sae_official" / folder / "checkpoint_full.pth.xz").read_bytes()))
    same(open_contents(path).tree, torch.load(path, weights_only=True, mmap=True))


@pytest.mark.parametrize("zipped", [True, False], ids=["torch zip", "torch legacy"])
def test_both_formats_of_torch(zipped, tmp_path):
    value = {"g": STATE, "shared": [STATE["weight"], STATE["weight"]], "args": Namespace(lr=0.1), "step": 7}
    path = tmp_path / "x.pt"
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    contents = open_contents(path)
    assert contents.container == ("torch zip" if zipped else "torch legacy")
    same(contents.tree, value)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_pickled_tensors(protocol, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"g": dict(STATE)}, protocol))
    contents = open_contents(path)
    assert contents.container == "pickle"
    same(contents.tree, {"g": dict(STATE)})


@pytest.mark.parametrize("path", NVIDIA, ids=lambda path: path.name)
def test_networks_of_nvidia(path):
    contents = open_contents(path)
    assert (contents.container, contents.suspicions) == ("pickle", ())
    network = contents.tree["G_ema"]
    assert isinstance(network, Record)
    assert network.name == Name("torch_utils.persistence", "_reconstruct_persistent_obj")
    (meta,) = network.arguments
    assert meta["class_name"] == "Generator"
    assert {"type", "version", "module_src", "state"} <= set(meta)
    average = meta["state"]["_modules"]["mapping"].arguments[0]["state"]["_buffers"]["w_avg"]
    assert average.ndim == 1
    assert average.isfinite().all()


def test_tensors_are_views_that_cannot_change_the_file(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"a": WIDE}, path)
    before = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = open_contents(path).tree
    tree["a"].zero_()
    assert path.read_bytes() == before
    assert torch.equal(open_contents(path).tree["a"], WIDE)


def test_safetensors(tmp_path):
    path = tmp_path / "x.pth"
    save_file({"a": WIDE, "b": torch.tensor([1])}, path, {"graftlab": '{"kind": "x"}'})
    contents = open_contents(path)
    assert contents.container == "safetensors"
    same(contents.tree["tensors"], {"a": WIDE, "b": torch.tensor([1])})
    assert contents.tree["metadata"] == {"graftlab": '{"kind": "x"}'}


ARRAYS = {
    "mean": np.arange(6, dtype="f4").reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype="f8").reshape(2, 3)),
    "big": np.arange(4, dtype=">i4"),
    "none": np.zeros((0, 4), "f2"),
    "scalar": np.float32(3),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "compressed"])
def test_numpy_files_of_several_arrays(save, tmp_path):
    path = tmp_path / "x.npz"
    save(path, **ARRAYS, name=np.array("act_comp"))
    contents = open_contents(path)
    assert contents.container == "npz"
    assert contents.tree.pop("name") == "act_comp"
    for name, tensor in contents.tree.items():
        np.testing.assert_array_equal(tensor.numpy(), ARRAYS[name])
    assert [*contents.tree] == [*ARRAYS]


def test_numpy_files_of_one_array(tmp_path):
    for array in ARRAYS.values():
        np.save(tmp_path / "x.npy", array)
        contents = open_contents(tmp_path / "x.npy")
        assert contents.container == "npy"
        np.testing.assert_array_equal(contents.tree.numpy(), array)


def test_the_name_decides_nothing(tmp_path):
    path = tmp_path / "x.safetensors"
    torch.save({"a": WIDE}, path)
    assert open_contents(path).container == "torch zip"


# What people give by mistake


def refusal(path: Path, data: bytes | None = None) -> str:
    if data is not None:
        path.write_bytes(data)
    sentence = refused("", open_contents, path)
    assert path.name in sentence
    return sentence


def zipped(**files: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return buffer.getvalue()


def tarred(name: str) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name), BytesIO())
    return buffer.getvalue()


MISTAKES = {
    "empty": (b"", "is empty"),
    "page": (b"\n <!DOCTYPE html><html>", "web page, so the download failed"),
    "page of a cloud": (b"<html><head><title>Google Drive - Virus scan warning", "web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    "gzip": (gzip.compress(b"x"), "gunzip"),
    "xz": (lzma.compress(b"x"), "unxz"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(30), "7-Zip"),
    "tar": (tarred("model.pth"), "tar archive"),
    "oldest torch": (tarred("sys_info"), "before 2017"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(30), "picture"),
    "photo": (b"\xff\xd8\xff\xe0" + bytes(30), "picture"),
    "text": (b"Please see the wiki for the weights.\n", "text file"),
    "json": (b'{"a": 1}', "text file"),
    "zeros": (bytes(1000), "nothing but zeros"),
    "noise": (bytes(range(130, 255)), "no checkpoint of a kind that is known"),
    "zip of a checkpoint": (
        zipped(models__mountain_dot_pth=b"x", read_dot_me=b"y"),
        "unpack it and give 'models/mountain.pth'",
    ),
    "zip of nothing": (zipped(a_dot_txt=b"x"), "holds no checkpoint"),
    "TorchScript": (zipped(m__data_dot_pkl=b"N.", m__code__a_dot_py=b""), "TorchScript"),
    "big endian": (zipped(m__data_dot_pkl=b"N.", m__byteorder=b"big"), "big endian"),
    "numpy objects": (
        b"\x93NUMPY\x01\x00\x37\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n\x80\x03N.",
        "numpy",
    ),
    "cut off zip": (zipped(m__data_dot_pkl=b"N.")[:-5], "cut off or damaged"),
    "cut off pickle": (pickle.dumps(list(range(1000)))[:-100], "ends too early"),
    "cut off npy": (b"\x93NUMPY\x01\x00\x76", "numpy array"),
    "header without end": (struct.pack("<Q", 2**40) + b"{", "safetensors"),
}


def test_mistakes_are_explained(tmp_path):
    for case, (data, expected) in MISTAKES.items():
        assert expected in refusal(tmp_path / "given.pth", data), case


def test_places_without_a_file(tmp_path):
    assert "is a folder" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "x.pth")
    refused("cannot be read", open_contents, Path("x" * 5000))
    (tmp_path / "latest_checkpoint.pth").symlink_to("100k_checkpoint.pth")
    assert "link to 100k_checkpoint.pth, which is missing" in refusal(tmp_path / "latest_checkpoint.pth")
    torch.save({"a": 1}, tmp_path / "100k_checkpoint.pth")
    assert open_contents(tmp_path / "latest_checkpoint.pth").tree == {"a": 1}


def test_a_file_without_permission(monkeypatch, tmp_path):
    def denied(*arguments, **keywords):
        raise PermissionError

    monkeypatch.setattr(Path, "open", denied)
    (tmp_path / "x.pth").touch()
    assert "permission" in refusal(tmp_path / "x.pth")


# Zip files


def repacked(source: bytes, change, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file with other members: `change` makes a list of (name, data) from one."""
    buffer = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(source)) as old,
        zipfile.ZipFile(buffer, "w", method) as new,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # names that come twice
        for name, data in change([(name, old.read(name)) for name in old.namelist()]):
            new.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def good() -> bytes:
    buffer = BytesIO()
    torch.save({"a": WIDE}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_repacked_zip_is_as_good(good, method, tmp_path):
    (tmp_path / "x.pt").write_bytes(repacked(good, lambda members: members, method))
    contents = open_contents(tmp_path / "x.pt")
    assert torch.equal(contents.tree["a"], WIDE)
    assert contents.check()


def test_an_unpacked_file_is_told(good, tmp_path):
    with zipfile.ZipFile(BytesIO(good)) as archive:
        archive.extractall(tmp_path)
    for path in (tmp_path / "archive", tmp_path / "archive" / "data.pkl"):
        refused("PyTorch file that was unpacked: pack the folder archive as a zip file again", open_contents, path)


def test_odd_and_repeated_names_are_refused(good, tmp_path):
    for name in ("../a", "/a", "a/../../b", "C:\\a", "a\\b", "archive/data/0"):
        data = repacked(good, lambda members, name=name: [*members, (name, b"x")])
        assert "member of the name" in refusal(tmp_path / "x.pt", data), name


def test_a_storage_that_is_missing_or_short(good, tmp_path):
    without = repacked(good, lambda members: [(n, d) for n, d in members if not n.endswith("data/0")])
    assert "lacks the numbers" in refusal(tmp_path / "x.pt", without)
    short = repacked(good, lambda members: [(n, d[:100] if n.endswith("data/0") else d) for n, d in members])
    assert "more numbers than it holds" in refusal(tmp_path / "x.pt", short)


def central(data: bytes, name: bytes) -> int:
    """Where a member's entry in the list of members begins."""
    place = data.rindex(b"PK\5\6")
    at = struct.unpack("<I", data[place + 16 : place + 20])[0]
    while not data[at + 46 :].startswith(name):
        at = data.index(b"PK\1\2", at + 4)
    return at


@pytest.mark.parametrize(
    ("at", "value", "expected"),
    [
        (8, b"\x01\0", "encrypted"),
        (20, struct.pack("<I", 2**30), "cut off or damaged"),
        (24, struct.pack("<I", 2**30), "is compressed"),
        (10, b"\x08\0", "is damaged"),
        (10, b"\x0e\0", "is compressed in a way"),
        (42, struct.pack("<I", 2**30), "cut off or damaged"),
        (42, struct.pack("<I", 7), "cut off or damaged"),
    ],
    ids=["encrypted", "stored size", "size", "method", "other method", "far away", "not at a header"],
)
def test_lies_in_the_list_of_members_are_refused(good, at, value, expected, tmp_path):
    data = bytearray(repacked(good, lambda members: members))
    place = central(bytes(data), b"archive/data/0") + at
    data[place : place + len(value)] = value
    assert expected in refusal(tmp_path / "x.pt", bytes(data))


def test_members_over_one_another_are_refused(good, tmp_path):
    data = bytearray(repacked(good, lambda members: members))
    first, second = (central(bytes(data), name) for name in (b"archive/version", b"archive/byteorder"))
    data[first + 42 : first + 46] = data[second + 42 : second + 46]
    assert "over one another" in refusal(tmp_path / "x.pt", bytes(data))


def test_a_damaged_pickle_in_a_zip_is_noticed(good, tmp_path):
    place = good.index(b"FloatStorage")
    assert "damaged" in refusal(tmp_path / "x.pt", good[:place] + b"B" + good[place + 1 :])


def test_too_many_members_and_bombs_are_refused(monkeypatch, good, tmp_path):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    assert "members, more than" in refusal(tmp_path / "x.pt", good)
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(10_000_000, "u1"))
    assert "would unpack to" in refusal(tmp_path / "x.npz")
    monkeypatch.undo()
    bomb = repacked(good, lambda members: [*members, ("archive/data/1", bytes(10_000_000))], zipfile.ZIP_DEFLATED)
    assert "would unpack to" in refusal(tmp_path / "x.pt", bomb)


# Program text in pickles


def network(text: str) -> dict:
    return {"G_ema": {"module_src": text, "class_name": "Generator", "state": {}}}


def test_suspicious_text_is_not_opened_and_text_that_could_not_be_examined_is_mentioned(tmp_path):
    path = tmp_path / "x.pkl"
    sentence = refusal(path, pickle.dumps(network("import numpy\n\nimport os\nos.system('x')\n")))
    assert "os.system in line 4" in sentence
    path.write_bytes(pickle.dumps(network("import os\nimport numpy as np\n")))
    assert open_contents(path).suspicions == ()
    path.write_bytes(pickle.dumps(network("print 'Python 2'")))
    (sentence,) = open_contents(path).suspicions
    assert "x.pkl carries 16 characters of program text" in sentence
    assert "more program text" in refusal(tmp_path / "x.pkl", pickle.dumps(network("#" * 600_000)))
