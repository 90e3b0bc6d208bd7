"""The list of known models, names in the cache, and what comes out of zips."""

import hashlib
import random
import stat
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from claims import refused
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows, get_win_folder_from_env_vars
from web import Page

from graftlab.checkpoints.catalogue import cache, registry
from graftlab.checkpoints.catalogue.registry import Entry
from graftlab.checkpoints.catalogue.unzip import extract
from graftlab.errors import GraftError

DATA = random.Random(1).randbytes(32_000)
KINDS = {"swapping-autoencoder", "swapping-autoencoder-rosinality", "stylegan2"}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """The cache, in an empty folder."""
    monkeypatch.setenv(registry.CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def web(web):
    web.pages["/a.pkl"] = Page(DATA)
    return web


@pytest.fixture
def converted(monkeypatch) -> list[Path]:
    """Conversion is a copy; the list is of what was converted."""
    sources = []

    def convert(source, target, about):
        sources.append(source)
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr("graftlab.checkpoints.convert.convert", convert)
    return sources


@pytest.fixture
def know(monkeypatch):
    """Put models in the place of the registry's."""

    def know(*entries: dict):
        defaults = {"kind": "stylegan2", "format": "pickle", "licence": "none", "page": "", "about": ""}
        known = [Entry(**defaults | fields) for fields in entries]
        monkeypatch.setattr(registry, "known", lambda: known)

    return know


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")


# -- the registry -----------------------------------------------------------------------------------------------------


def test_the_registry_is_in_order_and_no_two_downloads_share_a_file():
    entries = registry.known()
    assert len({entry.name for entry in entries}) == len(entries) > 30
    for entry in entries:
        assert registry.NAME.fullmatch(entry.name)
        assert entry.kind in KINDS
        assert urlsplit(entry.source).scheme == urlsplit(entry.page).scheme == "https"
        assert entry.licence
        assert entry.about
        assert entry.sha256 is None or len(bytes.fromhex(entry.sha256)) == 32
        assert entry.by_hand == (urlsplit(entry.source).hostname == "drive.google.com")
        if not entry.by_hand:
            assert Path(entry.file).suffix == (".zip" if entry.member else ".pkl")
    assert len({entry.file for entry in entries}) == len({entry.source for entry in entries})


def test_find():
    assert registry.find("ffhq-stylegan2-ada").source.endswith("/ffhq.pkl")
    refused("no model 'mountains-sae'; did you mean mountain-sae", registry.find, "mountains-sae")
    refused("no model 'qqqq'; 'graft models' lists", registry.find, "qqqq")


# -- the cache's folder -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "variables", "folder"),
    [
        (Unix, {}, "home/.cache/graftlab"),
        (Unix, {"XDG_CACHE_HOME": "/x/y"}, "/x/y/graftlab"),
        (Unix, {"XDG_CACHE_HOME": "relative"}, "home/.cache/graftlab"),
        (MacOS, {}, "home/Library/Caches/graftlab"),
        (Windows, {"LOCALAPPDATA": "/local"}, "/local/graftlab"),
        (Unix, {registry.CACHE: "/own", "XDG_CACHE_HOME": "/x"}, "/own"),
        (Unix, {registry.CACHE: ""}, "home/.cache/graftlab"),
    ],
)
def test_cache_folder(monkeypatch, tmp_path, system, variables, folder):
    monkeypatch.setattr("platformdirs.PlatformDirs", system)
    monkeypatch.setattr("platformdirs.windows.get_win_folder", get_win_folder_from_env_vars)  # not the real registry
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", registry.CACHE):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):  # what `~` is here
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert registry.cache_folder() == (tmp_path / folder).absolute()


def test_any_text_may_be_asked_for(home):
    for name in ("", "..", "../x", "/etc/passwd", "a" * 9999, "\0", "a/b", "ünï"):
        assert registry.cached(name) is None
        refused("cannot name a model", registry.model_path, name)


@pytest.mark.parametrize("place", ["a file", "inside a file"])
def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch, converted, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "mine.pkl").write_bytes(DATA)
    folder = tmp_path / "file" / ("" if place == "a file" else "x")
    monkeypatch.setenv(registry.CACHE, str(folder))
    for call in (lambda: cache.add(tmp_path / "mine.pkl"), lambda: cache.get("ffhq-stylegan2")):
        refused(f"The cache {folder} cannot be written .*; set {registry.CACHE} to", call)
    assert registry.cached("mine") is None
    assert registry.cached_models() == {}


# -- get --------------------------------------------------------------------------------------------------------------


def test_get(home, web, know, converted):
    know({"name": "a", "source": web.url("/a.pkl"), "bytes": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()})
    assert registry.cached("a") is None
    path = cache.get("a", insecure=True)
    assert path == registry.cached("a") == home / "models" / "a.safetensors"
    assert path.read_bytes() == DATA
    assert files(home) == ["models/a.safetensors"]
    assert cache.get("a", insecure=True) == path
    assert len(web.requests) == 1
    assert registry.cached_models() == {"a": path}


