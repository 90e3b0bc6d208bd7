"""Long work: orders of visitors, carried out one after another, which go on whether or not a page is open.

Orders that are carried out in a process of their own have a queue of their own, so that nothing else waits for them."""

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from graftlab.studio.networks import Workspace
from graftlab.studio.orders.base import Order
from graftlab.studio.rota import Rota, Turns
from graftlab.studio.sessions import MissingError
from graftlab.work.progress import Progress

KEPT = 20  # jobs of a visitor that have ended, and their files
OFTEN = 0.2  # seconds between two words of a job's progress

State = Literal["waiting", "running", "done", "failed", "cancelled"]


class CancelledError(BaseException):
    """Raised inside work that nobody wants any more; no error, so that nothing handles it as one."""


@dataclass
class Job:
    """An order, and how far it is."""

    order: Order
    kind: str
    out: Path
    at: Workspace
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = "waiting"
    done: float = 0
    total: float | None = None
    note: str = ""
    rate: float | None = None  # done per second
    error: str | None = None
    unwanted: bool = False

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def told(self) -> dict[str, Any]:
        """As JSON for the page."""
        names = ("id", "kind", "state", "done", "total", "note", "rate", "error")
        ordered = ("file", "found", "notices")
        return {name: getattr(self, name) for name in names} | {name: getattr(self.order, name) for name in ordered}


class Jobs:
    """The jobs of all visitors, whose turns come one after another."""

    def __init__(
        self,
        turns: Turns,
        tell: Callable[[str, dict[str, Any]], object],  # a visitor's pages of a job
        explain: Callable[[Exception], str],  # an error to people
    ) -> None:
        self._turns, self._tell, self._explain = turns, tell, explain
        self._jobs: dict[str, dict[str, Job]] = {}  # of each visitor by id, the first first
        self._rotas = {apart: Rota[Job]() for apart in (False, True)}
        self._door = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, args=(apart,), name="jobs", daemon=True) for apart in self._rotas
        ]
        for thread in self._threads:
            thread.start()

    def start(self, kind: str, order: Order, at: Workspace) -> Job:
        """Put an order in the queue. GraftError if too many of the visitor's wait."""
        folder = at.visitor.folder / "results"
        with suppress(OSError):  # writing will tell
            folder.mkdir(exist_ok=True)
        job = Job(order, kind, Path(), at)
        job.out = folder / f"{job.id}{Path(order.file).suffix}"
        with self._door:
            self._rotas[order.apart].put(at.visitor.id, job)
            mine = self._jobs.setdefault(at.visitor.id, {})
            mine[job.id] = job
            for old in [old for old in mine.values() if old.ended][:-KEPT]:
                del mine[old.id]
                _remove(old.out)
            self._door.notify_all()
        return job

    def of(self, visitor: str) -> list[Job]:
        """A visitor's jobs, the newest first."""
        with self._door:
            return list(self._jobs.get(visitor, {}).values())[::-1]

    def find(self, visitor: str, id: str) -> Job:
        for job in self.of(visitor):
            if job.id == id:
                return job
        raise MissingError("There is no such job (any more).")

    def cancel(self, visitor: str, id: str) -> Job:
        """Stop a job at its next step, or before its first; what has ended stays as it is."""
        job = self.find(visitor, id)
        job.unwanted = True
        with self._door:
            waiting = job.state == "waiting"
            if waiting:
                job.state = "cancelled"
        if waiting:
            self._say(job)
        return job

    def close(self) -> None:
        """Cancel whatever runs, and end."""
        with self._door:
            self._closed = True
            for mine in self._jobs.values():
                for job in mine.values():
                    job.unwanted = True
            self._door.notify_all()
        for thread in self._threads:
            thread.join(timeout=5)

    # -- the threads --------------------------------------------------------------------------------------------------

    def _serve(self, apart: bool) -> None:
        rota = self._rotas[apart]
        while True:
            with self._door:
                self._door.wait_for(lambda: self._closed or rota)
                if self._closed:
                    return
                job = rota.take()
                if job.state != "waiting":
                    continue
                job.state = "running"
            self._say(job)
            try:
                with nullcontext() if apart else self._turns.job():
                    job.order.carry_out(job.at, self._watching(job), job.out)
                job.state = "done"
            except CancelledError:
                job.state = "cancelled"
            except Exception as error:
                job.state, job.error = "failed", self._explain(error)
            if job.state != "done":
                _remove(job.out)
            self._say(job)
            del job

    def _watching(self, job: Job) -> Any:
        """What shows a job's progress to pages: a `Watch`."""

        @contextmanager
        def watch(what: str, total: float | None = None, done: float = 0, unit: str = "") -> Iterator[Progress]:
            began, before, last = time.monotonic(), done, 0.0
            job.note, job.total, job.done, job.rate = what, total, done, None

            def progress(done: float, total: float | None = None, note: str = "") -> None:
                nonlocal last
                if job.unwanted:
                    raise CancelledError
                job.done, job.total, job.note = done, job.total if total is None else total, note or what
                now = time.monotonic()
                if now - last >= OFTEN:
                    job.rate, last = (done - before) / max(now - began, 1e-3), now
                    self._say(job)
                if not job.order.apart:
                    self._turns.give_way()

            yield progress

        return watch

    def _say(self, job: Job) -> None:
        self._tell(job.at.visitor.id, job.told)


def _remove(path: Path) -> None:
    """What a job has made, and the folder of the same name where it worked."""
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    with suppress(OSError):
        path.unlink()
