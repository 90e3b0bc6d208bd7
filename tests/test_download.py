"""Downloads from a server that misbehaves: whole and equal byte for byte, or a sentence and no harm."""

import errno
import hashlib
import io
import json
import random

import pytest
from claims import refused
from web import Page

from graftlab import download as module
from graftlab.download import PAUSES, REDIRECTS, download
from graftlab.errors import GraftError

DATA = random.Random(0).randbytes(700_000)  # several pieces
HASH = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def web(web):
    web.pages["/model.pkl"] = Page(DATA)
    return web


@pytest.fixture
def get(web, tmp_path):
    """Fetch a path of the server to tmp_path/model.pkl, and note the pauses."""

    def get(path="/model.pkl", **options):
        get.pauses = []
        return download(web.url(path), tmp_path / "model.pkl", pause=get.pauses.append, insecure=True, **options)

    return get


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file(get, web, tmp_path):
    told = []
    path = get(size=len(DATA), sha256=HASH, progress=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == DATA
    assert names(tmp_path) == ["model.pkl"]
    assert told[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert get.pauses == []


def test_without_a_length(get, web):
    web.pages["/model.pkl"].length = False
    assert get().read_bytes() == DATA
    web.pages["/model.pkl"].cuts = [1000]
    with pytest.raises(GraftError, match="another file"):  # cut off, which only the hash can tell
        get(sha256=HASH)


@pytest.mark.parametrize("mark", [{"tag": '"one"'}, {"tag": None, "modified": "Mon, 01 Jan 2024 00:00:00 GMT"}])
def test_a_cut_connection_goes_on_where_it_broke(get, web, mark):
    web.pages["/model.pkl"] = Page(DATA, cuts=[300_000, 1], **mark)
    told = []
    assert get(sha256=HASH, progress=lambda done, total: told.append(done)).read_bytes() == DATA
    assert web.ranges == [None, "bytes=300000-", "bytes=300001-"]
    assert [headers.get("If-Range") for _, headers in web.requests][1:] == [next(x for x in mark.values() if x)] * 2
    assert told == sorted(told)
    assert get.pauses == [PAUSES[0]] * 2


def test_the_next_call_goes_on(get, web, tmp_path):
    web.pages["/model.pkl"].cuts = [300_000, *[0] * (len(PAUSES) + 1)]
    refused(r"broke after 300,000 of 700,000 bytes.*same command goes on", get)
    assert get.pauses == [PAUSES[0], *PAUSES]
    assert names(tmp_path) == ["model.pkl.part", "model.pkl.part.json"]
    web.requests.clear()
    assert get(sha256=HASH).read_bytes() == DATA
    assert web.ranges == ["bytes=300000-"]
    assert names(tmp_path) == ["model.pkl"]


@pytest.mark.parametrize("page", [{"ranges": False}, {"tag": None}, {"tag": 'W/"one"'}], ids=str)
def test_what_cannot_be_continued_begins_again(get, web, page):
    web.pages["/model.pkl"] = Page(DATA, cuts=[300_000], **page)
    assert get(sha256=HASH).read_bytes() == DATA
    assert len(web.requests) == 2


def test_a_server_without_ranges_that_always_breaks_is_left(get, web):
    web.pages["/model.pkl"] = Page(DATA, ranges=False, cuts=[2000, 1000] * 20)
    refused("broke after", get)
    assert len(web.requests) == 2 + len(PAUSES)


def test_a_file_that_changed_begins_again(get, web):
    web.pages["/model.pkl"].cuts = [300_000, *[0] * 5]
    refused("", get)
    other = bytes(reversed(DATA))
    web.pages["/model.pkl"] = Page(other, tag='"two"')
    assert get().read_bytes() == other


def test_parts_of_two_versions_are_not_joined_by_a_server_that_knows_no_if_range(get, web, monkeypatch):
    web.pages["/model.pkl"].cuts = [300_000, *[0] * 5]
    refused("", get)
    other = bytes(reversed(DATA))
    web.pages["/model.pkl"] = Page(other, tag='"two"')
    monkeypatch.setattr(module, "ask", ignoring_conditions(module.ask, web))
    assert get().read_bytes() == other


def ignoring_conditions(ask, web):
    """`ask`, of a server that sends the rest of whatever there is: once its page has a tag that fits any condition."""

    def asked(address, part, insecure):
        page = web.pages["/model.pkl"]
        tag, page.modified = page.tag, part.mark(address)
        try:
            return ask(address, part, insecure)
        finally:
            page.tag, page.modified = tag, None

    return asked


def test_a_part_that_is_whole_is_not_fetched_again(get, web, tmp_path):
    (tmp_path / "model.pkl.part").write_bytes(DATA)
    note = {"address": web.url("/model.pkl"), "mark": '"one"'}
    (tmp_path / "model.pkl.part.json").write_text(json.dumps(note))
    assert get(sha256=HASH).read_bytes() == DATA
    assert len(web.requests) == 1
    (tmp_path / "model.pkl.part").write_bytes(DATA + b"too much")
    (tmp_path / "model.pkl.part.json").write_text(json.dumps(note))
    assert get(sha256=HASH).read_bytes() == DATA


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"address": "https://elsewhere", "mark": "\\"one\\""}'])
def test_a_part_of_unknown_origin_is_not_continued(get, web, tmp_path, note):
    (tmp_path / "model.pkl.part").write_bytes(b"something")
    (tmp_path / "model.pkl.part.json").write_text(note)
    assert get(sha256=HASH).read_bytes() == DATA
    assert web.ranges == [None]


def test_a_wrong_hash(get, tmp_path):
    refused(f"deleted: SHA-256 {HASH} instead of {'0' * 64}", get, sha256="0" * 64)
    assert names(tmp_path) == []


def test_a_wrong_size(get, web, tmp_path):
    refused("offers 700,000 bytes and not the 5", get, size=5)
    web.pages["/model.pkl"].length = False
    refused("sent 700,000 bytes and not the 700,001", get, size=700_001)
    refused("sent 700,000 bytes and not the 5", get, size=5)
    assert not (tmp_path / "model.pkl").exists()


@pytest.mark.parametrize(
    "page",
    [
        Page(b"no file", kind="text/html; charset=utf-8"),
        Page(b"\n<!DOCTYPE html><title>Quota exceeded</title>"),
        Page(b"<HTML><body>virus scan warning"),
    ],
)
def test_a_web_page_instead_of_a_file(get, web, tmp_path, page):
    web.pages["/model.pkl"] = page
    refused(r"sends a web page and not a file.*graft models add", get)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "wants a login"), (403, "refuses this file"), (404, "has no such file"), (418, "answers 418")],
)
def test_answers_that_are_final(get, web, tmp_path, status, says):
    web.pages["/model.pkl"].status = status
    refused(f"model.pkl: the server {says}.*graft models add", get)
    assert get.pauses == []
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [503, 429])
def test_answers_that_may_change(get, web, status):
    web.pages["/model.pkl"].status = status
    refused(rf"the server answers {status} .*; later the same command", get)
    assert get.pauses == list(PAUSES)


