"""`graft clusters`: the parts of pictures that a layer tells apart, and the channels that belong to each."""

from pathlib import Path
from typing import Annotated

import typer

from graftlab.blending.channels import Features, features_at
from graftlab.blending.choices import doubt
from graftlab.blending.clusters import Clusters, check_clusters, draw_heat
from graftlab.blending.clusters import fit as find
from graftlab.blending.inputs import Inputs
from graftlab.checkpoints.load import load
from graftlab.cli.blend_desk import Photos
from graftlab.cli.desk import Desk, Device, seed_option
from graftlab.cli.output import Json, new_file, out_file, picture, print_figures, spare
from graftlab.cli.progress import bar, say
from graftlab.errors import GraftError
from graftlab.work.progress import steps

ROWS = 6  # pictures on a sheet of heat maps, unless more are asked for

Model = Annotated[str, typer.Argument(help="A model file or name.", metavar="MODEL")]
File = Annotated[Path, typer.Argument(help="Clusters, as 'graft clusters fit' writes them.")]


def fit(
    model: Model,
    layer: Annotated[str, typer.Option(help="Layer whose features are clustered: a resolution in pixels, or a name.")],
    parts: Annotated[int, typer.Option(help="Number of clusters.")] = 8,
    seeds: Annotated[str, typer.Option(help="Seeds of a StyleGAN whose pictures are used.")] = "0-199",
    photo: Photos = None,
    out: Annotated[Path, out_file("Clusters to write: .json.")] = Path("clusters.json"),
    samples: Annotated[
        Path | None, new_file("Picture to write: heat maps of the clusters on some of these.", picture)
    ] = None,
    seed: Annotated[int, seed_option("Seed of the choice of positions, and of the clustering.")] = 0,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Cluster a layer's features over many pictures: wherever there is sky, they point in roughly the same direction.

    graft clusters fit faces.pkl --layer 32 --parts 8 --seeds 0-199 -o parts.json --samples parts.png
    """

    if out.suffix.lower() != ".json":
        raise GraftError(f"--out {out} must end in .json.")
    inputs = Inputs(seeds=seeds, photo=photo)
    if samples is not None:
        spare(samples, *inputs.files)
    spare(out, model)
    check_clusters()
    network = load(model, device=device)
    features, probes = features_at(network, layer), inputs.probes(network)
    with bar("looking", len(probes)) as progress:
        found = find(network, features, parts, steps(probes, progress, len(probes)), seed)
    found.save(out)
    if samples is not None:
        Desk(network, "fixed").write(draw_heat(network, found, probes[:ROWS], bar), samples)
    tell(found, features, as_json)
    say(out)


def show(
    model: Model,
    clusters: File,
    out: Annotated[Path, out_file("Picture to write.", picture)] = Path("clusters.png"),
    seeds: Annotated[str, typer.Option(help="Seeds of a StyleGAN to draw.")] = f"0-{ROWS - 1}",
    photo: Photos = None,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Draw a sheet of pictures and where each cluster lies in them.

    graft clusters show faces.pkl parts.json --seeds 300-305 -o parts.png
    """

    inputs = Inputs(seeds=seeds, photo=photo)
    spare(out, model, clusters, *inputs.files)
    found, network = Clusters.load(clusters), load(model, device=device)
    features = features_at(network, found.layer)
    if sentence := doubt(clusters, found, [network]):
        say(sentence)
    Desk(network, "fixed").write(draw_heat(network, found, inputs.probes(network), bar), out)
    tell(found, features, as_json)


def tell(found: Clusters, features: Features, as_json: bool) -> None:
    """The clusters: their share of all positions, and how many channels belong to them."""
    print_figures(found.to_dict(features), found.tabulate(features).text(), as_json)
