"""A training run in a folder: started and resumed by the same call, killed at any moment without loss."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from math import inf
from os.path import exists
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab import distributed
from graftlab.artifacts import write_tensors
from graftlab.checkpoints.build import checked
from graftlab.checkpoints.load import locate
from graftlab.checkpoints.readers import open_model
from graftlab.checkpoints.states import read_state
from graftlab.config import TrainConfig
from graftlab.data import TrainingImages, open_source
from graftlab.data.crops import crop_mode
from graftlab.data.image_source import ImageSource
from graftlab.data.inventory import take_stock
from graftlab.errors import GraftError
from graftlab.figures.sheets import sheet
from graftlab.hardware import require_space
from graftlab.images import write
from graftlab.training import augment
from graftlab.training.monitor import Stats
from graftlab.training.report import write_report
from graftlab.training.settings import check_states, read_settings, write_settings
from graftlab.training.sharing import Pass
from graftlab.training.trainers import new_trainer
from graftlab.work import examples
from graftlab.work.files import lock, taken_back
from graftlab.work.progress import Progress, silent

SAVE_MINUTES = 10  # a state is saved at least this often
STATES_KEPT = 2
SHEET_SIDE = 6  # pictures along a side of the sheet of reals
# What may change in a run that is resumed: where the photos are, how long and how often, and what people turn by hand
# when they see how it goes.
MAY_CHANGE = (
    "data",
    "base",
    "images",
    "keep_models",
    "precision",
    "record_every",
    "snapshot_every",
    "learning_rate",
    "views",
    "shared_lights",
    "recipe.gan",
    "recipe.gan_rec",
    "recipe.gan_mix",
    "recipe.patch",
    "recipe.features",
    "recipe.views",
    "recipe.r1",
    "recipe.patch_r1",
    "recipe.path_length",
    "recipe.variety",
    "recipe.l1",
    "recipe.texture",
    "recipe.structure",
    "recipe.same",
    "recipe.pair",
    "recipe.matching",
    "recipe.recolour",
    "recipe.code_noise",
    "side",
    "adapt",
    "adapt_images",
)


class Run:
    """A run folder: config.json, stats.jsonl, samples/, states/, models, report.html."""

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        device: torch.device,
        compiled: bool | None = None,  # torch.compile the ordinary steps; None: on CUDA only
    ) -> None:
        source = check(config)
        self.folder, self.config = folder, config
        self.share = distributed.share(config.batch)
        self.first = distributed.rank() == 0  # the one process that writes
        begun = taken_back(folder) if self.first else nullcontext()
        with ExitStack() as holding:
            if self.first:
                make_folder(folder)
                busy = f"{folder} is in use by another process; wait until it ends, or choose another folder."
                holding.enter_context(lock(folder / "lock", busy))
                for place in (folder, folder / "states", folder / "samples"):
                    for part in place.glob(".*.part-*"):  # what a process killed while it wrote has left
                        part.unlink()
            with begun:  # what cannot be trained leaves nothing that others would have to be like
                self._begin(source, device, compiled)
            self._holding = holding.pop_all()  # the lock, until `train` returns

    def _begin(self, source: ImageSource, device: torch.device, compiled: bool | None) -> None:
        """Everything up to the first step."""
        self._check_unchanged()
        self.data = TrainingImages(source, **self.config.sampling())
        self.trainer = new_trainer(self.config, device, compiled)
        if self.first:
            write_settings(self.folder / "config.json", self.config)
        self.references = self.trainer.references(self.data)
        self.stats = Stats(self.folder / "stats.jsonl")
        self.best: float | None = None  # lowest error on held-out pictures
        ours = Path(self.config.data) == examples.FOLDER  # in which nobody looks for what is no photo
        left_out = None if ours else source.left_out.told()
        told = [left_out] if left_out else []
        self.notes = [*told, *self.trainer.advice(), *self.trainer.notes]  # sentences for who started the run
        self._resume_or_start()
        self.notes += self.data.lost()  # of the photos that were shown so far

    # -- the loop -----------------------------------------------------------------------------------------------------

    def train(self, progress: Progress = silent) -> bool:
        """Train to the end, or until interrupted, and save the state; returns whether the end was reached."""
        told = len(self.trainer.notes)
        with self._holding:
            self._train(progress)
            self.notes += [each for each in self.trainer.notes[told:] + self.data.lost() if each not in self.notes]
            if self.first:
                write_report(self.folder)
        return self.trainer.seen >= self.config.images

    def _train(self, progress: Progress) -> None:
        trainer, config = self.trainer, self.config
        share = trainer.share()  # which images of a batch this process takes
        mine = Pass(0, share, True)
        stream = self.data.batches(trainer.seen, config.batch, config.batch, share.numpy())
        with closing(stream), interruption() as interrupted:
            while trainer.seen < config.images and not distributed.any_process(interrupted(), trainer.device):
                told = self.data.told(trainer.seen, config.batch)
                told = mine.truths(told) if self.data.views else mine.labels(told)
                self.stats.add(distributed.average(trainer.step(next(stream), told)))
                if self._due(config.record_every) and self.first:
                    self.stats.record(trainer.seen, trainer.skipped)
                if self._due(config.snapshot_every) or trainer.seen >= config.images:
                    self._snapshot()
                elif distributed.any_process(time.monotonic() > self._saved + SAVE_MINUTES * 60, trainer.device):
                    self.save()
                progress(trainer.seen, config.images, trainer.summary(self.stats.latest))
        if trainer.seen < config.images:
            self.save()

    def _due(self, every: int) -> bool:
        """Whether the last step crossed a multiple of so many images."""
        return self.trainer.seen // every != (self.trainer.seen - self.config.batch) // every

    def _snapshot(self) -> None:
        """Pictures, figures on held-out pictures, the model as it is and the best so far, then the state."""
        if self.first:
            trainer, seen = self.trainer, self.trainer.seen
            self._show()
            figures = trainer.validate(self.references)
            if figures:
                self.stats.append({"seen": seen, **figures})
            about = self._about() | figures
            if figures.get("validation_error", inf) < (inf if self.best is None else self.best):
                self.best = figures["validation_error"]
                trainer.ema.save(self.folder / "best.safetensors", about)
            if self.config.keep_models:
                kept = self.folder / "models"
                kept.mkdir(exist_ok=True)
                trainer.ema.save(kept / f"{seen:09d}.safetensors", about)
            trainer.ema.save(self.folder / "last.safetensors", about, discriminators=trainer.discriminator_weights())
        self.save()
        if self.first:
            write_report(self.folder)

    def _about(self) -> dict[str, Any]:
        """What a model's file tells of its making."""
        named = replace(self.config, data=Path(self.config.data).name)  # the folders above are nobody's business
        named = replace(named, base=Path(named.base).name)
        about: dict[str, Any] = {"images_seen": self.trainer.seen, "training": named.to_dict()}
        if (words := about["training"].get("text_model")) and exists(words):
            about["training"]["text_model"] = Path(words).name
        if classes := getattr(self.config, "classes", ()):
            about["class_names"] = list(classes)
        return about | ({"parent": self.config.parent} if self.config.parent else {})

    def _show(self) -> None:
        """The sample sheet of this moment, always of the same pictures."""
        seen = self.trainer.seen
        sheet = self.trainer.samples(self._sheet_pictures())
        write(sheet, self.folder / "samples" / f"{seen:09d}.jpg", {"images seen": seen})

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
        found = (path for path in (self.folder / "states").glob("*.safetensors") if path.stem.isdecimal())
        return sorted(found, key=lambda path: int(path.stem), reverse=True)

    def _resume_or_start(self) -> None:
        self._saved = time.monotonic()
        header: dict[str, Any] | None = None
        damaged: dict[Path, str] = {}
        for state in self._states():
            try:
                tensors, header = read_state(state)
                self.trainer.restore(tensors, header)
                best, stats = header["best"], Stats.parsed(header["stats"])
                self.best = None if best is None else float(best)
                break
            except (ArithmeticError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
                damaged[state] = str(error) if isinstance(error, GraftError) else f"{state} is no state of this run."
                header = None  # the state before is as good
        else:
            if self.config.base:
                self._adopt()
        if damaged and header is None:
            reasons = " ".join(damaged.values())
            raise GraftError(f"No saved state of {self.folder} can be read, so choose another --run. {reasons}")
        if not distributed.agree(self.trainer.seen, self.trainer.device):
            raise GraftError(f"The processes found different states in {self.folder}: let all share one folder.")
        if not self.first:
            return
        if header is not None:
            self.stats.restore(*stats)
            if told := take_stock(self.folder / "photos.json", self.data, self.trainer.seen):
                self.notes.append(told)
                self.stats.append({"seen": self.trainer.seen, "photos": len(self.data.source)})
            for path in damaged:  # else it would count as one of the states kept
                self.notes.append(f"{path} is damaged and removed; the run goes on from {self.trainer.seen:,} images.")
                path.unlink(missing_ok=True)
        else:
            self.stats.path.write_bytes(b"")
            take_stock(self.folder / "photos.json", self.data, 0)
            rows = self._sheet_pictures().split(SHEET_SIDE)
            if self.trainer.photos:
                write(sheet([row.split(1) for row in rows]), self.folder / "samples" / "reals.jpg")
            self._show()

    def _adopt(self) -> None:
        """Begin with the weights of the model that is fine-tuned."""
        base = open_model(locate(self.config.base))
        checked(base)
        if not self.trainer.adopt(base):
            missing = "with discriminators of another kind" if base.discriminators else "without its discriminators"
            self.notes.append(
                f"{base.path} came {missing}, which have to learn anew: expect the pictures to get worse before they "
                "get better."
            )

    def _sheet_pictures(self) -> Tensor:
        """The pictures of the sheets: held-out ones and, where these are too few, training pictures after them."""
        missing = min(SHEET_SIDE**2 - len(self.references), len(self.data))
        more = [self.data.batch(0, missing)] if missing > 0 else []
        return torch.cat([self.references, *more])[: SHEET_SIDE**2]

    def _check_unchanged(self) -> None:
        """Refuse to go on with a run under other options."""
        path = self.folder / "config.json"
        if path.exists():
            try:
                before = read_settings(path)
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise GraftError(
                    f"{path} cannot be read ({error}); choose another --run, or restore the file."
                ) from None
            if type(before) is not type(self.config):
                raise GraftError(f"{self.folder} holds a run that trains other networks; choose another --run.")
            old, new = options(before.to_dict()), options(self.config.to_dict())
            differ = [name for name in old if old[name] != new[name]]
            if {"network.width", "network.most"} <= {*differ}:  # which follows from it
                differ.remove("network.most")
            if changed := [f"{name} {str(old[name]) or 'none'}, now {str(new[name]) or 'none'}" for name in differ]:
                raise GraftError(
                    f"{self.folder} holds a run with other options ({'; '.join(changed)}); give the same options to go "
                    "on with it, or choose another --run."
                )
            check_states(self.folder, self._states(), before)
        distributed.barrier()


def check(config: TrainConfig) -> ImageSource:
    """The photos of a run. GraftError if they cannot be opened, or are to be changed in ways that there are not."""
    augment.check(config.augment)
    crop_mode(config.crop)
    return open_source(config.data)


def make_folder(folder: Path) -> None:
    """Make the folder of a run. GraftError if it cannot be made, or is one of other things."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = not (folder / "config.json").exists() and any(
            path.name != "lock" and not path.name.startswith(".") for path in folder.iterdir()
        )
    except OSError as error:
        raise GraftError(f"--run {folder} cannot be made a folder ({error.strerror}); choose another.") from None
    if strange:
        raise GraftError(f"--run {folder} is no folder of a run, and not empty; choose another.")


def options(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """What must not change in a configuration, on one level: {"network.size": 64, ..., "batch": 16, ...}."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= options(value, f"{prefix}{name}.")
        elif prefix + name not in MAY_CHANGE:
            flat[prefix + name] = value
    return flat


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
