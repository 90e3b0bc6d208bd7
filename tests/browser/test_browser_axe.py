"""Every room as axe-core judges it, in the dark and on a telephone; none is wider than the screen."""

from pathlib import Path

import pytest
from test_browser_live import MIDI
from test_browser_rooms import enter

AXE = Path(__file__).parent / "axe-core" / "axe.min.js"
WIDER = """[...document.querySelectorAll(".room *")].filter((one) =>
  one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".wide-table, pre")).length"""


@pytest.mark.parametrize(
    "options", [{"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 844}, "has_touch": True}]
)
def test_nothing_that_axe_knows_is_violated(tab, options):
    page = tab(lambda page: page.add_init_script(MIDI), **options, bypass_csp=True)
    page.add_script_tag(path=AXE)

    def check(place):
        found = page.evaluate("axe.run().then(({ violations }) => violations)")
        assert not found, [(place, one["id"], node["html"][:200]) for one in found for node in one["nodes"]]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place

    def press(name):
        page.get_by_role("button", name=name, exact=True).click()

    check("swap")
    page.get_by_text("All with all").click()
    check("sheet")
    page.evaluate("location.hash = '#edit'")
    press("New region")
    check("edit")
    press("Keys")
    check("keys")
    page.keyboard.press("Escape")
    for room in ("panorama", "film"):
        enter(page, room)
        check(room)
    for room, ready in (("networks", ".plot .point"), ("models", ".relatives"), ("train", ".path")):
        page.evaluate(f"location.hash = '#{room}'")
        page.wait_for_selector(ready)
        if room == "networks":
            page.locator(".choice label", has_text="A to B").click()
            press("Draw the amount")
        check(room)
        assert page.evaluate(WIDER) == 0, f"{room} is read without scrolling sideways"
    page.evaluate("location.hash = '#live'")
    page.wait_for_selector(".room.live canvas[data-frame]")
    press("Learn MIDI")
    press("Record")
    check("recording")
    press("Stop recording")
    check("recorded")
