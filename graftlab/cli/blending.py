"""`graft blend` and `graft diff`: several networks in one, and how far one has moved from another."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer
from torch import Tensor

from graftlab.blending import diff as inputs
from graftlab.blending.blend import blend_many, check_resolutions, lineage
from graftlab.blending.chart import chart
from graftlab.blending.diff import Run
from graftlab.blending.diff import diff as compared
from graftlab.blending.kinship import Kinship, kinship
from graftlab.blending.layers import Layer, check_alike, layers_of
from graftlab.blending.weights import Share
from graftlab.checkpoints import load as loading
from graftlab.checkpoints.build import build
from graftlab.checkpoints.load import locate
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import open_model
from graftlab.cli.blend_rules import LETTERS, Chosen, chosen, fitting, switched, tell_origin
from graftlab.cli.desk import Desk, Device, Json, picture, spare, writable
from graftlab.cli.progress import bar, console
from graftlab.cli.style import Class, Psi, seeds_of
from graftlab.errors import GraftError
from graftlab.figures.sheets import sheet
from graftlab.figures.tables import Cell, Table
from graftlab.hardware import choose_device
from graftlab.images import FORMATS, read
from graftlab.networks.model import Network

EXTENSION = ".safetensors"
FEW_PHOTOS = 6  # of the bundled ones, for who gives none
Rows = Sequence[tuple[Layer, Sequence[list[float]]]]  # every tensor with the shares that each model has in it

Photos = Annotated[
    list[Path] | None,
    typer.Option("--photo", help="A picture or folder, for autoencoders; may be repeated; bundled photos by default."),
]


def whose(of: str) -> Any:
    return typer.Option(help=f"Whose {of}: a, b, ...; as its layer by default.")


def blend(
    models: Annotated[list[str], typer.Argument(help="Model files or names: A and B, or with --weights any number.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Model to write.", callback=writable)] = Path(
        "blend.safetensors"
    ),
    swap_at: Annotated[
        int | None,
        typer.Option("--swap-at", help="Take layers up to and including this resolution from A, finer ones from B."),
    ] = None,
    level: Annotated[int | None, typer.Option(help="1 moves the switch of --swap-at one convolution later.")] = None,
    width: Annotated[
        float | None, typer.Option(help="Width of a gradual switch, such as 0.5; a hard switch by default.")
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Exchange the roles of A and B.")] = False,
    alpha: Annotated[
        float | None, typer.Option(help="The same share of B everywhere; may be below 0 or above 1.")
    ] = None,
    curve: Annotated[str | None, typer.Option(help="Shares of B by resolution: 4:0,16:0.2,64:1.")] = None,
    band: Annotated[str | None, typer.Option(help="These resolutions from B, all others from A: 16-64.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="JSON or YAML: each resolution with the shares of all models.")
    ] = None,
    clusters: Annotated[
        list[str] | None,
        typer.Option(help="Take only the channels of these clusters from B: parts.json:3,sky; one file per layer."),
    ] = None,
    hard: Annotated[
        bool, typer.Option("--hard", help="Assign each channel to one cluster, not to all in proportion.")
    ] = False,
    part: Annotated[
        str | None, typer.Option(help="Part of autoencoders: encoder, generator or both (the default).")
    ] = None,
    mapping: Annotated[str | None, whose("mapping network (and its average, unless told)")] = None,
    average: Annotated[str | None, whose("average of w, towards which truncation draws")] = None,
    affine: Annotated[str | None, whose("affine layers, from w or texture to the convolutions")] = None,
    to_rgb: Annotated[str | None, whose("layers to red, green, blue")] = None,
    noise: Annotated[str | None, whose("constant noise")] = None,
    strength: Annotated[str | None, whose("strengths of the noise")] = None,
    compat: Annotated[str | None, typer.Option(help="pinkney: do --swap-at like the best-known script.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print every tensor with its shares.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Blend networks even if they seem unrelated.")] = False,
    half: Annotated[bool, typer.Option("--half", help="Store half precision: half the size.")] = False,
    samples: Annotated[
        Path | None, typer.Option(help="Picture to write: the same latents, or photos, with all models.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds of a StyleGAN2's samples: 7 or 1,4,10-20.")] = "0-5",
    psi: Psi = 0.7,
    label: Class = None,
    photo: Photos = None,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Blend networks of which one was fine-tuned from the other: layer swap, interpolation and everything in between.

    graft blend faces.pkl cartoons.pkl --swap-at 32 -o toon.safetensors --samples toon.png

    graft blend faces.pkl cartoons.pkl --curve 4:0,16:0.2,64:1 --mapping a --explain
    """

    if out.suffix != EXTENSION:
        raise GraftError(f"--out {out} must end in {EXTENSION}; 'graft convert' makes other formats of it.")
    if samples is not None:
        spare(picture(samples), *photo_files(photo))
    spare(out, *models)
    if len(models) < 2 or (len(models) > 2 and weights is None):
        raise GraftError(f"A blend takes two models, or any number with --weights, not {len(models)}.")
    parts = [Chosen.read(text) for text in clusters] if clusters else None
    spare(out, *(each.path for each in parts or []))
    rule_for = chosen(swap_at, level, width, reverse, alpha, curve, band, weights, parts, hard, compat)
    numbers = seeds_of(seeds)
    networks, stories = map(list, zip(*(opened(path, device) for path in models), strict=True))
    check_alike(*networks)
    fitting(networks[0], compat, part, parts is not None)
    check_photos(networks[0], photo)
    switches = {"mapping": mapping, "average": average or mapping, "affine": affine, "to_rgb": to_rgb}
    switches |= {"noise": noise, "strength": strength}
    rule = switched(rule_for(networks[0]), switches, part, len(models))
    layers = layers_of(networks[0])
    check_resolutions(rule, [layer for layer in layers if part in (None, "both", layer.part)])

    verdicts = [verdict(networks, stories, other, force) for other in range(1, len(models))]
    for each in parts or []:
        tell_origin(each.path, each.clusters, networks, stories)
    blended = blend_many(networks, rule)
    table = [(layer, [numbers_of(share) for share in rule(layer)]) for layer in layers]
    if samples is not None:
        sample_sheet(samples, [networks[0], blended, *networks[1:]], numbers, psi, label, photo)
    save_model(out, blended, {**inherited(stories), **lineage(networks, rule)}, half)
    if as_json:
        typer.echo(json.dumps(report(out, verdicts, table, blended), indent=1))
        return
    for line in (lines if explain else summary)(table):
        typer.echo(line)
    console.print(str(out), soft_wrap=True)


