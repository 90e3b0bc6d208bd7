"""The studio from a page's side: `python -m benchmarks studio`. A slider that moves should show new pixels at once.

A server of its own is started, and asked through its socket as a page asks: the time of a picture is from the request
to its last byte. Eight visitors at once show whether they are served alike, and the server's memory is looked at before
and after. These times count on a machine that does nothing else; what the server spends of the processor for a picture,
and the decoder alone for the same, can be compared even on a busy one.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from statistics import median, quantiles
from urllib.request import HTTPCookieProcessor, Request, build_opener

import torch

from benchmarks.result import Result, add_output, positive
from benchmarks.worker import CPU
from graftlab import images
from graftlab.benchmarking.machine import Machine
from graftlab.benchmarking.speed import figure
from graftlab.checkpoints.load import load
from graftlab.figures.tables import Table
from graftlab.networks.swapping import SwappingModel
from graftlab.work.memory import keep_freed_memory

VISITORS = 8
WARM, TURNS = 10, 30  # pictures before time is taken, and decoded then


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", default=["colours-128", "landscapes-256"], help="files, or names")
    parser.add_argument("--moves", type=positive, default=200, help="of a slider, one after another")
    parser.add_argument("--seconds", type=positive, default=20, help="that eight visitors play")
    add_output(parser)


def run(options: Namespace) -> Result:
    keep_freed_memory()  # as `graft` does
    rows, figures, notes = [], {}, []
    for model in options.models:
        with Server.started(model, options.threads) as server:
            first, started = server.seconds, 1000 * server.spent
            asyncio.run(play(server, [server.visitor()], model, moves=WARM))
            before = server.cpu()
            alone = asyncio.run(play(server, [server.visitor()], model, moves=options.moves))[0]
            spent = 1000 * (server.cpu() - before) / len(alone)
            visitors = [server.visitor() for _ in range(VISITORS)]
            warm = server.memory()
            together = asyncio.run(play(server, visitors, model, seconds=options.seconds))
            growth = server.memory() - warm
        p50, p95 = percentiles(alone)
        decoder = 1000 * decoding(model, options.threads)
        shares = [len(found) for found in together]
        busy = percentiles([took for found in together for took in found])
        cells = (1000 * first, p50, p95, *busy, sum(shares) / options.seconds, spent, decoder)
        rows.append((model, list(map(figure, cells))))
        least = min(shares) / max(shares)
        notes.append(
            f"{model}: the page is there after {started:.0f} ms of the processor. The decoder alone spends "
            f"{decoder / spent:.0%} of what the studio spends for a picture. Of {VISITORS} visitors the one with the "
            f"fewest pictures got {least:.0%} of the one with the most; meanwhile memory grew by {growth / 1e6:.0f} MB "
            f"from {warm / 1e6:.0f}."
        )
        figures[model] = {"first_page": first, "alone": alone, "pictures": shares, "memory": [warm, growth]}
        figures[model] |= {"first_page_cpu": started, "cpu": spent, "decoder_cpu": decoder}
    columns = ["first page, ms", "p50, ms", "p95, ms", "p50 of 8", "p95 of 8", "pictures/s of 8", "CPU ms", "decoder"]
    table = Table("A slider that moves, short side as the model's", columns, rows, " ".join(notes))
    return Result(Machine.here(CPU), [table], figures)


@torch.no_grad()
def decoding(model: str, threads: int) -> float:
    """Seconds of the processor that the decoder alone needs for such a picture."""
    torch.set_num_threads(threads)
    network = load(model, SwappingModel, device="cpu")
    codes = network.encode(images.read("@peaks", network.config.size))
    for turn in range(WARM + TURNS):
        if turn == WARM:
            began = time.process_time()
        network.decode(codes)
    return (time.process_time() - began) / TURNS


def percentiles(values: list[float]) -> tuple[float, float]:
    """The middle, and what 95% stay below."""
    return median(values), quantiles(values, n=20)[-1]


# -- a server, and who visits it --------------------------------------------------------------------------------------


@dataclass
class Server:
    """A studio in a process of its own."""

    process: subprocess.Popen
    address: str  # with the token
    seconds: float = 0  # from the command to its page
    spent: float = 0  # of the processor, until then

    @classmethod
    @contextmanager
    def started(cls, model: str, threads: int) -> Iterator["Server"]:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "graftlab", "studio", "--no-browser", "-m", model],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            address = next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
            server = cls(process, address)
            server.visitor()
            server.seconds, server.spent = time.perf_counter() - began, server.cpu()
            yield server
        finally:
            process.terminate()
            process.wait()

    @property
    def host(self) -> str:
        return self.address.split("/")[2]

    def visitor(self) -> str:
        """A new visitor's cookies, once their page has come."""
        cookies = HTTPCookieProcessor()
        build_opener(cookies).open(self.address).read()
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies.cookiejar)

    def photos(self, cookies: str) -> list[str]:
        request = Request(f"http://{self.host}/api/photos", headers={"cookie": cookies})
        return [photo["id"] for photo in json.load(build_opener().open(request))]

    def cpu(self) -> float:
        """Seconds of the processor that it has spent."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as status:
            fields = status.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Bytes that the process holds."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


async def play(
    server: Server, visitors: list[str], model: str, moves: int | None = None, seconds: float | None = None
) -> list[list[float]]:
    """What each visitor waited for each picture, ms: so many moves, or so long."""

    async def one(cookies: str) -> list[float]:
        from websockets.asyncio.client import connect

        photos, found = server.photos(cookies), []
        async with connect(f"ws://{server.host}/api/live", additional_headers={"cookie": cookies}) as page:
            for move in count(-3):  # the first open the model, and take memory
                if move == 0:
                    began = time.perf_counter()
                if (moves and move >= moves) or (seconds and move > 0 and time.perf_counter() - began > seconds):
                    return found
                amount = (move % 100) / 100
                scene = {"kind": "swap", "model": model, "structure": photos[0], "texture": photos[1]}
                asked = time.perf_counter()
                await page.send(json.dumps({"view": "v", "id": move + 3, "scene": {**scene, "amount_texture": amount}}))
                answer = await page.recv()
                assert isinstance(answer, bytes), answer
                if move >= 0:
                    found.append(1000 * (time.perf_counter() - asked))
        return found

    return await asyncio.gather(*map(one, visitors))
