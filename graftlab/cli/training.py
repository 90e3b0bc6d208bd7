"""`graft train` and `graft data`, and what all commands that train have in common."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from graftlab import config, data
from graftlab.artifacts import views
from graftlab.checkpoints.load import load
from graftlab.cli.desk import LARGEST_SEED, Json, spare, writable
from graftlab.cli.options import spread
from graftlab.cli.progress import bar, console
from graftlab.config import Recipe, TrainConfig
from graftlab.data import open_source
from graftlab.data.crops import crop_mode
from graftlab.data.image_source import printable
from graftlab.editing.distributions import Distribution, beside, distribution
from graftlab.errors import GraftError
from graftlab.hardware import choose_device, training_precision
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.training import augment, distributed
from graftlab.training import run as runs
from graftlab.training.estimate import estimate

FEW_PHOTOS = 500  # below which augmentation is advised
KNOWN_PHOTOS = 2000  # at the most, that a model's textures are known from


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
    typer.echo(found.to_json() if as_json else printable(found.summary()))


def pack(
    photos: Annotated[Path, typer.Argument(help="Folder, zip or LMDB.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.", callback=writable)],
    size: Annotated[int, typer.Option(min=1, help="Side of the packed pictures, in pixels: the training size.")] = 128,
    crop: Annotated[str, typer.Option(help="How photos are cropped to squares: short, resize or random.")] = "short",
    crops: Annotated[int, typer.Option(min=1, help="Crops of each photo; 1 takes the centre.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of random crops.")] = 0,
    as_json: Json = False,
) -> None:
    """Write photos in the form that is fastest for training: one memory-mapped file at the training size.

    graft data pack ~/photos -o photos.pack --size 128
    """

    source = data.open_source(photos)
    spare(out, *(photos / name for name in source.names if name.endswith(out.name)))
    with bar("packing", len(source)) as progress:
        packed = data.pack(source, out, size, crop, progress, crops, seed)
    typer.echo(packed.to_json() if as_json else printable(packed.summary()))


def count(text: str) -> int:
    """A number of images: 500000, 500k or 25M."""
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        images = int(float(text[:-1]) * factor) if factor > 1 else int(text)
    except (ValueError, OverflowError):
        images = 0
    if images < 1:
        raise typer.BadParameter(f"'{text}' is no number of images; write 500000, 500k or 25M.")
    return images


def counted(help: str) -> Any:
    """An option that takes a number of images."""
    return typer.Option(parser=lambda given: count(str(given)), metavar="<images>", help=help)


Photos = Annotated[Path, typer.Argument(help="Folder, zip, LSUN LMDB or pack of photos.")]
RunFolder = Annotated[Path, typer.Option(help="Folder of the run; the same command resumes it.")]
Size = Annotated[int | None, typer.Option(help="Side of the training pictures, in pixels.")]
Crop = Annotated[str, typer.Option(help="How photos are cropped to squares: short, resize or random.")]
KeepModels = Annotated[bool, typer.Option(help="Keep the model of every snapshot, in models/.")]
AUGMENT_HELP = "For small folders, with commas between: colour, translation, cutout, geometry."


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of every command that trains a model on pictures."""

    images: Annotated[int, counted("Length of the run in images, such as 500k or 25M.")] = 500_000
    batch: Annotated[int, typer.Option(help="Images per step, an even number.")] = 16
    learning_rate: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 0.002
    mirror: Annotated[bool, typer.Option(help="Flip half of the photos left to right.")] = True
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of weights, order, crops and latents.")] = 0
    snapshot_every: Annotated[int, counted("Images between sample sheets and saved states.")] = 10_000
    record_every: Annotated[int, counted("Images between lines of stats.jsonl.")] = 1_000
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; the fastest by default.")] = None
    precision: Annotated[str | None, typer.Option(help="bfloat16 or float32; by default the best for the device.")] = (
        None
    )
    compiled: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Use torch.compile; by default only on CUDA.")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only estimate the cost, with a short probe.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures of --dry-run as JSON.")] = False

    @property
    def target(self) -> torch.device:
        """Where to train. GraftError if there is no such device here."""

        return choose_device(self.device)

    def settings(self) -> dict[str, Any]:
        """What a `TrainConfig` takes from them."""

        names = ("images", "batch", "learning_rate", "mirror", "seed", "snapshot_every", "record_every")
        chosen = {name: getattr(self, name) for name in names}
        return {**chosen, "precision": self.precision or training_precision(self.target)}


