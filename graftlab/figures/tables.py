"""Tables of figures, as text for the terminal, and for the page of a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


Cell = float | str | Estimate | None


@dataclass(frozen=True)
class Table:
    """Rows of figures under a title; the first column names the row."""

    title: str
    columns: Sequence[str]  # of the figures
    rows: Sequence[tuple[str, Sequence[Cell]]]
    note: str = ""  # what the figures are, in a sentence or two
    best: frozenset[tuple[int, int]] = frozenset()  # (row, column) of figures to point out

    def text(self) -> str:
        """Aligned lines; an asterisk marks the best."""
        lines = [["", *self.columns]]
        for i, (name, cells) in enumerate(self.rows):
            lines.append([name, *(shown(cell) + ("*" if (i, j) in self.best else " ") for j, cell in enumerate(cells))])
        lines[0] = ["", *(column + " " for column in self.columns)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = ("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines)
        return "\n".join([self.title, *("  " + line for line in body)])

    def _repr_html_(self) -> str:
        """In a notebook."""
        return self.html()

    def html(self) -> str:
        head = "".join(f"<th>{escape(column)}</th>" for column in self.columns)
        rows = ""
        for i, (name, cells) in enumerate(self.rows):
            figures = "".join(
                f"<td{' class=best' if (i, j) in self.best else ''}>{escape(shown(cell))}</td>"
                for j, cell in enumerate(cells)
            )
            rows += f"<tr><th>{escape(name)}</th>{figures}</tr>"
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return (
            f'<section><h2>{escape(self.title)}</h2>{note}<div class="wide"><table><thead><tr><th></th>{head}</tr>'
            f"</thead><tbody>{rows}</tbody></table></div></section>"
        )


def shown(cell: Cell) -> str:
    """A figure with four digits that matter, an estimate with its interval, a dash for what cannot be told."""
    if isinstance(cell, Estimate):
        return f"{shown(cell.value)} [{shown(cell.low)}, {shown(cell.high)}]"
    if isinstance(cell, str):
        return cell
    if cell is None or not isfinite(cell):
        return "–"
    if cell == 0:
        return "0"
    if abs(cell) >= 1000:
        return f"{cell:,.0f}"
    return f"{cell:.4f}" if 0.01 <= abs(cell) < 1 else f"{cell:#.4g}"


def plain(value: Any) -> Any:
    """Figures as JSON takes them: estimates as dicts, and None for what is no finite number."""
    if isinstance(value, Estimate):
        return plain(value.to_dict())
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
