"""`graft textures` and `graft novelty`: random textures, and how unlike known photos a picture is."""

from math import log10
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.cli.desk import FittingOptions, ReadingOptions, RenderingOptions
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.options import spread
from graftlab.cli.output import Json, NewFile, Out, print_figures, spare
from graftlab.cli.progress import bar, say
from graftlab.cli.style import Psi, Seeds
from graftlab.data.image_source import printable
from graftlab.editing.directions import Directions
from graftlab.editing.distributions import RECONSTRUCTION, Distribution, beside, distribution
from graftlab.editing.novelty import BEYOND, measure
from graftlab.errors import GraftError
from graftlab.rendering.sheets import draw_textures
from graftlab.work.examples import by_name
from graftlab.work.texts import parse_seeds

From = Annotated[
    Path | None,
    typer.Option(
        "--from", help="A distribution, from 'graft textures fit'; by default that of the model's training pictures."
    ),
]


@spread
def fit(
    photos: Annotated[Path, typer.Argument(help="Folder, zip, LMDB or pack of photos, preferably hundreds.")],
    axes: Annotated[int, typer.Option(min=1, help="Principal axes; at most half as many as photos.")] = 32,
    mixture: Annotated[
        int, typer.Option(min=1, help="Number of Gaussians, of at least 10 photos each (needs scikit-learn).")
    ] = 1,
    out: NewFile = Path("textures.safetensors"),
    most: Annotated[int, typer.Option(min=10, help="Maximum number of photos, chosen at random.")] = 5000,
    options: FittingOptions = FittingOptions(),
) -> None:
    """Fit a distribution to the textures of photos, for 'graft textures sample' and 'graft novelty'.

    graft textures fit ~/photos -o weather.textures.safetensors

    graft textures fit ~/photos --mixture 8 -o weather.textures.safetensors
    """

    spare(out, options.model, photos)
    model, side = options.open()
    with bar("encoding", most) as progress:
        found = distribution(model, photos, side, axes, most, options.seed, progress, mixture)
    keep_fitted(found, out)


def keep_fitted(found: Directions | Distribution, out: Path) -> None:
    """Save what was fitted to photos; say where, and how many of them are not in it."""
    if missing := found.about.get("unreadable"):
        say(f"{missing} photo{'s' * (missing > 1)} could not be read.")
    say(found.save(out))


@spread
def sample(
    photo: Annotated[Path, typer.Argument(help="The picture that supplies the structure.")],
    source: From = None,
    seeds: Seeds = "0-15",
    psi: Psi = 0.8,
    out: Out = Path("textures.png"),
    options: RenderingOptions = RenderingOptions(square=True),
    larger: Enlarging = Enlarging(),
) -> None:
    """Draw a picture with random textures, by seed: a seed always gives the same texture.

    graft textures sample @peaks --seeds 0-15 --psi 0.8 -o weathers.png

    graft textures sample @peaks --from weather.textures.safetensors --seeds 0-15 -o weathers.png
    """

    spare(out, photo, source)
    numbers, weather = parse_seeds(seeds), open_distribution(source, options.model)
    larger.refuse_sheet(len(numbers) > 1, "take one of them (--seeds)")
    desk = larger.on(options.desk())
    with bar("rendering", len(numbers)) as progress:
        found = draw_textures(desk, weather, desk.read(photo), numbers, psi, progress)
    desk.write(found, out)


@spread
def novelty(
    photos: Annotated[list[Path], typer.Argument(help="Pictures.")],
    source: From = None,
    as_json: Json = False,
    options: ReadingOptions = ReadingOptions(square=True),
) -> None:
    """Measure how unlike a model's training photos, or those of --from, pictures are, and how well they come out.

    graft novelty @peaks @stream

    graft novelty @peaks --from weather.textures.safetensors --json
    """

    distribution = open_distribution(source, options.model)
    desk = options.desk()
    figures: list[dict[str, Any]] = []
    for photo in photos:
        found = measure(desk.model, distribution, desk.read(photo))
        figures.append({"photo": by_name(photo), **{part: vars(one) for part, (one,) in found.items()}})
    lines = []
    for entry in figures:
        parts = {part: entry[part]["percentile"] for part in ("texture", "structure")}
        places = " and ".join(f"{part} at percentile {percentile:.1f}" for part, percentile in parts.items())
        unusual = " and ".join(part for part, percentile in parts.items() if percentile > BEYOND)
        verdict = f": unusual in its {unusual}, which does not tell how it comes out" if unusual else ""
        if drawn := entry.get(RECONSTRUCTION):
            level = f"{-20 * log10(drawn['distance'] or 1e-6):.1f} dB"
            places += f", reconstructed with {level} at percentile {drawn['percentile']:.1f}"
            if drawn["percentile"] > BEYOND:
                verdict = f": worse than {BEYOND} of 100 photos"
            elif unusual:
                verdict = f": unusual in its {unusual}, and yet it comes out as other photos do"
        lines.append(printable(f"{entry['photo']}: {places}{verdict}"))
    print_figures(figures, "\n".join(lines), as_json)


def open_distribution(source: Path | None, model: str) -> Distribution:
    """The distribution of a file, or the one that came with the model."""
    file = source or beside(model)
    if source is None and not file.exists():
        raise GraftError(
            f"{model} does not come with the textures of its training; name a distribution (--from), as "
            "'graft textures fit' makes it."
        )
    return Distribution.load(file)