@spread
def train(
    photos: Photos,
    run: RunFolder,
    preset: Annotated[str, typer.Option(help="Networks: tiny, small, church256, mountain512, ffhq1024 ...")] = "small",
    size: Size = None,
    recipe: Annotated[str, typer.Option(help="Weights of the losses: official, paper or projected.")] = "official",
    gan: Annotated[float | None, typer.Option(help="Weight of the image discriminator, if not the recipe's 1.")] = None,
    patch: Annotated[
        float | None, typer.Option(help="Weight of the patch discriminator, if not the recipe's 1.")
    ] = None,
    features: Annotated[
        float | None, typer.Option(help="Weight of the deep-feature distance; none by default.")
    ] = None,
    r1: Annotated[float | None, typer.Option(help="R1 of the image discriminator, if not the recipe's 10.")] = None,
    patch_r1: Annotated[
        float | None, typer.Option(help="R1 of the patch discriminator, if not the recipe's 1.")
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(help="Another number of the recipe, as texture=2 or recolour=0.5; may be repeated."),
    ] = None,
    side: Annotated[
        int, typer.Option(help="Side of the training pictures, if not the networks' size; with --recipe projected.")
    ] = 0,
    augment: Annotated[str, typer.Option(help=AUGMENT_HELP)] = "",
    crop: Crop = "short",
    views: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share of photos paired with another view of their scene, as lake@dawn.jpg and lake@noon.jpg.",
        ),
    ] = 0.0,
    shared_lights: Annotated[
        bool, typer.Option(help="hill@dawn.jpg has the light of lake@dawn.jpg, as in renderings; with --views.")
    ] = False,
    keep_models: KeepModels = False,
    options: TrainingOptions = TrainingOptions(),
) -> None:
    """Train a Swapping Autoencoder on photos; the same command resumes.

    graft train ~/photos --run runs/mine --preset small --size 128 --images 500k

    On several GPUs: torchrun --nproc-per-node 4 --no-python -- graft train ~/photos --run runs/mine
    """

    weights: dict[str, Any] = {"gan": gan, "patch": patch, "features": features, "r1": r1, "patch_r1": patch_r1}
    settings = config.SwappingTrainConfig(
        network=config.preset(preset, size),
        recipe=reweighed(
            config.recipe(recipe), {name: value for name, value in weights.items() if value is not None}, weight or []
        ),
        data=str(photos),
        augment=listed(augment),
        crop=crop,
        views=views,
        shared_lights=shared_lights,
        side=side,
        keep_models=keep_models,
        **options.settings(),
    )
    carry_out(settings, run, options)


def reweighed(recipe: Recipe, weights: dict[str, float], more: list[str]) -> Recipe:
    """A recipe with other numbers, those of `more` as NAME=NUMBER. GraftError for a name that it does not have."""
    for given in more:
        name, _, number = given.partition("=")
        if not isinstance(getattr(recipe, name, None), float):
            known = ", ".join(field for field, value in recipe.to_dict().items() if isinstance(value, float))
            raise GraftError(f"--weight takes NAME=NUMBER, not '{given}'; the names are {known}.")
        try:
            weights[name] = float(number)
        except ValueError:
            raise GraftError(f"--weight {name} takes a number, not '{number}'.") from None
    return replace(recipe, **weights)  # type: ignore[arg-type]


def listed(names: str) -> tuple[str, ...]:
    """Names with commas between."""
    return tuple(filter(None, map(str.strip, names.split(","))))


def carry_out(settings: TrainConfig, run: Path, options: TrainingOptions) -> None:
    """Start or resume a run, under a progress bar; or only say what it will cost."""

    if options.as_json and not options.dry_run:
        raise GraftError("--json prints the figures of --dry-run: give both or neither.")
    device = options.target
    if options.dry_run:
        open_source(settings.data)
        augment.check(settings.augment)
        crop_mode(settings.crop)
        costs = estimate(settings, device, options.compiled)
        typer.echo(json.dumps(costs.to_dict(), indent=1) if options.as_json else costs.summary())
        return
    with distributed.processes(device):
        training = runs.Run(run, settings, device, options.compiled)
        if training.first:
            for note in advice(len(training.data), settings.augment) + training.notes:
                console.print(note, style="yellow", soft_wrap=True)
        with bar("training", settings.images, training.trainer.seen) as progress:
            finished = training.train(lambda seen, figures: progress(seen, note=training.trainer.summary(figures)))
    if not finished:
        if training.first:
            seen = f"{training.trainer.seen:,}"
            console.print(f"Saved at {seen} images; the same command goes on from there.", soft_wrap=True)
        raise KeyboardInterrupt
    if training.first and training.trainer.encodes:
        try:
            know_textures(run, settings, options.device)
        except GraftError as error:  # the model is as good without
            console.print(f"Its textures are not known to graft novelty: {error}", style="yellow", soft_wrap=True)


def know_textures(run: Path, settings: TrainConfig, device: str | None) -> None:
    """Fit the distribution of a run's photos as its models encode them, beside each model that has none of its own.

    GraftError if the photos are too few."""

    for model in filter(Path.exists, (run / "last.safetensors", run / "best.safetensors")):
        file = beside(model)
        if file.exists() and Distribution.load(file).model == views(model)[1]["fingerprint"]:
            continue
        photos, network = open_source(settings.data), load(model, SwappingAutoencoder, device=device)
        with bar("knowing textures", min(KNOWN_PHOTOS, len(photos))) as progress:
            known = distribution(network, photos, network.config.size, most=KNOWN_PHOTOS, on_progress=progress)
        known.save(file)


def advice(photos: int, augmentation: tuple[str, ...]) -> list[str]:
    if photos >= FEW_PHOTOS or augmentation:
        return []
    return [
        f"Only {photos} photos to train on: the discriminators may learn them by heart. "
        "--augment colour,translation,cutout helps."
    ]
