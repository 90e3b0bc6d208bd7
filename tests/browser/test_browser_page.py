"""The studio's page in a browser, used as a person would: dropped on, painted, undone, saved, by keyboard alone."""

import base64
import json
import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from graftlab import images
from graftlab.work.examples import example

expect = pytest.importorskip("playwright.sync_api").expect


def pixels(page, view="canvas"):
    """What a canvas shows, as floats (h, w, 3), once nothing is waited for any more."""
    page.wait_for_selector(".box:not(.waiting, .unfinished)")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    data = page.locator(view).evaluate("(canvas) => canvas.toDataURL()")
    return np.asarray(Image.open(BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB")).astype(float)


def difference(a, b):
    return np.abs(a - b).mean()


def drop(page, *paths, on="main", paste=False):
    """Drop files, as the system's file manager does, or paste them."""
    files = [{"name": path.name, "data": base64.b64encode(path.read_bytes()).decode()} for path in paths]
    page.evaluate(
        """([files, on, paste]) => {
            const held = new DataTransfer();
            for (const { name, data } of files) {
                const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                held.items.add(new File([bytes], name));
            }
            const told = { dataTransfer: held, clipboardData: held, bubbles: true, cancelable: true };
            const event = paste ? new ClipboardEvent("paste", told) : new DragEvent("drop", told);
            document.querySelector(on).dispatchEvent(event);
        }""",
        [files, on, paste],
    )


def caption(page):
    """Whose structure and whose texture is shown, as the line below the picture tells."""
    return page.locator(".words > span").all_inner_texts()


def part(page, room):
    """The document's part of a room, as the browser keeps it."""
    page.wait_for_timeout(400)
    return json.loads(page.evaluate("localStorage.graftlab"))[room]


def saved(page, button, path):
    """What a button lets one download."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    download.value.save_as(path)
    return path


def photo(folder, name="mine.png"):
    path = folder / name
    Image.open(example("stream")).save(path)
    return path


def test_the_first_visit_shows_a_swap_and_a_paste_or_a_drop_makes_ones_own(page, tmp_path):
    assert page.locator('[data-shelf="structures"] [role="option"]').count() == 3
    assert caption(page) == ["peaks", "autumn-hills"]
    page.locator('[data-shelf="textures"] [aria-selected="true"]').focus()  # which takes what is pasted
    drop(page, photo(tmp_path), paste=True)
    expect(page.locator(".words > .texture")).to_have_text("mine")
    page.keyboard.press("Control+z")
    expect(page.locator(".words > .texture")).to_have_text("autumn-hills")
    assert page.locator('[data-shelf="textures"] [role="option"]').count() == 3
    first = pixels(page)
    assert first.std() > 20  # it shows something
    drop(page, photo(tmp_path))
    expect(page.locator(".words > .structure")).to_have_text("mine")
    assert difference(pixels(page), first) > 10
    assert page.locator('[data-shelf="structures"] [aria-selected="true"]').get_attribute("aria-label") == "mine"


def test_more_photos_like_the_chosen_one_are_laid_beside_it(page):
    page.locator('[data-shelf="textures"] [aria-selected="true"] .more').click()
    photos = page.locator('[data-shelf="textures"] [role="option"]')
    expect(photos).not_to_have_count(3)
    names = [photo.get_attribute("aria-label") for photo in photos.all()]
    assert names[:2] == ["peaks", "autumn-hills"]
    assert len(names) > 5
    assert page.locator('[data-shelf="structures"] [role="option"]').count() == 3
    page.keyboard.press("Control+z")
    expect(photos).to_have_count(3)
    page.locator('[data-shelf="structures"] [aria-selected="true"]').focus()
    page.keyboard.press("l")
    expect(page.locator('[data-shelf="structures"] [role="option"]')).not_to_have_count(3)


def test_a_lost_connection_is_taken_up_again(tab):
    sockets = []

    def between(socket):
        socket.connect_to_server()
        sockets.append(socket)

    page = tab(lambda page: page.route_web_socket("**/api/live", between))
    first = pixels(page)
    sockets[-1].close()
    page.get_by_label("Texture", exact=True).fill("0")  # while there is none
    expect(page.locator(".connection")).to_have_count(0)
    assert difference(pixels(page), first) > 2
    assert len(sockets) == 2


def test_a_slider_changes_pixels_and_undo_brings_the_same_ones_back(page):
    whole = pixels(page)
    slider = page.get_by_label("Texture", exact=True)
    slider.fill("0.5")
    half = pixels(page)
    assert difference(half, whole) > 2
    slider.fill("0")
    own = pixels(page)
    page.keyboard.press("Control+z")
    assert np.array_equal(pixels(page), half)
    page.keyboard.press("Control+z")
    assert np.array_equal(pixels(page), whole)
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+y")
    assert np.array_equal(pixels(page), own)
    slider.dblclick()  # as it usually stands
    assert np.array_equal(pixels(page), whole)
    typed = page.get_by_label("Texture, number")
    typed.fill("1,5")  # beyond the slider's end, with a comma
    typed.press("Enter")
    assert part(page, "swap")["amount_texture"] == 1.5
    page.reload()
    page.wait_for_selector("canvas[data-frame]")
    assert page.get_by_label("Texture, number").input_value() == "1.50"


def test_details_come_by_themselves_and_can_be_left_out(page):
    keep = page.get_by_role("button", name="Keep details")
    expect(keep).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Texture", exact=True).fill("0")  # its own: what is drawn is the photo again, more or less
    sharp = pixels(page)
    keep.click()
    plain = pixels(page)
    photo = np.asarray(Image.open(example("peaks")).convert("RGB").resize((48, 32), Image.Resampling.BOX)).astype(float)

    def far(shown):
        rows, columns = (np.flatnonzero((shown != shown[0, 0]).any(2).any(axis)) for axis in (1, 0))
        within = Image.fromarray(shown[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8))
        return difference(np.asarray(within.resize((48, 32), Image.Resampling.BOX)).astype(float), photo)

    assert far(sharp) < 0.7 * far(plain)
    page.keyboard.press("Control+z")
    assert np.array_equal(pixels(page), sharp), "found once"
    assert part(page, "swap")["refine"] == 20


def test_a_cell_of_the_sheet_is_where_one_goes_on(page):
    page.get_by_text("All with all").click()
    expect(page.locator(".cell:not(.empty)")).to_have_count(9, timeout=60_000)
    page.get_by_role("button", name="hilltop-sunset with the texture of peaks").click()
    assert caption(page) == ["hilltop-sunset", "peaks"]
    page.get_by_role("button", name="Go on in Edit").click()
    page.wait_for_selector(".room.edit canvas[data-frame]")
    assert part(page, "edit")["texture"] == part(page, "swap")["texture"]


def test_a_region_is_painted_and_opens_again_elsewhere(tab, tmp_path):
    page = tab()
    page.get_by_role("tab", name="Edit").click()
    page.wait_for_selector(".room.edit canvas[data-frame]")
    plain = pixels(page)
    page.get_by_role("button", name="New region").click()
    page.get_by_label("hour", exact=True).fill("-3")
    box = page.locator("canvas").bounding_box()
    left, middle, width, height = box["x"], box["y"] + box["height"] / 2, box["width"], box["height"]
    page.mouse.move(left + 0.05 * width, middle)
    page.mouse.down()
    for share in (0.1, 0.2, 0.3):
        page.mouse.move(left + share * width, middle)
    page.mouse.up()
    page.mouse.move(left + width, middle - height)
    page.wait_for_timeout(1500)  # the mask goes to the server first
    painted = pixels(page)
    third = plain.shape[1] // 3
    inside, outside = (
        difference(painted[:, :third], plain[:, :third]),
        difference(painted[:, -third:], plain[:, -third:]),
    )
    assert inside > 3
    assert inside > 4 * outside
    page.keyboard.press("Control+z")
    assert np.array_equal(pixels(page), plain)
    page.keyboard.press("Control+y")
    assert np.array_equal(pixels(page), painted)

    page.get_by_label("Size").select_option("model")
    other = tab()  # of a visitor who has neither mask nor document
    drop(other, saved(page, "Save picture", tmp_path / "saved.png"))
    other.get_by_text("Open as it was made.").wait_for()
    other.wait_for_selector(".room.edit canvas[data-frame]")
    other.wait_for_timeout(1500)
    assert np.array_equal(pixels(other), painted)


def test_words_are_sliders_and_lead_pictures(page):
    page.get_by_role("tab", name="Edit").click()
    page.wait_for_selector(".room.edit canvas[data-frame]")
    plain, text = pixels(page), page.get_by_label("What it should become")
    text.fill("winter night xyzzy")
    text.press("Enter")
    page.get_by_text("does not know 'xyzzy'").wait_for()
    page.get_by_label("winter night xyzzy", exact=True).wait_for()
    assert difference(pixels(page), plain) > 2
    page.keyboard.press("Control+z")
    expect(page.get_by_label("winter night xyzzy", exact=True)).to_have_count(0)
    assert np.array_equal(pixels(page), plain)

    text.fill("golden sunset")
    page.get_by_role("button", name="Guide").click()
    stop = page.get_by_role("button", name="Stop here")
    expect(stop).to_be_enabled(timeout=120_000)  # there is a picture on the way
    page.wait_for_timeout(500)
    stop.click()
    expect(page.locator(".words > .texture")).to_have_text("what words led to")
    expect(stop).to_have_count(0)
    led = pixels(page)
    assert difference(led, plain) > 2
    page.get_by_role("button", name="Its own").click()
    assert np.array_equal(pixels(page), plain)
    page.keyboard.press("Control+z")
    assert np.array_equal(pixels(page), led)


def test_a_saved_picture_opens_again_as_it_was_made(page, tmp_path):
    page.get_by_label("Size").select_option("model")
    page.get_by_label("Texture", exact=True).fill("0.7")
    made = part(page, "swap")
    path = saved(page, "Save picture", tmp_path / "saved.png")
    assert images.read_recipe(path)["scene"]["amount_texture"] == 0.7
    page.get_by_role("button", name="Exchange").click()
    page.get_by_label("Texture", exact=True).fill("0.1")
    page.get_by_role("tab", name="Edit").click()
    drop(page, path)
    page.get_by_text("Open as it was made.").wait_for()
    page.wait_for_selector(".room.swap canvas[data-frame]")
    assert part(page, "swap") == made


def test_copies_are_lines_that_make_the_same(page):
    for button, begins in (("Copy as command", "graft swap"), ("Copy as Python", "import graftlab")):
        page.get_by_role("button", name=button).click()
        page.locator(".line pre", has_text=begins).wait_for()


def test_a_job_that_ends_before_its_order_is_answered_is_saved_too(page, tmp_path):
    def late(route):
        answer = route.fetch()
        while page.request.get(f"{route.request.url}/{answer.json()['id']}").json()["state"] != "done":
            time.sleep(0.1)
        time.sleep(0.5)  # the socket tells of the end
        route.fulfill(response=answer)

    page.get_by_label("Size").select_option("model")
    page.get_by_role("button", name="Keep details").click()
    page.route("**/api/jobs", late)
    saved(page, "Save picture", tmp_path / "saved.png")
    expect(page.locator(".jobs progress")).to_have_count(0)


def test_a_saved_session_opens_in_another_browser(tab, tmp_path):
    page = tab()
    drop(page, photo(tmp_path))
    expect(page.locator(".words > .structure")).to_have_text("mine")
    made = part(page, "swap")
    other = tab()
    drop(other, saved(page, "Save session", tmp_path / "mine.graft.json"))
    expect(other.locator(".words > .structure")).to_have_text("mine")
    assert part(other, "swap") == made
    pixels(other)


def test_swap_and_edit_by_keyboard_alone(page):
    def reach(name):
        """Tab until something of that name has the focus."""
        for _ in range(80):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                "() => document.activeElement.ariaLabel || document.activeElement.labels?.[0]?.innerText || "
                "document.activeElement.innerText"
            )
            if focused == name:
                return
        raise AssertionError(f"Tab does not come to {name}")

    reach("Swap")
    reach("autumn-hills")  # the texture that is chosen
    page.keyboard.press("ArrowRight")
    expect(page.locator('[data-shelf="textures"] [aria-label="hilltop-sunset"]')).to_be_focused()
    assert caption(page) == ["peaks", "hilltop-sunset"]
    reach("Texture")
    page.keyboard.press("Shift+ArrowLeft")
    assert page.get_by_label("Texture, number").input_value() == "0.90"
    page.keyboard.press("s")
    page.wait_for_selector(".divider")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.wait_for_selector(".room.edit canvas[data-frame]")
    reach("New region")
    page.keyboard.press("Enter")
    page.evaluate("document.activeElement.blur()")
    reach("peaks, edited")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    (region,) = part(page, "edit")["regions"]
    assert region["marks"][0]["points"] == [0.52, 0.5]
    before = region["marks"][0]["radius"]
    page.keyboard.press("]")
    page.keyboard.press("Enter")
    assert part(page, "edit")["regions"][0]["marks"][1]["radius"] > before
