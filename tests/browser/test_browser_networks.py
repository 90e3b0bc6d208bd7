"""The rooms of whole networks in a browser: a curve that is dragged, seeds, the blend saved; models and their kin."""

import io

import numpy as np
import pytest
from PIL import Image
from test_browser_page import difference, drop, part, pixels

from graftlab import load
from graftlab.images import read_recipe

expect = pytest.importorskip("playwright.sync_api").expect
VIEW = ".box canvas"


@pytest.fixture
def networks(page):
    page.get_by_role("tab", name="Networks").click()
    page.wait_for_selector(".plot .point")
    page.wait_for_selector(f"{VIEW}[data-frame]")
    return page


def saved(page, button):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path()


def test_points_are_dragged_typed_and_undone(networks):
    page = networks
    first = pixels(page, VIEW)
    point = page.get_by_role("slider", name="B at 64 pixels")
    box = page.locator(".plot").bounding_box()
    at = point.bounding_box()
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for share in (0.8, 0.5, 0.0):
        page.mouse.move(x, box["y"] + box["height"] * (1 - share), steps=3)
    page.mouse.up()
    expect(point).to_have_attribute("aria-valuenow", "0")
    dragged = pixels(page, VIEW)
    assert difference(dragged, first) > 1
    typed = page.get_by_label("B at 32 pixels, number")
    typed.fill("1,5")
    typed.press("Enter")
    assert part(page, "networks")["weights"]["32"] == [1.5]
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert np.array_equal(pixels(page, VIEW), first)
    point.focus()
    page.keyboard.press("Shift+ArrowDown")
    expect(point).to_have_attribute("aria-valuenow", "0.9")


def test_seeds_networks_and_what_is_taken_along(networks, tmp_path):
    page = networks
    page.get_by_role("button", name="Seed 5").click()
    expect(page.locator(".networks > .desk > figure .words")).to_contain_text("seed 5")
    page.get_by_role("button", name="Add a network").click()
    page.locator(".choice label", has_text="C").first.click()
    page.get_by_role("button", name="Half").click()
    shares = part(page, "networks")["weights"]
    assert {tuple(row) for row in shares.values()} <= {(0, 0.5), (0.5, 0.5)}
    expect(page.locator(".box:not(.waiting)")).to_have_count(1)
    picture = saved(page, "Save picture")
    scene = read_recipe(picture)["scene"]
    assert (scene["seed"], len(scene["others"])) == (5, 2)
    model = saved(page, "Save the blend as a model")
    drawn = load(model.rename(tmp_path / "blend.safetensors"), device="cpu").sample([5], scene["psi"])
    again = np.asarray(Image.open(picture)).astype(float)
    assert np.abs((drawn[0].permute(1, 2, 0).clamp(-1, 1).numpy() + 1) * 127.5 - again).max() <= 1
    sheet = Image.open(io.BytesIO(saved(page, "Level sheet").read_bytes()))
    assert sheet.width > 6 * 128
    page.get_by_role("button", name="Seed 1").click()
    page.get_by_role("tab", name="Models").click()
    drop(page, picture)  # which opens as it was made
    expect(page.locator(".networks > .desk > figure .words")).to_contain_text("seed 5")


def test_parts_come_from_b_and_a_walk_goes_through_seeds(networks):
    page = networks
    page.locator(".choice label", has_text="By parts").click()
    page.wait_for_selector(".parts li")
    expect(page.locator(".box:not(.waiting)")).to_have_count(1)
    page.keyboard.press("m")  # without the regions
    first = pixels(page, VIEW)
    page.keyboard.press("m")
    assert difference(pixels(page, VIEW), first) > 3, "regions are coloured"
    page.locator(VIEW).focus()
    page.keyboard.press("Enter")  # in the middle
    ticked = page.locator(".parts input:checked")
    expect(ticked).to_have_count(1)
    ((_, count, amounts),) = [tuple(each.values()) for each in part(page, "networks")["layers"]]
    assert (count, list(amounts.values())) == (8, [1])
    amount = page.get_by_label(f"Amount of part {next(iter(amounts))}, number")
    amount.fill("0.5")
    amount.press("Enter")
    page.get_by_role("button", name="All else").click()
    page.keyboard.press("m")
    expect(page.locator(".box:not(.waiting)")).to_have_count(1)
    assert difference(pixels(page, VIEW), first) > 3, "all else is neon"
    scene = read_recipe(saved(page, "Save picture"))["scene"]
    assert (scene["clusters"][0]["amounts"], scene["reverse"]) == ({next(iter(amounts)): 0.5}, True)
    for _ in range(3):
        page.keyboard.press("Control+z")
    expect(ticked).to_have_count(0)
    page.locator(".choice label", has_text="Walk").click()
    page.keyboard.press("a")
    page.get_by_role("button", name="Seed 5", exact=True).first.click()
    page.keyboard.press("a")
    page.get_by_label("Moment, number").fill("2")
    page.keyboard.press("Enter")
    expect(page.locator(".time")).to_have_text("2.00 s")
    page.get_by_label("Seconds, number").fill("1")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save film").click()
    page.wait_for_selector("video[aria-label='walk.mp4']")
    page.get_by_role("button", name="Back to the blend").click()
    assert part(page, "networks")["seeds"] == [3, 5]


