"""The command `graft`: one short function per command, each a thin caller of the same call in Python."""

import sys
from collections.abc import Callable

import typer

from graftlab import __version__
from graftlab.cli.bench import bench
from graftlab.cli.blend_sheets import sheet
from graftlab.cli.blending import blend, diff
from graftlab.cli.clusters import clusters_app
from graftlab.cli.desk import command_line
from graftlab.cli.directions import directions_app
from graftlab.cli.distillation import distill, pairs, translate
from graftlab.cli.evaluation import eval_app
from graftlab.cli.files import convert, inspect, verify
from graftlab.cli.film import film_app
from graftlab.cli.inversion import invert, toonify, train_encoder
from graftlab.cli.models import demo, models_app
from graftlab.cli.pictures import decode, encode, grid, interpolate, reconstruct, swap
from graftlab.cli.progress import console
from graftlab.cli.stills import mix, panorama, regions, select, weave
from graftlab.cli.style import mix_styles, sample
from graftlab.cli.style_training import finetune, stylegan_app
from graftlab.cli.textures import novelty, textures_app
from graftlab.cli.training import data_app, train
from graftlab.cli.upscale import upscale
from graftlab.errors import GraftError
from graftlab.memory import keep_freed_memory

app = typer.Typer(
    name="graft",
    help="Swap the structure and the texture of pictures, for people who make them with generative networks.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(swap, grid, interpolate, reconstruct, encode, decode, sample, mix_styles),
    *(panorama, weave, regions, mix, select, upscale),
    *(blend, diff, sheet),
    *(train, finetune, inspect, convert, verify, demo, bench),
    *(novelty, invert, toonify, train_encoder),
    *(pairs, distill, translate),
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(models_app, name="models")
app.add_typer(data_app, name="data")
app.add_typer(stylegan_app, name="stylegan")
app.add_typer(eval_app, name="eval")
app.add_typer(directions_app, name="directions")
app.add_typer(film_app, name="film")
app.add_typer(textures_app, name="textures")
app.add_typer(clusters_app, name="clusters")


def tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"graftlab {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the whole traceback of an error."),
    version: bool = typer.Option(False, "--version", is_eager=True, callback=tell_version, help="Show the version."),
) -> None:
    """What holds for every command."""


def main() -> None:
    """Run the command line. Exit code 0 done, 2 bad input (one sentence on stderr), 130 interrupted."""
    keep_freed_memory()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """`main`, given the arguments and returning the exit code."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    command_line.set(arguments)
    try:
        app(arguments, prog_name="graft")
    except SystemExit as stop:  # Typer's own: 0 done, 2 wrong usage, 130 interrupted
        return int(stop.code or 0)
    except Exception as error:
        if debug:
            raise
        sentence, code = explained(error)
        console.print(f"graft: {sentence}", soft_wrap=True, style="red")
        return code
    return 0


OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")  # in PyTorch's RuntimeErrors


def explained(error: Exception) -> tuple[str, int]:
    """A sentence for people, and the exit code: 2 for bad input, 1 for a mistake of ours."""
    if isinstance(error, GraftError):
        return str(error), 2
    if isinstance(error, OSError):
        name = "the output" if error.filename is None else error.filename
        return f"{name} cannot be used ({error.strerror or error}); check the path and the disk.", 2
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        return "There is not enough memory; take smaller or fewer pictures (--size, --batch), or another --device.", 2
    kind = type(error).__name__
    return f"This is a mistake in graftlab ({kind}: {error}); please report what the same command with --debug says.", 1
