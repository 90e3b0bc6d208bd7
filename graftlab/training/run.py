"""A training run in a folder: started and resumed by the same call, killed at any moment without loss."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path

import torch

from graftlab.checkpoints.native import read_tensors, save_model, write_tensors
from graftlab.config import TrainConfig
from graftlab.data import TrainingImages, open_source
from graftlab.errors import GraftError
from graftlab.hardware import require_space
from graftlab.images import write
from graftlab.sheets import sheet
from graftlab.training import augment, distributed
from graftlab.training.monitor import Stats, validate, write_json, write_samples
from graftlab.training.report import write_report
from graftlab.training.trainer import Trainer

SAVE_MINUTES = 10  # a state is saved at least this often
STATES_KEPT = 2
VALIDATION_IMAGES = 64
SHEET_IMAGES = 6
MAY_CHANGE = ("data", "images", "precision", "record_every", "snapshot_every")  # in a run that is resumed

Progress = Callable[[int, dict[str, float]], None]
"""Told after every step: images seen, and the latest figures."""


class Run:
    """A run folder: config.json, stats.jsonl, samples/, states/, last.safetensors, best.safetensors, report.html."""

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        device: torch.device,
        compiled: bool | None = None,  # torch.compile the ordinary steps; None: on CUDA only
    ) -> None:
        augment.check(config.augment)
        self.folder, self.config = folder, config
        self.first = distributed.rank() == 0  # the one process that writes
        self.data = TrainingImages(
            open_source(config.data), config.network.size, config.crop, config.mirror, config.seed, config.holdout
        )
        self.held_out = self.data.held_out(VALIDATION_IMAGES)
        self.trainer = Trainer(config, device, device.type == "cuda" if compiled is None else compiled)
        self.stats = Stats(folder / "stats.jsonl")
        self.best: float | None = None  # lowest L1 on held-out pictures
        if self.first:
            folder.mkdir(parents=True, exist_ok=True)
        self._resume_or_start()

    # -- the loop -----------------------------------------------------------------------------------------------------

    def train(self, progress: Progress = lambda seen, figures: None) -> bool:
        """Train to the end, or until interrupted; returns whether the end was reached. The state is saved either way."""
        trainer, config = self.trainer, self.config
        share = config.batch // distributed.world_size()
        stream = self.data.batches(trainer.seen + distributed.rank() * share, share, stride=config.batch)
        started = trainer.seen
        with closing(stream), interruption() as interrupted:
            while trainer.seen < config.images and not distributed.any_process(interrupted(), trainer.device):
                self.stats.add(distributed.average(trainer.step(next(stream))))
                if self._due(config.record_every) and self.first:
                    self.stats.record(trainer.seen, trainer.skipped)
                if self._due(config.snapshot_every):
                    self._snapshot()
                elif distributed.any_process(time.monotonic() > self._saved + SAVE_MINUTES * 60, trainer.device):
                    self.save()
                progress(trainer.seen, self.stats.latest)
        if trainer.seen < config.images:
            self.save()
        elif trainer.seen > started and not self._due(config.snapshot_every):
            self._snapshot()
        return trainer.seen >= config.images

    def _due(self, every: int) -> bool:
        """Whether the last step crossed a multiple of so many images."""
        return self.trainer.seen // every != (self.trainer.seen - self.config.batch) // every

    def _snapshot(self) -> None:
        """Pictures, figures on held-out pictures, the model as it is and the best so far, then the state."""
        if self.first:
            model, seen = self.trainer.ema, self.trainer.seen
            write_samples(self.folder / "samples", model, self.held_out[:SHEET_IMAGES], seen)
            about = {"images_seen": seen, "training": self.config.to_dict()}
            if len(self.held_out):
                figures = validate(model, self.held_out)
                self.stats.append({"seen": seen, **figures})
                about |= figures
                if self.best is None or figures["validation_l1"] < self.best:
                    self.best = figures["validation_l1"]
                    save_model(self.folder / "best.safetensors", model, about)
            save_model(self.folder / "last.safetensors", model, about)
        self.save()
        if self.first:
            write_report(self.folder)

    # -- state --------------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the state to a new file, then remove the oldest: the last two stay, and one is always whole."""
        self._saved = time.monotonic()
        if self.first:
            tensors, header = self.trainer.state()
            states = self.folder / "states"
            states.mkdir(exist_ok=True)
            require_space(states, sum(tensor.nbytes for tensor in tensors.values()) + 10_000_000)
            header |= {"stats": self.stats.state(), "best": self.best}
            write_tensors(states / f"{self.trainer.seen:09d}.safetensors", tensors, header)
            for old in self._states()[STATES_KEPT:]:
                old.unlink()
        distributed.barrier()

    def _states(self) -> list[Path]:
        """Saved states, the newest first."""
        return sorted((self.folder / "states").glob("*.safetensors"), reverse=True)

    def _resume_or_start(self) -> None:
        self._saved = time.monotonic()
        path = self.folder / "config.json"
        if path.exists():
            self._check_unchanged(path)
        distributed.barrier()
        if self.first:
            write_json(path, self.config.to_dict())
        damaged = None
        for state in self._states():
            try:
                tensors, header = read_tensors(state)
            except GraftError as error:  # bit rot: the state before it is as good
                damaged = error
                continue
            self.trainer.restore(tensors, header)
            self.best = header["best"]
            if self.first:
                self.stats.restore(header["stats"])
            return
        if damaged:
            raise damaged
        if self.first:
            self.stats.path.write_bytes(b"")
            rows = self.held_out[: SHEET_IMAGES**2].split(SHEET_IMAGES)
            if rows and len(rows[0]):
                write(sheet([row.split(1) for row in rows]), self.folder / "samples" / "reals.jpg")
                write_samples(self.folder / "samples", self.trainer.ema, self.held_out[:SHEET_IMAGES], 0)

    def _check_unchanged(self, path: Path) -> None:
        try:
            before = TrainConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise GraftError(f"{path} cannot be read ({error}); choose another --run, or restore the file.") from None
        for field in fields(TrainConfig):
            old, new = getattr(before, field.name), getattr(self.config, field.name)
            if old != new and field.name not in MAY_CHANGE:
                raise GraftError(
                    f"{self.folder} holds a run with another {field.name} ({old}, now {new}); give the same options to "
                    "go on with it, or choose another --run."
                )


@contextmanager
def interruption() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and a polite kill into a flag, so that the current step is finished and the state saved."""
    received: list[int] = []

    def note(number: int, frame: object) -> None:
        if received:  # a second Ctrl-C does not wait
            raise KeyboardInterrupt
        received.append(number)

    main = threading.current_thread() is threading.main_thread()  # elsewhere Python allows no handlers
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM) if main}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
