"""`graft models` and `graft demo`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.cli.desk import DEFAULT_MODEL, Desk, Json, Model
from graftlab.cli.progress import console


def models(as_json: Json = False) -> None:
    """The models that come with graftlab: size, parameters, what they were trained on.

    graft models
    """
    from graftlab.checkpoints.load import bundled_models
    from graftlab.checkpoints.native import describe

    entries: list[dict[str, Any]] = [{"name": name, **describe(path)} for name, path in bundled_models().items()]
    if as_json:
        typer.echo(json.dumps(entries, indent=1))
        return
    if not entries:
        console.print("No model comes with this installation; give a file to --model.")
    for entry in entries:
        about, size = entry["about"], entry["config"]["size"]
        typer.echo(
            f"{entry['name']}: {entry['kind']}, {size} px, {entry['parameters'] / 1e6:.1f} M parameters, "
            f"{entry['bytes'] / 1e6:.1f} MB; trained on {about.get('trained_on', 'unknown pictures')} "
            f"({about.get('images_seen', 0):,} images); {about.get('licence', 'licence unknown')}"
        )


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures.")] = Path("demo"),
    model: Model = DEFAULT_MODEL,
) -> None:
    """Swap two of the bundled photographs, and draw a sheet of swaps.

    graft demo --out demo
    """
    import time

    from graftlab.checkpoints.load import BUNDLED
    from graftlab.editing import swaps
    from graftlab.sheets import sheet

    photos = BUNDLED / "photos"
    desk = Desk.open(model, square=True)
    structure, texture = (desk.read(photos / f"{name}.jpg") for name in DEMO_PAIR)
    start = time.perf_counter()
    there, back = (
        swaps.swap(desk.model, *pair, **desk.rendering) for pair in ((structure, texture), (texture, structure))
    )
    seconds = time.perf_counter() - start
    pair = sheet(
        [[structure, texture, there, back]],
        columns=["A", "B", "structure A, texture B", "structure B, texture A"],
        scale=max(1, 256 // desk.size),
    )
    desk.write(pair, out / "swap.png")
    rows, columns = ([desk.read(photos / f"{name}.jpg") for name in names] for names in (DEMO_ROWS, DEMO_COLUMNS))
    hybrids = swaps.grid(desk.model, rows, columns, **desk.rendering)
    lines = [[row, *line] for row, line in zip(rows, hybrids, strict=True)]
    scale = desk.scale(len(DEMO_ROWS) + 1, len(DEMO_COLUMNS) + 1)
    desk.write(sheet([[None, *columns], *lines], ["", *DEMO_ROWS], ["", *DEMO_COLUMNS], scale=scale), out / "grid.png")
    console.print(f"Two swaps took {seconds:.2f} s. Open {out / 'swap.png'} and {out / 'grid.png'}.", soft_wrap=True)


DEMO_PAIR = ("peaks", "pier-fog")
DEMO_ROWS = ("peaks", "autumn-hills", "lake-evening", "render-summer")
DEMO_COLUMNS = ("render-winter", "render-sunset", "render-night", "hilltop-sunset", "lake-dusk")
