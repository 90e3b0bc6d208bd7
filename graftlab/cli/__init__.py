"""The command `graft`: one short function per command, each a thin caller of the same call in Python."""

import sys

import typer

from graftlab.cli.models import demo, models
from graftlab.cli.pictures import decode, encode, grid, interpolate, reconstruct, swap
from graftlab.cli.progress import console
from graftlab.cli.training import data_app, train

app = typer.Typer(
    name="graft",
    help="Swap codes and blend networks, for people who make pictures with generative networks.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for command in (swap, grid, interpolate, reconstruct, encode, decode, train, models, demo):
    app.command()(command)
app.add_typer(data_app, name="data")


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the whole traceback of an error."),
) -> None:
    """What holds for every command."""


def main() -> None:
    """Run the command line. Exit code 0 done, 2 bad input (one sentence on stderr), 130 interrupted."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """`main`, given the arguments and returning the exit code."""
    from graftlab.errors import GraftError

    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        app(arguments, prog_name="graft")
    except SystemExit as stop:  # Typer's own: 0 done, 2 wrong usage, 130 interrupted
        return int(stop.code or 0)
    except (GraftError, OSError, MemoryError) as error:
        if debug:
            raise
        text = str(error) or "there is not enough memory; try a smaller picture or batch."
        console.print(f"graft: {text}", markup=False, highlight=False, soft_wrap=True, style="red")
        return 2
    return 0
