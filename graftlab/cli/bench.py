"""`graft bench`: how fast this machine is."""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from graftlab import config
from graftlab.benchmarking import machine, speed
from graftlab.checkpoints.load import load
from graftlab.cli.desk import DEFAULT_MODEL, Device, Json, Model
from graftlab.cli.progress import bar
from graftlab.errors import GraftError
from graftlab.hardware import choose_device, training_precision
from graftlab.networks.swapping import SwappingAutoencoder

DEFAULT_SIZE = 256  # pixels, measured beside the model's own


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
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; PyTorch's choice by default.")] = None,
    as_json: Json = False,
) -> None:
    """Measure this machine: its peak performance, and pictures encoded, decoded, swapped or sampled per second.

    graft bench

    graft bench --preset church256 --sizes 256,512 --batches 1

    Rates are medians of repeats. The table also gives the arithmetic rate as a share of what one large convolution
    reaches on this machine, so that machines can be compared.
    """

    place = choose_device(device)
    precisions = precision.split(",") if precision else sorted({"float32", training_precision(place)}, reverse=True)
    if unknown := sorted(set(precisions) - set(config.PRECISIONS)):
        raise GraftError(f"--precision must be of {', '.join(config.PRECISIONS)}, not '{unknown[0]}'.")
    if threads:
        torch.set_num_threads(threads)
    network: Any = load(model, device=str(place)) if preset is None else SwappingAutoencoder(config.preset(preset))
    network = network.to(place).eval().requires_grad_(False)
    if network.takes == "seeds":
        if sizes:
            raise GraftError(f"--sizes cannot be chosen for {model}, a StyleGAN2, whose pictures have one size.")
        wanted = speed.cases([network.config.size], numbers(batches), [speed.SAMPLE])
    else:
        smallest = network.config.smallest_grid * network.config.stride
        sides = numbers(sizes) if sizes else {network.config.size, max(DEFAULT_SIZE, smallest)}
        wanted = speed.cases(sides, numbers(batches))
    with bar("measuring") as progress:
        here, best = machine.Machine.here(place), machine.ceiling(place, precisions)
        speeds = list(
            speed.measure(
                network, wanted, best, precisions, place, lambda done, last: progress(done, note=str(last.case))
            )
        )
    name = preset or Path(model).stem
    if as_json:
        about = {"machine": here.to_dict(), "ceiling": best.to_dict(), "model": name}
        typer.echo(json.dumps({**about, "cases": [found.to_dict() for found in speeds]}, indent=1))
        return
    typer.echo("\n".join([here.summary(), best.summary(), speed.table(name, speeds).text()]))
