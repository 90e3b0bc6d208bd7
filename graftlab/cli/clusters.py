"""`graft clusters`: the parts of pictures that a layer tells apart, and the channels that belong to each."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor

from graftlab.blending.channels import Features, features_at
from graftlab.blending.clusters import Clusters, check_clusters, heat, observed
from graftlab.blending.clusters import fit as fitted
from graftlab.blending.diff import Run
from graftlab.cli.blend_rules import tell_origin
from graftlab.cli.blending import Photos, counted, opened, photo_files, shown
from graftlab.cli.desk import LARGEST_SEED, Desk, Device, Json, picture, spare, writable
from graftlab.cli.progress import bar, console
from graftlab.cli.style import seeds_of
from graftlab.errors import GraftError
from graftlab.figures.sheets import sheet
from graftlab.figures.tables import Cell, Table
from graftlab.networks.model import Network

ROWS = 6  # pictures on a sheet of heat maps, unless more are asked for


Network_ = Annotated[str, typer.Argument(help="A model file or name.", metavar="MODEL")]
File = Annotated[Path, typer.Argument(help="File of clusters, from 'graft clusters fit'.")]
OutJson = Annotated[Path, typer.Option("--out", "-o", help="File of clusters to write: .json.", callback=writable)]
OutSheet = Annotated[Path, typer.Option("--out", "-o", help="Picture to write.", callback=picture)]


def fit(
    model: Network_,
    layer: Annotated[str, typer.Option(help="Layer whose features are clustered: a resolution in pixels, or a name.")],
    parts: Annotated[int, typer.Option(help="Number of clusters.")] = 8,
    seeds: Annotated[str, typer.Option(help="Seeds of a StyleGAN2 whose pictures are used.")] = "0-199",
    photo: Photos = None,
    out: OutJson = Path("clusters.json"),
    samples: Annotated[
        Path | None, typer.Option(help="Picture to write: heat maps of the clusters on some of these.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the choice of positions, and of the clustering.")
    ] = 0,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Cluster a layer's features over many pictures: wherever there is sky, they point in roughly the same direction.

    graft clusters fit faces.pkl --layer 32 --parts 8 --seeds 0-199 -o parts.json --samples parts.png
    """

    if out.suffix.lower() != ".json":
        raise GraftError(f"--out {out} must end in .json.")
    if samples is not None:
        spare(picture(samples), *photo_files(photo))
    spare(out, model)
    numbers = seeds_of(seeds)
    check_clusters()
    network, _ = opened(model, device)
    features = features_at(network, layer)
    runs = shown(network, numbers, photo)
    with bar("looking", len(runs)) as progress:
        found = fitted(network, features, parts, counted(runs, progress), seed)
    found.save(out)
    if samples is not None:
        draw(samples, network, features, found, runs[:ROWS])
    tell(found, features, as_json)
    console.print(str(out), soft_wrap=True)


def show(
    model: Network_,
    clusters: File,
    out: OutSheet = Path("clusters.png"),
    seeds: Annotated[str, typer.Option(help="Seeds of a StyleGAN2 to draw.")] = f"0-{ROWS - 1}",
    photo: Photos = None,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Draw a sheet of pictures and where each cluster lies in them.

    graft clusters show faces.pkl parts.json --seeds 300-305 -o parts.png
    """

    spare(out, model, clusters, *photo_files(photo))
    numbers = seeds_of(seeds)
    found = Clusters.load(clusters)
    network, about = opened(model, device)
    features = features_at(network, found.layer)
    tell_origin(clusters, found, [network], [about])
    draw(out, network, features, found, shown(network, numbers, photo))
    tell(found, features, as_json)


def draw(path: Path, network: Network, features: Features, found: Clusters, runs: Sequence[Run]) -> None:
    """Pictures, and the positions of each cluster in them: a row for each picture."""

    desk = Desk(network, network.config.size, False, "fixed", 0)
    scale = desk.scale(len(runs), len(found.names) + 1)
    rows: list[list[Tensor | None]] = []
    with bar("drawing", len(runs)) as progress:
        for run in counted(runs, progress):
            image, seen = observed(network, features, run)
            labels = found.labels(seen)[0]
            rows.append([image, *(heat(image, labels == cluster) for cluster in range(len(found.names)))])
    columns = [f"{name}: {area:.0%}" for name, area in zip(found.names, found.areas.tolist(), strict=True)]
    desk.write(sheet(rows, [], ["", *columns], scale=scale), path)


def tell(found: Clusters, features: Features, as_json: bool) -> None:
    """The clusters: their share of all positions, and how many channels belong to them."""

    columns = found.areas.tolist(), amounts(found, hard=False), amounts(found, hard=True)
    lines = list(zip(found.names, *columns, strict=True))
    if as_json:
        each = [dict(zip(("name", "area", "channels", "hard_channels"), line, strict=True)) for line in lines]
        told = {
            "layer": found.layer,
            "resolution": features.resolution,
            "channels": features.channels,
            "clusters": each,
        }
        typer.echo(json.dumps(told, indent=1))
        return
    rows: list[tuple[str, list[Cell]]] = [
        (name, [f"{area:.1%}", f"{soft:.1f}", f"{hard:.0f}"]) for name, area, soft, hard in lines
    ]
    title = f"{found.layer}, {features.resolution} px, {features.channels} channels"
    typer.echo(Table(title, ["of all positions", "channels in proportion", "channels with --hard"], rows).text())


def amounts(found: Clusters, hard: bool) -> list[float]:
    """How many channels belong to each cluster, their shares added up."""
    belonging = found.belonging(hard)
    return (belonging / belonging.sum(1, keepdim=True).clamp(min=1e-9)).sum(0).tolist()
