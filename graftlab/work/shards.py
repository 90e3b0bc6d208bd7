"""Work in numbered shards that any number of processes share, on any machines that see one folder.

.NAME.shards/plan.json       the manifest: all that the shards depend on, and how many there are
.NAME.shards/000003.claim    whose shard 3 is: created by one process alone, and touched as long as that works on it
.NAME.shards/000003/         what came of it
.NAME.shards/000003.done     the digests of its files, and which of its items failed, and why
.NAME.shards/whole.done      the result was put together (kept only if processes may come late)

A shard is a function of its number. So claims only spare work: if one is lost sight of, two processes make the same
files, and one of them throws its own away.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from platform import node
from tempfile import mkdtemp
from threading import Event, Thread
from time import monotonic, process_time, time
from typing import Any

from graftlab.errors import GraftError
from graftlab.work.files import atomic_write, is_running, lock
from graftlab.work.parts import clear, difference, digest, plan_in
from graftlab.work.progress import Progress

BEAT = 15  # seconds, after which a claim is touched again
LOST = 120  # seconds without that, after which it is anybody's; file servers may tell of a touch a minute late
WHOLE = "whole"  # the claim and the mark of who puts the shards together

Make = Callable[[range, Path, Progress], dict[str, str]]
"""Makes a shard: given the numbers of its items, an empty folder for what comes of them, and what to tell how many are
done. Returns the items that failed, by name, with the reason."""


@dataclass(frozen=True)
class Work:
    """What is to be done: items, so many to a shard (the last has those that are left), and how a shard is made."""

    make: Make
    items: int
    length: int
    plan: Mapping[str, Any]  # JSON: all that a shard depends on

    @property
    def shards(self) -> int:
        return -(-self.items // self.length)

    def numbers(self, shard: int) -> range:
        return range(shard * self.length, min(self.items, (shard + 1) * self.length))

    @property
    def manifest(self) -> dict[str, Any]:
        told = {"items": self.items, "items in a shard": self.length, **self.plan}
        return dict(json.loads(json.dumps(told, default=str)))


@dataclass
class Shards:
    """The folder of some work."""

    folder: Path
    work: Work
    _seen: dict[Path, tuple[int, float]] = field(default_factory=dict)  # claims: last touched, and since when we know

    def missing(self) -> list[int]:
        """Shards that nobody has finished; none once the whole was put together."""
        if self.put_together():
            return []
        try:
            there = set(os.listdir(self.folder))
        except FileNotFoundError:  # it was put together in this moment
            return []
        return [number for number in range(self.work.shards) if f"{number:06d}.done" not in there]

    def damaged(self) -> list[int]:
        """Finished shards whose files are not what they were, to be made again: they are not finished any more."""
        found = [number for number in range(self.work.shards) if not self._is_whole(number)]
        for number in found:
            self._mark(number).unlink(missing_ok=True)
        return found

    def results(self) -> Iterator[Path]:
        """The folders of all shards, in order."""
        return (self._place(number) for number in range(self.work.shards))

    def failed(self) -> dict[str, str]:
        """The items that failed, in order, and why."""
        return {name: why for number in range(self.work.shards) for name, why in self._told(number)["failed"].items()}

    def put_together(self) -> bool:
        """Whether somebody has made one of them all."""
        return not self.folder.exists() or (self.folder / f"{WHOLE}.done").exists()

    def close(self, late: bool) -> None:
        """Remove what is of no more use: all at once, for others look on. Where processes may come `late`, who would
        begin anew, it stays known that it is done."""
        gone = self.folder.with_name(f"{self.folder.name}-{os.getpid()}")
        if not late:
            self.folder.replace(gone)
            shutil.rmtree(gone, ignore_errors=True)
            return
        atomic_write(self.folder / f"{WHOLE}.done", lambda file: file.write(b"{}"))
        clear(self.folder, "plan.json", f"{WHOLE}.done")

    def seconds(self) -> float:
        """Of processors, that all shards have taken."""
        return float(sum(self._told(number)["seconds"] for number in range(self.work.shards)))

    def done(self) -> int:
        """How many items the finished shards have."""
        return self.work.items - sum(len(self.work.numbers(number)) for number in self.missing())

    def make(self, number: int, progress: Progress) -> None:
        """Make a shard and mark it as done."""
        into = Path(mkdtemp(prefix=f"{number:06d}.", dir=self.folder))
        try:
            self.keep(number, into, *timed(self.work.make, self.work.numbers(number), into, progress))
        finally:
            shutil.rmtree(into, ignore_errors=True)

    def keep(self, number: int, made: Path, failed: Mapping[str, str], seconds: float) -> None:
        """Let a folder in this one, with all that came of a shard, be its result; unless another was faster. `seconds`
        of a processor are what it took."""
        files = {path.name: digest(path) for path in sorted(made.iterdir())}
        place, mark = self._place(number), self._mark(number)
        if mark.exists():
            return
        shutil.rmtree(place, ignore_errors=True)  # of one who was killed before it was marked
        made.replace(place)
        told = {"files": files, "failed": dict(failed), "seconds": seconds}
        atomic_write(mark, lambda file: file.write(json.dumps(told).encode()))

    @contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Whether something is this process's to do: nobody else's, or that of one who is lost."""
        path = self.folder / f"{name}.claim"
        if not self._create(path) and not (self._is_lost(path) and self._create(path)):
            yield False
            return
        released = Event()
        beating = Thread(target=_touch, args=(path, released), daemon=True)
        beating.start()
        try:
            yield True
        finally:
            released.set()
            beating.join()
            path.unlink(missing_ok=True)

    def _create(self, path: Path) -> bool:
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(f"{node()} {os.getpid()}")
            return True
        except (FileExistsError, FileNotFoundError):  # or all is put together by now, and the folder gone
            return False

    def _is_lost(self, path: Path) -> bool:
        """Whether who holds a claim is gone, which is then removed: ended on this machine, or silent for long by our
        own clock, for those of others may go wrong."""
        with suppress(OSError):  # it was released meanwhile
            touched, now = path.stat().st_mtime_ns, monotonic()
            known, since = self._seen.get(path, (None, now))
            if known != touched:
                self._seen[path] = touched, now
            elif now - since > LOST:
                path.unlink()
                return True
            if _has_ended(path.read_text("utf-8")):
                path.unlink()
                return True
        return False

    def _is_whole(self, number: int) -> bool:
        try:
            return all(
                digest(self._place(number) / name) == known for name, known in self._told(number)["files"].items()
            )
        except (OSError, ValueError, LookupError, AttributeError):
            return False

    def _told(self, number: int) -> dict[str, Any]:
        return dict(json.loads(self._mark(number).read_bytes()))

    def _mark(self, number: int) -> Path:
        return self.folder / f"{number:06d}.done"

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:06d}"


