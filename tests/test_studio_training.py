"""Trainings that the studio starts: only on the machine itself, stopped with what they have, resumed."""

import time
from io import BytesIO

import pytest
from PIL import Image
from studio import png

from graftlab.studio.trainings import Plan, Trainings


def until(browser, id, test, seconds=300, failing=False):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told = browser.get(f"/api/trainings/{id}").json()
        if test(told):
            return told
        assert failing or told["state"] != "failed", told
        time.sleep(0.2)
    raise AssertionError(told)


@pytest.fixture
def here(studio, tmp_path):
    """A visitor of a studio for this machine alone, and a folder of photos."""
    studio.server.trainings.close()
    studio.server.trainings = Trainings(local=True)
    photos = tmp_path / "-photos"
    photos.mkdir()
    for number in range(8):
        (photos / f"{number}.png").write_bytes(png(number))
    return studio.visit(), photos


def ended(told):
    return told["state"] not in ("running", "stopping")


def test_a_training_is_stopped_and_resumed(here, tmp_path, monkeypatch):
    words = Plan.words.fget
    monkeypatch.setattr(Plan, "words", property(lambda plan: [*words(plan), "--record-every", "8"]))
    browser, photos = here
    run = tmp_path / "run"
    plan = {"kind": "train", "photos": str(photos), "run": str(run), "preset": "tiny", "images": 10**7, "batch": 4}
    started = browser.post("/api/trainings", json=plan).json()
    again = browser.post("/api/trainings", json=plan)
    assert "already" in again.json()["error"]
    told = until(browser, started["id"], lambda told: told["sheet"] and told["figures"])
    assert told["images"] == 10**7
    sheet = browser.get(f"/api/trainings/{started['id']}/sheet")
    assert Image.open(BytesIO(sheet.content)).format == "JPEG"
    assert browser.ask("DELETE", f"/api/trainings/{started['id']}").json()["state"] in ("stopping", "stopped")
    stopped = until(browser, started["id"], ended)
    assert stopped["state"] == "stopped"
    assert list((run / "states").iterdir()), "it has saved"
    assert browser.post("/api/trainings", json=plan).json()["state"] == "running", "the same command goes on"
    assert len(browser.get("/api/trainings").json()["trainings"]) == 2


def test_photos_are_looked_through_and_a_command_that_fails_tells_why(here, monkeypatch):
    browser, photos = here
    plan = {"kind": "scan", "photos": str(photos)}
    told = browser.post("/api/trainings", json=plan).json()
    assert "8" in until(browser, told["id"], ended)["text"]
    monkeypatch.setattr(Plan, "words", property(lambda plan: ["models", "remove", "nonsense"]))
    wrong = browser.post("/api/trainings", json=plan).json()
    told = until(browser, wrong["id"], ended, failing=True)
    assert (told["state"], "nonsense" in told["error"]) == ("failed", True), told


def test_others_may_not_train(studio):
    browser = studio.visit()
    for answer in (browser.get("/api/trainings"), browser.post("/api/trainings", json={"kind": "scan", "photos": "/"})):
        assert answer.status_code == 400
        assert "on the machine itself" in answer.json()["error"]
