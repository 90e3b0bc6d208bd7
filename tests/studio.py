"""A studio on a tiny model, and browsers that visit it."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient
from tiny import pictures

from graftlab.images import to_png
from graftlab.studio.app import create
from graftlab.studio.front import Front
from graftlab.studio.guard import Guard
from graftlab.studio.server import Server

HOST = "127.0.0.1:8000"
MODEL = "landscapes-128"  # by whose name the tests know a tiny model


@dataclass
class Browser:
    """One visitor, through a client that all share."""

    client: TestClient
    cookie: str

    def ask(self, method: str, path: str, **options: Any):
        headers = {"cookie": self.cookie, **options.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any):
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any):
        return self.ask("POST", path, **options)

    def add(self, data: bytes, name: str = "photo.png"):
        return self.post("/api/photos", files=[("files", (name, data))])

    def add_video(self, data: bytes, name: str = "clip.mp4"):
        return self.post("/api/videos", files={"file": (name, data)})

    @property
    def photos(self) -> list[str]:
        return [photo["id"] for photo in self.get("/api/photos").json()]

    @contextmanager
    def live(self, **headers: str) -> Iterator["Live"]:
        address = f"ws://{HOST}/api/live"
        with self.client.websocket_connect(address, headers={"cookie": self.cookie, **headers}) as socket:
            yield Live(socket)

    def swap(self, a: int = 0, b: int = 1, **more: Any) -> dict[str, Any]:
        """A scene of two of the visitor's photos."""
        photos = self.photos
        return {"kind": "swap", "model": MODEL, "structure": photos[a], "texture": photos[b], **more}


@dataclass
class Live:
    """The socket of a page."""

    socket: Any

    def ask(self, scene: dict[str, Any], view: str = "view", id: int = 0) -> None:
        self.socket.send_text(json.dumps({"view": view, "id": id, "scene": scene}))

    def answer(self) -> tuple[dict[str, Any], bytes]:
        """What is told, and the WebP if there is one."""
        message = self.socket.receive()
        if message.get("bytes") is None:
            return json.loads(message["text"]), b""
        data = message["bytes"]
        (length,) = struct.unpack_from("<I", data)
        return json.loads(data[4 : 4 + length]), data[4 + length :]

    def picture(self, scene: dict[str, Any], view: str = "view", id: int = 0) -> bytes:
        """The picture of a scene, past what is told of jobs."""
        self.ask(scene, view, id)
        while True:
            told, data = self.answer()
            if "view" in told:
                assert (told["view"], told["id"]) == (view, id), told
                assert data, told
                return data


@dataclass
class Studio:
    """A server behind its guard."""

    server: Server
    guard: Guard
    client: TestClient

    def visit(self) -> Browser:
        """A new browser that opens the address."""
        self.client.cookies.clear()
        answer = self.client.get(f"/?token={self.guard.token}", follow_redirects=False)
        assert answer.status_code == 303
        cookies = [line.partition(";")[0] for line in answer.headers.get_list("set-cookie")]
        self.client.cookies.clear()
        return Browser(self.client, "; ".join(cookies))


@contextmanager
def opened(photos=(), model: str = MODEL) -> Iterator[Studio]:
    server = Server(model, photos, device="cpu")
    guard = Guard(Front(lambda: create(server)), {HOST}, 8000)
    with TestClient(guard, base_url=f"http://{HOST}") as client:
        yield Studio(server, guard, client)
    server.close()


def png(seed: int = 0, height: int = 32, width: int = 32) -> bytes:
    return to_png(pictures(1, height, width, seed))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))
