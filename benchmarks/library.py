"""A search among a million photos: `python -m benchmarks library --photos FOLDER`.

The photos of a folder are indexed. How much is lost by what the index leaves out of their codes is measured on them:
of the twelve photos nearest to another by all of its code, the share that is found. Then as many codes are made up as
are to be searched, which vary along each axis as those photos do.
"""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from benchmarks.result import Result, add_output, positive
from benchmarks.worker import CPU
from graftlab.benchmarking import clock
from graftlab.benchmarking.machine import Machine
from graftlab.benchmarking.speed import figure
from graftlab.checkpoints.load import load
from graftlab.codes import SwapCodes
from graftlab.data.sources import open_photos
from graftlab.editing.fitting import encode_photos
from graftlab.editing.photo_index import PhotoIndex, flat, index
from graftlab.figures.tables import Table
from graftlab.networks.swapping import SwappingModel

COUNT = 12  # photos to find
ASKED = {"texture": ("texture",), "structure": ("structure",), "both": ("texture", "structure")}


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--model", default="colours-128", help="file, or name")
    parser.add_argument("--photos", type=Path, required=True, help="folder of some thousand photos")
    parser.add_argument("--among", type=positive, default=1_000_000, help="made-up photos to search")
    parser.add_argument("--repeats", type=positive, default=20)
    add_output(parser)


def run(options: Namespace) -> Result:
    torch.set_num_threads(options.threads)
    model = load(options.model, SwappingModel, device="cpu")
    size = model.config.size
    known = index(model, options.photos, size)
    source = open_photos(options.photos)
    pages = [flat(codes) for _, codes in encode_photos(model, source, range(len(source)), size)]
    whole = {part: torch.cat([page[part] for page in pages]).half() for part in SwapCodes.parts}
    many = made_up(known, options.among)
    rng = torch.Generator().manual_seed(1)
    rows, figures = [], {}
    for name, parts in ASKED.items():
        lost = [recall(known, whole, parts, i) for i in range(0, len(known), max(1, len(known) // 100))]
        places = {part: places_like(getattr(known, part).rows, options.repeats + 1, rng).float() for part in parts}
        wanted = [{part: places[part][i] for part in parts} for i in range(options.repeats + 1)]
        many.places_of_nearest(wanted[0], COUNT)  # its head is copied
        seconds = [clock.once(partial(many.places_of_nearest, each, COUNT), CPU) for each in wanted[1:]]
        figures[name] = {"seconds": seconds, "recall": sum(lost) / len(lost)}
        rows.append(
            (name, [figure(1000 * median(seconds)), figure(1000 * max(seconds)), f"{100 * sum(lost) / len(lost):.0f}%"])
        )
    title = f"The {COUNT} nearest of {options.among:,} photos; recall among {len(known):,}"
    return Result(Machine.here(CPU), [Table(title, ["ms, median", "ms, slowest", "recall"], rows)], figures)


def made_up(known: PhotoIndex, count: int) -> PhotoIndex:
    rng = torch.Generator().manual_seed(0)
    rows = {part: places_like(getattr(known, part).rows, count, rng) for part in SwapCodes.parts}
    return known.holding([""] * count, torch.arange(count), **rows)


def places_like(rows: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Normal, with the deviations that rows have along each axis."""
    return (torch.randn(count, rows.shape[1], generator=rng) * rows.float().std(0)).half()


def recall(known: PhotoIndex, whole: dict[str, Tensor], parts: tuple[str, ...], i: int) -> float:
    """Share of the photos nearest to one by all of their codes that the index finds."""
    units = {part: whole[part].float().var(0).sum() for part in parts}
    squares = sum((whole[part].float() - whole[part][i].float()).square().sum(1) / units[part] for part in parts)
    wanted = {part: getattr(known, part).rows[i].float() for part in parts}
    nearest = set(torch.as_tensor(squares).topk(COUNT, largest=False).indices.tolist())
    return len(nearest & set(known.places_of_nearest(wanted, COUNT).tolist())) / COUNT
