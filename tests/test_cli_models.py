"""`graft models`: what is listed, and its commands."""

import json
import shutil
from pathlib import Path

import pytest
from web import Page

from graftlab.checkpoints.catalogue import registry
from graftlab.checkpoints.catalogue.registry import Entry

MODEL = "landscapes-128"
BUNDLED = ["landscapes-128", "landscapes-256"]  # in the place of those that ship


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(registry.CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(bundle, tmp_path) -> Path:
    """A tiny model of our own format."""
    return Path(shutil.copy(bundle / f"{MODEL}.safetensors", tmp_path / "mine.safetensors"))


@pytest.fixture
def offered(file, web, monkeypatch):
    """A server that offers the tiny model under the name `tiny`."""
    monkeypatch.setattr("graftlab.download.check_address", lambda *arguments: None)  # http, for once
    web.pages["/tiny.safetensors"] = Page(file.read_bytes())
    source = web.url("/tiny.safetensors")
    tiny = Entry("tiny", "swapping-autoencoder", "ours", source, "CC0-1.0", "https://page", "Tiny hills, 32 px")
    hand = Entry("hand", "stylegan2", "pickle", "https://drive.google.com/x", "MIT", "https://page", "x", by_hand=True)
    monkeypatch.setattr(registry, "known", lambda: [tiny, hand])
    return web


def test_the_list(graft, home, file, offered):
    entry, _ = json.loads(graft("models", "--json").out)
    assert (entry["name"], entry["config"]["size"], entry["bytes"]) == (MODEL, 32, file.stat().st_size)
    assert 10_000 < entry["parameters"] < 30_000
    result = graft("models")
    assert len(result.out.splitlines()) == len(BUNDLED)
    assert result.out.startswith("landscapes-128: swapping-autoencoder, 32 px, 0.0 M parameters, 0.")
    assert result.out.splitlines()[0].endswith(" MB; trained on nothing (1,234 images); none")
    assert "2 more can be fetched by 'graft models get NAME'" in result.err
    assert "tiny (swapping-autoencoder): Tiny hills, 32 px; licence CC0-1.0\n" in result.err
    assert "hand (stylegan2): x; licence MIT (by hand)\n" in result.err
    assert not home.exists()
    assert graft("models", "add", file, "--as", "tiny").code == 0
    assert [entry["name"] for entry in json.loads(graft("models", "--json").out)] == [*BUNDLED, "tiny"]
    result = graft("models")
    assert result.out.splitlines()[-1].startswith("tiny: swapping-autoencoder, 32 px, 0.0 M parameters")
    assert "1 more can be fetched" in result.err


def test_a_damaged_file_does_not_hide_the_others(graft, home):
    (home / "models").mkdir(parents=True)
    (home / "models" / "broken.safetensors").write_bytes(b"broken")
    result = graft("models", "--json")
    assert [entry["name"] for entry in json.loads(result.out)] == BUNDLED
    assert "broken.safetensors" in result.err


def test_get(graft, home, offered):
    result = graft("models", "get", "tiny")
    assert result.code == 0, result
    assert result.out == ""
    assert f"tiny is {home / 'models' / 'tiny.safetensors'}" in result.err
    assert "licence: CC0-1.0; https://page" in result.err
    assert json.loads(graft("models", "get", "tiny", "--json").out) == {
        "name": "tiny",
        "file": str(home / "models" / "tiny.safetensors"),
    }
    assert len(offered.requests) == 1
    assert graft("reconstruct", "photos/hill.png", "--model", "tiny").code == 0


def test_get_over_http_is_asked_for_and_warned_of(graft, home, file, web, monkeypatch):
    web.pages["/tiny.safetensors"] = Page(file.read_bytes())
    source = web.url("/tiny.safetensors").replace("http:", "https:")  # of a server that has no https
    tiny = Entry("tiny", "swapping-autoencoder", "ours", source, "CC0-1.0", "https://page", "Tiny hills, 32 px")
    monkeypatch.setattr(registry, "known", lambda: [tiny])
    result = graft("models", "get", "tiny", "--insecure")
    assert result.code == 0, result
    assert "anybody on the way can change what is sent; its hash is not known" in result.err
    assert (home / "models" / "tiny.safetensors").exists()


def test_refusals(refuses, offered):
    mistakes = (
        (("get", "hand"), "open https://drive.google.com/x in a browser"),
        (("get", "tinny"), "did you mean tiny?"),
        (("add", "nowhere.pkl"), "nowhere.pkl: no such file"),
        (("add", "photos/hill.png"), "hill.png"),
        (("add", "mine.safetensors", "--as", MODEL), "already"),
        (("add", "mine.safetensors", "--as", "a/b"), "cannot name a model"),
        (("remove", "tiny"), "no model 'tiny' in the cache"),
        (("remove", "../mine"), "cannot name a model"),
    )
    refuses(mistakes, "models")


def test_a_model_of_the_hub(graft, monkeypatch, file):
    monkeypatch.setattr("graftlab.checkpoints.catalogue.hub.fetch", lambda text: file)
    assert json.loads(graft("models", "get", "hf:a/b", "--json").out) == {"name": "hf:a/b", "file": str(file)}


def test_add_and_remove(graft, home, file):
    result = graft("models", "add", file, "--json")
    assert json.loads(result.out) == {"name": "mine", "file": str(home / "models" / "mine.safetensors")}
    removed = json.loads(graft("models", "remove", "mine", "--json").out)
    assert removed == {"name": "mine", "removed": [str(home / "models" / "mine.safetensors")]}
    assert file.exists()
    assert graft("models", "add", file).code == 0
    assert "removed" in graft("models", "remove", "mine").err


def test_where(graft, home):
    assert graft("models", "where").out == f"{home}\n"
