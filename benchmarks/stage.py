"""The studio's room Live in a browser: `python -m benchmarks stage`. A camera should be seen 15 times a second.

Chromium, driven by Playwright, opens the room with the fake camera that it has, whose picture moves all the time. What
is counted is what the page shows in the time given, and what the server and all of Chromium spend of the processor for
a picture, which can be compared on a busy machine too.
"""

import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.result import Result, add_output, positive
from benchmarks.studio import Server
from benchmarks.worker import CPU
from graftlab.benchmarking.machine import Machine
from graftlab.errors import GraftError, needs
from graftlab.figures.tables import Table

CAMERA = ("--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SHOWN = "Number(document.querySelector('canvas').dataset.frame)"


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", default=["colours-128", "landscapes-256"], help="files, or names")
    parser.add_argument("--seconds", type=positive, default=10, help="in which pictures are counted")
    add_output(parser)


def run(options: Namespace) -> Result:
    needs("A browser that is driven", "playwright", "playwright", "test")
    from playwright.sync_api import sync_playwright

    if (chromium := shutil.which("chromium") or shutil.which("google-chrome")) is None:
        raise GraftError("There is no Chromium on this machine: install it.")
    rows, figures = [], {}
    for model in options.models:
        with Server.started(model, options.threads) as server, sync_playwright() as browsers:
            browser = browsers.chromium.launch(executable_path=chromium, args=CAMERA)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(120_000)
            page.goto(f"{server.address}#live")
            page.get_by_text("Camera", exact=True).click()
            page.wait_for_timeout(3000)
            first, spent = page.evaluate(SHOWN), server.cpu()
            began = page.evaluate("performance.now()")
            page.wait_for_timeout(1000 * options.seconds)
            seconds = (page.evaluate("performance.now()") - began) / 1000
            count, spent = page.evaluate(SHOWN) - first, server.cpu() - spent
            browser.close()
        rate, each = count / seconds, 1000 * spent / max(1, count)
        rows.append((model, [f"{rate:.1f}", f"{each:.0f}", f"{spent / seconds:.0%}"]))
        figures[model] = {"rate": rate, "cpu": each / 1000, "share": spent / seconds}
    load = Path("/proc/loadavg").read_text().split()[0]
    columns = ["pictures a second", "CPU ms of the server", "of one core"]
    return Result(
        Machine.here(CPU), [Table("A camera on stage", columns, rows, f"Load of the machine: {load}.")], figures
    )
