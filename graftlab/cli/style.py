"""`graft sample` and `graft mix-styles`: pictures from the seeds of a StyleGAN."""

from dataclasses import dataclass
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from graftlab.cli.desk import Desk, Device, Model, Precision, Seed, stylegan
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.options import spread
from graftlab.cli.output import Out, new_file, spare, spare_each
from graftlab.cli.photo_search import PhotoSearch
from graftlab.cli.progress import bar, say
from graftlab.codes import Codes
from graftlab.editing.swaps import mix_grid
from graftlab.errors import GraftError
from graftlab.figures.sheets import grid_shape, sheet
from graftlab.inversion.sources import Finding, Latent, parse_sources, read_sources
from graftlab.networks.style import StyleGAN
from graftlab.rendering.sheets import sheet_of_seeds
from graftlab.work.progress import part, steps
from graftlab.work.texts import parse_seeds, parse_shifts

BATCH = 8  # pictures made at a time

Seeds = Annotated[str, typer.Option(help="Seeds of pictures: 7 or 1,4,10-20.")]


def finite(psi: float) -> float:
    """The truncation, if it is a finite number: with another one draws nothing that is a picture."""
    if not isfinite(psi):
        raise GraftError(f"--psi is a finite number, such as 0.7, not {psi:g}.")
    return psi


SOURCES = "Seeds such as 0-3, a picture, a folder or a file of codes "

Psi = Annotated[
    float, typer.Option(help="Truncation psi: 1 as trained, towards 0 more typical and less varied.", callback=finite)
]
Cutoff = Annotated[
    int | None, typer.Option(min=0, help="Truncate only this many layers, from the coarsest on; all by default.")
]
Class = Annotated[
    str | None, typer.Option("--class", help="Class of a conditional model, by name, or by number from 0 on.")
]


@dataclass(frozen=True, kw_only=True)
class StyleOptions:
    """The options of commands that render pictures of a StyleGAN."""

    model: Model
    noise: Annotated[str, typer.Option(help="const (the model's own), fixed (by --seed), random or none.")] = "const"
    seed: Seed = 0
    device: Device = None
    precision: Precision = "float32"

    def desk(self) -> Desk[StyleGAN]:
        return stylegan(**vars(self))


@spread
def sample(
    options: StyleOptions,
    seeds: Seeds = "0-15",
    out: Out = Path("samples.png"),
    psi: Psi = 0.7,
    cutoff: Cutoff = None,
    label: Class = None,
    rotate: Annotated[float, typer.Option(help="Degrees by which a StyleGAN3's pictures turn, anticlockwise.")] = 0.0,
    translate: Annotated[
        str, typer.Option(help="Shift of a StyleGAN3's pictures: RIGHT,DOWN in widths and heights.")
    ] = "0,0",
    separate: Annotated[
        bool, typer.Option("--separate", help="Write a file for each picture, NAME-SEED, instead of a sheet.")
    ] = False,
    codes: Annotated[Path | None, new_file("Save the codes too, for 'graft decode'.")] = None,
    larger: Enlarging = Enlarging(),
) -> None:
    """Draw pictures with a StyleGAN, by seed: a seed stands for the same latent vector as in NVIDIA's code.

    graft sample -m metfaces.pkl --seeds 1,4,10-20 --psi 0.7 -o faces.png

    graft sample -m stylegan3-t-metfaces.pkl --seeds 1,4 --rotate 15 --translate 0.1,-0.05 -o turned.png
    """

    numbers, (shift, _) = parse_seeds(seeds), parse_shifts(translate, "--translate")
    larger.refuse_sheet(len(numbers) > 1 and not separate, "write a file for each (--separate)")
    alone = {number: out.with_stem(f"{out.stem}-{number:04d}") for number in numbers if separate}
    spare_each((codes, *(alone.values() or [out])), options.model)
    desk = larger.on(options.desk())
    network = desk.model
    scale = 1 if separate else desk.scale(*grid_shape(len(numbers)))  # refuses too many
    chosen = network.codes_of(numbers, psi, cutoff, label)
    if rotate or any(shift):
        chosen = network.move(chosen, rotate, *shift)
    if codes is not None:
        say(chosen.save(codes))
    batches = (chosen[start : start + BATCH] for start in range(0, len(numbers), BATCH))
    made = chain.from_iterable(network.decode(batch, **desk.rendering).split(1) for batch in batches)
    with bar("sampling", len(numbers)) as progress:
        images = steps(made, progress, len(numbers))
        if separate:
            for number, image in zip(numbers, images, strict=True):
                desk.write(image, alone[number])
            return
        found = sheet_of_seeds(desk, list(images), numbers, psi, scale)
    desk.write(found, out)


@spread
def mix_styles(
    options: StyleOptions,
    rows: Annotated[list[str], typer.Option(help=SOURCES + "that supply the other layers; may be repeated.")] = ["0-3"],  # noqa: B006
    columns: Annotated[
        list[str], typer.Option(help=SOURCES + "that supply the layers of --layers; may be repeated.")
    ] = ["4-9"],  # noqa: B006
    layers: Annotated[str, typer.Option(help="Rows of w that come from the columns; 0 is the coarsest.")] = "0-6",
    out: Out = Path("mixed-styles.png"),
    psi: Psi = 0.7,
    label: Class = None,
    finding: PhotoSearch = Finding(),
) -> None:
    """Draw a sheet of a StyleGAN's style mixing: each row's picture with some layers of each column's.

    graft mix-styles -m metfaces.pkl --rows 0-3 --columns 4-9 --layers 0-6 -o mixed.png

    graft mix-styles -m metfaces.pkl --rows me.jpg --columns 4-9 --columns codes.safetensors --layers 7-13 -o me.png
    """

    chosen = parse_seeds(layers, "--layers")
    named = [parse_sources(texts) for texts in (rows, columns)]
    spare(out, *(each.path for each in chain(*named) if not isinstance(each, Latent)))
    desk = options.desk()
    network = desk.model
    desk.scale(len(named[0]) + 1, len(named[1]) + 1)  # refuses too many
    down, across = (read_sources(network, each, psi, label, finding, watch=bar, tell=say) for each in named)
    scale = desk.scale(len(down) + 1, len(across) + 1)
    left, top = (Codes.cat([each.codes for each in sources]) for sources in (down, across))
    with bar("mixing", total := (len(down) + 1) * len(across)) as progress:
        each = part(progress, 0, total, len(across))
        lines = list(steps(mix_grid(network, left, top, chosen, **desk.rendering), each, len(down) + 1))
    left_names, top_names = (["", *(each.name for each in sources)] for sources in (down, across))
    title = desk.title(f"layers {layers} of the columns")
    desk.write(sheet(lines, left_names, top_names, title, scale=scale), out)
