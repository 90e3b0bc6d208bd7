"""`graft bench`: how fast this machine is."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab import config
from graftlab.benchmarking import bench as measuring
from graftlab.checkpoints.load import load
from graftlab.cli.desk import DEFAULT_MODEL, Device, Model
from graftlab.cli.output import Json, print_figures
from graftlab.cli.progress import bar
from graftlab.errors import GraftError
from graftlab.networks.swapping import SwappingAutoencoder


def numbers(text: str) -> list[int]:
    """Whole numbers with commas between."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise typer.BadParameter(f"'{text}' is no list of whole numbers; write 64,256.")
    return found


def bench(
    model: Model = DEFAULT_MODEL,
    preset: Annotated[str | None, typer.Option(help="Measure untrained networks of this preset instead.")] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Sides of the pictures, in pixels; by default the model's own and 256.")
    ] = None,
    batches: Annotated[str, typer.Option(help="Batch sizes.")] = "1,8",
    precision: Annotated[
        str | None,
        typer.Option(help="float32, bfloat16 or both, separated by a comma; by default the best for the device."),
    ] = None,
    device: Device = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=4096, help="CPU threads; PyTorch's choice by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure this machine: its peak performance, and pictures encoded, decoded, swapped or sampled per second.

    graft bench

    graft bench --preset church256 --sizes 256,512 --batches 1

    Rates are medians of repeats. The table also gives the arithmetic rate as a share of what one large convolution
    reaches on this machine, so that machines can be compared.
    """

    precisions = precision.split(",") if precision else []
    if unknown := sorted(set(precisions) - set(config.PRECISIONS)):
        raise GraftError(f"--precision must be of {', '.join(config.PRECISIONS)}, not '{unknown[0]}'.")
    sides, at_once = numbers(sizes) if sizes else [], numbers(batches)
    network: Any = load(model, device=device) if preset is None else SwappingAutoencoder(config.preset(preset))
    with bar("measuring", unit="runs") as progress:
        found = measuring.bench(network, sides, at_once, precisions, device, threads, progress)
    name = preset or Path(model).stem
    print_figures(found.to_dict(name), found.text(name), as_json)
