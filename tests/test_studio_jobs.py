"""Long work: its states, its results, and scenes as lines to copy that draw the same picture."""

import errno
import os
import shlex
import threading
import time
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from planted_words import Colours
from studio import MODEL, pixels

import graftlab
from graftlab import cli, language
from graftlab.cli import words as cli_words
from graftlab.images import read_recipe
from graftlab.inversion.guidance import Guiding
from graftlab.studio import jobs, networks
from graftlab.studio.orders.render import Render

pytestmark = pytest.mark.usefixtures("small_features")

PHRASES = [{"text": "red", "gain": 1}, {"text": "blue", "neutral": "grey", "gain": -0.5}]
ENDED = ("done", "failed", "cancelled")


def ended(browser, job, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        told = browser.get(f"/api/jobs/{job['id']}").json()
        if told["state"] in ENDED:
            return told
        time.sleep(0.01)
    raise AssertionError(told)


def rendered(browser, scene, **more):
    """The bytes of the file in which a scene is saved."""
    job = browser.post("/api/jobs", json={"kind": "render", "scene": scene, **more}).json()
    assert ended(browser, job)["state"] == "done", ended(browser, job)
    result = browser.get(f"/api/jobs/{job['id']}/result")
    assert f'filename="{job["file"]}"' in result.headers["content-disposition"]
    return result.content


def left_half(browser):
    """The id of a mask, and its PNG."""
    half = np.zeros((64, 96), np.uint8)
    half[:, :48] = 255
    data = BytesIO()
    Image.fromarray(half).save(data, "PNG")
    return browser.post("/api/masks", files={"file": ("mask.png", data.getvalue())}).json()["id"], data.getvalue()


@pytest.fixture
def edited(studio):
    """A visitor, and a scene with everything in it."""
    browser = studio.visit()
    photos = browser.photos
    mask, data = left_half(browser)
    scene = {
        "kind": "edit",
        "model": MODEL,
        "picture": photos[0],
        "texture": photos[1],
        "amount_texture": 0.5,
        "amount_structure": 0.25,
        "size": 48,
        "seed_texture": 3,
        "directions": [{"file": MODEL, "name": "hour", "gain": 1.5, "mask": mask, "soft": 12}],
        "components": [
            {"part": "structure", "index": 1, "gain": 1},
            {"part": "texture", "index": 0, "gain": -1, "mask": mask},
        ],
        "regions": [{"mask": mask, "texture": photos[2], "amount": 0.75}],
    }
    return browser, scene, mask, data


@pytest.fixture
def colours(monkeypatch):
    """A text model of three words, wherever one is opened, which pictures follow for a few steps."""
    monkeypatch.setattr(graftlab, "guide", partial(graftlab.guide, settings=Guiding(steps=25)))
    for module in (networks, cli_words, language):
        name = "open_text_model" if module is cli_words else "text_model"
        monkeypatch.setattr(module, name, lambda *given, **more: Colours())


@pytest.mark.parametrize("kind", ["swap", "mixed", "edit", "sharp", "said"])
def test_lines_to_copy_draw_what_is_saved(edited, kind, tmp_path, monkeypatch, colours):
    browser, edit, mask, picture = edited
    scene = {
        "swap": browser.swap(),
        "mixed": browser.swap(amount_texture=0.75, amount_structure=0.5, square=True, size=40),
        "edit": edit,
        "sharp": {**edit, "refine": 2},
        "said": {**edit, "phrases": PHRASES},
    }[kind]
    saved = pixels(rendered(browser, scene))
    assert saved.shape == {"swap": (256, 384, 3), "mixed": (40, 40, 3), "edit": (48, 72, 3)}.get(kind, (48, 72, 3))
    monkeypatch.chdir(tmp_path)
    Path(f"mask-{mask}.png").write_bytes(picture)
    command, python = (browser.post(f"/api/{what}", json=scene).json()["text"] for what in ("command", "python"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for line in (
        lambda: max(cli.run(shlex.split(each)[1:]) for each in command.split(" && ")),
        lambda: exec(python, {}),
    ):
        assert line() in (0, None)
        (made,) = tmp_path.glob("*[tp].png")
        assert np.array_equal(pixels(made.read_bytes()), saved), (command, python)
        made.unlink()


def test_every_part_of_an_edit_does_something(edited, colours):
    browser, scene, *_ = edited
    with browser.live() as live:
        whole = live.picture(scene)
        scene["phrases"] = [{**PHRASES[0], "gain": 2}]
        assert live.picture(scene) == whole, "not yet"
        assert live.answer()[0] == {"ready": "words"}
        whole, before = live.picture(scene), whole
        assert whole != before
        without = {
            "phrases": [],
            "regions": [],
            "directions": [],
            "components": [],
            "seed_texture": None,
            "amount_structure": 0,
        }
        for name, nothing in without.items():
            assert live.picture({**scene, name: nothing}) != whole, name
        (direction,) = scene["directions"]
        for change in ({"soft": 0}, {"mask": None}, {"gain": 0}):
            assert live.picture({**scene, "directions": [{**direction, **change}]}) != whole, change
        live.ask({**scene, "components": [{"part": "texture", "index": 900, "gain": 1}]})
        assert "component 901" in live.answer()[0]["error"]


def test_a_saved_picture_tells_its_scene(studio):
    browser = studio.visit()
    for kind in ("png", "jpg", "webp", "tif"):
        recipe = read_recipe(rendered(browser, browser.swap(size=32), format=kind))
        assert recipe["scene"] | browser.swap(size=32) == recipe["scene"], kind
        assert list(recipe["photos"].values()) == ["@peaks", "@hilltop-sunset"]
        assert recipe["command"] == f"graft swap @peaks @hilltop-sunset -o swap.png --size 32 --model {MODEL}"


def test_a_sheet_of_all_is_that_of_the_command_and_of_python(studio, tmp_path, monkeypatch):
    browser = studio.visit()
    photos = browser.photos
    order = {"kind": "sheet", "model": MODEL, "structures": photos[:2], "textures": photos}
    job = ended(browser, browser.post("/api/jobs", json=order).json())
    assert (job["state"], job["done"], job["total"]) == ("done", 6, 6)
    sheet = pixels(browser.get(f"/api/jobs/{job['id']}/result").content)
    assert sheet.shape[0] < sheet.shape[1]
    monkeypatch.chdir(tmp_path)
    for told, carry_out in (("command", lambda text: cli.run(shlex.split(text)[1:])), ("python", exec)):
        carry_out(browser.post(f"/api/{told}", json=order).json()["text"])
        assert np.array_equal(pixels(Path("sheet.png").read_bytes()), sheet), told
        Path("sheet.png").unlink()
    refused = browser.post("/api/jobs", json={**order, "structures": ["../../etc/passwd"]})
    assert refused.status_code == 422


def test_words_lead_to_a_texture_that_is_kept_with_the_session(studio, colours):
    browser = studio.visit()
    scene = {"kind": "edit", "model": MODEL, "picture": browser.photos[0]}
    with browser.live() as live:
        plain = live.picture(scene)
        job = browser.post(
            "/api/jobs", json={"kind": "guide", "scene": scene, "text": ["red"], "neutral": "grey"}
        ).json()
        assert ended(browser, job)["state"] == "done", ended(browser, job)
        found = ended(browser, job)["found"]
        guided = live.picture({**scene, "found": found})
        redder = [np.subtract(*pixels(each).mean((0, 1))[[0, 2]]) for each in (plain, guided)]
        assert redder[1] > redder[0]
        assert live.picture({**scene, "found": found, "amount_texture": 0}) == plain
    document = {"document": {}, "photos": browser.photos[:1], "codes": [found]}
    file = browser.post("/api/session", json=document).content
    other = studio.visit()
    with other.live() as live:
        live.ask({**scene, "found": found})
        assert "guide the picture again" in live.answer()[0]["error"]
        other.post("/api/session/open", files={"file": ("my.graft.json", file)})
        assert live.picture({**scene, "found": found}) == guided
    assert "Python" in browser.post("/api/command", json={**scene, "found": found}).json()["error"]
    assert "codes" in read_recipe(rendered(browser, {**scene, "found": found}))
    kept = browser.get(f"/api/jobs/{job['id']}/result").content
    taken = browser.post("/api/codes", files={"file": ("mine.safetensors", kept)}).json()
    assert taken == {"id": found, "kind": "SwapCodes", "model": MODEL}
    refused = browser.post("/api/codes", files={"file": ("mine.safetensors", b"nothing")})
    assert refused.json()["error"].startswith("mine.safetensors"), "by its own name"


def test_words_lead_a_part_of_a_picture(studio, colours):
    browser = studio.visit()
    scene = {"kind": "edit", "model": MODEL, "picture": browser.photos[0]}
    mask, _ = left_half(browser)
    order = {"kind": "guide", "text": ["red sea"], "avoid": ["blue"], "neutral": "grey", "mask": mask, "soft": 0}
    job = ended(browser, browser.post("/api/jobs", json={**order, "scene": scene}).json())
    assert job["state"] == "done", str(job)
    assert "'sea'" in job["notices"][0]
    with browser.live() as live:
        plain, led = (pixels(live.picture(each)).astype(float) for each in (scene, {**scene, "found": job["found"]}))
        changed = np.abs(led - plain).mean((0, 2))
        third = len(changed) // 3
        assert changed[:third].mean() > 3 * changed[-third:].mean()
        painted = {**scene, "regions": [{"mask": mask, "texture": browser.photos[1]}]}
        live.ask({**painted, "found": job["found"]})
        assert "undo one" in live.answer()[0]["error"]
    refused = browser.post("/api/jobs", json={**order, "scene": painted}).json()
    assert "undo one" in ended(browser, refused)["error"]


def test_words_that_are_not_known_are_told(studio, colours):
    browser = studio.visit()
    assert browser.post("/api/words", json={"text": "red"}).json() == {"notice": None}
    assert "'sea'" in browser.post("/api/words", json={"text": "red sea"}).json()["notice"]
    assert "none of the words" in browser.post("/api/words", json={"text": "sea"}).json()["error"]


class Endless(Render):
    """Work that goes on until somebody cancels it."""

    def carry_out(self, at, watch, out):
        with watch("waiting", 100) as progress:
            out.write_bytes(b"half")
            for done in range(10_000):
                progress(done)
                time.sleep(0.005)


def endless(studio, browser):
    scene = browser.swap()
    visitor = next(iter(studio.guard.visitors)) if browser is None else browser.cookie.rpartition("=")[2]
    return studio.server.jobs.start("endless", Endless(kind="render", scene=scene), studio.server.workspace(visitor))


def test_a_job_is_told_lets_pictures_pass_and_is_cancelled(studio):
    browser = studio.visit()
    with browser.live() as live:
        job = endless(studio, browser)
        states = []
        while not states or states[-1]["done"] < 1:
            states.append(live.answer()[0]["job"])
        assert states[0]["state"] == "running"
        assert {"total": 100, "note": "waiting", "kind": "endless"}.items() <= states[-1].items()
        assert live.picture(browser.swap())
        waiting = browser.post("/api/jobs", json={"kind": "render", "scene": browser.swap()}).json()
        assert browser.ask("DELETE", f"/api/jobs/{waiting['id']}").json()["state"] == "cancelled"
        assert [each["state"] for each in browser.get("/api/jobs").json()] == ["cancelled", "running"]
    browser.ask("DELETE", f"/api/jobs/{job.id}")  # the page has gone, and the job was still there
    assert ended(browser, job.told)["state"] == "cancelled"
    assert not job.out.exists()
    assert browser.get(f"/api/jobs/{job.id}/result").status_code == 404
    assert len(rendered(browser, browser.swap())) > 0, "the next one runs"


def test_visitors_jobs_come_in_turn(studio, monkeypatch):
    one, other = studio.visit(), studio.visit()
    order, release = [], threading.Event()
    carry_out = Render.carry_out

    def noted(self, at, *rest):
        release.wait(10)
        order.append(at.visitor.id)
        carry_out(self, at, *rest)

    monkeypatch.setattr(Render, "carry_out", noted)
    started = [
        (browser, browser.post("/api/jobs", json={"kind": "render", "scene": browser.swap(size=32)}).json())
        for browser in (one, one, one, other)
    ]
    release.set()
    assert all(ended(browser, job)["state"] == "done" for browser, job in started)
    first, second = (browser.cookie.rpartition("=")[2] for browser in (one, other))
    assert order in ([first, first, second, first], [first, second, first, first])


def test_a_full_disk_ends_a_job_with_a_sentence(studio, monkeypatch):
    browser = studio.visit()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    job = ended(browser, browser.post("/api/jobs", json={"kind": "render", "scene": browser.swap()}).json())
    assert job["state"] == "failed"
    assert "no space left" in job["error"]


def test_jobs_that_have_ended_make_room(studio, monkeypatch):
    monkeypatch.setattr(jobs, "KEPT", 2)
    browser = studio.visit()
    for _ in range(4):
        rendered(browser, browser.swap(size=32))
    left = browser.get("/api/jobs").json()
    assert len(left) == 3
    results = studio.server.visitors.get(browser.cookie.rpartition("=")[2]).folder / "results"
    assert {path.stem for path in results.iterdir()} == {job["id"] for job in left}


def test_models_are_listed_with_what_is_beside_them(studio):
    browser = studio.visit()
    models = browser.get("/api/models").json()
    assert [model["name"] for model in models] == ["landscapes-128", "landscapes-256"]
    assert [model["begins"] for model in models] == [True, False]
    card = browser.get(f"/api/models/{MODEL}").json()
    assert [each["name"] for each in card["directions"]] == ["hour", "season"]
    assert (card["components"], card["random"]) == ({"texture": 3, "structure": 3}, True)
    assert browser.get("/api/models/landscapes-256").json()["random"] is False
    assert browser.get("/api/models/%2Fetc%2Fpasswd").status_code == 404, "no file that was not given"
