"""A network that learns from words."""

import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, PrivateAttr

from graftlab.errors import GraftError
from graftlab.objectives.words import NEUTRAL
from graftlab.studio.model_files import Made
from graftlab.studio.networks import Workspace
from graftlab.studio.orders.base import Order
from graftlab.studio.scenes.base import Words
from graftlab.studio.scenes.blend import Name
from graftlab.studio.trainings import QUIET
from graftlab.training.report import choose_sheets, read_stats
from graftlab.work.progress import Watch

OFTEN = 0.2  # seconds between looks at how far it is
PATIENCE = 30  # seconds in which it ends when it is told to
IMAGES = 2  # of an iteration


class FromWords(Order):
    """A model that learns what a phrase says (`graft finetune --text`), in a process of its own: `found` is its name,
    under which it can be blended, and its samples can be looked at on the way."""

    apart: ClassVar[bool] = True
    kind: Literal["words"]
    model: Name
    text: Words
    neutral: Words = Field(NEUTRAL, description="What pictures are without it, as day is to night.")
    iterations: int = Field(100, ge=1, le=5000)
    _found: str | None = PrivateAttr(None)
    _run: Path | None = PrivateAttr(None)

    @property
    def file(self) -> str:
        return f"{self.slug}.safetensors"

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.text.lower()).strip("-")[:40] or "words"

    @property
    def found(self) -> str | None:
        return self._found

    @property
    def look(self) -> Path | None:
        return next(reversed(choose_sheets(self._run / "samples")), None) if self._run else None

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        name = f"{self.slug}-{secrets.token_hex(4)}"  # which no other visitor can guess
        run, kept = (at.visitor.folder / "learnt" / each for each in (name, f"{name}.safetensors"))
        self._run = run
        with watch("learning", IMAGES * self.iterations, unit="images") as progress:
            process = self._start(at, run)
            try:
                while process.poll() is None:
                    records = read_stats(run / "stats.jsonl")
                    progress(records[-1]["seen"] if records else 0)
                    time.sleep(OFTEN)
            except BaseException:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                shutil.rmtree(run, ignore_errors=True)
                raise
        if process.returncode:
            raise GraftError(self._trouble(run))
        shutil.rmtree(run / "states", ignore_errors=True)
        for copy in (kept, out):
            shutil.copyfile(run / "last.safetensors", copy)
        told = [
            "finetune",
            self.model,
            "--text",
            self.text,
            "--from",
            self.neutral,
            "--iterations",
            str(self.iterations),
        ]
        command = shlex.join(["graft", *told, "--run", f"runs/{self.slug}"])
        made = Made(at.visitor.id, kept, run / "models", f"runs/{self.slug}/last.safetensors", command)
        at.networks.add(name, made)
        self._found = name

    def _start(self, at: Workspace, run: Path) -> subprocess.Popen[bytes]:
        run.parent.mkdir(exist_ok=True)
        told = [
            f"--text={self.text}",
            f"--from={self.neutral}",
            "--iterations",
            str(self.iterations),
            "--run",
            str(run),
        ]
        device = ["--device", at.networks.device] if at.networks.device else []
        words = [sys.executable, "-m", "graftlab", "finetune", str(at.networks.file(self.model)), *told, *device]
        with run.with_suffix(".txt").open("wb") as errors:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, **QUIET},
                start_new_session=True,  # Ctrl-C is the studio's, which then stops it
            )

    def _trouble(self, run: Path) -> str:
        lines = run.with_suffix(".txt").read_text("utf-8", errors="replace").split("\n")
        said = next((line for line in map(str.strip, reversed(lines)) if line), "The training ended without a word.")
        return said.removeprefix("graft: ")
