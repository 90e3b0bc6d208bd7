"""`graft studio`: the page."""

from pathlib import Path
from typing import Annotated

import typer

from graftlab.cli.options import DEFAULT_MODEL
from graftlab.cli.progress import say
from graftlab.errors import needs

EXPOSED = (
    "Anyone on the network who gets hold of this address can use the studio, and what they send is not encrypted: "
    "use it among people you trust, and end it when you are done."
)
PUBLIC = "Anybody on the internet can use it, and this machine's processor: everyone has shelves of their own."


def studio(
    photos: Annotated[
        list[Path] | None,
        typer.Argument(help="Pictures for the shelves; by default three of the bundled photographs."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="The model to begin with: a file, or the name of a bundled model.")
    ] = DEFAULT_MODEL,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 is any that is free.")] = 0,
    host: Annotated[str, typer.Option(help="Address to serve on; any but this machine's own needs --expose.")] = (
        "127.0.0.1"
    ),
    expose: Annotated[bool, typer.Option("--expose", help="Let other machines in, with the token.")] = False,
    public: Annotated[
        str | None,
        typer.Option(help="Address of an https proxy in front, at which anybody may enter; with --expose."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open no browser.")] = False,
    osc: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="UDP port that hears OSC messages '/graftlab/NAME NUMBER' for the room Live."
        ),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(help="An index from 'graft index': visitors see photos of its collection that are like theirs."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps; the fastest by default.")] = None,
) -> None:
    """Serve a page on this machine on which pictures are swapped and edited live, until Ctrl-C.

    graft studio

    graft studio fuji.jpg alps.jpg -m my-run/best.safetensors --port 8000 --no-browser

    graft studio --osc 9000

    graft studio --index photos.index.safetensors
    """

    for module, package in (("fastapi", "fastapi"), ("uvicorn", "uvicorn"), ("multipart", "python-multipart")):
        needs("The pages of the studio", module, package, "studio")
    from graftlab.studio.serve import open_browser, serve

    def ready(address: str) -> None:
        say(f"The studio is at {address}")
        if expose:
            say(PUBLIC if public else EXPOSED)
        if not no_browser:
            open_browser(address)

    serve(model, photos or [], host, port, expose, public, device, osc, index, ready, say)