def test_no_server(get, web):
    address = web.url("/model.pkl")
    web.close()
    refused(f"{address} cannot be fetched .*refused.*later the same command", get)


# -- addresses --------------------------------------------------------------------------------------------------------


def test_redirects_are_followed(get, web):
    web.pages["/old"] = Page(status=302, location="/older")
    web.pages["/older"] = Page(status=307, location=web.url("/model.pkl"))
    assert get("/old", sha256=HASH).read_bytes() == DATA


@pytest.mark.parametrize(
    "target",
    ["http://example.org/model.pkl", "file:///etc/passwd", "data:,x", "https://[", "//[::1"],
)
def test_redirects_to_anything_but_https_are_refused(get, web, tmp_path, target):
    web.pages["/old"] = Page(status=302, location=target)
    refused(r"leads elsewhere: .* is no https address", get, "/old")
    assert names(tmp_path) == []


def test_redirects_in_a_circle(get, web):
    web.pages["/old"] = Page(status=301, location="/old")
    refused(f"more than {REDIRECTS} times", get, "/old")
    assert len(web.requests) == REDIRECTS + 1


def test_nothing_but_https_is_fetched(tmp_path):
    for address in ("http://127.0.0.1/x", "file:///etc/passwd", "ftp://x/y", "x.pkl", "", "https:["):
        refused("is no https address", download, address, tmp_path / "x")


# -- the disk ---------------------------------------------------------------------------------------------------------


def test_no_room_for_the_file(get, monkeypatch, tmp_path):
    monkeypatch.setattr("graftlab.hardware.disk_usage", lambda path: type("Disk", (), {"free": 699_999}))
    refused(r"needs 700 KB and its disk has", get)
    assert not (tmp_path / "model.pkl").exists()
    monkeypatch.setattr("graftlab.hardware.disk_usage", lambda path: type("Disk", (), {"free": 700_000}))
    assert get().read_bytes() == DATA


@pytest.mark.parametrize(
    ("code", "says"), [(errno.ENOSPC, "disk is full"), (errno.EIO, r"part cannot be written \(Input/output error\)")]
)
def test_a_disk_that_fills_up(get, web, tmp_path, monkeypatch, code, says):
    def store(file, piece, path):
        if path.stat().st_size > 100_000:
            return original(Full(), piece, path)
        return original(file, piece[:50_001], path)

    class Full(io.RawIOBase):
        def write(self, piece):
            raise OSError(code, "Input/output error")

    original = module.store
    monkeypatch.setattr(module, "PIECE", 50_001)
    monkeypatch.setattr(module, "store", store)
    refused(f"{says}.*same command goes on", get)
    have = (tmp_path / "model.pkl.part").stat().st_size
    assert 100_000 < have < len(DATA)
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert get(sha256=HASH).read_bytes() == DATA
    assert web.ranges[-1] == f"bytes={have}-"


def test_ctrl_c_leaves_what_has_arrived(get, web, tmp_path):
    def interrupt(done, *_):
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(progress=interrupt)
    have = (tmp_path / "model.pkl.part").stat().st_size
    assert have > 100_000
    assert (tmp_path / "model.pkl.part").read_bytes() == DATA[:have]
    assert get(sha256=HASH).read_bytes() == DATA
    assert web.ranges[-1] in (f"bytes={have}-", None)
    assert names(tmp_path) == ["model.pkl"]
