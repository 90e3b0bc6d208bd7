"""What pictures will be better with, found while nobody waits: refined codes of photos, what words mean to a model."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from graftlab.studio.rota import Turns
from graftlab.work.progress import Progress, Watch

QUIET = 0.25  # seconds without pictures, after which it goes on
MOST_WAITING = 24  # of a visitor; what was wanted longest ago is forgotten

Work = Callable[[Watch], object]


class ClosedError(BaseException):
    """Raised inside work when the server ends; no error, so that nothing handles it as one."""


class Aside:
    """One thread for such work, that of visitors in turn; of each what was wanted last comes first."""

    def __init__(
        self,
        turns: Turns,
        ready: Callable[[str, str], object],  # told of a visitor, and the name of what can be had now
    ) -> None:
        self._turns, self._ready = turns, ready
        self._wanted: dict[str, dict[Hashable, tuple[str, Work]]] = {}  # of each visitor, the next visitor first
        self._doing: tuple[str, Hashable] | None = None
        self._failed: set[Hashable] = set()
        self._door = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="aside", daemon=True)
        self._thread.start()

    def want(self, visitor: str, name: str, key: Hashable, work: Work) -> bool:
        """Have work done, unless that is to be done already. False if it was tried before, and failed."""
        with self._door:
            if key in self._failed:
                return False
            if self._doing != (visitor, key):
                mine = self._wanted.setdefault(visitor, {})
                mine.pop(key, None)
                mine[key] = (name, work)
                if len(mine) > MOST_WAITING:
                    del mine[next(iter(mine))]
                self._door.notify_all()
            return True

    def close(self) -> None:
        """Stop at the next step."""
        with self._door:
            self._closed = True
            self._door.notify_all()
        self._thread.join(timeout=5)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            with self._door:
                self._door.wait_for(lambda: self._closed or self._wanted)
                if self._closed:
                    return
                visitor, key, name, work = self._take()
                self._doing = visitor, key
            failed = False
            try:
                with self._turns.job():
                    self._turns.give_way(QUIET)
                    work(self._watch)
            except ClosedError:
                return
            except Exception:  # whoever asks for a file of it is told why
                failed = True
            with self._door:
                self._doing = None
                if failed:
                    self._failed.add(key)
            self._ready(visitor, name)
            del work

    def _take(self) -> tuple[str, Hashable, str, Work]:
        """What is next; its visitor then goes to the end."""
        visitor = next(iter(self._wanted))
        mine = self._wanted.pop(visitor)
        key, (name, work) = mine.popitem()
        if mine:
            self._wanted[visitor] = mine
        return visitor, key, name, work

    @contextmanager
    def _watch(self, what: str, total: float | None = None, done: float = 0, unit: str = "") -> Iterator[Progress]:
        def progress(done: float, total: float | None = None, note: str = "") -> None:
            if self._closed:
                raise ClosedError
            self._turns.give_way(QUIET)

        yield progress