def test_the_original_is_kept_if_one_wishes(home, web, know, converted):
    know({"name": "a", "source": web.url("/a.pkl")})
    cache.get("a", keep_original=True, insecure=True)
    assert files(home) == ["downloads/a.pkl", "models/a.safetensors"]
    registry.model_path("a").unlink()
    cache.get("a", insecure=True)
    assert len(web.requests) == 1
    assert files(home) == ["models/a.safetensors"]


def test_one_zip_of_two_models(home, web, know, converted, tmp_path):
    archive = zipped(tmp_path / "z.zip", {"release/a_pretrained/1k.pth": b"A", "release/b_pretrained/1k.pth": b"B"})
    web.pages["/z.zip"] = Page(archive.read_bytes())
    know(*({"name": x, "source": web.url("/z.zip"), "member": f"{x}_pretrained/*.pth"} for x in "ab"))
    assert cache.get("a", keep_original=True, insecure=True).read_bytes() == b"A"
    assert cache.get("b", keep_original=True, insecure=True).read_bytes() == b"B"
    assert len(web.requests) == 1
    assert files(home) == ["downloads/z.zip", "models/a.safetensors", "models/b.safetensors"]
    cache.remove("a")
    assert files(home) == ["downloads/z.zip", "models/b.safetensors"]
    cache.remove("b")
    assert files(home) == []


def test_by_hand(home, know):
    know({"name": "a", "source": "https://drive.google.com/uc?id=1", "by_hand": True})
    refused(r"open https://drive.google.com/uc\?id=1 in .*add FILE --as a'", cache.get, "a")
    assert not home.exists()


def test_a_file_that_cannot_be_converted_stays_and_can_be_removed(home, web, know, monkeypatch):
    def convert(source, target, about):
        raise GraftError(f"{source} is no model.")

    monkeypatch.setattr("graftlab.checkpoints.convert.convert", convert)
    know({"name": "a", "source": web.url("/a.pkl")})
    refused(r"is no model; .*a.pkl stays, and 'graft models remove a' deletes it", cache.get, "a", insecure=True)
    assert files(home) == ["downloads/a.pkl"]
    cache.remove("a")
    assert files(home) == []


def test_one_process_at_a_time(home, web, know, converted):
    know({"name": "a", "source": web.url("/a.pkl")})
    with cache.locked(cache.writable_folder("downloads") / "a.pkl"), pytest.raises(GraftError, match="another process"):
        cache.get("a", insecure=True)
    assert web.requests == []
    assert cache.get("a", insecure=True).read_bytes() == DATA


def test_a_removed_model_takes_its_part_along(home, web, know, converted):
    know({"name": "a", "source": web.url("/a.pkl")})
    web.pages["/a.pkl"].cuts = [100, *[0] * 9]
    refused("same command", cache.get, "a", pause=lambda seconds: None, insecure=True)
    assert files(home) == ["downloads/a.pkl.part", "downloads/a.pkl.part.json"]
    assert len(cache.remove("a")) == 2
    refused("no model 'a' in the cache", cache.remove, "a")


# -- add --------------------------------------------------------------------------------------------------------------


def test_add(home, tmp_path, converted):
    (tmp_path / "mine.pkl").write_bytes(DATA)
    assert cache.add(tmp_path / "mine.pkl") == home / "models" / "mine.safetensors"
    assert cache.add(tmp_path / "mine.pkl", "other.2") == registry.cached("other.2")
    assert sorted(registry.cached_models()) == ["mine", "other.2"]
    assert (tmp_path / "mine.pkl").read_bytes() == DATA
    for name, says in (("mine", "already"), ("landscapes-128", "already"), ("../x", "cannot name")):
        refused(says, cache.add, tmp_path / "mine.pkl", name)
    refused(r"missing\.pkl: no such file", cache.add, tmp_path / "missing.pkl")


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"sha256": "0" * 64}, f"is not a: its SHA-256 is .* and not {'0' * 64}"), ({"bytes": 7}, "has 32,000 bytes")],
)
def test_add_of_another_file_than_the_known_one(home, tmp_path, know, converted, fields, says):
    know({"name": "a", "source": "https://x/y.pkl", **fields})
    (tmp_path / "a.pkl").write_bytes(DATA)
    refused(says, cache.add, tmp_path / "a.pkl")
    assert registry.cached_models() == {}
    assert (tmp_path / "a.pkl").exists()
    cache.add(tmp_path / "a.pkl", "mine")