def open_shards(out: Path, work: Work, again: bool = True) -> tuple[Shards, str]:
    """The shards of work whose result is to be `out`, those of an earlier call or of other processes if their manifest
    was equal; and what people should know of it.

    GraftError if other processes are at work there with another manifest, or the folder cannot be written."""
    folder, note = folder_of(out), ""
    busy = f"{out} is being begun by another process: wait for it, or choose another name."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder / "lock", busy, patience=60):
            earlier, wanted = plan_in(folder), work.manifest
            if earlier != wanted:
                if earlier is not None:
                    changed = difference(earlier, wanted)
                    if any(_is_fresh(path) for path in folder.glob("*.claim")):
                        raise GraftError(
                            f"{out} is being made by other processes with another {changed}: let them end, or choose "
                            "another name."
                        )
                    note = f"begun again, because {changed} changed"
                clear(folder)
                atomic_write(folder / "plan.json", lambda file: file.write(json.dumps(wanted).encode()))
            elif (folder / f"{WHOLE}.done").exists() and not out.exists():  # somebody wants it once more
                clear(folder, "plan.json")
    except OSError as error:
        if again and isinstance(error, FileNotFoundError):  # another has put all together and removed it meanwhile
            return open_shards(out, work, again=False)
        reason = error.strerror or error
        raise GraftError(f"{out} could not be written ({reason}): choose a folder you may write to.") from error
    return Shards(folder, work), note


def timed(make: Make, numbers: range, into: Path, progress: Progress) -> tuple[dict[str, str], float]:
    """What making a shard gives, and the seconds of a processor that it took."""
    begun = process_time()
    return make(numbers, into, progress), process_time() - begun


def folder_of(out: Path) -> Path:
    return out.with_name(f".{out.name}.shards")


def rotated(numbers: Iterable[int], first: int) -> list[int]:
    """The numbers from one on, and then those before it."""
    return sorted(numbers, key=lambda number: (number < first, number))


def _touch(path: Path, released: Event) -> None:
    while not released.wait(BEAT):
        with suppress(OSError):
            os.utime(path)


def _has_ended(told: str) -> bool:
    """Whether who wrote a claim was a process of this machine that is no more, as far as that can be known."""
    host, _, process = told.rpartition(" ")
    return os.name == "posix" and host == node() and process.isdecimal() and not is_running(int(process))


def _is_fresh(claim: Path) -> bool:
    with suppress(OSError):
        return time() - claim.stat().st_mtime < LOST and not _has_ended(claim.read_text("utf-8"))
    return False
