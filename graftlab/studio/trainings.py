"""Trainings that the page starts: `graft train` in processes of their own, which save what they have when stopped.

Only for the machine itself: paths are typed, so whoever may start a training may read what this user can.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from graftlab.errors import GraftError
from graftlab.studio.sessions import MissingError
from graftlab.training.report import choose_sheets, read_config, read_stats
from graftlab.training.trainers import trainer_of

ENOUGH = 300  # points of a curve
KEPT = 30  # that have ended
QUIET = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "2000", "PYTHONUNBUFFERED": "1"}
AWAY = "Trainings are started on the machine itself: start the studio there, without --host and --expose."


class Plan(BaseModel):
    """What is to be done with photos of this machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["scan", "estimate", "train"]
    photos: str = Field(min_length=1, max_length=1000, description="Path of a folder, zip, LMDB or pack.")
    run: str = Field("", max_length=1000, description="Path of the run's folder; the same plan resumes it.")
    preset: str = Field("small", pattern=r"^\w{1,40}$")
    size: int | None = Field(None, ge=16, le=1024)
    images: int = Field(500_000, ge=1, le=10**9)
    batch: int = Field(16, ge=1, le=4096)

    @property
    def words(self) -> list[str]:
        """Of the `graft` command. GraftError for a training without a folder."""
        photos = str(Path(self.photos).expanduser().absolute())
        if self.kind == "scan":
            return ["data", "scan", photos]
        if not self.run:
            raise GraftError("A training needs a folder for its run: type a path.")
        size = [] if self.size is None else ["--size", str(self.size)]
        numbers = ["--images", str(self.images), "--batch", str(self.batch)]
        dry = ["--dry-run"] if self.kind == "estimate" else []
        return ["train", photos, "--run", str(self.folder), "--preset", self.preset, *size, *numbers, *dry]

    @property
    def folder(self) -> Path:
        return Path(self.run).expanduser().absolute()


@dataclass
class Training:
    """A plan that is carried out."""

    plan: Plan
    logs: Path
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    stopping: bool = False

    def __post_init__(self) -> None:
        self.out, self.err = (self.logs / f"{self.id}.{name}" for name in ("out", "err"))
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "graftlab", *self.plan.words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **QUIET},
                start_new_session=True,  # Ctrl-C is the studio's, which then stops it
            )

    @property
    def state(self) -> Literal["running", "stopping", "stopped", "done", "failed"]:
        code = self.process.poll()
        if code is None:
            return "stopping" if self.stopping else "running"
        return "stopped" if self.stopping else "failed" if code else "done"

    def stop(self) -> None:
        """Ask it to save and end."""
        self.stopping = True
        self.process.terminate()

    @property
    def told(self) -> dict[str, Any]:
        """As JSON for the page."""
        state, lines = self.state, _read(self.err).split("\n")
        text = _read(self.out).strip() if self.plan.kind != "train" else ""
        error = next((line for line in map(str.strip, reversed(lines)) if line), None) if state == "failed" else None
        told = {"id": self.id, "plan": self.plan.model_dump(), "state": state, "text": text, "error": error}
        return {**told, **(self._figures() if self.plan.kind == "train" else {})}

    def _figures(self) -> dict[str, Any]:
        """Curves and the newest sheet, as far as there are any."""
        records = read_stats(self.plan.folder / "stats.jsonl")
        try:
            config = read_config(self.plan.folder)
        except GraftError:  # it has only just begun
            return {}

        def points(key: str) -> list[tuple[float, float]]:
            found = [(record["seen"], record[key]) for record in records if key in record]
            step = -(-len(found) // ENOUGH) or 1
            return found[::-1][::step][::-1]  # the newest among them

        figures = [
            {"title": title, "series": series, "note": note}
            for title, series, note in trainer_of(config).figures(points, config)
            if any(series.values())
        ]
        sheet = self.sheet
        seen = records[-1]["seen"] if records else 0
        return {"figures": figures, "seen": seen, "images": config.images, "sheet": sheet.stem if sheet else None}

    @property
    def sheet(self) -> Path | None:
        """The newest sample sheet."""
        return next(reversed(choose_sheets(self.plan.folder / "samples")), None)


class Trainings:
    """All that this studio has started."""

    def __init__(self, local: bool) -> None:
        self.local = local  # whether only this machine can ask
        self._logs = tempfile.TemporaryDirectory(prefix="graftlab-trainings-")
        self._all: dict[str, Training] = {}

    def all(self) -> list[Training]:
        """The newest first. GraftError if the studio is not for this machine alone."""
        if not self.local:
            raise GraftError(AWAY)
        return list(self._all.values())[::-1]

    def find(self, id: str) -> Training:
        for training in self.all():
            if training.id == id:
                return training
        raise MissingError("There is no such training (any more).")

    def start(self, plan: Plan) -> Training:
        """Begin, or resume. GraftError if something is at work in the same folder, or on the same photos' scan."""
        going = [one for one in self.all() if one.state in ("running", "stopping")]
        if any(one.plan.kind == plan.kind and one.plan.words[:4] == plan.words[:4] for one in going):
            raise GraftError("This is being done already: wait for it, or stop it first.")
        training = Training(plan, Path(self._logs.name))
        self._all[training.id] = training
        for old in [one for one in self._all.values() if one not in going and one is not training][:-KEPT]:
            del self._all[old.id]
        return training

    def close(self) -> None:
        """Stop all, which save."""
        for training in self._all.values():
            if training.process.poll() is None:
                training.stop()
        self._logs.cleanup()


def _read(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")[-20_000:] if path.is_file() else ""
