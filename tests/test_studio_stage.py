"""The room Live from the server's side: cameras, shows that are filmed as they were played, an audience, OSC."""

import json
import struct
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import pytest
import torch
from studio import HOST, MODEL, Live, pixels, png
from test_studio_jobs import ended
from tiny import pictures

from graftlab import cli, images
from graftlab.errors import GraftError
from graftlab.studio.orders.show import ShowFile
from graftlab.studio.osc import Hearing
from graftlab.studio.scenes import live
from graftlab.video.film import Film, render


@contextmanager
def stage(browser, path="stage"):
    with browser.client.websocket_connect(f"ws://{HOST}/api/{path}", headers={"cookie": browser.cookie}) as socket:
        yield Live(socket)


def camera(live, scene, frame, id=1):
    told = json.dumps({"view": "stage", "id": id, "scene": scene}).encode()
    live.socket.send_bytes(struct.pack("<I", len(told)) + told + frame)
    return live.answer()


def test_a_show_is_filmed_with_the_codes_that_were_played(studio, monkeypatch):
    browser = studio.visit()
    photos = browser.photos
    walk = {"photos": photos, "seconds": 0.7, "since": 0.1, "place": 0.25}
    first = {"kind": "live", "model": MODEL, "square": True, "walk": walk, "texture": photos[1], "amount_texture": 0.3}
    hour = {"file": MODEL, "name": "hour", "gain": 1.7}
    events = [(0.31, {"amount_texture": 0.7}), (0.52, {"directions": [hour], "mirror": True}), (0.8, {"texture": None})]
    times = [0.1 + number / 10 for number in range(12)]

    codes, whole = [], live.Live.codes

    def noted(self, at):
        codes.append(whole(self, at))
        return codes[-1]

    monkeypatch.setattr(live.Live, "codes", noted)
    with stage(browser) as page:
        assert set(page.answer()[0]) == {"stage", "osc"}
        for number, time in enumerate(times):  # as a page plays it: what has changed by then, and the time
            scene = first | {key: value for at, change in events if at <= time for key, value in change.items()}
            page.picture({**scene, "time": time}, id=number)
    played, codes = codes, []
    assert not torch.equal(played[0].structure, played[1].structure)
    show = {"begins": times[0], "ends": times[-1] + 0.1, "scene": first, "events": events}
    order = {"kind": "show", "show": show, "fps": 10, "format": "gif"}
    job = ended(browser, browser.post("/api/jobs", json=order).json(), 60)
    assert job["state"] == "done", job
    assert len(codes) == len(played)
    for one, other in zip(played, codes, strict=True):
        assert torch.equal(one.structure, other.structure)
        assert torch.equal(one.texture, other.texture)
    assert browser.get(f"/api/jobs/{job['id']}/result").content[:4] == b"GIF8"

    told = browser.post("/api/jobs", json={**order, "show": {**show, "events": [[0.5, {"walk": None}]]}}).json()
    assert "camera" in ended(browser, told)["error"]


def test_a_camera_is_drawn_and_watched(studio):
    browser, other = studio.visit(), studio.visit()
    scene = {"kind": "live", "model": MODEL, "texture": browser.photos[0]}
    with stage(browser) as page:
        name = page.answer()[0]["stage"]
        with stage(other, f"watch/{name}") as audience, stage(browser, "watch/1") as own:
            told, first = camera(page, scene, png(1, 32, 48))
            assert (told["id"], told["width"], told["height"]) == (1, 48, 32)
            assert audience.answer() == own.answer() == (told, first)
            with stage(other, f"watch/{name}") as late:
                assert late.answer() == (told, first)
            assert camera(page, scene, png(2, 32, 48))[1] != first
            mirrored = camera(page, {**scene, "mirror": True}, png(1, 32, 48))[1]
            same, turned = pixels(mirrored).astype(float), pixels(mirrored)[:, ::-1].astype(float)
            assert np.abs(turned - pixels(first)).mean() < 0.5 * np.abs(same - pixels(first)).mean()
            assert "camera" in camera(page, scene, b"<svg/>")[0]["error"]
    with stage(other, "watch/guessed") as audience:
        assert "no such stage" in audience.answer()[0]["error"]
    with browser.live() as page:
        page.ask(scene)
        assert "camera" in page.answer()[0]["error"]


