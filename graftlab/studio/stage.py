"""The socket of the room Live: pictures of a camera come in, and what is on stage goes to whoever has its address.

A message is what `live` takes, or, with a camera, binary: four bytes, little-endian, that tell the length of that
JSON, the JSON, and the picture as JPEG or WebP. Answers are as there. First of all the page is told {"stage", "osc"}:
the name under which others may watch, and the port that listens for OSC, if one does; then {"control", "value"} of
each message that comes there.
"""

import asyncio
import secrets
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.websockets import WebSocket, WebSocketDisconnect

from graftlab.studio.live import Connection, Request
from graftlab.studio.scenes.live import Live

MOST_STAGES = 256  # that are remembered; the first is forgotten when one more comes


class Stages:
    """The stages of all visitors, by name."""

    def __init__(self) -> None:
        self.osc: int | None = None  # port that is listened to
        self._names: dict[str, str] = {}  # of visitors' stages
        self._watching: dict[str, set[asyncio.Queue[bytes]]] = {}  # a stage's audience, each with its newest picture
        self._newest: dict[str, bytes] = {}  # picture of each stage
        self._open: dict[Callable[[str, float], None], asyncio.AbstractEventLoop] = {}  # told of controls

    def name(self, visitor: str) -> str:
        """Under which a visitor's stage can be watched; nobody can guess it."""
        if visitor not in self._names:
            self._names[visitor] = secrets.token_hex(8)
            for old in list(self._names)[:-MOST_STAGES]:
                self._newest.pop(self._names.pop(old), None)
        return self._names[visitor]

    def show(self, visitor: str, picture: bytes) -> None:
        """Hand a picture on to those who watch; who is slow gets the newest."""
        self._newest[self.name(visitor)] = picture
        for newest in self._watching.get(self.name(visitor), ()):
            if newest.full():
                newest.get_nowait()
            newest.put_nowait(picture)

    @contextmanager
    def listening(self, told: Callable[[str, float], None]) -> Iterator[None]:
        """Meanwhile something is told of controls, in its event loop."""
        self._open[told] = asyncio.get_running_loop()
        try:
            yield
        finally:
            del self._open[told]

    def control(self, name: str, value: float) -> None:
        """Hand a control's value on to all stages that are open. From any thread."""
        for told, loop in list(self._open.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(told, name, value)

    async def watch(self, socket: WebSocket, name: str) -> None:
        """Send what is on a stage, until the audience goes. The name "1" is the visitor's own."""
        await socket.accept()
        name = self.name(socket.scope["visitor"]) if name == "1" else name
        if name not in self._names.values():
            await socket.send_json({"error": "There is no such stage (any more): copy its address from the room Live."})
            await socket.close()
            return
        newest: asyncio.Queue[bytes] = asyncio.Queue(1)
        if name in self._newest:
            newest.put_nowait(self._newest[name])
        self._watching.setdefault(name, set()).add(newest)
        gone = asyncio.ensure_future(socket.receive())
        try:
            while not gone.done():
                picture = asyncio.ensure_future(newest.get())
                await asyncio.wait({gone, picture}, return_when=asyncio.FIRST_COMPLETED)
                if picture.done():
                    await socket.send_bytes(picture.result())
                else:
                    picture.cancel()
        except (WebSocketDisconnect, RuntimeError):  # it went while something was being sent
            pass
        finally:
            gone.cancel()
            self._watching[name].discard(newest)


@dataclass
class Stage(Connection):
    """The socket of one page with the room open."""

    steady = True
    stages: Stages

    def __post_init__(self) -> None:
        super().__post_init__()
        self._frame: bytes | None = None  # the newest of the camera
        self._controls: dict[str, float] = {}  # what is still to be told

    async def run(self) -> None:
        await self.socket.accept()
        await self._send({"stage": self.stages.name(self.visitor), "osc": self.stages.osc})
        with self.stages.listening(self.control):
            await self.serve()

    async def hear(self) -> str:
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        data = message.get("bytes")
        if data is None:
            return str(message["text"])
        (length,) = struct.unpack_from("<I", data.ljust(4, b"\0"))
        self._frame = data[4 + length :]
        return bytes(data[4 : 4 + length]).decode(errors="replace")

    async def show(self, picture: bytes) -> None:
        self.stages.show(self.visitor, picture)
        await super().show(picture)

    def control(self, name: str, value: float) -> None:
        """Let the page know; of several values the newest."""
        if not self._controls:
            self._telling = asyncio.ensure_future(self._tell_controls())
        self._controls[name] = value

    async def _tell_controls(self) -> None:
        try:
            while self._controls:
                name = next(iter(self._controls))
                await self._send({"control": name, "value": self._controls.pop(name)})
        except (WebSocketDisconnect, RuntimeError):  # it has gone
            self._controls.clear()

    def _next(self) -> Request:
        request = super()._next()
        if isinstance(request.scene, Live) and request.scene.sees_camera and self._frame is not None:
            return request.model_copy(update={"scene": request.scene.showing(self._frame)})
        return request
