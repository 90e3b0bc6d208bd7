"""`graft swap`, `grid`, `reconstruct`, `encode`, `decode` and `interpolate`: pictures in, pictures out."""

import json
import zipfile
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.formats.latents import read_latents
from graftlab.cli.desk import (
    DEFAULT_MODEL,
    Desk,
    Device,
    EncodingOptions,
    Json,
    Model,
    Out,
    PictureOptions,
    Precision,
    RenderingOptions,
    Seed,
    Tile,
    UsualNoise,
    spare,
    stylegan,
    writable,
)
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.options import spread
from graftlab.cli.progress import bar, console
from graftlab.codes import Codes, StyleCodes, SwapCodes
from graftlab.data import open_source
from graftlab.data.image_source import printable
from graftlab.editing import swaps
from graftlab.editing.distributions import BEYOND, Distribution, beside
from graftlab.errors import GraftError
from graftlab.figures.sheets import sheet
from graftlab.images import read, read_recipe
from graftlab.networks.swapping import SwappingModel


@spread
def swap(
    structure: Annotated[Path, typer.Argument(help="The picture that supplies the structure.")],
    texture: Annotated[Path, typer.Argument(help="The picture that supplies the texture.")],
    out: Out = Path("swap.png"),
    both: Annotated[bool, typer.Option("--both", help="Also write the reverse swap, as NAME-reverse.")] = False,
    tile: Tile = None,
    options: PictureOptions = PictureOptions(),
    larger: Enlarging = Enlarging(),
) -> None:
    """Combine one picture's structure with another's texture.

    graft swap fuji.jpg alps.jpg -o fuji-in-the-alps.png --both
    """

    reverse = out.with_stem(out.stem + "-reverse")
    for target in (out, reverse) if both else (out,):
        spare(target, structure, texture)
    desk = larger.on(options.desk())
    a, b = desk.read(structure), desk.read(texture)
    network = desk.network(a, b, tile=tile)
    desk.write(swaps.swap(network, a, b, **desk.rendering), out)
    if both:
        desk.write(swaps.swap(network, b, a, **desk.rendering), reverse)


@spread
def grid(
    structures: Annotated[Path, typer.Option(help="Folder, zip or picture for the rows.")],
    textures: Annotated[Path, typer.Option(help="Folder, zip or picture for the columns.")],
    out: Out = Path("grid.png"),
    options: RenderingOptions = RenderingOptions(square=True),
) -> None:
    """Draw a sheet of every structure with every texture, with the originals in the margins.

    graft grid --structures mountains/ --textures weather/ -o grid.png
    """

    spare(out, structures, textures)
    desk = options.desk()
    (rows, row_names), (columns, column_names) = (pictures(desk, path, out) for path in (structures, textures))
    scale = desk.scale(len(rows) + 1, len(columns) + 1, [*rows, *columns])
    lines: list[Sequence[Tensor | None]] = [[None, *columns]]
    with bar("swapping", len(rows) * len(columns)) as progress:
        for picture, hybrids in zip(rows, swaps.grid(desk.network(), rows, columns, **desk.rendering), strict=True):
            lines.append([picture, *hybrids])
            progress((len(lines) - 1) * len(columns))
    desk.write(sheet(lines, ["", *row_names], ["", *column_names], scale=scale), out)


def pictures(desk: Desk, path: Path, out: Path) -> tuple[list[Tensor], list[str]]:
    """All pictures of a folder or zip but the one to be written, or one picture, with their names."""
    if path.is_file() and not zipfile.is_zipfile(path):
        return [desk.read(path)], [path.stem]

    source = open_source(path)
    files = {i: path / name for i, name in enumerate(source.names)}
    for i in [i for i, file in files.items() if file.absolute() == out.absolute()]:
        if read_recipe(out) is None:  # not an earlier sheet of ours
            raise GraftError(f"{out} is a picture that this command reads; name another.")
        del files[i]
    if not files:
        raise GraftError(f"{path} holds no picture but --out; name a folder of pictures.")
    images = [read(source.read(i), desk.size, desk.square, str(file)) for i, file in files.items()]
    return images, [file.stem for file in files.values()]


@spread
def reconstruct(
    photos: Annotated[list[Path], typer.Argument(help="Pictures.")],
    out: Out = Path("reconstructions.png"),
    as_json: Json = False,
    tile: Tile = None,
    options: RenderingOptions = RenderingOptions(),
) -> None:
    """Draw pictures beside their reconstructions, with L1 (share of the full range) and PSNR.

    graft reconstruct fuji.jpg alps.jpg -o reconstructions.png --json
    """

    spare(out, *photos)
    desk = options.desk()
    desk.scale(len(photos), 2)  # refuses too many
    rows, names, figures = [], [], []
    for photo in photos:
        picture = desk.read(photo)
        result = swaps.reconstruct(desk.network(picture, tile=tile), picture, **desk.rendering)
        rows.append([picture, result.image])
        figures.append({"photo": str(photo), "l1": result.l1[0], "psnr": result.psnr[0]})
        notice(desk, options.model, photo)
        names.append(f"{photo.stem}: L1 {result.l1[0]:.3f}, {result.psnr[0]:.1f} dB")
    scale = desk.scale(len(rows), 2, [picture for picture, _ in rows])
    desk.write(sheet(rows, names, ["original", "reconstruction"], scale=scale), out)
    report(figures, as_json, "{photo}: L1 {l1:.4f}, PSNR {psnr:.2f} dB")


