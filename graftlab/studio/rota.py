"""Whose turn it is: networks run one at a time, and visitors are served one after another."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from graftlab.errors import GraftError

T = TypeVar("T")
MOST_WAITING = 32  # of one visitor
PATIENCE = 0.5  # seconds that a job waits for pictures between two of its steps
LONG = 4.0  # seconds that what waits for quiet waits between two of its steps


class Rota(Generic[T]):
    """What visitors wait for: each one's in order, the visitors in turn."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}  # the next visitor first

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, visitor: str, what: T) -> None:
        """GraftError if the visitor waits for too much already."""
        queue = self._waiting.setdefault(visitor, deque())
        if len(queue) >= MOST_WAITING:
            raise GraftError("Too much is waiting already: let some of it end, or cancel it.")
        queue.append(what)

    def take(self) -> T:
        """What is next; its visitor then goes to the end."""
        visitor = next(iter(self._waiting))
        queue = self._waiting.pop(visitor)
        what = queue.popleft()
        if queue:
            self._waiting[visitor] = queue
        return what


class Turns:
    """One thread in which networks draw pictures for people who wait, and a lock that long jobs hold meanwhile.

    A job gives way to pictures and other jobs between its steps, and goes on after PATIENCE even if there are more."""

    def __init__(self) -> None:
        self._door = threading.Condition()
        self._rota = Rota[tuple[Callable[[], Any], Future[Any], bool]]()
        self._due: deque[object] = deque()  # jobs that wait, the next first
        self._held = self._closed = False
        self._drew = 0.0  # when the last picture was drawn
        self._thread = threading.Thread(target=self._serve, name="pictures", daemon=True)
        self._thread.start()

    def run(self, visitor: str, work: Callable[[], T], steady: bool = False) -> Future[T]:
        """Do some work when it is the visitor's turn. GraftError if too much of theirs is waiting.

        After pictures that follow each other anyhow (`steady`) nobody waits for quiet."""
        future: Future[T] = Future()
        with self._door:
            self._rota.put(visitor, (work, future, steady))
            self._door.notify_all()
        return future

    @contextmanager
    def job(self) -> Iterator[None]:
        """Hold the networks for long work, which calls `give_way` between its steps."""
        with self._door:
            self._enter()
        try:
            yield
        finally:
            with self._door:
                self._leave()

    def give_way(self, quiet: float = 0) -> None:
        """Let those who wait have their turns; with `quiet`, until nobody has wanted a picture for so many seconds."""
        with self._door:
            if not (self._rota or self._due or self._rest(quiet)):
                return
            self._leave()
            end = time.monotonic() + (LONG if quiet else PATIENCE)
            while (left := end - time.monotonic()) > 0 and (self._rota or self._held or self._rest(quiet)):
                self._door.wait(left if self._rota or self._held else min(left, self._rest(quiet)))
            self._enter()

    def close(self) -> None:
        """End the thread when it has done what it is doing."""
        with self._door:
            self._closed = True
            self._door.notify_all()
        self._thread.join(timeout=5)

    def _enter(self) -> None:
        mine = object()
        self._due.append(mine)
        self._door.wait_for(lambda: not self._held and self._due[0] is mine)
        self._due.popleft()
        self._held = True

    def _rest(self, quiet: float) -> float:
        """Seconds that are left until it has been quiet for so long."""
        return max(0.0, self._drew + quiet - time.monotonic())

    def _leave(self) -> None:
        self._held = False
        self._door.notify_all()

    def _serve(self) -> None:
        while True:
            with self._door:
                self._door.wait_for(lambda: self._closed or (self._rota and not (self._held or self._due)))
                if self._closed:
                    return
                work, future, steady = self._rota.take()
                self._held = True
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
            finally:
                with self._door:
                    if not steady:
                        self._drew = time.monotonic()
                    self._leave()
            del work, future  # what they hold is not kept until the next comes
