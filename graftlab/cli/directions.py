"""`graft directions`: find what codes have in common, and turn pictures that way."""

from pathlib import Path
from typing import Annotated, Any

import typer
from torch import Tensor

from graftlab.checkpoints.load import bundled_directions
from graftlab.cli.desk import (
    DEFAULT_MODEL,
    WITHOUT_PHOTOS,
    Desk,
    Device,
    FittingOptions,
    Json,
    Model,
    Out,
    Precision,
    Refine,
    Seed,
    Size,
    Square,
    UsualNoise,
    spare,
    stylegan,
)
from graftlab.cli.direction_files import File, OutFile, tell
from graftlab.cli.options import spread
from graftlab.cli.progress import bar, console
from graftlab.cli.style import Psi, seeds_of
from graftlab.codes import Codes
from graftlab.editing import directions as editing
from graftlab.editing import fitting
from graftlab.editing.directions import Directions
from graftlab.editing.fitting import principal
from graftlab.editing.style_directions import SEEDS, factorised, principal_styles, read_ganspace
from graftlab.errors import GraftError
from graftlab.figures.sheets import sheet
from graftlab.networks.affines import affines

FEW = 0.75  # share of pictures on the right side, below which folders hardly differ
COMPONENTS = 10  # by default


Count = Annotated[int, typer.Option("--count", "-k", min=1, help="Number of directions.")]
Most = Annotated[int, typer.Option(min=2, help="Maximum number of photos, chosen at random.")]
NEW = Path("directions.safetensors")


@spread
def fit(
    photos: Annotated[Path, typer.Argument(help="Folder, zip, LMDB or pack of photos.")],
    count: Annotated[
        int | None,
        typer.Option("--count", "-k", min=1, help="Number of directions; by default 10, or as many as possible."),
    ] = None,
    part: Annotated[str, typer.Option(help="texture, or structure (directions of its cells).")] = "texture",
    out: OutFile = NEW,
    most: Most = 5000,
    as_json: Json = False,
    options: FittingOptions = FittingOptions(),
) -> None:
    """Find the directions in which the codes of photos vary most (PCA).

    graft directions fit ~/photos -m landscapes-128 -k 10 -o mine.directions.safetensors

    graft directions fit ~/photos --part structure -o shapes.directions.safetensors
    """

    spare(out, options.model, photos)
    model, side = options.open()
    ways = model.config.structure_channels if part == "structure" else model.config.texture_channels
    with bar("encoding", most) as progress:
        found = principal(model, photos, side, count or min(COMPONENTS, ways), most, options.seed, progress, part)
    keep(found, out, as_json)


@spread
def between(
    before: Annotated[Path, typer.Argument(help="Folder, zip, LMDB or pack of photos where the direction starts.")],
    after: Annotated[
        Path, typer.Argument(help="The same, where the direction leads. 20 photos on either side are enough.")
    ],
    name: Annotated[str, typer.Option(help="Name of the direction.")] = "difference",
    out: OutFile = NEW,
    most: Most = 5000,
    as_json: Json = False,
    options: FittingOptions = FittingOptions(),
) -> None:
    """Find the direction from the textures of some photos to those of others, and how well it separates them.

    graft directions between day/ night/ --name night -o night.directions.safetensors
    """

    spare(out, options.model, before, after)
    model, side = options.open()
    with bar("encoding", 2 * most) as progress:
        found = fitting.between(model, before, after, side, name, most, options.seed, progress)
    keep(found, out, as_json)
    if (right := found.told("separation")[name]["right"]) < FEW:
        console.print(f"Only {right:.0%} is little (a coin gives 50%): choose photos that differ more, or more photos.")