def test_curves_over_time_are_drawn_with_the_pointer_and_with_keys(networks):
    page = networks
    page.locator(".choice label", has_text="A to B").click()
    page.get_by_role("button", name="Draw the amount").click()
    expect(page.get_by_role("slider", name="Amount at 100 % of each way")).to_have_attribute("aria-valuenow", "1")
    page.get_by_role("button", name="Ends where it begins").click()
    plot = page.locator(".drawn .plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()  # a new point
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.25 * box["height"], steps=3)
    page.mouse.up()
    point = page.get_by_role("slider", name="Amount at 4.00 seconds")
    expect(point).to_have_attribute("aria-valuenow", "0.75")
    expect(point).to_be_focused()
    for key in ("Shift+ArrowDown", "ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    assert part(page, "networks")["ease"] == "0=0,0.49=0.66,0.745=0.83,1=1"
    page.keyboard.press("Delete")
    page.keyboard.press("Control+ArrowRight")
    page.keyboard.press("Home")
    assert part(page, "networks")["ease"] == "0=0,0.49=0.66,1=0"
    shown = []
    for moment in ("0", "4", "8"):  # A, much of B, A again
        page.get_by_label("Moment, number").fill(moment)
        page.keyboard.press("Enter")
        expect(page.locator(".box:not(.waiting)")).to_have_count(1)
        shown.append(pixels(page, VIEW))
    assert difference(shown[0], shown[2]) < 1 < difference(shown[0], shown[1])
    page.locator(".choice label", has_text="Walk").click()
    page.get_by_role("button", name="Draw the variety").click()
    expect(page.get_by_role("slider", name="Variety at 8.00 seconds")).to_have_attribute("aria-valuenow", "0.7")
    assert page.get_by_role("button", name="Draw the pace").is_visible()


def test_a_photo_is_drawn_by_the_blend_and_a_sheet_opens(networks, tab):
    page = networks
    page.locator(".choice label", has_text="A photo").click()
    steps = page.get_by_label("Steps of the search")
    steps.fill("5")
    steps.press("Enter")
    page.get_by_role("button", name="Look for it in alpine-128").click()
    page.wait_for_selector("text=Look again")
    expect(page.locator(".box:not(.waiting)")).to_have_count(1)
    drawn = pixels(page, VIEW)
    picture = saved(page, "Save picture")
    page.get_by_role("button", name="Zoom in it").click()
    page.wait_for_selector(".zoom canvas")
    page.locator(".openseadragon-canvas").focus()
    page.keyboard.press("+")
    expect(page.locator(".zoom .words")).to_contain_text("swap level")
    other = tab()
    drop(other, picture)  # the codes of the photo are in it
    expect(other.locator(".networks > .desk > figure .words")).to_contain_text("peaks")
    expect(other.locator(".box:not(.waiting)")).to_have_count(1)
    other.wait_for_selector(f"{VIEW}[data-frame]")
    assert difference(pixels(other, VIEW), drawn) < 1


def test_models_tell_what_they_blend_with(page):
    page.get_by_role("tab", name="Models").click()
    page.get_by_role("button", name="woodblock-128").first.click()
    expect(page.locator(".card h2")).to_have_text("woodblock-128")
    expect(page.locator(".tree strong")).to_have_text("woodblock-128")
    expect(page.locator(".tree > li").first).to_have_text("alpine-128")
    expect(page.locator(".relatives .blends .link").first).to_have_text("alpine-128")
    page.locator(".tree .link").first.click()
    expect(page.locator(".card h2")).to_have_text("alpine-128")
    page.get_by_role("button", name="Blend alpine-128 with neon-128").click()
    expect(page.locator(".networks .words")).to_contain_text("alpine-128, neon-128")
