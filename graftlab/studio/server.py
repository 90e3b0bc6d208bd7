"""All that one server holds, and what it says of errors."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from graftlab.editing.photo_index import PhotoIndex
from graftlab.errors import GraftError
from graftlab.studio.aside import Aside
from graftlab.studio.jobs import Jobs
from graftlab.studio.networks import Networks, Workspace
from graftlab.studio.rota import Turns
from graftlab.studio.sessions import Visitors
from graftlab.studio.trainings import Trainings


class Server:
    """The networks, whose turn they are, and the visitors."""

    def __init__(
        self,
        model: str,  # that the page begins with, by file or name
        photos: Sequence[Path] = (),  # on the shelves at first; none: three that come with graftlab
        device: str | None = None,
        tell: Callable[[str], object] = lambda sentence: None,  # of photos that are left out
        local: bool = False,  # whether only this machine can ask
        index: Path | None = None,  # of a collection in which photos are found
    ) -> None:
        self.model, self.index = model, index
        self.networks = Networks([model], device)
        self.turns = Turns()
        self.visitors = Visitors(photos, tell)
        self.listeners: dict[str, list[Callable[[dict[str, Any]], None]]] = {}  # of a visitor, told of news
        self.jobs = Jobs(self.turns, lambda visitor, job: self.tell(visitor, {"job": job}), sentence)
        self.aside = Aside(self.turns, lambda visitor, name: self.tell(visitor, {"ready": name}))
        self.trainings = Trainings(local)
        self.loop: asyncio.AbstractEventLoop | None = None  # in which they are told

    @cached_property
    def collection(self) -> PhotoIndex:
        """The index. GraftError if there is none, or it cannot be read."""
        if self.index is None:
            raise GraftError("This studio knows no collection: start it with --index, of a file from 'graft index'.")
        return PhotoIndex.load(self.index)

    def workspace(self, visitor: str, own: int | None = None, about: dict[str, Any] | None = None) -> Workspace:
        return Workspace(self.networks, self.visitors.get(visitor), own, about or {})

    def tell(self, visitor: str, news: dict[str, Any]) -> None:
        """Let all pages of a visitor know how a job is, or what is ready. From any thread."""
        for listener in list(self.listeners.get(visitor, [])):
            if self.loop is not None and not self.loop.is_closed():
                self.loop.call_soon_threadsafe(listener, news)

    def close(self) -> None:
        """Stop, and remove what visitors brought."""
        self.trainings.close()
        self.jobs.close()
        self.aside.close()
        self.turns.close()
        self.visitors.close()


def sentence(error: Exception) -> str:
    """What people are told of an error: of ours no more than its kind."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        return f"The request makes no sense: {place}: {first['msg']}."
    if isinstance(error, GraftError):
        return str(error)
    if isinstance(error, MemoryError) or "memory" in str(error):
        return "There is not enough memory; take smaller pictures."
    if isinstance(error, OSError):
        return f"A file could not be read or written ({error.strerror or type(error).__name__}); check the disk."
    return f"This is a mistake in graftlab ({type(error).__name__}); please report what you did."
