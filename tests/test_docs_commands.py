"""docs/commands.md names every command once, and what stands beside it exists in the library."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from graftlab.cli import app
from graftlab.cli.lazy import Later

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
ROW = re.compile(r"^\| `(graft [^`]+)` \| (.*) \|$", re.MULTILINE)
NAME = re.compile(r"`(graftlab[\w.]*)`")
ROWS = ROW.findall(PAGE.read_text(encoding="utf-8"))


def commands(command: Any, path: str = "graft") -> Iterator[str]:
    for name, entry in getattr(command, "commands", {}).items():
        inner = entry.load() if isinstance(entry, Later) else entry  # which may turn out to be a group
        if hasattr(inner, "commands"):
            yield from commands(inner, f"{path} {name}")
        else:
            yield f"{path} {name}"


def resolved(name: str) -> Any:
    """What a dotted name stands for: the longest part that is a module, and attributes of that."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:count]))
        except ModuleNotFoundError as missing:
            if missing.name is None or not name.startswith(missing.name):
                raise
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def test_every_command_is_in_the_table_once():
    assert sorted(command for command, _ in ROWS) == sorted(commands(typer.main.get_command(app)))


def test_the_calls_exist():
    for command, calls in ROWS:
        names = NAME.findall(calls)
        assert names, f"{command} has no call beside it"
        for name in names:
            assert not name.startswith("graftlab.cli"), "nothing is computed in the command line"
            assert callable(resolved(name)), name


def test_names_of_the_page_that_do_not_exist_are_noticed():
    with pytest.raises(AttributeError):
        resolved("graftlab.figures.sheets.nobody_wrote_this")
    with pytest.raises(AttributeError):
        resolved("graftlab.nobody_wrote_this")
