"""A studio that runs, and tabs of a browser on it in which nothing may go wrong unseen."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from graftlab.checkpoints.load import load
from graftlab.editing.photo_index import index
from graftlab.work.examples import FOLDER

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SLOW = 60_000  # ms; a machine may have more to do


@pytest.fixture(scope="session")
def studio(pytestconfig, tmp_path_factory):
    """The address of a studio with the small model, which remembers from run to run what words mean to it."""
    photos = ("@peaks", "@autumn-hills", "@hilltop-sunset")
    model, file = load("landscapes-128", device="cpu"), tmp_path_factory.mktemp("library") / "i.safetensors"
    index(model, FOLDER, model.config.size).save(file)
    command = [sys.executable, "-m", "graftlab", "studio", *photos, "--no-browser", "-m", "landscapes-128"]
    command += ["--index", str(file)]
    env = {**os.environ, "GRAFTLAB_CACHE": str(pytestconfig.cache.mkdir("studio"))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as running:
        told = ""
        while not (found := re.search(r"http://\S+token=\S+", told)):
            line = running.stdout.readline()
            assert line, f"the studio did not start: {told}"
            told += line
        yield found[0]
        running.terminate()


@pytest.fixture(scope="module")  # Playwright keeps a loop running, which tests of other files could not stand
def chromium():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium, studio):
    """Opens a tab of a new visitor, with options of a context; errors of its page fail the test."""
    wrong, contexts = [], []

    def open_tab(prepare=lambda page: None, **options):
        contexts.append(chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(SLOW)
        page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        prepare(page)
        page.goto(studio)
        page.wait_for_selector("canvas[data-frame]")
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def page(tab):
    return tab()
