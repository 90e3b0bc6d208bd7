"""Options that several commands share: where they stand, what they are by default, what a command gets."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from graftlab.cli.options import spread


@dataclass(frozen=True, kw_only=True)
class Paper:
    width: Annotated[int, typer.Option("--width", "-w", min=1)] = 210
    name: str = "A4"


@dataclass(frozen=True, kw_only=True)
class Ink(Paper):
    colour: Annotated[str, typer.Option(help="Which one.")]


def call(command, *arguments):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


def draw(subject: str, paper: Paper = Paper(name="A3"), times: int = 1) -> None:
    """Draw."""
    typer.echo((subject, paper, times))


def test_a_dataclass_stands_for_its_options():
    drawing = spread(draw)
    assert call(drawing, "fuji").output == f"{('fuji', Paper(width=210, name='A3'), 1)}\n"
    given = ("fuji", "-w", "100", "--name", "card", "--times", "2")
    assert call(drawing, *given).output == f"{('fuji', Paper(width=100, name='card'), 2)}\n"
    assert call(drawing, "fuji", "--width", "0").exit_code == 2
    shown = call(drawing, "--help").output
    places = [
        shown.index(text) for text in ("Draw.", "--times", "--width", "[default: 210]", "--name", "[default: A3]")
    ]
    assert places == sorted(places)
    assert "paper" not in shown


def test_options_without_a_default_must_be_given():
    @spread
    def print_(ink: Ink, copies: int = 1) -> None:
        typer.echo(ink)

    assert call(print_, "--colour", "red").output == f"{Ink(colour='red')}\n"
    assert call(print_).exit_code == 2


def test_no_option_twice():
    def write(name: str, paper: Paper) -> None: ...

    with pytest.raises(ValueError, match="name"):
        spread(write)
