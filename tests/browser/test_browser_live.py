"""The room Live in a browser: a camera, a walk that is recorded and filmed, knobs of a controller, an audience."""

import json

import pytest
from conftest import CHROMIUM, SLOW
from test_browser_page import drop

from graftlab.studio.orders.show import ShowFile
from graftlab.studio.scenes.live import Live

expect = pytest.importorskip("playwright.sync_api").expect
MIDI = """
    const input = { name: "Knobs", state: "connected", onmidimessage: null };
    navigator.requestMIDIAccess = async () => ({ inputs: new Map([["1", input]]) });
    window.turn = (...data) => input.onmidimessage({ data });
"""


@pytest.fixture(scope="module")
def context(chromium, studio):
    """A visitor whose browser has a camera and a controller; errors of its pages fail the tests."""
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=["--no-sandbox", *camera])
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(SLOW)
    context.add_init_script(MIDI)
    wrong = []
    context.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    yield context
    browser.close()
    assert wrong == []


@pytest.fixture
def page(context, studio):
    page = context.new_page()
    page.sent = []  # what it asks for
    page.on("websocket", lambda socket: socket.on("framesent", lambda text: page.sent.append(text)))
    page.goto(f"{studio}#live")
    page.wait_for_selector(".room.live canvas[data-frame]")
    yield page
    page.close()


def frame(page):
    return int(page.locator("canvas").get_attribute("data-frame"))


def until(page, what):
    """Wait for something in JavaScript; the page's policy forbids Playwright's own way, which is eval."""
    for _ in range(SLOW // 50):
        if page.evaluate(what):
            return
        page.wait_for_timeout(50)
    raise AssertionError(what)


def goes_on(page, pictures=5):
    until(page, f"document.querySelector('canvas').dataset.frame >= {frame(page) + pictures}")


def test_a_walk_is_recorded_saved_and_filmed(page, tmp_path):
    goes_on(page)
    page.get_by_role("button", name="Record", exact=True).click()
    page.sent.clear()
    page.get_by_label("Texture", exact=True).fill("0.4")
    goes_on(page)
    page.get_by_label("Seconds", exact=True).fill("1.5")
    page.get_by_role("button", name="Mirror").click()
    goes_on(page, 10)  # more than are asked for below
    sent = [json.loads(text)["scene"] for text in page.sent if isinstance(text, str) and '"stage"' in text]
    page.get_by_role("button", name="Stop recording").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save show file").click()
    download.value.save_as(tmp_path / "show.json")
    show = ShowFile.model_validate_json((tmp_path / "show.json").read_text())
    played = show.played()
    asked = [scene for scene in sent if show.begins <= scene["time"] <= show.ends]
    assert len(asked) > 10
    for scene in asked:
        assert played(scene["time"]) == Live(**scene)
    assert [sorted(change) for _, change in show.events] == [["amount_texture"], ["walk"], ["mirror"]]
    assert set(show.photos.values()) >= {"@peaks", "@autumn-hills"}

    page.get_by_label("Show file").set_input_files(tmp_path / "show.json")
    page.get_by_label("Format").select_option("gif")
    page.get_by_label("Frames").select_option("12")
    with page.expect_download() as download:
        page.get_by_role("button", name="Film it").click()
    download.value.save_as(tmp_path / "show.gif")
    assert (tmp_path / "show.gif").read_bytes()[:4] == b"GIF8"
    drop(page, tmp_path / "show.gif")  # as it began
    expect(page.get_by_label("Texture, number")).to_have_value("1.00")
    expect(page.get_by_role("button", name="Mirror")).to_have_attribute("aria-pressed", "false")


def test_a_camera_is_seen_by_an_audience(context, page, studio):
    page.get_by_text("Camera", exact=True).click()
    page.get_by_text("nobody keeps them").wait_for()
    goes_on(page, 10)
    until(page, "Number(document.querySelector('.rate').firstChild.data) > 0")
    audience = context.new_page()
    audience.goto(f"{studio}#live?output=1")
    audience.wait_for_selector(".audience canvas[data-frame]")
    assert audience.locator(".audience").bounding_box() == {"x": 0, "y": 0, "width": 1280, "height": 800}
    assert audience.locator("canvas").evaluate("(canvas) => canvas.width / canvas.height") == pytest.approx(
        4 / 3, 0.02
    )  # not 3:2
    audience.close()


def test_a_knob_is_learnt_by_touch(page):
    page.get_by_role("button", name="Learn MIDI").click()
    page.get_by_label("hour", exact=True).focus()
    page.get_by_text("move a knob", exact=True).wait_for()
    page.evaluate("turn(0xb0, 7, 3)")
    page.get_by_text("1.cc7").wait_for()
    page.get_by_role("button", name="Done").click()
    for value, shown in ((127, "3.00"), (0, "−3.00")):
        page.evaluate(f"turn(0xb0, 7, {value})")
        expect(page.get_by_label("hour, number")).to_have_value(shown)
    page.evaluate("turn(0xb1, 7, 127)")  # another channel
    expect(page.get_by_label("hour, number")).to_have_value("−3.00")
