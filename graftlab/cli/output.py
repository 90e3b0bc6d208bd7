"""What commands give: files, whose places are checked before any work is done, and figures."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.data.image_source import printable, printable_lines
from graftlab.errors import GraftError
from graftlab.figures.tables import plain
from graftlab.images import FORMATS
from graftlab.work.files import spare_others

MODEL = ".safetensors"


def place(path: Path) -> Path:
    """The path, if a file can be made there: a night's work is not to end in this error."""
    if path.is_dir():
        raise GraftError(f"{path} is a folder; name a file in it.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise GraftError(f"{path} cannot be written, because {folder} is no folder you may write to; name another.")
    return path


def writable(path: Path) -> Path:
    """The same; and what is there already must be a file of graftlab's, unless --overwrite was said."""
    spare_others(place(path))
    return path


def model_file(path: Path) -> Path:
    """The path, if a model of ours can be written there."""
    if path.suffix != MODEL:
        raise GraftError(f"--out {path} must end in {MODEL}; 'graft convert' makes other formats of it.")
    return writable(path)


def picture(path: Path) -> Path:
    """The path, if a picture can be written there."""
    if path.suffix.lower() not in FORMATS:
        raise GraftError(f"{path} does not end as a picture does; choose among {', '.join(FORMATS)}.")
    return writable(path)


def file_or_folder(path: Path) -> Path:
    """The path, if a file, a folder of files, or files of a pattern, can be made there: a film, or shards.

    Which files that would be, and whether they are the ones it is made of, is known later (`spare`)."""
    return path if path.is_dir() else place(path)


def new_file(help: str, check: Callable[[Path], Path] = writable, *names: str) -> Any:
    """An option for a file to write, which is checked before any work is done."""
    return typer.Option(*names, help=help, callback=lambda path: path and check(path))


def out_file(help: str, check: Callable[[Path], Path] = writable) -> Any:
    """The option for what a command is to write above all."""
    return new_file(help, check, "--out", "-o")


def spare(out: Path | None, *inputs: str | Path | None, by_model: bool = False) -> None:
    """Refuse to write over a file that the command reads, that is none of graftlab's, or a model
    (unless it writes one itself: `by_model`); None is a file that was not given."""
    for path in inputs:
        if out and path and out.exists() and Path(path).exists() and out.samefile(path):
            raise GraftError(f"{out} is a file that this command reads; name another.")
    if out:
        spare_others(out, models=not by_model)


def spare_each(targets: Iterable[Path | None], *inputs: str | Path | None) -> None:
    """The same for several files to write, and refuse that two would be one."""
    named = [target for target in targets if target]
    for target in named:
        spare(target, *inputs)
    places = Counter(target.absolute() for target in named)
    for target in named:
        if places[target.absolute()] > 1:
            raise GraftError(f"Two of the files to write would be one file, {target}; give them different names.")


def numbered(out: Path, count: int) -> list[Path]:
    """The files of so many pictures: OUT, or of several OUT-000 and so on."""
    return [out] if count == 1 else [out.with_stem(f"{out.stem}-{i:03d}") for i in range(count)]


def print_figures(figures: object, text: str, as_json: bool) -> None:
    """What was found, on stdout: as JSON, or as a text for people."""
    typer.echo(json.dumps(figures, indent=1) if as_json else printable_lines(text))


def print_each(figures: Sequence[dict[str, Any]], line: str, as_json: bool) -> None:
    """The same for a list, of which each has this line. JSON knows no infinity, the PSNR of equal pictures."""
    text = "\n".join(printable(line.format(**entry)) for entry in figures)
    print_figures([plain(entry) for entry in figures], text, as_json)


Out = Annotated[Path, out_file("Picture to write: .png, .jpg, .webp or .tif.", picture)]
NewFile = Annotated[Path, out_file("File to write.")]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
