"""What is there at once: the page and its modules. What needs PyTorch comes when it has been imported."""

import asyncio
import base64
import hashlib
import mimetypes
import re
from collections.abc import Callable
from pathlib import Path

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from graftlab.errors import GraftError

PAGE = Path(__file__).with_name("page")
BUNDLED = Path(__file__).parents[1] / "bundled"
LIBRARIES = "/lib/"  # the address of the JavaScript libraries: /lib/preact/preact.mjs
STAMP = "integrity"  # the file beside a library that was brought whole
API = "/api/"


class Front:
    """`/` and what the page consists of from the disk; everything below /api/ by the app that `make` makes."""

    def __init__(self, make: Callable[[], ASGIApp], page: Path = PAGE) -> None:
        mimetypes.add_type("text/javascript", ".js")  # some systems say otherwise, and browsers then refuse modules
        self._make, self._page = make, files(page)
        folders = [path.parent for path in sorted(BUNDLED.glob(f"*/{STAMP}"))]
        self._libraries = {folder.name: files(folder) for folder in folders}
        self._api: asyncio.Future[ASGIApp] | None = None

    def start(self) -> asyncio.Future[ASGIApp]:
        """Begin to make the app, in another thread."""
        if self._api is None:
            self._api = asyncio.ensure_future(asyncio.to_thread(self._make))
        return self._api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif path.startswith(API) or scope["type"] == "websocket":
            api = await asyncio.shield(self.start())
            await api(scope, receive, send)
        elif path.startswith(LIBRARIES):
            name, _, file = path.removeprefix(LIBRARIES).partition("/")
            await self._libraries.get(name, self._page)({**scope, "path": f"/{file}"}, receive, send)
        else:
            await self._page(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                asyncio.get_running_loop().call_later(0.2, self.start)  # the page first
                await send({"type": "lifespan.startup.complete"})
            else:
                await send({"type": "lifespan.shutdown.complete"})
                return


def files(folder: Path) -> ASGIApp:
    """The files of a folder; for other addresses, 404."""
    return ExceptionMiddleware(StaticFiles(directory=folder, html=True, check_dir=False))


def check(page: Path = PAGE) -> None:
    """GraftError if libraries of the page are missing, as in a checkout where npm has never run."""
    needed = re.findall(rf'"{LIBRARIES}([^"]+)"', (page / "index.html").read_text(encoding="utf-8"))
    if not all((BUNDLED / name).is_file() for name in needed):
        raise GraftError("The studio's page lacks its libraries in this checkout; run 'make javascript' (npm).")


def inline_scripts(page: Path = PAGE) -> list[str]:
    """The hashes of what stands between the page's script tags, for its policy: the import map."""
    index = page / "index.html"
    text = index.read_text(encoding="utf-8") if index.is_file() else ""
    found = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", text, re.DOTALL)
    digests = (hashlib.sha256(script.encode()).digest() for script in found)
    return [f"sha256-{base64.b64encode(digest).decode()}" for digest in digests]
