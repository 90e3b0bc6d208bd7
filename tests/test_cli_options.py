"""Options that several commands share: where they stand, what they are by default, what a command gets."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

import pytest
import typer
from test_docs_commands import ROWS
from typer.testing import CliRunner

from graftlab.cli.options import Fields, docstrings, spread
from graftlab.config import DistillRecipe, StyleTrainConfig, SwappingTrainConfig, TranslatorConfig
from graftlab.config.base import Config, Images, Within
from graftlab.inversion.training import EncoderTraining


@dataclass(frozen=True, kw_only=True)
class Paper:
    width: Annotated[int, typer.Option("--width", "-w", min=1)] = 210
    name: str = "A4"


@dataclass(frozen=True, kw_only=True)
class Ink(Paper):
    colour: Annotated[str, typer.Option(help="Which one.")]


@dataclass(frozen=True)
class Press(Config):
    """How something is printed."""

    sheets: Images = 1_000
    """Sheets to print, such as 5k."""
    ink: Annotated[float, Within(0, 1)] = 0.5
    """Share of the sheet
    that is covered."""
    colours: tuple[str, ...] = ("black", "red")
    """With commas between."""


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


def test_fields_of_a_configuration_are_options():
    """Defaults, limits and sentences are the configuration's."""

    @spread
    def print_(
        subject: str,
        *,
        press: Annotated[dict[str, Any], Fields(Press, "colours sheets ink", {"ink": "what is left"}, {"sheets": 7})],
    ) -> None:
        typer.echo((subject, press))

    usual = {"colours": ("black", "red"), "sheets": 7}
    assert call(print_, "fuji").output == f"{('fuji', usual)}\n"
    given = ("fuji", "--ink", "0.25", "--sheets", "2.5M", "--colours", "blue, ,grey")
    chosen = {"colours": ("blue", "grey"), "sheets": 2_500_000, "ink": 0.25}
    assert call(print_, *given).output == f"{('fuji', chosen)}\n"
    for option, value, said in (
        ("--ink", "2", "it must be between 0 and 1, not 2"),
        ("--ink", "nan", "it must be between 0 and 1"),
        ("--ink", "much", "'much' is not a number"),
        ("--sheets", "0k", "it must be at least 1"),
        ("--sheets", "lots", "write 500000, 500k or 25M"),
    ):
        done = call(print_, "fuji", option, value)
        assert done.exit_code == 2
        assert option in done.output
        assert said in " ".join(done.output.replace("│", "").split())
    shown = " ".join(call(print_, "--help").output.replace("│", "").split())
    for text in ("such as 5k. [default: 7]", "that is covered; by default what is left.", "[default: black,red]"):
        assert text in shown


@pytest.mark.parametrize(
    "config", [SwappingTrainConfig, StyleTrainConfig, DistillRecipe, TranslatorConfig, EncoderTraining]
)
def test_every_field_says_what_it_is(config: type[Config]):
    assert {field.name for field in fields(config)} == set(docstrings(config)) - {"former"}
    assert all(text.endswith(".") for text in docstrings(config).values())


def test_every_command_has_an_example_in_its_help(graft):
    for command, _ in ROWS:
        result = graft(*command.split()[1:], "--help")
        assert result.code == 0
        assert command in result.out.split("Usage:")[1].split("\n", 1)[1], command
