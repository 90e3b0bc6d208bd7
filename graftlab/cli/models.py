"""`graft models` and its commands, and `graft demo`."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from graftlab.checkpoints.catalogue import cache, hub, registry
from graftlab.checkpoints.catalogue.card import card as write_card
from graftlab.checkpoints.catalogue.registry import Entry
from graftlab.checkpoints.describe import describe, extent
from graftlab.checkpoints.load import bundled_models, locate
from graftlab.cli.desk import DEFAULT_MODEL, Model, autoencoder
from graftlab.cli.output import Json, new_file, spare, writable
from graftlab.cli.progress import console, say
from graftlab.editing import swaps
from graftlab.errors import GraftError
from graftlab.figures.sheets import sheet
from graftlab.language import OFFERS
from graftlab.rendering.presentation import give, swapped_examples
from graftlab.work.examples import example
from graftlab.work.files import atomic_write, spare_others
from graftlab.work.progress import Progress

Licence = Annotated[
    str | None, typer.Option(help="Licence of the model, such as cc-by-4.0; by default the one in its file.")
]
models_app = typer.Typer(rich_markup_mode="markdown")


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: Json = False) -> None:
    """Show models by name: those bundled with graftlab, those in the cache, and those that can be downloaded.

    graft models --json

    With --json, only the models on this machine.
    """
    if context.invoked_subcommand is not None:
        return

    bundled = bundled_models()
    here = registry.cached_models() | bundled
    entries: list[dict[str, Any]] = []
    for name in [*bundled, *(name for name in here if name not in bundled)]:
        try:
            entries.append({"name": name, **describe(here[name], weights=False)})
        except GraftError as error:  # one damaged file does not hide the others
            say(error)
    if as_json:
        typer.echo(json.dumps(entries, indent=1))
        return
    if not bundled:
        console.print("No model comes with this installation; give a file to --model.")
    offers = {offer.name: offer for offer in registry.known()}
    for entry in entries:
        typer.echo(describe_entry(entry, offers.get(entry["name"])))
    missing = [offer for offer in offers.values() if offer.name not in here]
    console.print(f"{len(missing)} more can be fetched by 'graft models get NAME':")
    for offer in missing:
        hand = " (by hand)" if offer.by_hand else ""
        say(f"{offer.name} ({offer.kind}): {offer.about}; licence {offer.licence}{hand}")
    console.print(f"{len(OFFERS)} that read phrases (--words), beside graft-mini, are fetched in the same way:")
    for name, text in OFFERS.items():
        say(f"{name}: {text.about}; {text.megabytes} MB; {text.milliseconds} ms a picture; licence {text.licence}")


def describe_entry(entry: dict[str, Any], offer: Entry | None) -> str:
    """A model on this machine. What its file does not tell, the registry may."""
    about = {"trained_on": "unknown pictures", "licence": "licence unknown"}
    if offer is not None:
        about |= {"trained_on": offer.about, "licence": offer.licence}
    about |= entry["about"]
    images = f" ({about['images_seen']:,} images)" if "images_seen" in about else ""
    return (
        f"{entry['name']}: {entry['kind']}, {extent(entry)}, {entry['parameters'] / 1e6:.1f} M parameters, "
        f"{entry['bytes'] / 1e6:.1f} MB; trained on {about['trained_on']}{images}; {about['licence']}"
    )


@models_app.command()
def get(
    name: Annotated[str, typer.Argument(help="A name that 'graft models' lists, or someone/some-model on the hub.")],
    keep_original: Annotated[bool, typer.Option("--keep-original", help="Keep the downloaded file too.")] = False,
    insecure: Annotated[bool, typer.Option("--insecure", help="Fetch over http, if the server has no https.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch a model and convert it, so that --model NAME finds it. Run again, it goes on where it stopped.

    graft models get ffhq-stylegan2-ada
    """

    if hub.is_id(name):
        print_place(name, hub.fetch(name), as_json)
        return
    if name in OFFERS:
        print_place(name, OFFERS[name].fetch(), as_json)
        say(f"Its licence: {OFFERS[name].licence}; https://huggingface.co/{OFFERS[name].repository}")
        return
    entry = registry.find(name)
    others = [other.name for other in registry.known() if other.source == entry.source and other is not entry]
    if others and not keep_original and not registry.cached(name):
        console.print(
            f"The same file holds {', '.join(others)}: with --keep-original they need no download of their own."
        )
    if insecure and not registry.cached(name):
        known = "its hash is known and compared" if entry.sha256 else "its hash is not known"
        console.print(
            f"Over http anybody on the way can change what is sent; {known}. No code in the file is run either way.",
            soft_wrap=True,
        )
    with transfer(name) as progress:
        path = cache.get(name, keep_original, progress, insecure=insecure)
    say(f"Its licence: {entry.licence}; {entry.page}")
    print_place(name, path, as_json)


