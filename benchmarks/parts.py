"""A benchmark in parts: each has its seconds, one that fails does not lose the others, every row is kept at once."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from benchmarks.result import Result
from graftlab.benchmarking.machine import Ceiling, Machine
from graftlab.benchmarking.speed import figure
from graftlab.figures.tables import Table

Figures = Mapping[str, float | str | None]  # by column
Part = Callable[[], None]


class OutOfTimeError(Exception):
    """A part has had its seconds."""


class Sheet:
    """What the parts have found so far, in `gpu.json` and `gpu.md` of a folder, or under another name."""

    def __init__(self, folder: Path, name: str, machine: Machine, best: Ceiling) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file, self._machine, self._best = folder / name, machine, best
        self._tables: dict[str, dict[str, Figures]] = {}  # by title and row
        self.failed: list[str] = []

    def row(self, title: str, name: str, figures: Figures) -> None:
        """A line of a table."""
        self._tables.setdefault(title, {})[name] = figures
        told = ", ".join(f"{key} {shown(value)}" for key, value in figures.items())
        print(f"{title} | {name}: {told}", file=sys.stderr, flush=True)
        self._write()

    def fail(self, sentence: str) -> None:
        print(f"FAILED {sentence}", file=sys.stderr, flush=True)
        self.failed.append(sentence)
        self._write()

    def play(self, parts: Mapping[str, tuple[Part, float]], seconds: float) -> None:
        """One part after another, each for no more than its seconds, and all for no more than those given."""
        end = time.perf_counter() + seconds
        for name, (part, most) in parts.items():
            begin = time.perf_counter()
            try:
                with limited(min(most, end - begin)):
                    part()
            except Exception as error:
                self.fail(f"{name}: {type(error).__name__}: {str(error).strip():.300}")
            self.row("Parts", name, {"seconds": time.perf_counter() - begin})

    def result(self) -> Result:
        tables = []
        for title, rows in self._tables.items():
            columns = list(dict.fromkeys(key for figures in rows.values() for key in figures))
            lines = [(name, [shown(figures.get(key)) for key in columns]) for name, figures in rows.items()]
            tables.append(Table(title, columns, lines))
        tables.append(Table("Failed", [], [(sentence, []) for sentence in self.failed or ["nothing"]]))
        return Result(self._machine, tables, {"tables": self._tables, "failed": self.failed}, self._best)

    def _write(self) -> None:
        result = self.result()
        self._file.with_suffix(".json").write_text(result.json(), encoding="utf-8")
        self._file.with_suffix(".md").write_text(result.markdown(), encoding="utf-8")


def shown(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.1e}" if value and value < 1e-3 else figure(value)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in what takes longer, again and again if it goes on all the same."""
    if seconds < 1:
        raise OutOfTimeError("no time was left")

    def stop(number: int, frame: FrameType | None) -> None:
        raise OutOfTimeError(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 3)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
