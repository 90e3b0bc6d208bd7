"""Pictures as tiles and a page: every pixel, every level, and a browser that shows them from a file."""

import json
import re
import shutil

import numpy as np
import pytest
from claims import refused
from PIL import Image

from graftlab.figures import deepzoom
from graftlab.figures.sheets import Layout

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def smooth(width, height):
    """A picture (height, width, 3) that JPEG keeps well, each place another colour."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / width, y * 255 / height, 255 - x * 255 / width], -1).astype(np.uint8)


def in_strips(pixels, *heights):
    ends = np.cumsum(heights)
    return np.split(pixels, ends)


def level(folder, number):
    """A level, put together from its tiles."""
    tiles = {tuple(map(int, path.stem.split("_"))): path for path in (folder / str(number)).iterdir()}
    across, down = (max(numbers) + 1 for numbers in zip(*tiles, strict=True))
    assert len(tiles) == across * down
    rows = [
        np.concatenate([np.asarray(Image.open(tiles[column, row])) for column in range(across)], 1)
        for row in range(down)
    ]
    return np.concatenate(rows)


@pytest.mark.parametrize(("width", "height"), [(600, 517), (256, 256), (257, 1), (1, 1)])
def test_every_level_is_the_picture_at_half_the_size_of_the_next(tmp_path, width, height):
    pixels = smooth(width, height)
    deepzoom.write([pixels], (width, height), tmp_path / "x.html")
    folder = tmp_path / "x_files"
    top = deepzoom.top((width, height))
    assert sorted(int(path.name) for path in folder.iterdir()) == list(range(top + 1))
    assert 2**top >= max(width, height) > 2**top / 2
    want = pixels
    for number in range(top, -1, -1):
        have = level(folder, number)
        assert have.shape == want.shape
        assert np.abs(have.astype(int) - want).max() <= 16  # JPEG, of steep colours where the picture is small
        want = deepzoom.halved(want)
    assert want.shape[:2] == (1, 1)
    assert {path.suffix for path in tmp_path.iterdir()} == {".html", ".dzi", ""}


def test_how_it_is_cut_into_strips_changes_nothing(tmp_path):
    pixels = smooth(300, 700)
    for name, strips in (("a", [pixels]), ("b", in_strips(pixels, 1, 255, 3, 400)), ("c", np.split(pixels, 700))):
        deepzoom.write(strips, (300, 700), tmp_path / f"{name}.html")
    a, b, c = (
        {path.relative_to(tmp_path / f"{name}_files"): path.read_bytes() for path in tmp_path.glob(f"{name}_files/*/*")}
        for name in "abc"
    )
    assert len(a) > 8
    assert a == b == c


def test_halving_rounds_up_and_repeats_the_border():
    pixels = np.array([[0, 4, 10], [2, 8, 20], [100, 200, 40]], np.uint8)[..., None].repeat(3, 2)
    assert deepzoom.halved(pixels)[..., 0].tolist() == [[4, 15], [150, 40]]


def test_the_descriptor_and_the_page_name_the_tiles(tmp_path):
    page = deepzoom.write([smooth(40, 30)], (40, 30), tmp_path / "x.html", "A < B", {"rows": ["</script>"]})
    assert 'Width="40" Height="30"' in (tmp_path / "x.dzi").read_text()
    text = page.read_text()
    assert "<title>A &lt; B</title>" in text
    told = json.loads(re.search(r"const picture = (.*);</script>", text)[1])
    assert told["grid"] == {"rows": ["</script>"]}
    assert (told["width"], told["height"], told["tiles"], told["maxLevel"]) == (40, 30, "x_files", 6)
    assert "Redistribution and use" in (deepzoom.VIEWER.parent / "LICENSE.txt").read_text()


def test_earlier_tiles_are_replaced_and_those_of_a_killed_call_removed(tmp_path):
    page = tmp_path / "x.html"
    deepzoom.write([smooth(600, 600)], (600, 600), page)
    (tmp_path / ".x_files.part" / "3").mkdir(parents=True)
    deepzoom.write([smooth(30, 30)], (30, 30), page)
    assert not (tmp_path / "x_files" / "10").exists()
    assert not (tmp_path / ".x_files.part").exists()


@pytest.mark.parametrize("killed", ["never", "while replacing", "while removing", "by an earlier version"])
def test_a_page_is_replaced_and_what_is_no_tile_stays(tmp_path, killed):
    page, tiles = deepzoom.write([smooth(600, 600)], (600, 600), tmp_path / "x.html"), tmp_path / "x_files"
    (tiles / "notes.txt").write_text("mine")
    (tiles / "10" / "Thumbs.db").write_text("the system's")
    if killed == "while replacing":
        tiles.rename(tmp_path / ".x_files.earlier")
    if killed == "while removing":
        shutil.copytree(tiles, tmp_path / ".x_files.earlier")
        shutil.rmtree(tmp_path / ".x_files.earlier" / "0")
        (tiles / "notes.txt").unlink()
    if killed == "by an earlier version":  # which removed tiles in their place, and then took the rest for another's
        shutil.rmtree(tiles / "0")
    deepzoom.write([smooth(30, 30)], (30, 30), page)
    kept = {path.relative_to(tiles).as_posix(): path for path in tiles.rglob("*") if path.suffix not in (".jpg", "")}
    assert {name: path.read_text() for name, path in kept.items()} == {
        "notes.txt": "mine",
        "10/Thumbs.db": "the system's",
    }
    assert {path.parent.name for path in tiles.glob("*/*.jpg")} == {str(number) for number in range(6)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.dzi", "x.html", "x_files"]


@pytest.mark.parametrize("strips", [[smooth(20, 29)], [smooth(20, 31)], [smooth(19, 30)], []])
def test_wrong_strips_leave_the_earlier_picture(tmp_path, strips):
    page = deepzoom.write([smooth(20, 30)], (20, 30), tmp_path / "x.html")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    refused("strips", deepzoom.write, strips, (20, 30), page)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "x_files").mkdir()
    refused("holds no tiles", deepzoom.write, [smooth(20, 30)], (20, 30), tmp_path / "x.html")
    refused(r"\.html", deepzoom.write, [smooth(20, 30)], (20, 30), tmp_path / "x.png")


def test_memory_is_that_of_some_rows(tmp_path):
    width, height = 512, 20_000
    fed = 0

    def strips():
        nonlocal fed
        for _ in range(height // 100):
            fed += 100
            yield np.zeros((100, width, 3), np.uint8)
            kept = sum(level.waiting.nbytes for level in levels)
            assert kept <= 3 * width * 3 * deepzoom.TILE

    levels = []
    original = deepzoom._Level.__init__

    def watched(self, *arguments):
        levels.append(self)
        original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deepzoom._Level, "__init__", watched)
        deepzoom.pyramid(strips(), (width, height), tmp_path / "tiles")
    assert fed == height
    assert len(levels) == 16


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_shows_it_from_a_file(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    layout = Layout(6, 6, 96, 96, [f"r{i}" for i in range(6)], [f"c{i}" for i in range(6)], "a sheet")
    width, height = layout.size
    folder = tmp_path / "näh & 100% # x"  # what a page's address has to spell out
    folder.mkdir()
    page = deepzoom.write([smooth(width, height)], (width, height), folder / "a #1.html", grid=layout.grid())
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 800, "height": 600})
        wrong: list[str] = []
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("requestfailed", lambda request: wrong.append(request.url))
        tab.goto(page.as_uri())
        tab.wait_for_function("viewer.world.getItemAt(0)?.getFullyLoaded()")
        tab.evaluate("viewer.viewport.fitBounds(new OpenSeadragon.Rect(0.5, 0.5, 0.2, 0.2), true)")
        tab.wait_for_function("viewer.world.getItemAt(0).getFullyLoaded() && !viewer.isAnimating?.()")
        tab.wait_for_timeout(200)
        tab.mouse.move(400, 300)
        tab.wait_for_function("document.getElementById('place').textContent")
        place = tab.inner_text("#place")
        tab.screenshot(path=tmp_path / "shot.png")
        browser.close()
    assert wrong == []
    row, column = int((0.6 * width - layout.top) // 100), int((0.6 * width - layout.left) // 100)
    assert place == f"r{row} · c{column}"
    seen = np.asarray(Image.open(tmp_path / "shot.png").convert("RGB")).astype(int)[300, 400]
    assert np.abs(seen - smooth(width, height)[int(0.6 * width), int(0.6 * width)]).max() <= 8


def test_a_checkout_without_the_viewer_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr(deepzoom, "VIEWER", tmp_path / "openseadragon.min.js")
    refused("make javascript", deepzoom.check, tmp_path / "x.html")
