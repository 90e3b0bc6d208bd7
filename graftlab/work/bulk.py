"""Work on many items at once: by processes of this machine, by an array of jobs, or on a Ray cluster.

    work = Work(make, items=1_000_000, length=256, plan={"model": fingerprint, "photos": digest})
    with carried_out(work, Path("codes.safetensors"), Bulk(workers=4), progress) as results:
        if results:                                  # else another process has put them together
            join(results.folders)

The result is that of one process, for that makes the same shards in the same way. A command that is called again goes
on with the shards that are missing.
"""

import json
import logging
import multiprocessing
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

import torch

from graftlab.errors import GraftError
from graftlab.work.files import atomic_write, spare_others, taken_back
from graftlab.work.memory import keep_freed_memory
from graftlab.work.progress import Progress, part, silent
from graftlab.work.shards import WHOLE, Make, Shards, Work, open_shards, rotated, timed

ENGINES = ("processes", "ray")
SHARING = "--shard, --workers and --engine"
PAUSE = 0.5  # seconds between two looks at what others do
TRIES = 5  # of a shard that ends the process that makes it, on a cluster


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """Who does the work."""

    shard: str | None = None
    """Which of several processes this is, such as 3/16: start all sixteen with the same command, anywhere with the same
    disk, in any order."""
    workers: int = 1
    """Processes on this machine, each with its share of the threads."""
    engine: str = "processes"
    """processes, or ray: the nodes of the Ray cluster that RAY_ADDRESS names or that runs here (extra `scale`)."""
    report: Path | None = None
    """File for a report of the work as JSON: items, shards, workers that were lost, what failed and why."""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise GraftError(f"--engine is {' or '.join(ENGINES)}, not '{self.engine}'.")
        if self.workers < 1:
            raise GraftError(f"--workers takes one process or more, not {self.workers}.")
        if self.engine == "ray" and (self.shard or self.workers > 1):
            raise GraftError("On a Ray cluster each of its processors is a worker; leave out --shard and --workers.")
        _ = self.place

    @property
    def place(self) -> tuple[int, int]:
        """Number of this process, from 0 on, and how many there are."""
        first, slash, last = (self.shard or "1/1").partition("/")
        if not (slash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
            raise GraftError(f"--shard takes a number and how many there are, such as 3/16, not '{self.shard}'.")
        return int(first) - 1, int(last)

    @property
    def alone(self) -> bool:
        """Whether one process does it all, and nobody asks how it went."""
        return (self.place, self.workers, self.engine, self.report) == ((0, 1), 1, "processes", None)


ALONE = Bulk()
"""One process."""


@dataclass(frozen=True)
class Results:
    """What came of all shards."""

    folders: list[Path]  # in order
    failed: dict[str, str]  # items, in order, and why
    seconds: float  # of processors, that making them took


@contextmanager
def carried_out(
    work: Work,
    out: Path | None,  # what is to be made of the results, beside which they are kept; None: they are not kept
    bulk: Bulk = ALONE,
    progress: Progress = silent,  # of items
) -> Iterator[Results | None]:
    """The results of all shards, for one process to put together; None in all others, once that is done.

    The results are removed when the context ends without an error. GraftError as of `open_shards`, and whatever making
    a shard raises: those that are finished stay."""
    if bulk.report:
        spare_others(bulk.report)
    if bulk.shard and out is None:
        raise GraftError("Processes that share work need a place for it that all of them see; name --out.")
    with TemporaryDirectory() if out is None else nullcontext() as temporary:
        place = out or Path(str(temporary)) / "results"
        begun = taken_back(place.with_name(f".{place.name}.shards"), {"plan.json", "lock"})
        shards, note = open_shards(place, work)
        with begun, naming(place, shards.folder):
            if (done := shards.done()) or note:
                progress(done, work.items, note)
            lost = 0
            while not shards.put_together():
                lost += _by_ray(shards, progress) if bulk.engine == "ray" else _by_processes(shards, bulk, progress)
                with shards.claimed(WHOLE) as mine:
                    if mine and not shards.put_together() and not shards.damaged():
                        if not bulk.alone:
                            progress(work.items, work.items, "")  # with what others have made
                        results = Results(list(shards.results()), shards.failed(), shards.seconds())
                        yield results
                        _report(shards, results, lost, bulk)
                        shards.close(late=bulk.place[1] > 1)
                        return
                sleep(PAUSE)  # another one puts them together
        progress(work.items, work.items, "")
        yield None


@contextmanager
def naming(out: Path, folder: Path) -> Iterator[None]:
    """In which errors that name a file in a folder name what people know of instead."""
    try:
        yield
    except GraftError as error:
        if str(folder) not in str(error):
            raise
        raise GraftError(re.sub(re.escape(str(folder)) + r"\S*", lambda found: str(out), str(error))) from error


def _report(shards: Shards, results: Results, lost: int, bulk: Bulk) -> None:
    if bulk.report:
        told = {"by": "graftlab", "items": shards.work.items, "shards": shards.work.shards, "lost": lost}
        told |= {"processor seconds": round(results.seconds, 3), "failed": results.failed}
        atomic_write(bulk.report, lambda file: file.write(json.dumps(told, indent=1).encode()))


# -- processes --------------------------------------------------------------------------------------------------------


def _by_processes(shards: Shards, bulk: Bulk, progress: Progress) -> int:
    """Make all shards, together with others; how many workers were lost meanwhile."""
    number, count = bulk.place
    first = number * shards.work.shards // count
    workers = min(bulk.workers, len(shards.missing()))
    if workers < 2:
        take_part(shards, first, progress)
        return 0
    import cloudpickle  # for functions within functions, of which films consist

    threads = torch.get_num_threads()
    each, payload = max(1, threads // workers), cloudpickle.dumps(shards)
    spawn = multiprocessing.get_context("spawn")
    begins = [first + worker * shards.work.shards // workers for worker in range(1, workers)]
    others = [
        spawn.Process(target=_help, args=(payload, begin % shards.work.shards, each), daemon=True) for begin in begins
    ]
    try:
        for other in others:
            other.start()
        torch.set_num_threads(each)
        take_part(shards, first, progress)
        return sum(other.exitcode not in (None, 0) for other in others)
    finally:
        torch.set_num_threads(threads)
        for other in others:
            other.terminate()
            other.join()


def _help(payload: bytes, first: int, threads: int) -> None:
    """What the other processes of a machine do. What goes wrong here goes wrong in the first one, too, which tells."""
    import cloudpickle

    keep_freed_memory()
    logging.getLogger("graftlab").setLevel(logging.ERROR)  # the first one tells of pictures
    torch.set_num_threads(threads)
    try:
        take_part(cloudpickle.loads(payload), first, silent)
    except (KeyboardInterrupt, FileNotFoundError):  # all is done, and the folder gone
        pass
    except GraftError:
        raise SystemExit(1) from None


def take_part(shards: Shards, first: int, progress: Progress) -> None:
    """Make shards that nobody else makes, from one on, until all are there."""
    while missing := shards.missing():
        for number in rotated(missing, first):
            with shards.claimed(f"{number:06d}") as mine:
                if mine:
                    done = shards.done()
                    shards.make(number, part(progress, done, shards.work.items))
                    break
        else:
            multiprocessing.active_children()  # who has ended is told apart from who works
            progress(shards.done(), shards.work.items)
            sleep(PAUSE)


# -- Ray --------------------------------------------------------------------------------------------------------------


def _by_ray(shards: Shards, progress: Progress) -> int:
    """Make all shards on a Ray cluster, whose nodes send what came of them here; 0, for Ray tells of who is lost.

    Plain tasks, and not Ray Data: results are numbered files already, so its blocks, their order and Arrow would add
    nothing but packages, and what is lost is one shard, not a block of rows."""
    ray = _ray()
    if ours := not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    kind = "GPU" if torch.cuda.is_initialized() else "CPU"  # where the model is here, it is there
    task = ray.remote(max_retries=TRIES, **{f"num_{kind.lower()}s": 1})(_make_elsewhere)
    make, waiting = ray.put(shards.work.make), shards.missing()
    running: dict[Any, int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < 2 * max(1, ray.cluster_resources().get(kind, 1)):  # results take memory
                number, *waiting = waiting
                running[task.remote(make, shards.work.numbers(number))] = number
            (ready, *_), _ = ray.wait(list(running), num_returns=1)
            number = running.pop(ready)
            files, failed, seconds = _got(ray, ready, number)
            with TemporaryDirectory(dir=shards.folder, ignore_cleanup_errors=True) as into:
                for name, data in files.items():
                    (Path(into) / name).write_bytes(data)
                shards.keep(number, Path(into), failed, seconds)
            progress(shards.done(), shards.work.items)
    finally:
        if ours:
            ray.shutdown()
    return 0


def _got(ray: Any, ready: Any, number: int) -> Any:
    """What a task gives. What it raised is raised here; GraftError if it ended all processes that did it."""
    try:
        return ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise GraftError(
            f"Shard {number} ended each of {TRIES + 1} processes that made it ({type(error).__name__}); give them more "
            "memory, and run the same command again."
        ) from None


def _make_elsewhere(make: Make, numbers: range) -> tuple[dict[str, bytes], dict[str, str], float]:
    """A shard's files, what failed, and the seconds that it took."""
    keep_freed_memory()
    with TemporaryDirectory() as into:
        failed, seconds = timed(make, numbers, Path(into), silent)
        return {path.name: path.read_bytes() for path in Path(into).iterdir()}, failed, seconds


def _ray() -> Any:
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # of tasks that end while one is told of
    try:
        import ray
    except ImportError:
        raise GraftError('--engine ray needs Ray: pip install "graftlab[scale]".') from None
    return ray
