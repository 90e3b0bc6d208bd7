"""`graft eval`: what a model is worth, in figures."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from graftlab.checkpoints.load import load
from graftlab.cli.desk import DEFAULT_MODEL, Device, Model, Precision, Sharing, seed_option
from graftlab.cli.options import spread
from graftlab.cli.output import Json, out_file, print_figures
from graftlab.cli.progress import bar, resumable, say
from graftlab.cli.style import Class, Psi
from graftlab.errors import GraftError
from graftlab.evaluation import folder as folders
from graftlab.evaluation import samples as sampling
from graftlab.evaluation import truth as truths
from graftlab.evaluation.compare import compare as side_by_side
from graftlab.evaluation.report import Result, text, write_report
from graftlab.evaluation.textures import judge_network
from graftlab.hardware import choose_device
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.perception.choice import feature_network
from graftlab.perception.features import FeatureNetwork
from graftlab.work.bulk import Bulk
from graftlab.work.files import spare_others
from graftlab.work.texts import LARGEST_SEED

DEFAULT_FEATURES, DEFAULT_JUDGE = "efficientnet-lite0", "efficientnet-lite2"


def folder_for(path: Path) -> Path:
    """The path, if it is a folder or may become one."""
    if path.exists() and not path.is_dir():
        raise GraftError(f"--out {path} is a file; name a folder.")
    page = path / "report.html"
    spare_others(page if page.exists() else path / "results.json")
    return path


Out = Annotated[Path | None, out_file("Folder for results.json and report.html.", folder_for)]
Network = Annotated[
    str,
    typer.Option(
        help="Feature network: efficientnet-lite0, efficientnet-lite1, efficientnet-lite2, inception, "
        "dinov2 or clip; optionally a colon and the path to its weights."
    ),
]
Judge = Annotated[
    str,
    typer.Option(
        help="Network that judges textures, not used in training: efficientnet-lite0, efficientnet-lite1 or "
        "efficientnet-lite2."
    ),
]


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions:
    """The options of commands that measure a Swapping Autoencoder."""

    size: Annotated[int | None, typer.Option(min=1, help="Side of the pictures; the model's by default.")] = None
    out: Out = None
    as_json: Json = False
    seed: Annotated[int, seed_option("Seed of the choice of swaps.")] = 0
    features: Network = DEFAULT_FEATURES
    judge: Judge = DEFAULT_JUDGE
    device: Device = None
    precision: Precision = "float32"

    def open(self, model: str) -> tuple[SwappingModel, FeatureNetwork, FeatureNetwork]:
        """The model, the feature network and the judge beside it."""
        device = str(choose_device(self.device))
        features, judge = feature_network(self.features, device), judge_network(self.judge, device)
        return load(model, SwappingModel, device=self.device, precision=self.precision), features, judge


@spread
def truth(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a bundled model.")],
    grid: Annotated[Path, typer.Option(help="Folder of true pictures s0_t0.png ...: structures by textures.")],
    pairs: Annotated[int, typer.Option(min=1, help="Number of swaps.")] = 150,
    options: MeasuringOptions = MeasuringOptions(),
) -> None:
    """Swap rendered landscapes, whose true hybrids are known, and measure how close the model comes.

    graft eval truth landscapes-128 --grid truth-grid --out measured
    """

    network, features, judge = options.open(model)
    with bar("swapping", pairs) as progress:
        size = options.size or network.config.size
        result = truths.truth(network, grid, size, pairs, options.seed, features, judge, progress)
    print_result(replace(result, about={"name": Path(model).stem, **result.about}), options.out, options.as_json)


@spread
def folder(
    photos: Annotated[Path, typer.Argument(help="Folder, zip, LMDB or pack of photos.")],
    model: Model = DEFAULT_MODEL,
    most: Annotated[int, typer.Option(min=2, help="Maximum number of photos, and of swaps.")] = 500,
    options: MeasuringOptions = MeasuringOptions(),
) -> None:
    """Reconstruct and swap photos: measure what is lost, and whether hybrids look like photos.

    graft eval folder ~/photos --model landscapes-128 --out measured
    """

    network, features, judge = options.open(model)
    with bar("measuring", most) as progress:
        size = options.size or network.config.size
        result = folders.folder(network, photos, size, most, options.seed, features, judge, progress)
    print_result(replace(result, about={"name": Path(model).stem, **result.about}), options.out, options.as_json)


@spread
def samples(
    model: Annotated[str, typer.Argument(help="A StyleGAN's file, or the name of a bundled one.")],
    photos: Annotated[Path, typer.Argument(help="Folder, zip, LMDB or pack of photos.")],
    count: Annotated[int, typer.Option(min=2, help="Number of samples, and maximum number of photos.")] = 2000,
    psi: Psi = 1.0,
    label: Class = None,
    out: Out = None,
    as_json: Json = False,
    seed: Annotated[int, seed_option("Seed of the first sample.")] = 0,
    judge: Judge = DEFAULT_JUDGE,
    device: Device = None,
    precision: Precision = "float32",
    bulk: Sharing = Bulk(),
) -> None:
    """Measure whether a StyleGAN's samples look like photos, by their kernel distance.

    graft eval samples alpine-64 ~/photos --count 1000 --out measured
    """

    if seed + count - 1 > LARGEST_SEED:
        raise GraftError(f"--seed {seed} leaves no room for {count} samples up to {LARGEST_SEED}; give a smaller one.")
    judging = judge_network(judge, str(choose_device(device)))
    network = load(model, StyleGAN, device=device, precision=precision)
    with resumable(), bar("sampling", count) as progress:
        result = sampling.samples(
            network, photos, network.config.resolutions[-1], count, psi, label, seed, judging, progress, out, bulk
        )
    if result is None:
        say(out)
        return
    print_result(replace(result, about={"name": Path(model).stem, **result.about}), out, as_json)


def compare(
    a: Annotated[Path, typer.Argument(help="results.json of 'graft eval', or its folder.")],
    b: Annotated[Path, typer.Argument(help="Another result.")],
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Show two results side by side.

    graft eval compare measured-before measured-after
    """

    print_result(side_by_side(a, b), out, as_json)


def print_result(result: Result, out: Path | None, as_json: bool) -> None:
    """Figures on stdout, as a table or as JSON; and the report, if there is a folder for it."""
    print_figures(result.to_dict(), text(result), as_json)
    if out is not None:
        say(write_report(result, out))
