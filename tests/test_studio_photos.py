"""What people drop on the studio: read by its content, or refused in one sentence that names it."""

import errno
import os
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from studio import MODEL, pixels, png
from test_hostile import FILES

from graftlab import images
from graftlab.editing.photo_index import index
from graftlab.studio import sessions


def refused(answer, naming, status=400):
    assert answer.status_code == status, answer.text
    (sentence,) = answer.json().values()
    assert naming in sentence
    assert "\n" not in sentence
    assert "/tmp" not in sentence, "no path of the server"
    return sentence


def test_a_photo_is_kept_by_its_content_and_shown_upright(studio):
    browser = studio.visit()
    assert [photo["name"] for photo in browser.get("/api/photos").json()] == [f"@{name}" for name in sessions.STARTERS]
    turned = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    Image.fromarray(pixels(png(1, 24, 48))).save(turned, "JPEG", exif=exif, quality=95)
    (photo,) = browser.add(turned.getvalue(), "turned.png").json()
    assert (photo["width"], photo["height"]) == (24, 48)
    whole, small = (browser.get(f"/api/photos/{photo['id']}{query}") for query in ("", "?side=12"))
    assert whole.headers["content-type"] == "image/png"
    assert small.headers["content-type"] == "image/webp"
    assert pixels(whole.content).shape == (48, 24, 3)
    assert pixels(small.content).shape == (24, 12, 3)
    (again,) = browser.add(turned.getvalue(), "other name.jpg").json()
    assert again == photo
    assert browser.ask("DELETE", f"/api/photos/{photo['id']}").status_code == 204
    refused(browser.get(f"/api/photos/{photo['id']}"), photo["id"], 404)