def notice(desk: Desk[SwappingModel], model: str, photo: Path) -> None:
    """Say so if a picture is unlike what the model was trained on, as far as the model came with figures of that."""

    if not (file := beside(model)).exists():
        return
    known = Distribution.load(file)
    if known.model != desk.model.fingerprint:  # it has been trained on since
        return
    codes = desk.model.encode(read(photo, desk.model.config.size, desk.square))
    found = known.novelty(codes)
    if far := " and ".join(part for part, (one,) in found.items() if one.percentile > BEYOND):
        line = f"{photo} lies beyond {BEYOND}% of what {model} was trained on, by its {far} (see graft novelty)"
        console.print(printable(line), soft_wrap=True)


def report(figures: Sequence[dict[str, Any]], as_json: bool, line: str) -> None:
    """Figures on stdout: a line each, or all as JSON, which knows no infinity (the PSNR of equal pictures)."""

    if not as_json:
        typer.echo(printable("\n".join(line.format(**entry) for entry in figures)))
        return
    finite = [
        {name: value if not isinstance(value, float) or isfinite(value) else None for name, value in entry.items()}
        for entry in figures
    ]
    typer.echo(json.dumps(finite, indent=1))


@spread
def encode(
    photos: Annotated[list[Path], typer.Argument(help="Pictures of equal size, or any with --square.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File of codes to write.", callback=writable)] = Path(
        "codes.safetensors"
    ),
    options: EncodingOptions = EncodingOptions(),
) -> None:
    """Encode pictures as structure and texture codes, in one file that records its model.

    graft encode fuji.jpg alps.jpg --square -o codes.safetensors
    """

    spare(out, options.model, *photos)
    desk = options.desk()
    network = desk.network()
    with torch.no_grad():
        codes = Codes.cat([network.encode(desk.read(photo)) for photo in photos])
    console.print(str(codes.save(out)), soft_wrap=True)


@spread
def decode(
    codes: Annotated[
        Path,
        typer.Argument(
            help="File of codes, from 'graft encode' or 'graft sample --codes', or W latents of other programs."
        ),
    ],
    out: Out = Path("decoded.png"),
    model: Model = DEFAULT_MODEL,
    noise: UsualNoise = None,
    seed: Seed = 0,
    device: Device = None,
    precision: Precision = "float32",
    larger: Enlarging = Enlarging(),
) -> None:
    """Decode codes into pictures; several become NAME-000, NAME-001 ...

    graft decode codes.safetensors -o decoded.png

    graft decode projected_w.npz -m metfaces.pkl -o decoded.png
    """

    loaded = Codes.load(codes) if open_contents(codes).container == "safetensors" else None
    if not isinstance(loaded, SwapCodes) and model == DEFAULT_MODEL:
        raise GraftError(f"{codes} holds no codes of {model}; name the network that they belong to (--model).")
    opened = Desk.open if isinstance(loaded, SwapCodes) else stylegan
    desk: Desk[Any] = larger.on(opened(model, noise=noise, seed=seed, device=device, precision=precision))
    if loaded is None:
        loaded = StyleCodes(read_latents(codes, desk.model.config.layers, desk.model.config.w_channels))
    for i in range(len(loaded)):
        name = out if len(loaded) == 1 else out.with_stem(f"{out.stem}-{i:03d}")
        with torch.no_grad():
            desk.write(desk.model.decode(loaded[i], **desk.rendering), name)


@spread
def interpolate(
    a: Annotated[Path, typer.Argument(help="The first picture.")],
    b: Annotated[Path, typer.Argument(help="The second picture.")],
    out: Out = Path("strip.png"),
    amounts: Annotated[str, typer.Option(help="0 is the first picture, 1 the second; amounts beyond 1 exaggerate.")] = (
        "-0.5,0,0.25,0.5,0.75,1,1.5"
    ),
    what: Annotated[str, typer.Option(help="texture, structure or both.")] = "texture",
    how: Annotated[str, typer.Option(help="linear, or spherical (along a great circle at constant speed).")] = "linear",
    options: RenderingOptions = RenderingOptions(square=True),
) -> None:
    """Draw a strip that interpolates from one picture's codes to another's.

    graft interpolate day.jpg night.jpg --what texture --amounts 0,0.5,1,1.5 -o strip.png
    """

    try:
        steps = [float(amount) for amount in amounts.split(",")]
    except ValueError:
        raise GraftError(f"--amounts takes numbers with commas between, such as 0,0.5,1, not '{amounts}'.") from None
    spare(out, a, b)
    desk = options.desk()
    first, last = desk.read(a), desk.read(b)
    scale = desk.scale(1, len(steps) + 2, [first, last])
    strip = list(swaps.interpolate(desk.network(), first, last, steps, what, how, **desk.rendering))
    labels = [a.stem, *(f"{step:g}" for step in steps), b.stem]
    desk.write(sheet([[first, *strip, last]], columns=labels, scale=scale), out)
