"""The command `graft`: one short function per command, each a thin caller of the same call in Python."""

import atexit
import gc
import logging
import signal
import sys
import warnings
from typing import Any

import typer

from graftlab import __version__
from graftlab.cli.lazy import LazyGroup, stand_ins
from graftlab.cli.options import command_line
from graftlab.cli.table import COMMANDS
from graftlab.errors import GraftError
from graftlab.work.examples import by_name, with_examples
from graftlab.work.files import replacing
from graftlab.work.memory import keep_freed_memory


class Graft(LazyGroup):
    """All commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands.update(stand_ins(COMMANDS))


app = typer.Typer(
    cls=Graft,
    name="graft",
    help="Swap the structure and texture of pictures with generative networks.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"graftlab {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the full traceback of an error."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Write over files that graftlab did not write."),
    version: bool = typer.Option(False, "--version", is_eager=True, callback=tell_version, help="Show the version."),
) -> None:
    """What holds for every command."""


def main() -> None:
    """Run the command line. Exit code 0 done, 2 bad input (one sentence on stderr), 130 interrupted."""
    keep_freed_memory()
    gc.set_threshold(100_000)  # imports make many objects and no garbage: looking for it took a tenth of the start
    atexit.register(gc.freeze)  # and at the end, when the system takes all there is, half a second
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill leaves what is done, as Ctrl-C does
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before or after the command itself
        code = 130
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """`main`, given the arguments and returning the exit code."""
    told = Told()
    logging.getLogger("graftlab").addHandler(told)
    try:
        return answered(arguments)
    finally:
        logging.getLogger("graftlab").removeHandler(told)


class Told(logging.Handler):
    """What the library has to say of files, on stderr, once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        from graftlab.cli.progress import say  # which takes time that --help does not have

        if (sentence := record.getMessage()) not in self._said:
            self._said.add(sentence)
            say(sentence)


def answered(arguments: list[str]) -> int:
    """What `run` returns."""
    debug, overwrite = "--debug" in arguments, "--overwrite" in arguments
    arguments = [argument for argument in arguments if argument not in ("--debug", "--overwrite")]
    command_line.set(arguments)
    if not debug:  # of odd metadata, which cost nothing: what costs something is in our own words
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    try:
        with replacing(overwrite):
            app([with_examples(argument) for argument in arguments], prog_name="graft")
    except SystemExit as stop:  # Typer's own: 0 done, 2 wrong usage, 130 interrupted
        return int(stop.code or 0)
    except KeyboardInterrupt:  # before Typer looks for it
        return 130
    except Exception as error:
        if debug:
            raise
        sentence, code = explained(error)
        refuse(f"graft: {by_name(sentence)}")
        return code
    return 0


def refuse(sentence: str) -> None:
    """Say a sentence on stderr, in red: or plainly, where memory does not suffice for what colours it."""
    try:
        from graftlab.cli.progress import console  # which takes time that --help does not have

        console.print(sentence, soft_wrap=True, style="red")
    except (MemoryError, ImportError):
        print(sentence, file=sys.stderr)


OUT_OF_MEMORY = (  # in PyTorch's RuntimeErrors, those of threads, and of libraries that are loaded late
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "can't start new thread",
    "failed to map segment",
    "could not create a primitive",
    "error return without exception set",  # SystemError of an extension that had no memory left to say so
)


def explained(error: Exception) -> tuple[str, int]:
    """A sentence for people, and the exit code: 2 for bad input, 1 for a mistake of ours."""
    if isinstance(error, GraftError):
        return str(error), 2
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        return "There is not enough memory; take smaller or fewer pictures (--size, --batch), or another --device.", 2
    if isinstance(error, OSError):
        name = "the output" if error.filename is None else error.filename
        return f"{name} cannot be used ({error.strerror or error}); check the path and the disk.", 2
    kind = type(error).__name__
    return f"This is a mistake in graftlab ({kind}: {error}); please report what the same command with --debug says.", 1
