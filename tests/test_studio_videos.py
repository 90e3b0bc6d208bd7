"""Videos that are dropped on the studio: looked at, or refused; films of ours tell how they were made."""

from fractions import Fraction

import pytest
from studio import pixels
from test_studio_photos import HOSTILE, refused
from tiny import pictures

from graftlab.studio import videos
from graftlab.video.film import Film, render

RECIPE = {"scene": {"kind": "film"}, "photos": {}}


@pytest.fixture
def film(tmp_path):
    """Writes one of four frames, 0.4 seconds, and returns its bytes."""

    def write(name="clip.mp4", recipe=RECIPE):
        made = Film(4, Fraction(10), lambda number: pictures(1, 24, 36, number), recipe=recipe)
        return render(made, tmp_path / name, resume=False).read_bytes()

    return write


def test_a_video_is_kept_shown_small_and_forgotten(studio, film):
    browser, other = studio.visit(), studio.visit()
    video = browser.add_video(film(), "../my clip.mp4").json()
    assert (video["name"], video["width"], video["height"], video["fps"]) == ("my clip.mp4", 36, 24, 10)
    assert video["seconds"] == pytest.approx(0.4)
    assert browser.get("/api/videos").json() == [video] == [browser.add_video(film(), "again.mp4").json()]
    small = browser.get(f"/api/videos/{video['id']}")
    assert small.headers["content-type"] == "image/webp"
    assert pixels(small.content).shape == (160, 240, 3)
    refused(other.get(f"/api/videos/{video['id']}"), video["id"], 404)
    assert browser.ask("DELETE", f"/api/videos/{video['id']}").status_code == 204
    assert browser.get("/api/videos").json() == []
    assert not list(studio.server.visitors.folder.rglob(video["id"]))


def test_films_of_ours_tell_how_they_were_made(studio, film):
    browser = studio.visit()
    for name in ("film.mp4", "film.webm"):
        assert browser.add_video(film(name), name).json()["recipe"] == RECIPE
    for name in ("film.gif", "film.png"):
        assert browser.add(film(name), name).json()[0]["recipe"] == RECIPE


def test_what_is_no_video_is_refused_and_not_kept(studio, film, tmp_path):
    browser = studio.visit()
    assert browser.photos
    before = sorted(studio.server.visitors.folder.rglob("*"))
    hostile = {
        **HOSTILE,
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/clip.mp4\n#EXT-X-ENDLIST\n".encode(),
        "list.ffconcat": b"ffconcat version 1.0\nfile clip.mp4\n",
        "cut.mp4": film()[:600],
    }
    for name, data in hostile.items():
        refused(browser.add_video(data, name), name)
        assert sorted(studio.server.visitors.folder.rglob("*")) == before, name


def test_videos_are_bounded(studio, film, monkeypatch):
    browser = studio.visit()
    monkeypatch.setattr(videos, "LARGEST", 500)
    refused(browser.add_video(film(), "large.mp4"), "large.mp4")
