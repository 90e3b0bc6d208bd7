"""What all kinds of jobs have in common: an order, which long work carries out and leaves in a file."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from graftlab.studio.networks import Workspace
from graftlab.work.progress import Watch


class Order(BaseModel, ABC):
    """What is to be done."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    apart: ClassVar[bool] = False  # whether the work is done in a process of its own, and needs no network here

    @property
    @abstractmethod
    def file(self) -> str:
        """The name of the file that people get."""

    @property
    def found(self) -> str | None:
        """The id of codes, or the name of a model, that it has come to, if it finds some."""
        return None

    @property
    def notices(self) -> tuple[str, ...]:
        """What is to be known of what was ordered, as soon as it is."""
        return ()

    @property
    def look(self) -> Path | None:
        """A picture of how far it is, if it draws some on the way."""
        return None

    @abstractmethod
    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        """Write it to `out`, which ends as `file` does. What `watch` gives is called between steps: it may raise."""