def sefa(
    model: Model,
    layers: Annotated[str, typer.Option(help="Rows of w that they change, such as 0-3; 0 is the coarsest.")],
    count: Count = COMPONENTS,
    out: OutFile = NEW,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Find the directions of w that change a StyleGAN2's layers most, from its weights alone (SeFa).

    graft directions sefa -m metfaces.pkl --layers 0-3 -k 5 -o poses.directions.safetensors
    """

    spare(out, model)
    network = stylegan(model, device=device).model
    rows = seeds_of(layers, "--layers")
    if beyond := [layer for layer in rows if layer >= network.config.layers]:
        raise GraftError(f"--layers: this model has layers 0 to {network.config.layers - 1}, not {beyond[0]}.")
    with bar("mapping", SEEDS) as progress:
        found = factorised(affines(network, rows), network.codes_of, count, rows, on_progress=progress)
    keep(found, out, as_json)


def ganspace(
    model: Model,
    components: Annotated[
        Path | None, typer.Argument(help="A .npz file of GANSpace; without it, the components of the w of seeds.")
    ] = None,
    count: Count = COMPONENTS,
    out: OutFile = NEW,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Find the directions in which a StyleGAN2's w varies most (GANSpace), or import a file of GANSpace.

    graft directions ganspace -m metfaces.pkl -k 20 -o styles.directions.safetensors

    graft directions ganspace stylegan2-ffhq_style_ipca.npz -m ffhq.pkl -o styles.directions.safetensors
    """

    spare(out, model, *([components] if components else []))
    network = stylegan(model, device=device).model
    if components:
        found = read_ganspace(components, network.fingerprint)
        if (channels := network.config.w_channels) != len(found.mean):
            raise GraftError(f"{components} is of a w of {len(found.mean)} channels, and this model's has {channels}.")
        found = found.select(found.names[:count])
    else:
        with bar("mapping", SEEDS) as progress:
            found = principal_styles(network.codes_of, k=count, on_progress=progress)
    keep(found, out, as_json)


def keep(found: Directions, out: Path, as_json: bool) -> None:
    """Save directions; say what they are, and where."""
    found.save(out)
    tell(found, as_json)
    console.print(str(out), soft_wrap=True)


def sweep(
    pictures: Annotated[
        list[Path],
        typer.Argument(help="Pictures; for directions of a StyleGAN2's w, seeds such as 7 or 0-3, or files of codes."),
    ],
    file: File,
    name: Annotated[list[str] | None, typer.Option(help="A direction; may be repeated. All by default.")] = None,
    first: Annotated[int | None, typer.Option(min=1, help="Use only this many directions, from the first on.")] = None,
    gains: Annotated[str, typer.Option(help="Gains in standard deviations; 0 is the picture's reconstruction.")] = (
        "-3,-1.5,0,1.5,3"
    ),
    mask: Annotated[
        Path | None, typer.Option(help="A picture, white where the directions apply; everywhere by default.")
    ] = None,
    layers: Annotated[
        str | None, typer.Option(help="Rows of w that change, such as 4-7; by default those of FILE.")
    ] = None,
    out: Out = Path("sweep.png"),
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A model file or bundled name; FILE's if that is one.")
    ] = None,
    size: Size = None,
    square: Square = True,
    psi: Psi = 0.7,
    noise: UsualNoise = None,
    seed: Seed = 0,
    device: Device = None,
    precision: Precision = "float32",
    refine: Refine = 0,
) -> None:
    """Draw a strip of gains for each picture and direction, with the original in the margin.

    graft directions sweep fuji.jpg alps.jpg landscapes-128 --name season --gains -3,-1.5,0,1.5,3 -o sheet.png

    graft directions sweep fuji.jpg shapes.directions.safetensors --first 4 --mask sky.png -o shapes.png

    graft directions sweep 0-3 styles.directions.safetensors -m metfaces.pkl --first 10 --layers 0-5 -o styles.png
    """

    try:
        steps = [float(gain) for gain in gains.split(",")]
    except ValueError:
        raise GraftError(f"--gains takes numbers with commas between, such as -3,0,3, not '{gains}'.") from None
    spare(out, file, *pictures, *([mask] if mask else []))
    directions = editing.Directions.load(file)
    names = [directions.names[directions.index(wanted)] for wanted in (name or directions.names)[:first]]
    model = model or (file if file in bundled_directions() else DEFAULT_MODEL)
    styles = directions.part == "w"
    if styles and refine:
        raise GraftError(WITHOUT_PHOTOS)
    desk: Desk[Any] = (
        stylegan(model, noise, seed, device, precision)
        if styles
        else Desk.open(model, size, square, noise, seed, device, precision, refine)
    )
    desk.scale(len(pictures) * len(names), len(steps) + 1)  # refuses too many
    starts = [start for path in pictures for start in (drawn(desk, path, psi) if styles else [encoded(desk, path)])]
    desk.scale(len(starts) * len(names), len(steps) + (not styles))  # one argument may be many seeds
    region = None if mask is None else region_of(desk, mask, [original for _, _, original in starts])
    chosen = None if layers is None else seeds_of(layers, "--layers")
    rows, labels = [], []
    one, single = len(starts) == 1, len(names) == 1
    with bar("rendering", len(starts) * len(names) * len(steps)) as progress:
        for label, codes, original in starts:
            strips = editing.sweep(desk.model, directions, codes, names, steps, region, chosen, **desk.rendering)
            for direction, strip in zip(names, strips, strict=True):
                rows.append(strip if original is None else [original, *strip])
                labels.append(direction if one else label if single else f"{label}: {direction}")
                progress(len(rows) * len(steps))
    title = names[0] if single else starts[0][0] if one else None
    columns = [*([] if styles else ["original"]), *(f"{step:+g}" if step else "0" for step in steps)]
    scale = desk.scale(len(rows), len(columns), [row[0] for row in rows])
    desk.write(sheet(rows, labels, columns, title, scale=scale), out)


Start = tuple[str, Codes, Tensor | None]
"""Where a strip begins: what to call it, codes of one picture, and the picture if there is one."""


def encoded(desk: Desk[Any], path: Path) -> Start:
    """A picture and its codes."""
    picture = desk.read(path)
    return path.stem, desk.network(picture).encode(picture), picture


def drawn(desk: Desk[Any], source: Path, psi: float) -> list[Start]:
    """Codes of a StyleGAN2, from a file or by seeds."""

    if source.exists():
        codes = Codes.load(source)
        return [(f"{source.stem} {i}" if len(codes) > 1 else source.stem, codes[i], None) for i in range(len(codes))]
    seeds = seeds_of(str(source), "A StyleGAN2 has no pictures to begin with; it")
    return [(f"seed {seed}", desk.model.codes_of([seed], psi), None) for seed in seeds]


def region_of(desk: Desk[Any], mask: Path, originals: list[Tensor | None]) -> Tensor:
    """A mask (1, 1, H, W) in [0, 1], read as the pictures are. GraftError if one of them is of another shape."""
    image = desk.read(mask)
    for original in originals:
        if original is not None and original.shape != image.shape:
            (height, width), (rows, columns) = image.shape[2:], original.shape[2:]
            raise GraftError(
                f"--mask {mask} is {width} x {height} pixels beside a picture of {columns} x {rows}; "
                "make it as wide and as high as the picture."
            )
    return image.mean(1, keepdim=True) / 2 + 0.5
