"""The page of `graft export web` in a browser, from a server of files alone: it draws what Python draws."""

import base64
import re
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from graftlab.editing.directions import Directions
from graftlab.exporting.web import export_web
from graftlab.images import read, to_uint8

pytest.importorskip("playwright.sync_api")
DRAW = """async (scene) => {
    const { drawn } = await import("./wire.js");
    const { bitmap } = await drawn(scene);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    return new Promise(async (done) => {
        const reader = new FileReader();
        reader.onload = () => done(reader.result);
        reader.readAsDataURL(await canvas.convertToBlob());
    });
}"""


@pytest.fixture
def served(tmp_path):
    """The folder of a page, and its address; the server's threads are not traced for coverage in their own process."""
    folder = tmp_path / "site"
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        port = re.search(r"port (\d+)", server.stdout.readline())[1]
        yield folder, f"http://localhost:{port}/"
        server.terminate()


def test_a_page_swaps_as_python_does_and_asks_nobody(chromium, served):
    folder, address = served
    model = tiny.model()
    vector = torch.linspace(-1, 1, model.config.texture_channels)[None]
    known = Directions(("hour",), vector, torch.zeros(vector.shape[1]), torch.zeros(1))
    export_web(model, folder, known)
    wrong, asked = [], []
    context = chromium.new_context()
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    context.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}?backend=wasm")
    page.wait_for_selector("canvas[data-frame]", timeout=60_000)
    assert not page.evaluate("crossOriginIsolated")  # the first picture has not waited for threads
    with page.expect_navigation():
        page.get_by_text("Use all processors").click()
    page.wait_for_selector("canvas[data-frame]", timeout=60_000)
    assert page.evaluate("crossOriginIsolated")
    scene = {"structure": "@peaks", "texture": "@autumn-hills", "size": 32, "square": False, "amount_structure": 0}
    data = page.evaluate(DRAW, {**scene, "amount_texture": 0.7, "directions": {"hour": 0.5}})
    context.close()
    drawn = np.asarray(Image.open(BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB"))
    a, b = (model.encode(read(folder / "photos" / f"{name}.png")) for name in ("peaks", "autumn-hills"))
    wanted = to_uint8(model.decode(known.apply(a.mix(b, texture=0.7), {"hour": 0.5})))[0]
    assert np.abs(drawn.astype(int) - wanted.astype(int)).max() <= 2
    assert {url for url in asked if not url.startswith((address, "blob:", "data:"))} == set()
    assert wrong == []


@pytest.mark.parametrize("name", ["site.json", "model/generator.onnx"])
def test_what_was_damaged_is_refused(chromium, served, name):
    folder, address = served
    export_web(tiny.model(), folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{address}?backend=wasm")
    page.get_by_text(f"{name} is missing, damaged or changed").wait_for(timeout=60_000)
    assert not page.query_selector("canvas[data-frame]")
    context.close()
