"""The room Train in a browser: paths are typed, the cost is told, a training is watched and stopped."""

import shutil

import pytest

from graftlab.work.examples import examples

expect = pytest.importorskip("playwright.sync_api").expect


def test_a_training_is_started_watched_and_stopped(page, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in examples()[:6]:
        shutil.copy(path, photos)
    page.get_by_role("tab", name="Train").click()
    expect(page.get_by_role("button", name="Start")).to_be_disabled()
    page.get_by_label("Folder, zip or pack").fill(str(photos))
    page.get_by_role("button", name="Look through them").click()
    expect(page.locator(".found pre")).to_contain_text("6", timeout=120_000)
    page.get_by_label("Folder of the run").fill(str(tmp_path / "run"))
    page.get_by_label("Networks").select_option("tiny")
    for name, number in {"Size, pixels": "32", "In a batch": "32", "Images to see": "10000000"}.items():
        page.get_by_label(name).fill(number)
        page.get_by_label(name).press("Enter")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".chart").first).to_be_visible(timeout=240_000)
    expect(page.locator(".newest img")).to_be_visible()
    page.get_by_role("button", name="Stop and save").click()
    expect(page.get_by_role("button", name="Resume")).to_be_enabled(timeout=120_000)
    expect(page.locator(".run [role=status]")).to_contain_text("stopped and saved")