def diff(
    a: Annotated[str, typer.Argument(help="A model file or name.")],
    b: Annotated[str, typer.Argument(help="Another model with the same layers.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Draw a chart: .png, .jpg, .webp or .tif.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds of a StyleGAN2 whose activations are compared.")] = "0-7",
    photo: Photos = None,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Measure how far each layer of B has moved from A's: its weights, and its activations for the same inputs.

    graft diff faces.pkl cartoons.pkl -o moved.png
    """

    if out is not None:
        spare(picture(out), a, b, *photo_files(photo))
    numbers = seeds_of(seeds)
    (mine, about), (theirs, other) = (opened(path, device) for path in (a, b))
    found = kinship(mine, theirs, about, other)
    inputs = shown(mine, numbers, photo)
    with bar("comparing", len(inputs)) as progress:
        moved = compared(mine, theirs, counted(inputs, progress))
    if out is not None:
        Desk(mine, mine.config.size, False, "fixed", 0).write(chart(moved, f"{Path(a).name} to {Path(b).name}"), out)
    if as_json:
        told = {"kinship": told_of(found), "inputs": len(inputs), "layers": [each.to_dict() for each in moved]}
        typer.echo(json.dumps(told, indent=1))
        return
    rows: list[tuple[str, list[Cell]]] = []
    for each in moved:
        made = each.activations.relative if each.activations else None
        rows.append((each.name, [f"{each.resolution} px", each.weights.relative, each.weights.cosine, made]))
    typer.echo(Table(found.sentence, ["", "relative L2", "cosine", "activations"], rows).text())


# -- what is read -----------------------------------------------------------------------------------------------------


def opened(path: str, device: str | None) -> tuple[Network, Mapping[str, Any]]:
    """A model, and what its file tells about it."""

    place, file = choose_device(device), open_model(locate(path))
    return build(file).to(place), file.about


def photo_files(photos: Sequence[Path] | None) -> list[Path]:
    """Photos, and all those of folders; some bundled ones, if none is named. GraftError if there are none."""

    paths = photos or sorted((loading.BUNDLED / "photos").glob("*.jpg"))[:FEW_PHOTOS]
    found = [*chain(*(pictures_in(path) if path.is_dir() else [path] for path in paths))]
    if not found:
        raise GraftError(f"{paths[0]} holds no pictures; name another folder, or pictures (--photo).")
    return found


def pictures_in(folder: Path) -> list[Path]:
    """Files that end as pictures do, without the hidden ones that some systems put beside them."""

    return sorted(file for file in folder.iterdir() if file.suffix.lower() in FORMATS and not file.name.startswith("."))


def read_photos(network: Network, photos: Sequence[Path] | None) -> list[Tensor]:
    """Photos as `photo_files` finds them, as squares of the model's size."""

    return [read(path, network.config.size, square=True) for path in photo_files(photos)]


def check_photos(network: Network, photos: Sequence[Path] | None) -> None:
    """GraftError for photos that a model cannot be shown."""

    if photos and network.takes == "seeds":
        raise GraftError("--photo is for autoencoders, and these are StyleGAN2s; choose --seeds.")


def shown(network: Network, seeds: Sequence[int], photos: Sequence[Path] | None) -> list[Run]:
    """The inputs for which two models are compared. GraftError for photos of a StyleGAN2."""

    check_photos(network, photos)
    if network.takes == "seeds":
        return list(inputs.latents(seeds))
    return list(inputs.photos(read_photos(network, photos)))


def counted(runs: Sequence[Run], progress: Callable[[int], None]) -> Iterator[Run]:
    """The inputs, one after the other, on a bar."""
    for done, run in enumerate(runs, start=1):
        yield run
        progress(done)


def verdict(networks: Sequence[Network], stories: Sequence[Mapping[str, Any]], other: int, force: bool) -> Kinship:
    """Whether a model goes with the first one, said aloud. GraftError if not, unless forced."""

    found = kinship(networks[0], networks[other], stories[0], stories[other])
    if not (found.blends or force):
        raise GraftError(f"{found.sentence.rstrip('.')}; choose others, or go on with --force.")
    console.print(found.sentence, soft_wrap=True)
    return found


def inherited(stories: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What a blend takes over from what is known of all its parents."""
    known = {
        name: list(dict.fromkeys(str(story.get(name, "unknown")) for story in stories))
        for name in ("trained_on", "licence")
    }
    return {name: " and ".join(values) for name, values in known.items() if values != ["unknown"]}


# -- what is told -----------------------------------------------------------------------------------------------------


def numbers_of(share: Share) -> list[float]:
    """A share, or all those of a tensor's channels."""
    return [share] if isinstance(share, float | int) else share.flatten().tolist()


def summary(table: Rows) -> list[str]:
    """The shares by part and resolution."""
    groups: dict[tuple[str, int], list[Sequence[list[float]]]] = {}
    for layer, shares in table:
        groups.setdefault((layer.part, layer.resolution), []).append(shares)
    return [
        f"{part:10} {resolution:5} px  " + "  ".join(span([*chain(*model)]) for model in zip(*rows, strict=True))
        for (part, resolution), rows in sorted(groups.items())
    ]


def span(shares: Sequence[float]) -> str:
    low, high = min(shares), max(shares)
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"


def lines(table: Rows) -> list[str]:
    """The shares of every tensor."""
    longest = max(len(layer.name) for layer, _ in table)
    return [
        f"{layer.name:{longest}}  {layer.role:11} {layer.resolution:5} px  " + "  ".join(map(span, shares))
        for layer, shares in table
    ]


def told_of(found: Kinship) -> dict[str, Any]:
    return {"verdict": found.verdict, "why": found.sentence, "cosine": found.cosine, "relative": found.relative}


def report(out: Path, verdicts: Sequence[Kinship], table: Rows, blended: Network) -> dict[str, Any]:
    """The outcome as JSON; of channels that have shares of their own the mean."""
    tensors = {
        layer.name: {"role": layer.role, "resolution": layer.resolution, "shares": list(map(fmean, shares))}
        for layer, shares in table
    }
    kin = [told_of(found) for found in verdicts]
    return {"file": str(out), "fingerprint": blended.fingerprint, "kinship": kin, "tensors": tensors}


def sample_sheet(
    path: Path,
    networks: Sequence[Network],  # A, the blend, and the others
    seeds: Sequence[int],
    psi: float,
    label: int | None,
    photos: Sequence[Path] | None,
) -> None:
    """The same latents, or the same photos, of all models: a row for each."""

    blended = networks[1]
    names = ["A", "blend", *LETTERS[1 : len(networks) - 1].upper()]
    images = [] if blended.takes == "seeds" else read_photos(blended, photos)
    across = len(images) or len(seeds)
    rows: list[list[Tensor | None]] = [list(images)] if images else []
    with bar("drawing", len(networks) * across) as progress:
        for number, network in enumerate(networks):
            rows.append([])
            for image in drawn(network, images, seeds, psi, label):
                rows[-1].append(image)
                progress(number * across + len(rows[-1]))
    desk = Desk(blended, blended.config.size, False, "fixed" if images else "const", 0)
    labels = [*(["photo"] if images else []), *names]
    columns = [] if images else [str(seed) for seed in seeds]
    desk.write(sheet(rows, labels, columns, scale=desk.scale(len(rows), across)), path)


def drawn(
    network: Any, images: Sequence[Tensor], seeds: Sequence[int], psi: float, label: int | None
) -> Iterator[Tensor]:
    """What a model draws of each latent, or of each photo."""

    if network.takes == "seeds":
        yield from (network.sample([seed], psi, label) for seed in seeds)
    else:
        yield from (network.decode(network.encode(image)) for image in images)
