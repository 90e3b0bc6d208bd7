"""`graft export`: models for other programs, and for browsers."""

from pathlib import Path
from typing import Annotated

import typer

from graftlab.checkpoints.load import load
from graftlab.cli.output import Json, print_figures
from graftlab.exporting.networks import export_onnx

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
