"""The files of models that the page may name, and those that visitors have had made."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graftlab.checkpoints.catalogue.registry import cached_models
from graftlab.checkpoints.load import bundled_models
from graftlab.studio.sessions import MissingError

MOST_MADE = 12  # models of a visitor


@dataclass(frozen=True)
class Made:
    """A model that a visitor has had made here, which nobody else is told of."""

    visitor: str
    path: Path
    snapshots: Path  # folder
    source: str  # as a command names it, after
    command: str  # which makes it


class ModelFiles:
    """Files by name."""

    def __init__(self, given: Sequence[str] = ()) -> None:
        self.given = list(given)  # model files beside those that are known by name
        self.made: dict[str, Made] = {}  # the first first

    def files(self) -> dict[str, Path]:
        """All models that the page may name."""
        given = {name: Path(name) for name in self.given if Path(name).is_file()}
        made = {name: made.path for name, made in list(self.made.items()) if made.path.is_file()}
        return cached_models() | bundled_models() | given | made

    def files_of(self, visitor: str) -> dict[str, Path]:
        """All but those that others have had made."""
        others = {name for name, made in list(self.made.items()) if made.visitor != visitor}
        return {name: path for name, path in self.files().items() if name not in others}

    def add(self, name: str, made: Made) -> None:
        """Let a model be named; of each visitor's the first goes when there are too many."""
        self.made[name] = made
        mine = [each for each, other in self.made.items() if other.visitor == made.visitor]
        for old in mine[:-MOST_MADE]:
            gone = self.made.pop(old)
            gone.path.unlink(missing_ok=True)
            shutil.rmtree(gone.snapshots.parent, ignore_errors=True)

    def source(self, name: str) -> str:
        """A model as a command names it."""
        return self.made[name].source if name in self.made else name

    def snapshots(self, name: str) -> Path | None:
        """The folder with those of the run that made a model, if they are here."""
        folder = self.made[name].snapshots if name in self.made else self.file(name).with_suffix("")
        return folder if any(folder.glob("*.safetensors")) else None

    def file(self, name: str) -> Path:
        """The file of a model that the page may name. GraftError for any other."""
        try:
            return self.files()[name]
        except KeyError:
            raise MissingError(f"There is no model '{name}' here; choose one of the list.") from None
