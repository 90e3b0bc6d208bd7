"""Progress bars on stderr: images, or what else is counted, images per second, time left."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from graftlab.work.examples import by_name

console = Console(stderr=True, markup=False, emoji=False, highlight=False)


def speaks() -> bool:
    """Whether this process is the one of several that tells people how it goes."""
    return os.environ.get("RANK", "0") == "0"


def say(what: object) -> None:
    """A sentence for people, or the path of what was written, on stderr."""
    console.print(by_name(what), soft_wrap=True)


@contextmanager
def resumable(where: str = "where it was") -> Iterator[None]:
    """In which work is done that can be interrupted, and is continued by the same command."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"Interrupted; the same command goes on {where}.")
        raise


class Rate(ProgressColumn):
    """Images, or what is counted, per second: of late while there is work, on the whole at its end."""

    def render(self, task: Task) -> Text:
        average = (task.completed - task.fields["begun"]) / task.elapsed if task.elapsed else 0
        speed = average if task.finished else task.speed or average
        return Text(f"{speed:.1f} {task.fields['unit']}/s", style="progress.data.speed")


class Bar:
    """A bar to be told how far the work is."""

    drawn: ClassVar["Bar | None"] = None  # the one that is seen now

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        changes = {} if total is None else {"total": total}
        self._progress.update(self._task, completed=done, note=note, **changes)  # type: ignore[arg-type]

    def note(self, text: str) -> None:
        """What is going on meanwhile."""
        self._progress.update(self._task, note=text)


class Within(Bar):
    """The same for work that is a part of other work, as a note beside that one's bar: a terminal draws one."""

    def __init__(self, outer: Bar, what: str, total: int | None) -> None:
        self._outer, self._what, self._total = outer, what, total

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        self._outer.note(f"{self._what} {done:,.0f}" + (f"/{self._total:,}" if self._total else ""))


@contextmanager
def bar(what: str, total: int | None = None, done: int = 0, unit: str = "images") -> Iterator[Bar]:
    """A progress bar for work on `total` images, of which `done` are done already. It goes away if none had to be, or
    could be."""
    if Bar.drawn is not None:
        yield Within(Bar.drawn, what, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}" if total else "{task.completed:,.0f}"),
        Rate(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, speed_estimate_period=120, disable=not speaks()) as progress:
        Bar.drawn = Bar(progress, progress.add_task(what, total=total, completed=done, begun=done, note="", unit=unit))
        try:
            yield Bar.drawn
        finally:
            progress.live.transient = idle = progress.tasks[0].completed == done
            if idle:  # and leaves no empty line in a file, which rich's own end would
                progress.live.stop()
                progress.disable = True
            Bar.drawn = None
