"""An hour of the studio in some minutes: `python -m benchmarks soak`. Its memory should stay what it is.

A script does what people do in an hour, without the time in which they look: in rounds it connects, drops a photo,
moves sliders over swaps, edits and films, undoes that, uploads a mask, saves pictures, sheets and films, takes a photo
off the shelf, and goes. The server's memory is looked at after every round; the first rounds, in which models are
opened and what is kept is filled, do not count.
"""

import asyncio
import json
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import Any
from urllib.request import Request, build_opener

import torch

from benchmarks.result import Result, add_output, positive
from benchmarks.studio import Server
from benchmarks.worker import CPU
from graftlab.benchmarking.machine import Machine
from graftlab.figures.tables import Table
from graftlab.images import to_png
from graftlab.work.memory import keep_freed_memory

PICTURES = 100  # of a round
WARM = 0.2  # share of the rounds that do not count
SHELF = 40  # photos that a visitor keeps
BORDER = "graftlab-soak"


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--model", default="colours-128", help="file, or name")
    parser.add_argument(
        "--size", type=positive, default=64, help="short side of pictures, pixels: less takes less time"
    )
    parser.add_argument(
        "--pictures", type=positive, default=20_000, help="in all, as many as people ask for in an hour"
    )
    add_output(parser)


def run(options: Namespace) -> Result:
    keep_freed_memory()  # as `graft` does
    rounds = max(5, options.pictures // PICTURES)
    done: Counter[str] = Counter()
    with Server.started(options.model, options.threads) as server:
        visitor = Visitor(server, server.visitor(), options.model, options.size, done)
        began, memory = time.perf_counter(), []
        for number in range(rounds):
            asyncio.run(visitor.play(number))
            memory.append(server.memory())
        seconds, spent = time.perf_counter() - began, server.cpu()
    counted = memory[int(WARM * rounds) :]
    cells = [*(str(done[what]) for what in ("pictures", "uploads", "jobs")), f"{seconds / 60:.1f}", f"{spent / 60:.1f}"]
    cells += [f"{value / 1e6:.0f}" for value in (counted[0], max(counted), counted[-1], counted[-1] - counted[0])]
    columns = ["pictures", "uploads", "jobs", "minutes", "CPU min", "MB warm", "MB most", "MB at the end", "growth, MB"]
    table = Table("Memory of the server", columns, [(options.model, cells)], "")
    return Result(Machine.here(CPU), [table], {"memory": memory, **done})


class Visitor:
    """Who goes through the rooms."""

    def __init__(self, server: Server, cookies: str, model: str, size: int, done: Counter[str]) -> None:
        self.server, self.model, self.size, self.done = server, model, size, done
        self.headers = {"cookie": cookies}
        self.photos = server.photos(cookies)

    def ask(
        self, path: str, data: bytes | None = None, kind: str = "application/json", method: str | None = None
    ) -> bytes:
        headers = self.headers | ({"content-type": kind} if data else {})
        address = f"http://{self.server.host}/api/{path}"
        answer: bytes = build_opener().open(Request(address, data, headers, method=method)).read()
        return answer

    def upload(self, where: str, field: str, seed: int, channels: int) -> Any:
        """Clouds that nobody has seen before, as PNG."""
        generator = torch.Generator().manual_seed(seed)
        small = torch.rand(1, channels, 6, 9, generator=generator) * 2 - 1
        picture = torch.nn.functional.interpolate(small, (320, 480), mode="bicubic").expand(1, 3, -1, -1)
        parts = [
            f'--{BORDER}\r\nContent-Disposition: form-data; name="{field}"; filename="{seed}.png"\r\n\r\n'.encode()
        ]
        parts += [to_png(picture.clamp(-1, 1)), f"\r\n--{BORDER}--\r\n".encode()]
        self.done["uploads"] += 1
        return json.loads(self.ask(where, b"".join(parts), f"multipart/form-data; boundary={BORDER}"))

    async def play(self, number: int) -> None:
        """One round; no two are of the same photo."""
        from websockets.asyncio.client import connect

        (photo,) = self.upload("photos", "files", number, 3)
        self.photos.append(photo["id"])
        mask = self.upload("masks", "file", number, 1)["id"]
        scenes = list(self.scenes(self.photos[-1], self.photos[number % len(self.photos)], mask))
        address = f"ws://{self.server.host}/api/live"
        async with connect(address, additional_headers=self.headers, max_size=None) as page:
            for id, scene in enumerate([*scenes, *reversed(scenes)]):  # and back: undone
                await page.send(json.dumps({"view": scene["kind"], "id": id, "scene": scene}))
                while isinstance(answer := await page.recv(), str):  # a word of a job
                    assert "error" not in json.loads(answer), answer
                self.done["pictures"] += 1
        orders: list[dict[str, Any]] = [{"kind": "render", "scene": scenes[0]}]
        if number % 5 == 0:
            orders.append(
                {"kind": "sheet", "model": self.model, "structures": self.photos[-2:], "textures": self.photos[:3]}
            )
            orders.append({"kind": "film", "scene": scenes[-1], "format": ("mp4", "gif")[number % 2]})
        for order in orders:
            await self.wait_for(order)
        if len(self.photos) > SHELF:
            self.ask(f"photos/{self.photos.pop(3)}", method="DELETE")

    def scenes(self, structure: str, texture: str, mask: str) -> Any:
        """Half of a round's pictures, in which sliders move."""
        common = {"model": self.model, "size": self.size}
        along = {"file": self.model, "name": "hour"}
        keys = {"structures": [{"at": 0, "photo": structure}, {"at": 0.4, "photo": texture}], "square": True}
        for step in range(PICTURES // 2):
            share = step / (PICTURES // 2)
            if share < 0.5:
                yield {"kind": "swap", "structure": structure, "texture": texture, "amount_texture": share, **common}
            elif share < 0.8:
                here = {**along, "gain": 4 * share - 2, "mask": mask}
                yield {"kind": "edit", "picture": structure, "seed_texture": step, "directions": [here], **common}
            else:
                yield {"kind": "film", "seconds": 0.8, "fps": 10, "moment": share, **keys, **common}

    async def wait_for(self, order: dict[str, Any]) -> None:
        job = json.loads(self.ask("jobs", json.dumps(order).encode()))
        while job["state"] in ("waiting", "running"):
            await asyncio.sleep(0.05)
            job = json.loads(self.ask(f"jobs/{job['id']}"))
        assert job["state"] == "done", job
        self.ask(f"jobs/{job['id']}/result")
        self.done["jobs"] += 1