def bomb(width=40_000, height=40_000):
    """A PNG of few bytes that would be 4.8 GB."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    rows = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


HOSTILE = {
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "page.png": b"<!doctype html><script>alert(1)</script>",
    "empty.jpg": b"",
    "bomb.png": bomb(),
    "large.png": bomb(10_000, 6_000),  # below what the library reads, above what is taken here
    "cut.png": png()[:300],
    **{path.name: path.read_bytes()[: 1 << 20] for path in FILES},
}


def test_what_is_no_picture_is_refused_and_not_kept(studio):
    browser = studio.visit()
    browser.photos  # noqa: B018  # the visitor's folder is made
    before = sorted(studio.server.visitors.folder.rglob("*"))
    for name, data in HOSTILE.items():
        refused(browser.add(data, name), name)
        assert sorted(studio.server.visitors.folder.rglob("*")) == before, name
    assert len(browser.photos) == 3


def test_a_picture_that_is_a_page_too_is_only_sent_as_pixels(studio):
    """A polyglot: a browser that were given the file might find the page in it."""
    browser = studio.visit()
    (photo,) = browser.add(png() + b"<script>alert(1)</script>", "both.html").json()
    for query in ("", "?side=16"):
        sent = browser.get(f"/api/photos/{photo['id']}{query}")
        assert sent.headers["content-type"].startswith("image/")
        assert b"script" not in sent.content


def test_names_are_shown_and_never_used_as_paths(studio):
    visitor = studio.server.visitors.get("someone")
    for seed, (name, shown) in enumerate(
        {
            "../../../etc/cron.d/x.png": "x.png",
            "C:\\windows\\x.png": "x.png",
            "<script>alert(1)</script>.png": "script>.png",
            "a\x00b\u202egnp.exe": "abgnp.exe",
            "." * 300: "." * 200,
            "": "picture",
            "@peaks": "@peaks",
        }.items()
    ):
        assert sessions.shown(name) == shown
        photo = visitor.add(png(seed), name)
        assert photo.path.parent == visitor.folder
        assert photo.path.name == photo.id
        assert photo.source == ("./@peaks" if name == "@peaks" else shown), "in a command, no bundled photograph"


def test_a_camera_s_file_keeps_its_extension_and_no_other_does(studio, monkeypatch):
    def inspect(path, data, *names):
        return sessions.Photo(sessions.digest(data), "x", path, "x", 1, 1, 1)

    monkeypatch.setattr(sessions, "inspect", inspect)
    visitor = studio.server.visitors.get("someone")
    assert [visitor.add(bytes([i]), name).path.suffix for i, name in enumerate(["a.NEF", "b.html", "c.png"])] == [
        ".nef",
        "",
        "",
    ]


def test_shelves_are_bounded(studio, monkeypatch):
    browser = studio.visit()
    monkeypatch.setattr(sessions, "MOST_PHOTOS", 4)
    assert browser.add(png(1)).status_code == 200
    refused(browser.add(png(2), "one more.png"), "one more.png")
    monkeypatch.setattr(sessions, "MOST_PHOTOS", 300)
    monkeypatch.setattr(sessions, "LARGEST_FILE", 1000)
    assert len(png(3)) > 1000
    refused(browser.add(png(3), "large.png"), "large.png")
    monkeypatch.setattr(sessions, "LARGEST_FILE", 1 << 20)
    monkeypatch.setattr(sessions, "MOST_MASKS", 2)
    masks = [browser.post("/api/masks", files={"file": ("m.png", png(seed))}).json()["id"] for seed in range(3)]
    assert [browser.get(f"/api/masks/{mask}").status_code for mask in masks] == [404, 200, 200]


def test_a_full_disk_is_said(studio, monkeypatch):
    browser = studio.visit()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    sentence = browser.add(png(1)).json()["error"]
    assert "no space left" in sentence
    assert len(browser.photos) == 3


def test_nobody_sees_another_s(studio):
    one, other = studio.visit(), studio.visit()
    (photo,) = one.add(png(5)).json()
    mask = one.post("/api/masks", files={"file": ("m.png", png(6))}).json()["id"]
    job = one.post("/api/jobs", json={"kind": "render", "scene": one.swap()}).json()["id"]
    assert photo["id"] not in other.photos
    assert other.get("/api/jobs").json() == []
    for path in (f"photos/{photo['id']}", f"masks/{mask}", f"jobs/{job}", f"jobs/{job}/result"):
        assert other.get(f"/api/{path}").status_code == 404
    with other.live() as live:
        live.ask({**other.swap(), "structure": photo["id"]})
        assert photo["id"] in live.answer()[0]["error"]


def test_all_that_visitors_brought_is_removed_at_the_end(studio):
    browser = studio.visit()
    browser.add(png(1))
    folder: Path = studio.server.visitors.folder
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 1
    studio.server.close()
    assert not folder.exists()


def test_visitors_who_have_gone_make_room(studio, monkeypatch):
    monkeypatch.setattr(sessions, "MOST_VISITORS", 2)
    visitors = [studio.server.visitors.get(name) for name in "abc"]
    assert [visitor.folder.exists() for visitor in visitors] == [False, True, True]


def test_places_are_selected_and_shown_as_a_mask(studio):
    browser = studio.visit()
    photo = browser.photos[0]
    wanted = {"model": MODEL, "picture": photo, "places": [[0.5, 0.25]], "threshold": 0.5}
    mask = browser.post("/api/select", json=wanted).json()
    found = pixels(browser.get(f"/api/masks/{mask['id']}").content)
    assert found.shape == (256, 384, 3)
    assert found[64, 192].min() > 128
    refused(browser.post("/api/select", json={**wanted, "places": [[2, 0]]}), "outside")


def test_a_picture_of_ours_tells_how_it_was_made(studio, tmp_path):
    path = images.write(images.read(png()), tmp_path / "x.png", {"command": "graft swap", "scene": {"kind": "swap"}})
    (photo,) = studio.visit().add(path.read_bytes(), "x.png").json()
    assert photo["recipe"] == {"command": "graft swap", "scene": {"kind": "swap"}}


def test_a_recipe_that_nobody_can_tell_does_no_harm(studio):
    browser = studio.visit()
    for number, recipe in enumerate(
        ('{"a": NaN}', '{"a": ' + "[" * 5000 + "]" * 5000 + "}", '{"a": "\\ud800"}', "[" * 10**5)
    ):
        info, data = PngInfo(), BytesIO()
        info.add_itxt("graftlab", recipe)
        Image.fromarray(pixels(png(number))).save(data, "PNG", pnginfo=info)
        (photo,) = browser.add(data.getvalue()).json()
        assert photo["recipe"] is None, recipe[:20]
    assert len(browser.photos) == 7


def test_a_document_that_is_no_text_is_refused(studio):
    browser = studio.visit()
    data = '{"document": {"a": "\\ud800"}}'
    refused(browser.post("/api/session", content=data, headers={"content-type": "application/json"}), "cannot be saved")


def test_a_session_is_one_file_that_any_visitor_opens(studio):
    one, other = studio.visit(), studio.visit()
    (photo,) = one.add(png(7), "mine.png").json()
    mask = one.post("/api/masks", files={"file": ("m.png", png(6))}).json()["id"]
    document = {"swap": {"structure": photo["id"]}}
    saved = one.post(
        "/api/session", json={"document": document, "photos": [one.photos[0], photo["id"]], "masks": [mask]}
    )
    assert "session.graft.json" in saved.headers["content-disposition"]
    other.ask("DELETE", f"/api/photos/{other.photos[0]}")
    opened = other.post("/api/session/open", files={"file": ("my session.graft.json", saved.content)}).json()
    assert opened["document"] == document
    assert [each["name"] for each in opened["photos"]] == ["@peaks", "mine.png"]
    assert [each["id"] for each in opened["masks"]] == [mask]
    assert np.array_equal(pixels(other.get(f"/api/photos/{photo['id']}").content), pixels(png(7)))
    for broken in (b"{}", b"[" * 100_000, saved.content[:-50], png()):
        refused(other.post("/api/session/open", files={"file": ("x.json", broken)}), "x.json")


def test_photos_of_a_collection_that_are_like_one_come_to_the_shelf(studio, model, photos, tmp_path):
    browser = studio.visit()
    (mine,) = (photo["id"] for photo in browser.add((photos / "hill.png").read_bytes()).json())
    before, asked = browser.photos, {"model": MODEL, "part": "texture", "count": 2}
    assert browser.get("/api/library").json() == {"there": False}
    refused(browser.post(f"/api/photos/{mine}/like", json=asked), "start it with --index")
    studio.server.index = index(model, photos, 32).save(tmp_path / "i.safetensors")
    assert browser.get("/api/library").json() == {"there": True}
    found = browser.post(f"/api/photos/{mine}/like", json=asked).json()
    assert {photo["name"] for photo in found} == {"lake at dusk.jpg", "海.png"}
    assert browser.photos == [*before, *(photo["id"] for photo in found)]
    (photos / "海.png").unlink()
    refused(browser.post(f"/api/photos/{mine}/like", json=asked), "海.png")
