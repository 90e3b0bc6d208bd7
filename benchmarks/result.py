"""What a benchmark found: on the screen, as Markdown for a document, as JSON to go on with."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from graftlab.benchmarking.machine import Ceiling, Machine
from graftlab.figures.tables import Table, shown

STDOUT = "-"


@dataclass(frozen=True)
class Result:
    """Tables for people, and the figures behind them."""

    machine: Machine
    tables: Sequence[Table]
    figures: dict[str, Any]  # JSON
    ceiling: Ceiling | None = None

    def head(self) -> str:
        return "\n".join([self.machine.summary(), *([self.ceiling.summary()] if self.ceiling else [])])

    def text(self) -> str:
        return "\n\n".join([self.head(), *("\n".join(filter(None, [t.text(), t.note])) for t in self.tables)])

    def markdown(self) -> str:
        return "\n\n".join([self.head().replace("\n", "  \n"), *map(markdown, self.tables)]) + "\n"

    def json(self) -> str:
        ceiling = self.ceiling.to_dict() if self.ceiling else None
        return json.dumps({"machine": self.machine.to_dict(), "ceiling": ceiling, **self.figures}, indent=1) + "\n"

    def give(self, options: Namespace) -> None:
        """Print it, and write what `add_output`'s options ask for."""
        self.keep(options)
        asked = [made for wanted, made in self._forms(options) if wanted == STDOUT]
        for made in asked or [lambda: self.text() + "\n"]:
            sys.stdout.write(made())

    def keep(self, options: Namespace) -> None:
        """Write the files that they ask for, and print nothing: of what takes long, whatever ends it."""
        for wanted, made in self._forms(options):
            if wanted and wanted != STDOUT:
                Path(wanted).parent.mkdir(parents=True, exist_ok=True)
                Path(wanted).write_text(made(), encoding="utf-8")

    def _forms(self, options: Namespace) -> list[tuple[str | None, Callable[[], str]]]:
        return [(options.json, self.json), (options.markdown, self.markdown)]


def markdown(table: Table) -> str:
    """A table of GitHub's Markdown under its title, figures to the right."""
    lines = [["", *table.columns], ["---", *("--:" for _ in table.columns)]]
    lines += [[name, *map(shown, cells)] for name, cells in table.rows]
    body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n\n".join(filter(None, [f"**{table.title}**", body, table.note]))


def positive(text: str) -> int:
    """A whole number above zero, of an option."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def add_output(parser: ArgumentParser) -> None:
    """The options that every benchmark has."""
    parser.add_argument("--threads", type=positive, default=torch.get_num_threads(), help="of PyTorch")
    parser.add_argument("--json", metavar="FILE", nargs="?", const=STDOUT, help="the figures; printed if no FILE")
    parser.add_argument("--markdown", metavar="FILE", nargs="?", const=STDOUT, help="the tables; printed if no FILE")
