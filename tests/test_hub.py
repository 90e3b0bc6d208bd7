"""Models on the Hugging Face hub, without the hub."""

import sys
from pathlib import Path

import huggingface_hub
import pytest
from claims import refused
from huggingface_hub import errors

from graftlab.checkpoints.catalogue import hub
from graftlab.checkpoints.catalogue.hub import HubId


class Hub:
    """Repositories by name, and what was asked of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files: dict[str, list[str]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.error: Exception | None = None

    def list_repo_files(self, repository: str, revision: str | None = None) -> list[str]:
        self.asked.append((repository, revision))
        if self.error:
            raise self.error
        return self.files[repository]

    def download(self, repository: str, file: str, revision: str | None = None) -> str:
        path = self.folder / file
        if self.error and not path.exists():
            raise self.error
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")
        return str(path)

    def snapshot(self, repository: str, revision: str | None = None, local_files_only: bool = False) -> str:
        assert local_files_only
        if not self.folder.exists():
            raise errors.LocalEntryNotFoundError("nothing here")
        return str(self.folder)


@pytest.fixture
def web(tmp_path, monkeypatch) -> Hub:
    fake = Hub(tmp_path / "snapshot")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fake.download)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot)
    return fake


def test_ids():
    for text, parts in {
        "someone/some-model": HubId("someone/some-model"),
        "hf:someone/some.model_2": HubId("someone/some.model_2"),
        "hf:a/b@v1.0": HubId("a/b", "v1.0"),
        "a/b@refs/pr/3:sub/c.pkl": HubId("a/b", "refs/pr/3", "sub/c.pkl"),
        "hf:a/b:c.pt": HubId("a/b", "main", "c.pt"),
        "hf:a/b.safetensors": HubId("a/b.safetensors"),
    }.items():
        assert hub.is_id(text)
        assert hub.parse(text) == parts
    others = ["", "name", "a/b/c", "/a/b", "./a", "../a", "a/", "hf:a", "models/mine.safetensors", "x/net.pkl", "a b/c"]
    assert not any(map(hub.is_id, [*others, "C:\\a/b"]))
    refused("hf:a is no model on the hub; write hf:someone/some-model", hub.parse, "hf:a")


def test_the_only_file_that_can_be_meant(web):
    for chosen, *others in (
        ("model.safetensors", "README.md", "model.pkl"),
        ("network.pkl", "config.json"),
        ("sub/x.pt",),
        ("x.pth", "y.bin"),
    ):
        web.files["a/b"] = [*others, chosen]
        assert hub.fetch("a/b@v1") == web.folder / chosen
    assert web.asked == [("a/b", "v1")] * 4


def test_an_index_brings_the_files_that_it_names(web, monkeypatch):
    shards = [f"sub/model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    web.files["a/b"] = [*shards, "sub/model.safetensors.index.json", "network.pkl"]
    monkeypatch.setattr(hub, "shards", lambda path: {Path(name).name for name in shards})
    assert hub.fetch("a/b") == web.folder / "sub/model.safetensors.index.json"
    assert all((web.folder / name).exists() for name in shards)


def test_several_files_and_none(web):
    web.files["a/b"] = ["y.pkl", "x.pt", "z.txt"]
    refused(r"a/b holds several models; name one, as hf:a/b:x\.pt, of x\.pt, y\.pkl", hub.fetch, "a/b")
    web.asked.clear()
    assert hub.fetch("hf:a/b:y.pkl") == web.folder / "y.pkl"
    assert web.asked == []
    web.files["a/b"] = ["README.md", "model.bin"]
    refused(r"a/b holds no \.safetensors, \.pkl", hub.fetch, "a/b")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (errors.RepositoryNotFoundError, "does not exist, or is private"),
        (errors.GatedRepoError, "asks you to accept its conditions"),
        (errors.RevisionNotFoundError, "has no such revision"),
        (errors.HfHubHTTPError, r"cannot be fetched \(HfHubHTTPError\); check the connection"),
    ],
)
def test_refusals_of_the_hub(web, kind, says):
    web.error = kind.__new__(kind)  # what it takes to be built differs between versions of the package
    refused(f"a/b@v1 on the Hugging Face hub {says}", hub.fetch, "a/b@v1")


def test_a_file_that_is_not_there(web):
    web.error = errors.EntryNotFoundError.__new__(errors.EntryNotFoundError)
    refused(r"a/b:c\.pkl on the Hugging Face hub has no such file", hub.fetch, "a/b:c.pkl")


def test_without_a_connection(web):
    web.error = ConnectionError("no route")
    refused(r"a/b on the Hugging Face hub cannot be fetched \(ConnectionError\)", hub.fetch, "a/b")
    web.error = None
    web.files["a/b"] = ["m.pkl"]
    fetched = hub.fetch("a/b")
    web.error = ConnectionError("no route")
    assert hub.fetch("a/b") == fetched


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refused(r"needs the package huggingface_hub: pip install 'graftlab\[hub\]'", hub.fetch, "a/b")
