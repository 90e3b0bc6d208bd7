"""`graft export`: models for other programs, and for browsers."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from graftlab.checkpoints.load import load
from graftlab.cli.output import Json, print_figures
from graftlab.cli.progress import say
from graftlab.editing.directions import Directions, directions_beside
from graftlab.exporting.networks import export_onnx
from graftlab.exporting.web import export_web

AnyModel = Annotated[str, typer.Argument(help="A model file, or the name of a bundled model.")]
Folder = Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")]
Half = Annotated[bool, typer.Option("--half", help="Store weights in half the space where the result is the same.")]


def onnx(model: AnyModel, out: Folder = Path("onnx"), half: Half = False, as_json: Json = False) -> None:
    """Write a model's networks as ONNX files for other programs, each compared with PyTorch first.

    graft export onnx landscapes-128 -o onnx/

    graft export onnx desert.safetensors -o desert-onnx/
    """

    made = export_onnx(load(model, device="cpu"), out, half)
    lines = [
        f"{out / one.part.name}.onnx: {len(one.data) / 1e6:.1f} MB, within {one.error:.1g} of PyTorch" for one in made
    ]
    print_figures({one.part.name: one.described() for one in made}, "\n".join(lines), as_json)


def web(model: AnyModel, out: Folder = Path("site"), half: Half = False) -> None:
    """Write a page that swaps photos in any browser, without a server: a folder for any host.

    graft export web landscapes-128 -o site/
    """

    beside = directions_beside(model)
    directions = Directions.load(beside) if beside.is_file() else None
    size = export_web(load(model, device="cpu"), out, directions, half)
    say(f"{out}: {size / 1e6:.0f} MB. Put the folder on any host, or look at it here:")
    say(f"  python -m http.server --directory {shlex.quote(str(out))}   then open http://localhost:8000")
