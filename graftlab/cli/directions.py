"""`graft directions`: find what codes have in common, and turn pictures that way."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.checkpoints.load import bundled_directions, load
from graftlab.cli.desk import (
    DEFAULT_MODEL,
    Desk,
    Device,
    FittingOptions,
    Model,
    Precision,
    Refine,
    Seed,
    Size,
    Square,
    UsualNoise,
    autoencoder,
    stylegan,
)
from graftlab.cli.direction_files import File, OutFile, print_directions
from graftlab.cli.options import spread
from graftlab.cli.output import Json, Out, spare
from graftlab.cli.photo_search import PhotoSearch
from graftlab.cli.progress import bar, console
from graftlab.cli.style import Psi
from graftlab.cli.textures import From, keep_fitted, open_distribution
from graftlab.cli.words import TextModelName, open_words
from graftlab.editing import directions as editing
from graftlab.editing import fitting, style_directions, word_directions
from graftlab.editing.directions import Directions
from graftlab.editing.fitting import principal
from graftlab.editing.style_directions import SEEDS
from graftlab.errors import GraftError
from graftlab.inversion.sources import Finding
from graftlab.language import DEFAULT
from graftlab.networks.affines import affines
from graftlab.networks.model import Decoder
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.objectives.words import NEUTRAL
from graftlab.rendering.sheets import draw_sweep, find_starts, read_mask
from graftlab.work import examples
from graftlab.work.texts import parse_numbers, parse_seeds

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
    if (right := found.entries("separation")[name]["right"]) < FEW:
        console.print(f"Only {right:.0%} is little (a coin gives 50%): choose photos that differ more, or more photos.")


def sefa(
    model: Model,
    layers: Annotated[str, typer.Option(help="Rows of w that they change, such as 0-3; 0 is the coarsest.")],
    count: Count = COMPONENTS,
    out: OutFile = NEW,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Find the directions of w that change a StyleGAN's layers most, from its weights alone (SeFa).

    graft directions sefa -m metfaces.pkl --layers 0-3 -k 5 -o poses.directions.safetensors
    """

    spare(out, model)
    network = stylegan(model, device=device).model
    rows = parse_seeds(layers, "--layers")
    with bar("mapping", SEEDS, unit="seeds") as progress:
        found = style_directions.sefa(affines(network, rows), network.codes_of, count, rows, progress=progress)
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

    spare(out, model, components)
    network = stylegan(model, device=device).model
    if components:
        found = style_directions.read_ganspace(components, network.fingerprint, network.config.w_channels)
        found = found.select(found.names[:count])
    else:
        with bar("mapping", SEEDS, unit="seeds") as progress:
            found = style_directions.ganspace(network.codes_of, k=count, progress=progress)
    keep(found, out, as_json)


