"""`graft inspect`, `convert` and `verify`: files that hold models, of any format that graftlab reads."""

from pathlib import Path
from typing import Annotated

import typer

from graftlab.checkpoints import convert as conversion
from graftlab.checkpoints import verify as checks
from graftlab.checkpoints.describe import describe, summary
from graftlab.checkpoints.load import locate
from graftlab.cli.output import Json, print_figures, spare, writable
from graftlab.cli.progress import say
from graftlab.data.pack import Pack, is_pack
from graftlab.errors import GraftError

AnyFile = Annotated[str, typer.Argument(help="A model file of any format, or a model's name; no code in it is run.")]


def inspect(file: AnyFile, as_json: Json = False) -> None:
    """Show what a file is: kind, architecture, parameters, training images, licence, origin.

    graft inspect network-snapshot-000500.pkl
    """

    told = describe(locate(file))
    print_figures(told, summary(told), as_json)


def convert(
    source: AnyFile,
    target: Annotated[
        Path | None, typer.Argument(metavar="[OUT]", help="The file to write; the same as --out.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write: .safetensors (graftlab), .pt (rosinality's StyleGAN2) or .pkl (NVIDIA's).",
        ),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store half precision: half the size.")] = False,
    allow_nan: Annotated[bool, typer.Option("--allow-nan", help="Accept weights that are not finite.")] = False,
    delta: Annotated[
        str, typer.Option(help="Store only the differences from this model, its parent: a quarter of the size.")
    ] = "",
    checkout: Annotated[
        str | None,
        typer.Option(
            help="NVIDIA's repository that is to open a .pkl: stylegan3, or for StyleGAN2s stylegan2-ada-pytorch, "
            "their default."
        ),
    ] = None,
) -> None:
    """Turn a model file of any format into graftlab's own, or a StyleGAN back into that of NVIDIA's scripts.

    graft convert network-snapshot-000500.pkl -o metfaces.safetensors

    graft convert blend.safetensors blend.pkl --checkout stylegan3

    graft convert runs/woodblock/models/000002000.safetensors woodblock/2000.safetensors --delta alpine-128
    """

    if (target is None) == (out is None):
        raise GraftError(f"Name one file to write: graft convert {source} model.safetensors, or -o model.safetensors.")
    written, parent = writable(out or target or Path()), locate(delta) if delta else None
    spare(written, source, parent, by_model=True)
    file = conversion.convert(locate(source), written, half, allow_nan, None, parent, checkout)
    for note in file.notes:
        say(note)
    say(f"{written}: {file.kind}, from {file.format}")


def verify(file: AnyFile, as_json: Json = False) -> None:
    """Read every byte of a model, or of another file that graftlab wrote, and compare it with its recorded hashes.

    graft verify metfaces.safetensors
    """

    path = locate(file)
    told = checks.verify(path, Pack(path).verify if is_pack(path) else None)
    weights = "as the file says" if told["recorded"] else "the file tells none to compare"
    known = f"known as {told['known_as']}" if told["known_as"] else "not a file that graftlab knows"
    proven = "all of it as it was written" if told["proven"] else "it carries no digest of all that it holds"
    lines = [f"{file}: {proven}", f"  sha256 {told['sha256']} ({known})"]
    if told["fingerprint"]:
        lines.append(f"  weights {told['fingerprint']} ({weights})")
    print_figures(told, "\n".join(lines), as_json)