def test_add_of_a_release(home, tmp_path, know, converted):
    know(*({"name": x, "source": "https://x/z.zip", "member": f"{x}_pretrained/*.pth"} for x in "ab"))
    archive = zipped(tmp_path / "z.zip", {"a_pretrained/1k.pth": b"A"})
    refused(r"name the one you mean with --as \(a, b\)", cache.add, archive)
    assert cache.add(archive, "a").read_bytes() == b"A"
    assert files(home) == ["models/a.safetensors"]
    refused("holds no file 'b_pretrained", cache.add, archive, "b")
    torch_save = zipped(tmp_path / "1k.pth", {"1k/data.pkl": b"", "1k/data/0": b"0"})
    assert cache.add(torch_save, "b").read_bytes() == torch_save.read_bytes()


# -- zips -------------------------------------------------------------------------------------------------------------


def zipped(path: Path, members: dict[str, bytes], compression=zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_only_the_named_file_is_extracted(tmp_path):
    members = {"z/church_pretrained/": b"", "z/church_pretrained/5k_checkpoint.pth": DATA, "z/test.jpg": b"no"}
    archive = zipped(tmp_path / "z.zip", members, zipfile.ZIP_DEFLATED)
    target = tmp_path / "out" / "x"
    target.parent.mkdir()
    assert extract(archive, "church_pretrained/*_checkpoint.pth", target).read_bytes() == DATA
    assert files(target.parent) == ["x"]
    for pattern in ("mountain_pretrained/*.pth", "pretrained/*.pth", "church_pretrained"):
        refused(r"z\.zip holds no file", extract, archive, pattern, tmp_path / "none")


@pytest.mark.parametrize("name", ["../a/m.pth", "a/../../m.pth", "/a/m.pth", "..\\a\\m.pth", "C:\\a\\m.pth"])
def test_paths_out_of_the_folder(tmp_path, name):
    for members in ({name: b"x"}, {name: b"x", "a/m.pth": b"good"}):
        archive = zipped(tmp_path / "z.zip", members)
        refused("a path out of its folder", extract, archive, "m.pth", tmp_path / "m")
        assert files(tmp_path) == ["z.zip"]


def test_links(tmp_path):
    link = zipfile.ZipInfo("a/latest_checkpoint.pth")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    refused("as a link only", extract, tmp_path / "z.zip", "a/*.pth", tmp_path / "m")
    with zipfile.ZipFile(tmp_path / "z.zip", "a") as archive:
        archive.writestr("a/5k_checkpoint.pth", DATA)
    assert extract(tmp_path / "z.zip", "a/*.pth", tmp_path / "m").read_bytes() == DATA


def test_several_files_and_an_encrypted_one(tmp_path):
    archive = zipped(tmp_path / "z.zip", {"a/5k.pth": DATA, "a/latest.pth": DATA})  # a link, packed as a copy
    assert extract(archive, "a/*.pth", tmp_path / "m").read_bytes() == DATA
    archive = zipped(tmp_path / "z.zip", {"a/5k.pth": DATA, "a/6k.pth": b"other"})
    refused(r"several of 'a/\*.pth' \(a/5k.pth, a/6k.pth\)", extract, archive, "a/*.pth", tmp_path / "m")
    archive = zipped(tmp_path / "z.zip", {"a/m.pth": DATA})
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # the flag in the list of members
    archive.write_bytes(raw)
    refused("encrypted", extract, archive, "a/*.pth", tmp_path / "m")


def test_a_bomb(tmp_path):
    archive = zipped(tmp_path / "z.zip", {"a/m.pth": bytes(10**6)}, zipfile.ZIP_DEFLATED)
    refused("100:1", extract, archive, "a/*.pth", tmp_path / "m")
    raw = archive.read_bytes().replace((10**6).to_bytes(4, "little"), (1000).to_bytes(4, "little"))  # which lies
    archive.write_bytes(raw)
    refused("no zip that can be read", extract, archive, "a/*.pth", tmp_path / "m")
    assert files(tmp_path) == ["z.zip"]


@pytest.mark.parametrize("damage", ["cut", "flip", "text"])
def test_a_damaged_zip(tmp_path, damage):
    archive = zipped(tmp_path / "z.zip", {"a/m.pth": DATA}, zipfile.ZIP_DEFLATED)
    raw = bytearray(archive.read_bytes())
    raw[60] ^= 255
    archive.write_bytes({"cut": raw[:-40], "flip": raw, "text": b"hello"}[damage])
    refused(r"no zip that can be read .*; fetch it again", extract, archive, "a/*.pth", tmp_path / "m")
    assert files(tmp_path) == ["z.zip"]


def test_no_room_for_the_file(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "z.zip", {"a/m.pth": DATA})
    monkeypatch.setattr("graftlab.hardware.disk_usage", lambda path: type("Disk", (), {"free": len(DATA) - 1}))
    refused("its disk has", extract, archive, "a/*.pth", tmp_path / "m")
