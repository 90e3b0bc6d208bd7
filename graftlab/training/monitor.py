"""What a run tells while it goes on: figures in stats.jsonl, TensorBoard, and a status line."""

import json
import os
from math import isfinite
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from graftlab.errors import GraftError


class Stats:
    """Means of the figures since the last record, and the file they are appended to, one JSON object a line.

    Nothing in the file depends on the clock, and a resumed run cuts the file back to where its state was saved: so the
    file of an interrupted run is, byte for byte, that of an uninterrupted one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.latest: dict[str, float] = {}  # the last record, for the status line
        self._sums: dict[str, list[float]] = {}  # name -> [sum, count]
        self._board: Any = None  # TensorBoard's, opened by the first line

    def add(self, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            if not isfinite(value):  # of a step that was skipped, and is counted as such
                continue
            entry = self._sums.setdefault(name, [0.0, 0])
            entry[0] += value
            entry[1] += 1

    def record(self, seen: int, skipped: int) -> None:
        """Append the means since the last record."""
        self.latest = {name: total / count for name, (total, count) in sorted(self._sums.items())}
        self._sums = {}
        self.append({"seen": seen, **self.latest, "skipped": skipped})

    def append(self, line: dict[str, Any]) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise GraftError(
                f"{self.path} could not be written ({error.strerror}); free some space and run the same command again."
            ) from error
        self._board = self._board or tensorboard(self.path.parent, line["seen"])
        for name, value in line.items():
            self._board.add_scalar(name, value, line["seen"])

    def state(self) -> dict[str, Any]:
        """What resuming needs; the file is on the disk once this returns."""
        if self._board:
            self._board.flush()
        with self.path.open("ab") as file:
            os.fsync(file.fileno())
            return {"bytes": file.tell(), "sums": self._sums}

    @staticmethod
    def parsed(state: dict[str, Any]) -> tuple[int, dict[str, list[float]]]:
        """The length of the file in bytes, and sums and counts, of a `state`. Almost any error if it is none."""
        sums = {str(name): [float(total), int(count)] for name, (total, count) in state["sums"].items()}
        return max(0, int(state["bytes"])), sums

    def restore(self, length: int, sums: dict[str, list[float]]) -> None:
        self._sums = sums
        with self.path.open("ab") as file:
            file.truncate(min(length, file.tell()))  # one that somebody shortened does not grow


def tensorboard(folder: Path, seen: int) -> Any:
    """A writer of TensorBoard's events, which replace earlier ones from `seen` images on.

    It is deaf where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return SimpleNamespace(add_scalar=lambda *figure: None, flush=lambda: None)
    return SummaryWriter(str(folder / "tensorboard"), purge_step=seen)
