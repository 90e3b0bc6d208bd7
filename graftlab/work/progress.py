"""How far long work is, for whoever waits for it: one signature for all that takes long."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Called as often as work gets on: how much is done, of how much in all where that is known, and a note."""

    def __call__(self, done: float, total: float | None = None, note: str = "") -> object: ...


def silent(done: float, total: float | None = None, note: str = "") -> None:
    """The progress of work that nobody waits for."""


class Watch(Protocol):
    """Begins to show the progress of some work: what it is ("refining"), how much in all, what is done already, and
    what is counted."""

    def __call__(
        self, what: str, total: int | None = None, done: int = 0, unit: str = "images"
    ) -> AbstractContextManager[Progress]: ...


@contextmanager
def unwatched(what: str, total: int | None = None, done: int = 0, unit: str = "images") -> Iterator[Progress]:
    """The `Watch` that shows nothing."""
    yield silent


def steps(items: Iterable[Item], progress: Progress, total: int) -> Iterator[Item]:
    """The items; each counts as done when the next is asked for."""
    for done, item in enumerate(items, 1):
        yield item
        progress(done, total)


def part(progress: Progress, before: float, total: float, each: float = 1) -> Progress:
    """What a part of longer work reports to: `before` is done when it begins, and `each` is what one of its own counts
    for in all."""

    def report(done: float, _: float | None = None, note: str = "") -> object:
        return progress(before + done * each, total, note)

    return report  # type: ignore[return-value]  # whose second argument nobody names