def test_messages_of_osc_come_to_the_page(studio):
    from pythonosc.udp_client import SimpleUDPClient

    browser = studio.visit()
    assert browser.photos  # so that the server is there
    hearing = Hearing("127.0.0.1", 0)
    stages = studio.guard.app._api.result().state.stages
    stages.osc = hearing.port
    hearing.begin(stages.control)
    try:
        with stage(browser) as page:
            assert page.answer()[0]["osc"] == hearing.port
            client = SimpleUDPClient("127.0.0.1", hearing.port)
            client.send_message("/elsewhere", 1.0)
            client.send_message("/graftlab/hour", "much")
            client.send_message("/graftlab/hour", 0.5)
            assert page.answer()[0] == {"control": "hour", "value": 0.5}
        with pytest.raises(GraftError, match=f"{hearing.port}.*--osc"):
            Hearing("127.0.0.1", hearing.port)
    finally:
        hearing.close()
    assert cli.run(["studio", "--osc", "70000", "--no-browser"]) == 2


@pytest.mark.parametrize("time", [0, 3.999, 4, 9.5, 1e6])
def test_a_walk_goes_around(time):
    walk = live.Walk(photos=["0" * 16, "1" * 16, "2" * 16], seconds=4)
    first, second, share = walk.at(time)
    place = time / 4
    assert (int(first[0]), int(second[0])) == (int(place) % 3, (int(place) + 1) % 3)
    assert share == pytest.approx((place % 1) ** 2 * (3 - 2 * (place % 1)))


@pytest.mark.parametrize("source", ["walk", "film"])
def test_a_moment_as_python_is_the_moment(studio, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    browser = studio.visit()
    photos = browser.photos
    render(Film(9, Fraction(10), lambda number: pictures(1, 36, 48, number)), "clip.mp4")
    clip = browser.add_video((tmp_path / "clip.mp4").read_bytes()).json()
    assert (clip["seconds"], clip["fps"]) == (pytest.approx(0.9), 10)
    seen = {"photos": photos} if source == "walk" else {"video": clip["id"], "since": 0.2, "place": 0.3}
    scene = {
        "kind": "live", "model": MODEL, "square": True, source: seen, "time": 1.3, "texture": photos[2],
        "amount_texture": 0.25, "amount_structure": 0.5, "refine": 2,
        "directions": [{"file": MODEL, "name": "hour", "gain": 1}], "mirror": True, "size": 32,
    }  # fmt: skip
    job = ended(browser, browser.post("/api/jobs", json={"kind": "render", "scene": scene}).json())
    assert job["state"] == "done", job
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    exec(browser.post("/api/python", json=scene).json()["text"], {})
    saved = pixels(browser.get(f"/api/jobs/{job['id']}/result").content)
    assert np.array_equal(pixels((tmp_path / "live.png").read_bytes()), saved)
    assert images.read_recipe(tmp_path / "live.png")
    with stage(browser) as page:
        assert page.answer()[0]["stage"]
        shown = [page.picture({**scene, "refine": 0, "time": time}, id=id) for id, time in enumerate((1.3, 0.2, 1.3))]
    assert shown[0] == shown[2] != shown[1], "backwards too"


def test_events_before_the_beginning_do_not_turn_back_time():
    scene = {"kind": "live", "model": MODEL}
    show = ShowFile(begins=5, ends=6, scene=scene, events=[(5.5, {"mirror": True}), (5.2, {"mirror": False})])
    assert [show.played()(time).mirror for time in (5, 5.4, 5.5)] == [False, False, False]
