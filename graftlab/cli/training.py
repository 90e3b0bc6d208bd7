"""`graft train` and `graft data`."""

from pathlib import Path
from typing import Annotated

import typer

from graftlab.cli.progress import bar, console

data_app = typer.Typer(help="Look at photos and pack them for training.", no_args_is_help=True)


def count(text: str) -> int:
    """A number of images: 500000, 500k or 25M."""
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        return int(float(text[:-1]) * factor) if factor > 1 else int(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is no number of images; write 500000, 500k or 25M.") from None


def train(
    photos: Annotated[Path, typer.Argument(help="Folder, zip, LSUN LMDB or pack of photos.")],
    run: Annotated[Path, typer.Option(help="Folder of the run; the same command resumes it.")],
    preset: Annotated[str, typer.Option(help="Networks: tiny, small, church256, mountain512, ffhq1024 ...")] = "small",
    size: Annotated[int | None, typer.Option(help="Side of the training pictures, pixels.")] = None,
    images: Annotated[str, typer.Option(help="Length of the run in images, such as 500k or 25M.")] = "500k",
    batch: Annotated[int, typer.Option(help="Images per step, an even number.")] = 16,
    recipe: Annotated[str, typer.Option(help="Weights of the losses: official or paper.")] = "official",
    augment: Annotated[str, typer.Option(help="For small folders: colour,translation,cutout.")] = "",
    crop: Annotated[str, typer.Option(help="How photos become squares: short, resize or random.")] = "short",
    mirror: Annotated[bool, typer.Option(help="Flip half of the photos left to right.")] = True,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; the fastest by default.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="bfloat16 or float32; by default what the device is good at.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 0.002,
    seed: Annotated[int, typer.Option(help="Of weights, order and crops.")] = 0,
    snapshot_every: Annotated[str, typer.Option(help="Images between sample sheets and saved states.")] = "10k",
    record_every: Annotated[str, typer.Option(help="Images between lines of stats.jsonl.")] = "1k",
) -> None:
    """Train a Swapping Autoencoder on photos; the same command resumes.

    graft train ~/photos --run runs/mine --preset small --size 128 --images 500k
    """
    from graftlab import config
    from graftlab.hardware import choose_device, training_precision
    from graftlab.training import distributed
    from graftlab.training.run import Run

    target = choose_device(device)
    settings = config.TrainConfig(
        network=config.preset(preset, size),
        recipe=config.recipe(recipe),
        data=str(photos),
        images=count(images),
        batch=batch,
        learning_rate=learning_rate,
        precision=precision or training_precision(target),
        augment=tuple(filter(None, augment.split(","))),
        crop=crop,
        mirror=mirror,
        seed=seed,
        snapshot_every=count(snapshot_every),
        record_every=count(record_every),
    )
    with distributed.processes(target):
        training = Run(run, settings, target)
        with bar("training", settings.images, training.trainer.seen) as progress:
            finished = training.train(lambda seen, figures: progress(seen, note=f"L1 {figures.get('G_L1', 0):.3f}"))
    if not finished:
        console.print(f"Saved at {training.trainer.seen:,} images; the same command goes on from there.")
        raise KeyboardInterrupt
