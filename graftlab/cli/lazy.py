"""Groups of commands that are imported when they are called: until then a table says where they are."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

STYLE: dict[str, Any] = {"rich_markup_mode": "markdown"}


class Group(NamedTuple):
    """What a group is for, and by name where each of its commands is defined, as `pictures.grid` in this package."""

    help: str
    commands: Mapping[str, str]


Panels = Mapping[str, Mapping[str, str | Group]]  # heading in the help -> name -> command


def headline(home: str) -> str:
    """The first line of a command's docstring, read in its source, for importing what the command needs takes a second.

    A Typer, `models.models_app`, has that of its callback `models`."""
    module, _, name = home.removesuffix("_app").rpartition(".")
    source = Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")
    return source.partition(f"\ndef {name}(")[2].partition('"""')[2].partition("\n")[0]


class Later(TyperCommand):
    """What stands for a command in the help of its group and in completion."""

    def __init__(self, name: str, home: str, panel: str | None) -> None:
        super().__init__(name, help=headline(home), rich_help_panel=panel, **STYLE)
        self.home = home

    def load(self) -> Any:
        """The command itself."""
        module, _, attribute = self.home.rpartition(".")
        found = getattr(import_module(f"{__package__}.{module}"), attribute)
        app = typer.Typer(**STYLE)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=self.name)
        else:
            app.command(self.name)(found)
        return get_group(app).commands[str(self.name)]


class LazyGroup(TyperGroup):
    """A group of commands that stand in a table."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Later) else command, rest


def stand_ins(panels: Panels) -> Iterator[tuple[str, Later | LazyGroup]]:
    """The commands of a table by name, none of them imported yet."""
    for panel, entries in panels.items():
        for name, entry in entries.items():
            if isinstance(entry, str):
                yield name, Later(name, entry, panel or None)
            else:
                commands: Any = dict(stand_ins({"": entry.commands}))
                about: dict[str, Any] = {"help": entry.help, "no_args_is_help": True, "rich_help_panel": panel or None}
                yield name, LazyGroup(name=name, commands=commands, **about, **STYLE)
