"""Starting the studio: its address, its guard, and the server that answers."""

import contextlib
import re
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from graftlab.checkpoints.catalogue.registry import EXTENSION, cached
from graftlab.errors import GraftError
from graftlab.studio.front import BUNDLED, Front, check, inline_scripts
from graftlab.studio.guard import Guard
from graftlab.studio.osc import Hearing

PUBLIC = re.compile(r"https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?", re.IGNORECASE)
LONGEST_MESSAGE = 1 << 20  # bytes on the WebSocket


def serve(
    model: str,  # that the page begins with, by file or name
    photos: Sequence[Path] = (),  # on the shelves at first; none: three that come with graftlab
    host: str = "127.0.0.1",
    port: int = 0,  # 0: any that is free
    expose: bool = False,  # whether other machines may come in
    public: str | None = None,  # address of a proxy in front, as https://me-studio.hf.space: anybody may come in there
    device: str | None = None,
    osc: int | None = None,  # UDP port that hears messages of OSC; None: none does
    index: Path | None = None,  # of a collection, of which visitors may see what is like their photos
    ready: Callable[[str], object] = lambda address: None,  # told the address to open
    tell: Callable[[str], object] = lambda sentence: None,  # told of photos that are left out
) -> None:
    """Serve the studio until interrupted.

    GraftError for a photo or a model that is not there, an address that may not be served, and a port that is taken."""
    for photo in photos:
        if not photo.is_file():
            raise GraftError(f"{photo} is no file: name pictures.")
    if index and not index.is_file():
        raise GraftError(f"{index} is no file: make an index with 'graft index'.")
    if not (Path(model).is_file() or (BUNDLED / f"{model}{EXTENSION}").is_file() or cached(model)):
        raise GraftError(f"There is no model '{model}' on this machine; 'graft models' lists those that are.")
    loopback = host in ("127.0.0.1", "localhost", "::1")
    if not (loopback or expose):
        raise GraftError(f"{host} lets other machines in: give --expose too if they may, or leave --host out.")
    if public and not (expose and PUBLIC.fullmatch(public)):
        raise GraftError(f"--public {public} must be an https address without a path, and needs --expose.")
    check()
    listening = listen(host, port)
    port = listening.getsockname()[1]
    names = {"127.0.0.1", "localhost", host, *([socket.gethostname().lower()] if expose else [])}
    hearing = None if osc is None else Hearing(host, osc)
    stop: list[Callable[[], None]] = []

    def make() -> ASGIApp:
        from graftlab.studio.app import create  # which imports PyTorch: the page is there before
        from graftlab.studio.server import Server

        server = Server(model, photos, device, tell, local=loopback and not expose, index=index)
        stop.append(server.close)
        app = create(server)
        if hearing:
            app.state.stages.osc = hearing.port
            hearing.begin(app.state.stages.control)
            stop.append(hearing.close)
        return app

    hosts = {f"{name}:{port}" for name in names} | ({*names} if port == 80 else set())
    guard = Guard(
        Front(make),
        {public.removeprefix("https://").lower()} if public else hosts,
        port,
        secrets.token_urlsafe(24),
        any_address=expose and not public,
        scripts=inline_scripts(),
        public=bool(public),
    )
    shown = socket.gethostname() if expose and host in ("0.0.0.0", "::") else host
    config = uvicorn.Config(
        guard,
        log_level="warning",
        access_log=False,  # it would hold the token
        server_header=False,
        ws_max_size=LONGEST_MESSAGE,
        ws_per_message_deflate=False,  # pictures are compressed already
        timeout_graceful_shutdown=2,
    )
    running = uvicorn.Server(config)
    ready(public or f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/?token={guard.token}")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            running.run(sockets=[listening])
    finally:
        listening.close()
        for each in stop:
            each()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already: a browser that is faster than the server waits."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise GraftError(f"Port {port} of {host} cannot be used ({error}); choose another --port, or none.") from None


def open_browser(address: str) -> None:
    """Open the address, in a thread: some browsers keep who opens them waiting."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
