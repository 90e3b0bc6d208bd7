"""`graft directions show`, `rename`, `compose` and `orthogonalise`: what a file of directions says, and files of it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.cli.output import Json, out_file, print_figures, spare
from graftlab.cli.progress import say
from graftlab.editing.directions import Directions
from graftlab.work.texts import parse_named

File = Annotated[str, typer.Argument(help="File of directions, or the name of a bundled model that has one.")]
OutFile = Annotated[Path, out_file("File of directions to write.")]


def show(file: File, as_json: Json = False) -> None:
    """Show the directions of a file: names, shares of the variance, and correlations with known factors.

    graft directions show landscapes-128
    """

    print_directions(Directions.load(file), as_json)


def rename(
    file: File,
    old: Annotated[str, typer.Argument(help="Its present name; 'component 3' is enough for 'component 3 (season)'.")],
    new: Annotated[str, typer.Argument(help="Its new name.")],
    out: OutFile = Path("directions.safetensors"),
) -> None:
    """Give a direction another name.

    graft directions rename mine.directions.safetensors "component 2" haze -o named.directions.safetensors
    """

    spare(out, file)
    say(Directions.load(file).rename(old, new).save(out))


def compose(
    file: File,
    name: Annotated[str, typer.Argument(help="Name of the sum.")],
    terms: Annotated[list[str], typer.Argument(help="Directions and their gains, such as hour=1.5 season=-0.5.")],
    out: OutFile = Path("directions.safetensors"),
) -> None:
    """Add a direction that is a weighted sum of others.

    graft directions compose colours-128 evening "hour=1.5" "golden light=1" -o mine.directions.safetensors
    """

    spare(out, file)
    gains = parse_named(terms, "A term is a direction and its gain, such as hour=1.5")
    say(Directions.load(file).compose(name, gains).save(out))


def orthogonalise(
    file: File,
    name: Annotated[str, typer.Argument(help="The direction to make orthogonal to the others.")],
    against: Annotated[list[str], typer.Option(help="One of the others; may be repeated.")],
    others: Annotated[
        str | None, typer.Option("--from", help="File or bundled model with the others; FILE by default.")
    ] = None,
    out: OutFile = Path("directions.safetensors"),
) -> None:
    """Remove from a direction what it shares with others, so that it no longer changes those.

    graft directions orthogonalise colours-128 season --against hour --against haze -o mine.directions.safetensors
    """

    spare(out, file, others)
    directions = Directions.load(file)
    rivals = (Directions.load(others) if others else directions).select(against)
    say(directions.orthogonalise(name, rivals).save(out))


def print_directions(directions: Directions, as_json: bool) -> None:
    """Directions on stdout: a line each, or all as JSON."""
    entries: list[dict[str, Any]] = [
        {"name": name, "explained": share, "correlations": directions.correlations(name)}
        for name, share in zip(directions.names, directions.explained.tolist(), strict=True)
    ]
    facts = {"model": directions.model, "part": directions.part, "layers": directions.layers}
    lines = [directions.describe(name) for name in directions.names]
    if directions.layers is not None:
        lines.append(f"They change the layers {', '.join(map(str, directions.layers))} of w.")
    print_figures({**facts, "directions": entries, "about": directions.about}, "\n".join(lines), as_json)
