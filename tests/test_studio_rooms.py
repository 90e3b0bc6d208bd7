"""Panoramas and films of the studio: what is saved, shown and told is one and the same."""

import shlex
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence
from pydantic import TypeAdapter
from studio import MODEL, pixels
from test_studio_jobs import ended
from tiny import pictures

from graftlab import cli
from graftlab.images import to_uint8
from graftlab.studio.scenes import AnyScene
from graftlab.video.film import Film, render

pytestmark = pytest.mark.usefixtures("small_features")

VIDEO = {"kind": "footage", "fps": 10, "seconds": 0.6}
SHORT = {"kind": "film", "seconds": 0.5, "fps": 10}
SCENES = {
    "panorama": {"kind": "panorama", "overlaps": [0.5, 0.2]},
    "fading": {"kind": "panorama", "overlaps": [0.9, 0.1], "fade": 0.5, "texture": "mix", "square": True, "refine": 2},
    "dressed": {"kind": "panorama", "overlaps": [7, 0], "fade": 1, "texture": 1},
    "timeline": {**SHORT, "loop": True, "ease": "0=0,0.3=0.9,1=1", "ahead": 0.1, "square": True, "refine": 2},
    "ride": {**SHORT, "film": "ride", "loop": True, "speed": 0.5, "parallax": 0.5, "refine": 2},
    "video": {**VIDEO, "refine": 2},
    "video dressed": {**VIDEO, "loop": True, "ahead": 0.1, "square": True, "refine": 2},
    "video undressed": {**VIDEO, "ahead": -0.2},
    "dive": {**SHORT, "film": "dive", "zoom": 0.9, "rotate": 2, "novelty": 0.2, "refine": 2},
}


def scene_of(browser, name):
    a, b, c = browser.photos
    scene = {"model": MODEL, "size": 32, **SCENES[name]}
    if scene["kind"] == "footage":
        for number, each in enumerate(VIDEOS):
            made = Film(8 - number, Fraction(10), lambda frame, seed=number: pictures(1, 36, 48, 9 * seed + frame))
            render(made, each, resume=False)
        clip, other = (browser.add_video(Path(each).read_bytes(), each).json()["id"] for each in VIDEOS)
        keys = [{"at": 0.1}, {"at": 0.4, "photo": c}] if name == "video dressed" else []
        return {**scene, "video": clip, "textures": keys, "texture_video": other if name == "video undressed" else None}
    if scene["kind"] == "film":
        lanes = {
            "structures": [{"at": 0.1, "photo": a}, {"at": 0.3, "photo": b}],
            "textures": [{"at": 0.1}, {"at": 0.4, "photo": c}],
        }
        return scene | lanes
    texture = scene.get("texture")
    return scene | {"pictures": [a, b, a], "texture": c if texture == 1 else texture}


VIDEOS = ("clip.webm", "other.webm")


def frames(path):
    with Image.open(path) as picture:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)]


@pytest.mark.parametrize("name", SCENES)
def test_what_is_saved_shown_and_told_is_the_same(studio, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    browser = studio.visit()
    scene = scene_of(browser, name)
    kind = "render" if scene["kind"] == "panorama" else "film"
    job = browser.post("/api/jobs", json={"kind": kind, "scene": scene, "format": "png"}).json()
    assert ended(browser, job)["state"] == "done", ended(browser, job)
    Path("saved.png").write_bytes(browser.get(f"/api/jobs/{job['id']}/result").content)
    saved = frames("saved.png")
    assert len(saved) == {"panorama": 1, "footage": 6, "film": 5}[scene["kind"]]
    for language, carry_out in (("command", lambda text: cli.run(shlex.split(text)[1:])), ("python", exec_alone)):
        told = browser.post(f"/api/{language}", json=scene).json()["text"].replace(".mp4", ".png")
        carry_out(told)
        (made,) = (path for path in Path().glob("*.png") if path.name != "saved.png")
        found = frames(made)
        assert len(found) == len(saved), told
        assert all(map(np.array_equal, found, saved)), told
        made.unlink()
    if name in ("timeline", "ride", "video undressed"):
        at = studio.server.workspace(browser.cookie.rpartition("=")[2])
        for number in (0, 3):
            moment = TypeAdapter(AnyScene).validate_python({**scene, "moment": number / 10})
            (shown,) = to_uint8(moment.draw(at))  # alone: a batch is rounded otherwise
            assert np.abs(shown.astype(int) - saved[number]).max() <= 1


def exec_alone(text):
    exec(text, {})


def test_a_moment_of_a_dive_is_found_in_few_steps(studio):
    browser = studio.visit()
    with browser.live() as live:
        scene = {**scene_of(browser, "dive"), "seconds": 3, "fps": 30}
        last = pixels(live.picture({**scene, "moment": 3})).astype(int)
        first, finer = {"moment": 0}, {"moment": 3, "fps": 60, "zoom": 0.9**0.5, "rotate": 1}
        assert np.abs(last - pixels(live.picture({**scene, **first}))).mean() > 2
        assert np.abs(last - pixels(live.picture({**scene, **finer}))).mean() < 0.1


def test_scenes_that_make_no_sense_are_refused(studio):
    browser = studio.visit()
    panorama, film = scene_of(browser, "panorama"), scene_of(browser, "timeline")
    for scene, says in (
        ({**panorama, "overlaps": [1]}, "3 pictures have 2 overlaps"),
        ({**panorama, "pictures": panorama["pictures"][:1], "overlaps": []}, "two pictures or more"),
        ({**film, "structures": film["structures"][::-1]}, "one after the other"),
        ({**film, "structures": film["textures"]}, "of a photo"),
        ({**film, "ease": "slowly"}, "ease"),
    ):
        answer = browser.post("/api/command", json=scene)
        assert answer.status_code in (400, 422)
        assert says in answer.json()["error"]


def test_details_of_a_film_come_a_moment_later(studio):
    browser = studio.visit()
    scene = scene_of(browser, "timeline")
    with browser.live() as live:
        live.ask(scene)
        told, rough = live.answer()
        assert sorted(told["pending"]) == sorted(browser.photos)
        assert all("ready" in live.answer()[0] for _ in told["pending"])
        live.ask(scene)
        told, fine = live.answer()
        assert "pending" not in told
        assert fine != rough


def test_scenes_that_do_not_refine_say_so(studio):
    answer = studio.visit().post("/api/command", json={"kind": "blend", "model": MODEL, "refine": 5})
    assert answer.status_code == 422
    assert "refine" in answer.json()["error"]
