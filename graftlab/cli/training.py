"""`graft train` and `graft data`, and what all commands that train have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab import config, data
from graftlab.cli.desk import Device, seed_option
from graftlab.cli.options import Fields, spread
from graftlab.cli.output import Json, NewFile, file_or_folder, out_file, print_figures, spare
from graftlab.cli.progress import bar, console, say, speaks
from graftlab.config import Recipe, SwappingTrainConfig, TrainConfig
from graftlab.data.image_source import printable_lines
from graftlab.errors import GraftError
from graftlab.hardware import choose_device
from graftlab.training import start
from graftlab.training.estimate import estimate
from graftlab.training.run import check
from graftlab.work.texts import parse_named


def scan(
    photos: Annotated[Path, typer.Argument(help="Folder, zip, LMDB or pack.")],
    as_json: Json = False,
) -> None:
    """Read every photo once and report sizes, unreadable files, duplicates and unusual kinds.

    graft data scan ~/photos
    """

    source = data.open_source(photos)
    with bar("scanning", len(source)) as progress:
        found = data.scan(source, progress)
    typer.echo(found.to_json() if as_json else printable_lines(found.summary()))


def pack(
    photos: Annotated[Path, typer.Argument(help="Folder, zip or LMDB.")],
    out: Annotated[Path, out_file("File to write, or with --shard the folder.", file_or_folder)],
    size: Annotated[int, typer.Option(min=1, help="Side of the packed pictures, in pixels: the training size.")] = 128,
    crop: Annotated[str, typer.Option(help="How photos are cropped to squares: short, resize or random.")] = "short",
    crops: Annotated[int, typer.Option(min=1, help="Crops of each photo; 1 takes the centre.")] = 1,
    seed: Annotated[int, seed_option("Seed of random crops.")] = 0,
    shard: Annotated[
        int, typer.Option(min=0, help="Pictures in a tar shard, such as 1000: --out becomes a folder of these.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Write photos in the form that is fastest for training: one memory-mapped file at the training size, or shards.

    graft data pack ~/photos -o photos.pack --size 128

    graft data pack ~/photos -o shards/ --size 128 --shard 1000
    """

    source = data.open_source(photos)
    spare(out, *(photos / name for name in source.names if name.endswith(out.name)))
    with bar("packing", len(source)) as progress:
        packed = data.pack(source, out, size, crop, progress, crops, seed, shard)
    typer.echo(packed.to_json() if as_json else printable_lines(packed.summary()))


def index(
    shards: Annotated[
        list[Path], typer.Argument(help="Tar files, folders of them or patterns, on this machine or as http(s) URLs.")
    ],
    out: NewFile = Path("index.shards"),
    as_json: Json = False,
) -> None:
    """Make the index of tar shards (WebDataset), by which all commands that take photos read them.

    graft data index 'https://example.org/photos-{000..123}.tar' -o photos.shards
    """

    spare(out, *shards)
    with bar("indexing", unit="shards") as progress:
        found = data.index(shards, out, progress)
    print_figures(found.to_dict(), printable_lines(found.summary()), as_json)


Photos = Annotated[Path, typer.Argument(help="Folder, zip, LSUN LMDB, pack or index of shards, which may be a URL.")]
RunFolder = Annotated[Path, typer.Option(help="Folder of the run; the same command resumes it.")]
Size = Annotated[int | None, typer.Option(help="Side of the training pictures, pixels.")]
OtherWeights = Annotated[
    list[str] | None,
    typer.Option("--weight", help="Another number of the recipe, as texture=2 or recolour=0.5; may be repeated."),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        help="Network whose features discriminators see with --recipe projected: efficientnet-lite0 (the default), "
        "efficientnet-lite1 or efficientnet-lite2."
    ),
]
COMMON = "images batch learning_rate mirror seed snapshot_every record_every precision augment"
UNSET = {"precision": "what the device is good at"}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The options of every command that trains, but for what it trains."""

    device: Device = None
    compiled: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Use torch.compile; by default only on CUDA.")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only estimate the cost, with a short probe.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures of --dry-run as JSON.")] = False

    def train(self, config: TrainConfig, run: Path) -> None:
        """Start or resume a run, under a progress bar; or only say what it will cost."""
        if self.as_json and not self.dry_run:
            raise GraftError("--json prints the figures of --dry-run: give both or neither.")
        if not self.dry_run:
            model = start.train(config, run, self.device, self.compiled, bar, warn)
            if speaks():
                say(model)
            return
        check(config)
        costs = estimate(config, choose_device(self.device), self.compiled)
        print_figures(costs.to_dict(), costs.summary(), self.as_json)


@spread
def train(
    photos: Photos,
    run: RunFolder,
    preset: Annotated[
        str, typer.Option(help="Networks: small64, small, small256, church256, mountain512, ffhq1024 ...")
    ] = "small",
    size: Size = None,
    recipe: Annotated[str, typer.Option(help="Weights of the losses: official, paper or projected.")] = "official",
    weight: OtherWeights = None,
    teacher: Teacher = None,
    *,
    weights: Annotated[dict[str, float], Fields(Recipe, "gan patch features r1 patch_r1", "the recipe's")],
    settings: Annotated[
        dict[str, Any],
        Fields(SwappingTrainConfig, f"side crop mirror_vertical views shared_lights keep_models {COMMON}", UNSET),
    ],
    machine: Machine = Machine(),
) -> None:
    """Train a Swapping Autoencoder on photos; the same command resumes.

    graft train ~/photos --run runs/mine --preset small --size 128 --images 500k

    On several GPUs: torchrun --nproc-per-node 4 --no-python -- graft train ~/photos --run runs/mine
    """

    weights |= weigh(weight)
    network = config.preset(preset, size)
    machine.train(start.configure(photos, network, recipe, weights, machine.device, teacher=teacher, **settings), run)


def weigh(given: list[str] | None) -> dict[str, float]:
    """Numbers of a recipe by name, each given as NAME=NUMBER."""
    return parse_named(given or (), "--weight takes a number by its name, such as texture=2")


def warn(sentence: str) -> None:
    console.print(sentence, style="yellow", soft_wrap=True)