@models_app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A model of any format that graftlab reads, or the zip of a release.")],
    name: Annotated[str | None, typer.Option("--as", help="Name of the model; the file's own by default.")] = None,
    as_json: Json = False,
) -> None:
    """Keep a model that was fetched by hand, converted, so that --model NAME finds it.

    graft models add ~/Downloads/network-snapshot-000500.pkl --as my-metfaces
    """

    path = cache.add(file, name)
    print_place(path.stem, path, as_json)


@models_app.command()
def remove(
    name: Annotated[str, typer.Argument(help="A model in the cache.")],
    as_json: Json = False,
) -> None:
    """Delete a model from the cache.

    graft models remove ffhq-stylegan2-ada
    """

    deleted = [str(path) for path in cache.remove(name)]
    if as_json:
        typer.echo(json.dumps({"name": name, "removed": deleted}))
        return
    for path in deleted:
        say(f"{path}: removed")


@models_app.command()
def push(
    model: Annotated[Path, typer.Argument(help="A model file of graftlab's.")],
    repository: Annotated[str, typer.Argument(help="On the Hugging Face hub: someone/some-model.")],
    licence: Licence = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    message: Annotated[str, typer.Option(help="Message of the commit.")] = "Model and card",
) -> None:
    """Give a model to the Hugging Face hub, with its card, pictures, directions and textures.

    graft models push runs/lakes/best.safetensors someone/lakes --licence cc-by-4.0
    """

    say(give(model, repository, licence, private, message))


@models_app.command()
def where() -> None:
    """The folder of the cache, which the environment variable GRAFTLAB_CACHE moves.

    graft models where
    """

    typer.echo(registry.cache_folder())


def card(
    model: Annotated[Path, typer.Argument(help="A model file of graftlab's.")],
    out: Annotated[Path | None, new_file("File to write, instead of printing it.", writable, "--out", "-o")] = None,
    licence: Licence = None,
) -> None:
    """Write a model's card: what it is, what it learned from, its parents and its licence.

    graft card runs/lakes/best.safetensors --licence cc-by-4.0 -o README.md
    """

    text = write_card(locate(str(model)), licence=licence)
    if out is None:
        typer.echo(text, nl=False)
        return
    spare(out, model)
    say(atomic_write(out, lambda file: file.write(text.encode())))


def print_place(name: str, path: Path, as_json: bool) -> None:
    """Where a model now is."""
    if as_json:
        typer.echo(json.dumps({"name": name, "file": str(path)}))
    else:
        say(f"{name} is {path}")


@contextmanager
def transfer(what: str) -> Iterator[Progress]:
    """A progress bar for bytes, which appears with the first of them."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    bars = Bars(*columns, console=console)
    task = bars.add_task(what, total=None)

    def show(done: float, total: float | None = None, note: str = "") -> None:
        bars.start()
        bars.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        if bars.live.is_started:
            bars.stop()


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures.")] = Path("demo"),
    model: Model = DEFAULT_MODEL,
) -> None:
    """Swap two of the bundled pictures, and draw a sheet of swaps.

    graft demo --out demo
    """

    for name in ("swap.png", "grid.png"):
        spare_others(out / name)
    desk = autoencoder(model=model, square=True)
    structure, texture = (desk.read(example(name)) for name in DEMO_PAIR)
    start = time.perf_counter()
    there, back = swaps.both(desk.model, structure, texture, **desk.rendering)
    seconds = time.perf_counter() - start
    pair = sheet(
        [[structure, texture, there, back]],
        columns=["A", "B", "structure A, texture B", "structure B, texture A"],
        title=desk.title(),
        scale=max(1, 256 // desk.side()),
    )
    desk.write(pair, out / "swap.png")
    desk.write(swapped_examples(desk), out / "grid.png")
    say(f"Two swaps took {seconds:.2f} s. Open {out / 'swap.png'} and {out / 'grid.png'}.")


DEMO_PAIR = ("peaks", "render-canyon")
