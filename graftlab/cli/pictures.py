"""`graft hybrids`, `grid`, `reconstruct`, `encode`, `decode` and `interpolate`: pictures in, pictures out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.formats.latents import read_latents
from graftlab.checkpoints.native import header_of
from graftlab.cli.desk import (
    DEFAULT_MODEL,
    Desk,
    EncodingOptions,
    ModelOptions,
    PictureOptions,
    RenderingOptions,
    Sharing,
    Tile,
    autoencoder,
    stylegan,
)
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.options import spread
from graftlab.cli.output import Json, Out, numbered, out_file, print_each, spare
from graftlab.cli.progress import bar, resumable, say
from graftlab.codes import Codes, StyleCodes, SwapCodes
from graftlab.data.image_source import printable
from graftlab.editing.distributions import Distribution, beside
from graftlab.editing.novelty import BEYOND, comes_out_badly
from graftlab.errors import GraftError
from graftlab.images import read
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering import many
from graftlab.rendering.sheets import draw_interpolation, draw_reconstructions, read_named
from graftlab.work.bulk import Bulk
from graftlab.work.examples import by_name
from graftlab.work.texts import parse_numbers


@spread
def grid(
    structures: Annotated[list[Path], typer.Option(help="Folder, zip or picture for the rows; may be repeated.")],
    textures: Annotated[list[Path], typer.Option(help="Folder, zip or picture for the columns; may be repeated.")],
    out: Out = Path("grid.png"),
    options: RenderingOptions = RenderingOptions(square=True),
    bulk: Sharing = Bulk(),
) -> None:
    """Draw a sheet of every structure with every texture, with the originals in the margins.

    graft grid --structures mountains/ --textures weather/ -o grid.png

    graft grid --structures @peaks --structures lake.jpg --textures weather/
    """

    spare(out, *structures, *textures)
    desk = options.desk()
    rows, columns = (
        [named for path in paths for named in read_named(desk, path, out, say)] for paths in (structures, textures)
    )
    with resumable(), bar("swapping", len(rows) * len(columns)) as progress:
        many.grid(desk, rows, columns, out, bulk, progress)


@spread
def reconstruct(
    photos: Annotated[list[Path], typer.Argument(help="Pictures.")],
    out: Out = Path("reconstructions.png"),
    as_json: Json = False,
    tile: Tile = None,
    options: RenderingOptions = RenderingOptions(),
) -> None:
    """Draw pictures beside their reconstructions, with L1 (share of the full range) and PSNR.

    graft reconstruct @peaks @autumn-hills -o reconstructions.png --json
    """

    spare(out, *photos)
    desk = options.desk()
    desk.scale(len(photos), 2)  # refuses too many before they are read
    found, measured = draw_reconstructions(desk, [(photo.stem, desk.read(photo)) for photo in photos], tile)
    if not desk.refine:  # with which it comes out otherwise
        for photo in photos:
            notice(desk, options.model, photo)
    desk.write(found, out)
    figures = [{"photo": by_name(photo), **known} for photo, known in zip(photos, measured, strict=True)]
    print_each(figures, "{photo}: L1 {l1:.4f}, PSNR {psnr:.2f} dB", as_json)


def notice(desk: Desk[SwappingModel], model: str, photo: Path) -> None:
    """Say so if a picture comes out worse than most photos, as far as the model came with figures of that."""
    if not (file := beside(model)).exists():
        return
    known = Distribution.load(file)
    if known.model != desk.model.fingerprint:  # it has been trained on since
        return
    if comes_out_badly(desk.model, known, read(photo, desk.model.config.size, desk.square)):
        say(printable(f"{photo} comes out worse than {BEYOND} of 100 photos do with {model}; --refine 100 helps."))


@spread
def encode(
    photos: Annotated[
        list[Path], typer.Argument(help="Pictures, folders or zips: of equal size, or any with --square.")
    ],
    out: Annotated[Path, out_file("File of codes to write.")] = Path("codes.safetensors"),
    options: EncodingOptions = EncodingOptions(),
    bulk: Sharing = Bulk(),
) -> None:
    """Encode pictures as structure and texture codes, in one file that records its model.

    graft encode @peaks @autumn-hills --square -o codes.safetensors

    graft encode ~/photos --square -o codes.safetensors --workers 8
    """

    spare(out, options.model, *photos)
    desk, pictures = options.desk(), many.pictures_of(photos)
    with resumable(), bar("encoding", len(pictures)) as progress:
        many.encode(desk, pictures, out, bulk, progress, say)
    say(out)


@spread
def hybrids(
    wanted: Annotated[Path, typer.Argument(metavar="LIST", help="CSV: STRUCTURE,TEXTURE or STRUCTURE,TEXTURE,NAME.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of pictures to write.")] = Path("hybrids"),
    options: PictureOptions = PictureOptions(),
    bulk: Sharing = Bulk(),
) -> None:
    """Make all swaps of a list; the same command resumes.

    graft hybrids wanted.csv -o hybrids/ --workers 8
    """

    lines = many.read_swaps(wanted)
    desk = options.desk()
    with resumable(), bar("swapping", len(lines)) as progress:
        failed = many.swap(desk, lines, out, bulk, progress)
    for name, why in failed.items():
        say(printable(f"{name} is missing: {why}"))
    say(out)


@spread
def decode(
    codes: Annotated[
        Path,
        typer.Argument(
            help="File of codes, from 'graft encode' or 'graft sample --codes', or W latents of other programs."
        ),
    ],
    out: Out = Path("decoded.png"),
    options: ModelOptions = ModelOptions(),
    larger: Enlarging = Enlarging(),
) -> None:
    """Decode codes into pictures; several become NAME-000, NAME-001 ...

    graft decode codes.safetensors -o decoded.png

    graft decode projected_w.npz -m metfaces.pkl -o decoded.png
    """

    loaded = Codes.load(codes) if header_of(open_contents(codes)) is not None else None
    if not isinstance(loaded, SwapCodes) and options.model == DEFAULT_MODEL:
        raise GraftError(f"{codes} holds no codes of {options.model}; name the network that they belong to (--model).")
    opened = autoencoder if isinstance(loaded, SwapCodes) else stylegan
    desk: Desk[Any] = larger.on(opened(**options.opening))
    if loaded is None:
        loaded = StyleCodes(read_latents(codes, desk.model.config.layers, desk.model.config.w_channels))
    desk = desk.drawing(loaded.model)
    names = numbered(out, len(loaded))
    for name in names:
        spare(name, codes)
    for i, name in enumerate(names):
        desk.write(desk.decode(loaded[i]), name)


@spread
def interpolate(
    a: Annotated[Path, typer.Argument(help="The first picture.")],
    b: Annotated[Path, typer.Argument(help="The second picture.")],
    out: Out = Path("strip.png"),
    amounts: Annotated[
        str, typer.Option(help="0 is the first picture, 1 the second, beyond exaggerates; or a range, 0:1.")
    ] = ("-0.5,0,0.25,0.5,0.75,1,1.5"),
    what: Annotated[str, typer.Option(help="texture, structure or both.")] = "texture",
    how: Annotated[str, typer.Option(help="linear, or spherical (along a great circle at constant speed).")] = "linear",
    options: RenderingOptions = RenderingOptions(square=True),
) -> None:
    """Draw a strip that interpolates from one picture's codes to another's.

    graft interpolate day.jpg night.jpg --what texture --amounts 0,0.5,1,1.5 -o strip.png
    """

    steps = parse_numbers(amounts, "--amounts")
    spare(out, a, b)
    desk = options.desk()
    first, last = ((photo.stem, desk.read(photo)) for photo in (a, b))
    desk.write(draw_interpolation(desk, first, last, steps, what, how), out)