def import_file(
    directions: Annotated[
        Path, typer.Argument(help="Directions of another program: InterFaceGAN's, e4e's, rosinality's factor.pt.")
    ],
    model: Model,
    count: Annotated[int | None, typer.Option("--count", "-k", min=1, help="Only the first; by default all.")] = None,
    out: OutFile = NEW,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Take over directions of a StyleGAN's w from other programs: .npy, .npz, .pt, .pkl or .safetensors.

    graft directions import age.pt -m ffhq.pkl -o age.directions.safetensors

    Gains become standard deviations of w, as those of all directions here.
    """

    spare(out, model, directions)
    network = stylegan(model, device=device).model
    sizes = network.config.layers, network.config.w_channels
    with bar("mapping", SEEDS, unit="seeds") as progress:
        found = style_directions.read_directions(directions, network.codes_of, *sizes, progress=progress)
    keep(found.select(found.names[:count]), out, as_json)


@spread
def text(
    phrases: Annotated[list[str], typer.Argument(help="What pictures are to become; a direction for each phrase.")],
    neutral: Annotated[str, typer.Option(help="What they are without it, as day is to night.")] = NEUTRAL,
    text_model: TextModelName = DEFAULT,
    textures: From = None,
    photos: Annotated[
        Path | None,
        typer.Option(help="Photos on whose structures textures are looked at; by default the bundled photographs."),
    ] = None,
    out: OutFile = NEW,
    as_json: Json = False,
    options: FittingOptions = FittingOptions(),
) -> None:
    """Make directions of phrases, for a Swapping Autoencoder's textures or a StyleGAN's w.

    graft directions text night --neutral day -m landscapes-256 -o night.directions.safetensors

    graft directions text "snowy winter" "golden autumn" -m alpine-128 -o seasons.directions.safetensors

    The first time a text model looks at a few hundred pictures of a model, which the cache keeps; then a phrase takes
    a moment.
    """

    spare(out, options.model, textures)
    words = open_words(text_model, options.device, options.precision, *phrases, neutral)
    model = load(options.model, device=options.device, precision=options.precision)
    with bar("looking", word_directions.PICTURES) as progress:
        if isinstance(model, StyleGAN):
            if textures or photos or options.size:
                raise GraftError(f"{options.model} is a StyleGAN2; leave out --from, --photos and --size.")
            probe = word_directions.probe_styles(model, words, seed=options.seed, progress=progress)
        elif not isinstance(model, SwappingModel):
            raise GraftError(f"{options.model} is {model.title}, and this needs {Decoder.title}.")
        else:
            weather, side = open_distribution(textures, options.model), options.size or model.config.size
            probe = word_directions.probe_textures(
                model, weather, words, photos or examples.FOLDER, side, seed=options.seed, progress=progress
            )
    found = probe.directions(words, phrases, neutral)
    keep(found, out, as_json)
    for name in found.names:
        if (follows := found.correlations(name)[name]) < word_directions.FAINT:
            console.print(f"What pictures become along '{name}' has little to do with it ({follows:+.2f} of 1).")


def keep(found: Directions, out: Path, as_json: bool) -> None:
    """Save directions; say what they are, and where."""
    keep_fitted(found, out)
    print_directions(found, as_json)


@spread
def sweep(
    pictures: Annotated[
        list[Path],
        typer.Argument(
            help="Pictures or files of codes; for directions of a StyleGAN's w, seeds such as 7 or 0-3 too."
        ),
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
    finding: PhotoSearch = Finding(),
) -> None:
    """Draw a strip of gains for each picture and direction, with the original in the margin.

    graft directions sweep @peaks @autumn-hills colours-128 --name season --gains -3,-1.5,0,1.5,3 -o sheet.png

    graft directions sweep @peaks shapes.directions.safetensors --first 4 --mask sky.png -o shapes.png

    graft directions sweep 0-3 styles.directions.safetensors -m metfaces.pkl --first 10 --layers 0-5 -o styles.png
    """

    steps = parse_numbers(gains, "--gains")
    spare(out, file, *pictures, mask)
    directions = editing.Directions.load(file)
    names = [directions.names[directions.index(wanted)] for wanted in (name or directions.names)[:first]]
    model = model or (file if file in bundled_directions() else DEFAULT_MODEL)
    styles = directions.part == "w"
    opening: dict[str, Any] = {"noise": noise, "seed": seed, "device": device, "precision": precision, "refine": refine}
    desk: Desk[Any] = (
        stylegan(model, **opening) if styles else autoencoder(model=model, size=size, square=square, **opening)
    )
    desk.scale(len(pictures) * len(names), len(steps) + 1)  # refuses too many
    starts = find_starts(desk, pictures, psi, finding)
    region = None if mask is None else read_mask(desk, mask, starts)
    rows = None if layers is None else parse_seeds(layers, "--layers")
    with bar("rendering", len(starts) * len(names) * len(steps)) as progress:
        found = draw_sweep(desk, directions, starts, names, steps, region, rows, progress)
    desk.write(found, out)
