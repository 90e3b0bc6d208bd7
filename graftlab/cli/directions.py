"""`graft directions`: find what textures have in common, and turn pictures that way."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graftlab.cli.desk import (
    DEFAULT_MODEL,
    LARGEST_SEED,
    Desk,
    Device,
    Json,
    Model,
    Noise,
    Out,
    Precision,
    Seed,
    Size,
    Square,
    spare,
    writable,
)
from graftlab.cli.progress import bar, console
from graftlab.errors import GraftError

if TYPE_CHECKING:
    from graftlab.editing.directions import Directions

SHOWN = 0.2  # correlations below this are left out of the text

directions_app = typer.Typer(help="Find directions among textures, look at them, apply them.", no_args_is_help=True)

File = Annotated[str, typer.Argument(help="File of directions, or the name of a bundled model that has one.")]


@directions_app.command()
def fit(
    photos: Annotated[Path, typer.Argument(help="Folder, zip, LMDB or pack of photos.")],
    count: Annotated[int, typer.Option("--count", "-k", min=1, help="Number of directions.")] = 10,
    out: Annotated[Path, typer.Option("--out", "-o", help="File of directions to write.", callback=writable)] = Path(
        "directions.safetensors"
    ),
    most: Annotated[int, typer.Option(min=2, help="Photos at the most, chosen at random.")] = 5000,
    as_json: Json = False,
    model: Model = DEFAULT_MODEL,
    size: Annotated[
        int | None, typer.Option(min=1, help="Side of the squares, pixels; the model's by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Picks the photos.")] = 0,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """Find the directions in which the textures of photos vary most (PCA).

    graft directions fit ~/photos -m landscapes-128 -k 10 -o mine.directions.safetensors
    """
    from graftlab.checkpoints.load import load_as
    from graftlab.editing.directions import principal
    from graftlab.networks.swapping import SwappingModel

    spare(out, model, photos)
    opened = load_as(SwappingModel, model, device, precision)
    with bar("encoding", most) as progress:
        found = principal(opened, photos, size or opened.config.size, count, most, seed, progress)
    found.save(out)
    tell(found, as_json)
    console.print(str(out), soft_wrap=True)


@directions_app.command()
def show(file: File, as_json: Json = False) -> None:
    """Names, shares of the variance, and correlations with what is known of the pictures they were found in.

    graft directions show landscapes-128
    """
    from graftlab.editing.directions import Directions

    tell(Directions.load(file), as_json)


@directions_app.command()
def sweep(
    photos: Annotated[list[Path], typer.Argument(help="Pictures.")],
    file: File,
    name: Annotated[list[str] | None, typer.Option(help="A direction; may be given again. All by default.")] = None,
    gains: Annotated[str, typer.Option(help="Standard deviations; 0 is the picture through its codes.")] = (
        "-3,-1.5,0,1.5,3"
    ),
    out: Out = Path("sweep.png"),
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A model file or bundled name; FILE's if that is one.")
    ] = None,
    size: Size = None,
    square: Square = True,
    noise: Noise = "fixed",
    seed: Seed = 0,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """A strip of gains for each picture and direction, the original in the margin.

    graft directions sweep fuji.jpg alps.jpg landscapes-128 --name season --gains -3,-1.5,0,1.5,3 -o sheet.png
    """
    from graftlab.checkpoints.load import bundled_directions
    from graftlab.editing import directions as editing
    from graftlab.sheets import sheet

    try:
        steps = [float(gain) for gain in gains.split(",")]
    except ValueError:
        raise GraftError(f"--gains takes numbers with commas between, such as -3,0,3, not '{gains}'.") from None
    spare(out, file, *photos)
    directions = editing.Directions.load(file)
    names = [directions.names[directions.index(wanted)] for wanted in name or directions.names]
    model = model or (file if file in bundled_directions() else DEFAULT_MODEL)
    desk = Desk.open(model, size, square, noise, seed, device, precision)
    desk.scale(len(photos) * len(names), len(steps) + 1)  # refuses too many
    originals = [desk.read(photo) for photo in photos]
    rows, labels = [], []
    one, single = len(photos) == 1, len(names) == 1
    with bar("rendering", len(originals) * len(names) * len(steps)) as progress:
        for photo, original in zip(photos, originals, strict=True):
            strips = editing.sweep(desk.model, directions, original, names, steps, **desk.rendering)
            for direction, strip in zip(names, strips, strict=True):
                rows.append([original, *strip])
                labels.append(direction if one else photo.stem if single else f"{photo.stem}: {direction}")
                progress(len(rows) * len(steps))
    title = names[0] if single else photos[0].stem if one else None
    columns = ["original", *(f"{step:+g}" if step else "0" for step in steps)]
    scale = desk.scale(len(rows), len(columns), originals)
    desk.write(sheet(rows, labels, columns, title, scale=scale), out)


def tell(directions: "Directions", as_json: bool) -> None:
    """Directions on stdout: a line each, or all as JSON."""
    from graftlab.data.image_source import printable

    toward = directions.about.get("toward")
    entries: list[dict[str, Any]] = [
        {"name": name, "explained": share, "correlations": directions.correlations(name)}
        for name, share in zip(directions.names, directions.explained.tolist(), strict=True)
    ]
    if as_json:
        typer.echo(json.dumps({"model": directions.model, "directions": entries, "about": directions.about}, indent=1))
        return
    for entry in entries:
        end = toward.get(entry["name"]) if isinstance(toward, dict) else None
        line = f"{entry['name']}{f' (toward {end})' if end else ''}: {entry['explained']:.1%} of the variance"
        if followed := [f"{factor} {r:+.2f}" for factor, r in entry["correlations"].items() if abs(r) >= SHOWN]:
            line += f"; follows {', '.join(followed)}"
        typer.echo(printable(line))
