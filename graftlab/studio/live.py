"""Pictures while people move things: a WebSocket on which the newest request of each view wins.

A request is JSON, {"view", "id", "scene", "quality"}. Its answer is binary: four bytes, little-endian, that tell the
length of a JSON header {"view", "id", "width", "height", "ms"} with a "notice" where there is one, the header, and a
WebP. What fails is answered by text, {"view", "id", "error"}. A header's "pending" names what the picture lacks because
it is still being found; {"ready": name} tells when it can be asked for again.

A visitor's turn goes to one of their views after the other, and each has one request at most: what is newer takes its
place. The next picture is drawn when the one before has been sent, so that slow connections make nobody else wait.
"""

import asyncio
import json
import struct
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from graftlab import images
from graftlab.errors import GraftError
from graftlab.studio.scenes import AnyScene
from graftlab.studio.server import Server, sentence

MOST_VIEWS = 32  # of a connection


class Request(BaseModel):
    """What a page asks for."""

    model_config = ConfigDict(extra="forbid")
    view: str = Field(max_length=100)
    id: int = Field(ge=0, lt=2**53)
    scene: AnyScene
    quality: int = Field(80, ge=1, le=100)


@dataclass
class Connection:
    """One page's socket."""

    steady: ClassVar[bool] = False  # whether pictures follow each other, and none is waited for
    socket: WebSocket
    server: Server
    visitor: str

    def __post_init__(self) -> None:
        self._asked: dict[str, Request] = {}  # by view, the next first
        self._news: dict[str, dict[str, Any]] = {}  # what is to be told, by what it is of
        self._something = asyncio.Event()

    async def run(self) -> None:
        """Answer until the page goes."""
        await self.socket.accept()
        await self.serve()

    async def serve(self) -> None:
        """Answer on a socket that is open."""
        self.server.loop = asyncio.get_running_loop()
        self.server.listeners.setdefault(self.visitor, []).append(self.tell)
        answering = asyncio.ensure_future(self._answer())
        try:
            while True:
                await self._receive(await self.hear())
        except (WebSocketDisconnect, KeyError):  # KeyError: it sent something else
            pass
        finally:
            self.server.listeners[self.visitor].remove(self.tell)
            answering.cancel()

    async def hear(self) -> str:
        """A request, as it comes."""
        return await self.socket.receive_text()

    async def show(self, picture: bytes) -> None:
        """Answer with a picture and its header."""
        await self.socket.send_bytes(picture)

    def tell(self, news: dict[str, Any]) -> None:
        """Let the page know how a job is, or what is ready. In the event loop."""
        self._news[news["job"]["id"] if "job" in news else news["ready"]] = news
        self._something.set()

    async def _receive(self, text: str) -> None:
        try:
            request = Request.model_validate_json(text)
            if request.view not in self._asked and len(self._asked) >= MOST_VIEWS:
                raise GraftError(f"More than {MOST_VIEWS} views wait for pictures: close some.")
        except (ValidationError, GraftError) as error:
            await self._send({**named(text), "error": sentence(error)})
            return
        self._asked[request.view] = request
        self._something.set()

    async def _answer(self) -> None:
        try:
            while True:
                await self._something.wait()
                self._something.clear()
                while self._news or self._asked:
                    while self._news:
                        await self._send(self._news.pop(next(iter(self._news))))
                    if self._asked:
                        await self._picture()
        except (WebSocketDisconnect, RuntimeError):  # it went while something was being sent
            pass

    async def _picture(self) -> None:
        try:
            answer = await asyncio.wrap_future(self.server.turns.run(self.visitor, self._draw, self.steady))
        except GraftError as error:  # too many pages of one visitor wait
            request = self._next()
            answer = {"view": request.view, "id": request.id, "error": str(error)}
        if isinstance(answer, bytes):
            await self.show(answer)
        else:
            await self._send(answer)

    def _next(self) -> Request:
        first, *_ = tuple(self._asked)  # in one step: the event loop may put another there meanwhile
        return self._asked.pop(first)

    def _draw(self) -> bytes | dict[str, Any]:
        """The answer to the newest request of the view whose turn it is. In the thread of the networks."""
        request = self._next()
        header: dict[str, Any] = {"view": request.view, "id": request.id}
        began = time.perf_counter()
        try:
            at = replace(self.server.workspace(self.visitor), later=partial(self.server.aside.want, self.visitor))
            picture = request.scene.draw(at)
            notice = request.scene.notice(at)
            data = images.to_webp(picture, request.quality)
        except Exception as error:
            return {**header, "error": sentence(error)}
        header |= {"width": picture.shape[3], "height": picture.shape[2]}
        header |= {"ms": round(1000 * (time.perf_counter() - began), 1)} | ({"notice": notice} if notice else {})
        header |= {"pending": at.pending} if at.pending else {}
        told = json.dumps(header).encode()
        return struct.pack("<I", len(told)) + told + data

    async def _send(self, message: dict[str, Any]) -> None:
        await self.socket.send_text(json.dumps(message))


def named(text: str) -> dict[str, Any]:
    """The view and number of a request at fault, as far as it tells them."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {key: told[key] for key in ("view", "id") if isinstance(told, dict) and isinstance(told.get(key), str | int)}
