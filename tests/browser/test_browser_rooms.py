"""The rooms for panoramas and films in a browser: dragged, nudged, undone, saved and played."""

import re
from fractions import Fraction

import numpy as np
import pytest
from test_browser_page import difference, drop, part, photo, pixels

from graftlab import images
from graftlab.video.film import Film, render

expect = pytest.importorskip("playwright.sync_api").expect


LANES = ("structures", "textures")


def enter(page, room):
    page.evaluate(f"location.hash = '#{room}'")
    page.wait_for_selector(f".room.{room} canvas[data-frame]")
    pixels(page)
    page.wait_for_timeout(400)


def drag(page, start, end, steps=8):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=steps)
    page.mouse.up()


def middle(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_panorama_is_arranged_by_hand_and_saved(page, tmp_path):
    enter(page, "panorama")
    first = pixels(page)
    order = [item["photo"] for item in part(page, "panorama")["items"]]
    canvas = page.locator(".panorama .box canvas").bounding_box()
    seam = canvas["x"] + canvas["width"] * (1.5 - 0.25) / (4.5 - 1), canvas["y"] + canvas["height"] / 2
    drag(page, seam, (seam[0] - 60, seam[1]))  # the second picture goes farther under the first
    dragged = part(page, "panorama")["items"]
    assert 0.6 < dragged[0]["overlap"] < 0.9
    assert dragged[1]["overlap"] == 0.5
    assert difference(pixels(page), first) > 2
    page.keyboard.press("Control+z")  # one step, however often the pointer moved
    assert np.array_equal(pixels(page), first)
    places = page.locator(".place")
    last = middle(places.nth(2))
    drag(page, middle(places.nth(0)), (last[0] + 30, last[1]))
    assert [item["photo"] for item in part(page, "panorama")["items"]] == [*order[1:], order[0]]
    places.nth(2).focus()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Delete")
    assert [item["photo"] for item in part(page, "panorama")["items"]] == order[1:]
    page.get_by_text("Cross-fade").click()
    drop(page, photo(tmp_path))
    expect(places).to_have_count(3)
    made = part(page, "panorama")
    assert made["fade"] == 0.5
    page.get_by_label("Width of the saved panorama, pixels").fill("800")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Size").locator("option:checked")).to_have_text(re.compile(r"^(79\d|80\d) × \d+$"))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save panorama").click()
    path = tmp_path / "saved.png"
    saved.value.save_as(path)
    assert images.read(path).shape[3] == pytest.approx(800, abs=20)  # in whole cells
    page.get_by_text("Each its own").click()
    page.get_by_text("Where alike").click()
    drop(page, path)  # restores what made it
    page.get_by_text("Open as it was made.").wait_for()
    restored = part(page, "panorama")
    assert restored["fade"] == 0.5
    assert [item["photo"] for item in restored["items"]] == [item["photo"] for item in made["items"]]


def test_a_film_is_arranged_by_hand_rendered_and_played(page, tmp_path):
    enter(page, "film")
    first = pixels(page)
    keys = page.locator(".lane.structure .key")
    ruler = page.locator(".ruler").bounding_box()
    page.mouse.click(ruler["x"] + ruler["width"] / 4, ruler["y"] + 8)
    expect(page.locator(".time")).to_have_text("2.00 s")
    moved = pixels(page)
    assert difference(moved, first) > 2
    drag(page, middle(keys.nth(1)), (ruler["x"] + ruler["width"] / 2 + ruler["width"] / 8, middle(keys.nth(1))[1]))
    assert part(page, "film")["structures"][1]["at"] == pytest.approx(5, abs=0.1)
    assert difference(pixels(page), moved) > 0.5
    page.keyboard.press("Control+z")
    assert np.array_equal(pixels(page), moved)
    keys.nth(1).focus()
    page.keyboard.press("ArrowRight")
    assert part(page, "film")["structures"][1]["at"] == 4.1
    page.locator('[data-shelf="structures"] [aria-label="hilltop-sunset"]').first.click()
    assert keys.nth(1).get_attribute("aria-label").startswith("hilltop-sunset")
    page.get_by_role("button", name="A key for texture at this moment").click()
    expect(page.locator(".lane.texture .key")).to_have_count(3)
    made = part(page, "film")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save this moment as a picture").click()
    saved.value.save_as(tmp_path / "moment.png")
    page.get_by_role("button", name="Walk").click()
    drop(page, tmp_path / "moment.png")  # brings the film back, at this moment
    page.get_by_text("Open as it was made.").wait_for()
    restored = part(page, "film")
    assert [[key["photo"] for key in restored[lane]] for lane in LANES] == [
        [key["photo"] for key in made[lane]] for lane in LANES
    ]
    expect(page.locator(".time")).to_have_text("2.00 s")
    page.keyboard.press("p")
    expect(page.locator(".time")).to_have_text(re.compile(r"[3-7]\.\d\d s"))
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Melt").click()
    page.get_by_label("Seconds, number").fill("8")
    page.get_by_label("Size").select_option("model")
    page.get_by_label("Rate").select_option("12")
    page.get_by_role("button", name="Save film").click()
    video = page.locator(".player video")
    video.evaluate("(video) => new Promise((done) => (video.ontimeupdate = () => video.currentTime > 0.2 && done()))")
    assert video.evaluate("(video) => [video.videoHeight, Math.round(video.duration)]") == [128, 8]
    box, shown = page.locator(".player .box").bounding_box(), video.bounding_box()
    assert box == pytest.approx(shown, abs=1)  # all of it, with its controls
    page.get_by_role("button", name="Back to the timeline").click()
    for name, line in (("Ride", "graft film ride"), ("Dive", "graft film recurse")):
        page.get_by_text(name, exact=True).click()
        before = pixels(page)
        assert before.std() > 20
        page.get_by_role("button", name="Copy as command").click()
        page.locator(".line pre", has_text=line).wait_for()


def test_a_video_is_filmed_and_its_film_opens_as_it_was_made(tab, tmp_path):
    clip, page, other = tmp_path / "clip.mp4", tab(), tab()
    wide = images.read("@peaks", 96)
    render(Film(12, Fraction(10), lambda number: wide[..., number : number + 128].contiguous()), clip, resume=False)
    drop(page, clip)  # on stage, as long as no room is open that takes videos
    page.wait_for_selector(".room.live canvas[data-frame]")
    expect(page.locator(".words > .structure")).to_have_text("clip.mp4")
    page.evaluate("location.hash = '#film'")
    page.get_by_text("Video", exact=True).click()
    page.locator("select", has_text="clip.mp4").wait_for()
    expect(page.get_by_label("Seconds, number")).to_have_value("1.2")
    page.get_by_label("Size").select_option("model")
    page.get_by_role("button", name="A key for texture at this moment").click()
    page.locator('[data-shelf="textures"] [aria-label="hilltop-sunset"]').click()
    assert pixels(page).std() > 20
    made = part(page, "film")
    page.get_by_role("button", name="Save film").click()
    with page.expect_download() as saved:
        page.locator(".player").get_by_role("button", name="Download").click()
    saved.value.save_as(tmp_path / "video.mp4")
    drop(other, tmp_path / "video.mp4")
    other.get_by_text("drop clip.mp4 too").wait_for()
    drop(other, clip)
    other.get_by_text("Open as it was made.").wait_for()
    restored = part(other, "film")
    assert {name: restored[name] for name in ("film", "video", "fps", "seconds", "refine")} == {
        name: made[name] for name in ("film", "video", "fps", "seconds", "refine")
    }
    assert [key["photo"] for key in restored["textures"]] == [key["photo"] for key in made["textures"]]
