"""`graft blend` and `graft diff`: several networks in one, and how far one has moved from another."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from graftlab.blending import resizing
from graftlab.blending.chart import chart
from graftlab.blending.diff import diff as compare
from graftlab.blending.diff import tabulate
from graftlab.blending.files import blend_files
from graftlab.blending.inputs import Inputs
from graftlab.blending.kinship import kinship
from graftlab.blending.rules import BlendConfig
from graftlab.checkpoints.load import load
from graftlab.cli.blend_desk import HOW, Force, InputOptions, Photos
from graftlab.cli.desk import Desk, Device
from graftlab.cli.options import spread
from graftlab.cli.output import Json, model_file, new_file, out_file, picture, print_figures, spare
from graftlab.cli.photo_search import PhotoSearch
from graftlab.cli.progress import bar, say
from graftlab.errors import GraftError
from graftlab.inversion.sources import Finding
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.work.progress import steps
from graftlab.work.texts import parse_aspect

BLEND = "blend.safetensors"
FEW = "0-5"  # seeds of --samples


@spread
def blend(
    models: Annotated[list[str], typer.Argument(help="Model files or names: A and B, or with --weights any number.")],
    rule: Annotated[BlendConfig, HOW],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help=f"Model to write; {BLEND}, or none with --samples, by default.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print every tensor with the shares it has.")] = False,
    force: Force = False,
    half: Annotated[bool, typer.Option("--half", help="Store half precision: half the size.")] = False,
    samples: Annotated[Path | None, new_file("Picture: the same latents, or photos, of all models.", picture)] = None,
    inputs: InputOptions = InputOptions(),
    finding: PhotoSearch = Finding(),
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Blend networks of which one was fine-tuned from the other: layer swap, interpolation and everything in between.

    graft blend faces.pkl cartoons.pkl --swap-at 32 -o toon.safetensors --samples toon.png

    graft blend faces.pkl cartoons.pkl --swap-at 32 --samples me.png --photo me.jpg

    graft blend faces.pkl cartoons.pkl --curve 4:0,16:0.2,64:1 --mapping a --explain

    graft blend faces.pkl cartoons.pkl --clusters parts.json:3 --local --soft 12 --samples mouth.png
    """

    out = Path(BLEND) if out is None and samples is None else out
    if out is not None:
        spare(model_file(out), *models, *rule.files, by_model=True)
    if samples is not None:
        spare(samples, *inputs.files, *rule.files)
    elif (inputs, finding) != (InputOptions(), Finding()):
        raise GraftError("--seeds, --photo and the like are for the picture of --samples; add that, or leave them out.")
    blended = blend_files(models, rule, force, device, bar, say)
    if inputs.seeds is inputs.photo is None and blended.network.takes == "seeds":
        inputs = replace(inputs, seeds=FEW)
    for found in blended.kinships:
        say(found.sentence)
    if samples is not None:
        Desk(blended.network).write(blended.draw_samples(inputs, bar, say, finding), samples)
    if out is not None:
        blended.save(out, half)
    figures = {"file": out and str(out), **blended.to_dict()}
    print_figures(figures, blended.explain() if explain else blended.summarize(), as_json)
    if out is not None and not as_json:
        say(out)


def diff(
    a: Annotated[str, typer.Argument(help="A model file or name.")],
    b: Annotated[str, typer.Argument(help="Another model with the same layers.")],
    out: Annotated[Path | None, out_file("Draw a chart: .png, .jpg, .webp or .tif.", picture)] = None,
    seeds: Annotated[str, typer.Option(help="Number of a StyleGAN's latents whose activations are compared.")] = "0-7",
    photo: Photos = None,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Measure how far each layer of B has moved from A's: its weights, and its activations for the same inputs.

    graft diff faces.pkl cartoons.pkl -o moved.png
    """

    inputs = Inputs(seeds=seeds, photo=photo)
    if out is not None:
        spare(out, a, b, *inputs.files)
    mine, theirs = (load(path, device=device) for path in (a, b))
    found, probes = kinship(mine, theirs), inputs.probes(mine)
    with bar("comparing", len(probes)) as progress:
        moved = compare(mine, theirs, steps(probes, progress, len(probes)))
    if out is not None:
        Desk(mine, "fixed").write(chart(moved, f"{Path(a).name} to {Path(b).name}"), out)
    layers = [each.to_dict() for each in moved]
    figures = {"kinship": found.to_dict(), "inputs": len(probes), "layers": layers}
    print_figures(figures, tabulate(moved, found.sentence).text(), as_json)


def resize_model(
    model: Annotated[str, typer.Argument(help="A StyleGAN2: a file or a name.")],
    out: Annotated[Path, out_file("Model to write.", model_file)] = Path("resized.safetensors"),
    size: Annotated[int | None, typer.Option(min=1, help="Larger side of the pictures, pixels.")] = None,
    aspect: Annotated[str | None, typer.Option(help="Width and height in proportion: 2:1, 2:3.")] = None,
    device: Device = None,
) -> None:
    """Give a StyleGAN2 another resolution or shape, to fine-tune it there: blocks are added, or left out.

    graft resize-model faces-256.pkl --size 512 -o faces-512.safetensors

    graft resize-model alpine-128 --aspect 2:1 --size 256 -o wide.safetensors
    """

    spare(out, model, by_model=True)
    if size is None and aspect is None:
        raise GraftError("Say what is to change: --size, --aspect, or both.")
    sides = None if aspect is None else parse_aspect(aspect)
    say(resizing.resize_model(load(model, StyleGAN2, device=device), size, sides).save(out))
