"""Models by name: which are known and where their authors offer them, and which of them are on this machine."""

import functools
import json
import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from platformdirs import user_cache_path

from graftlab.errors import GraftError

CACHE = "GRAFTLAB_CACHE"  # the environment variable that moves the cache
EXTENSION = ".safetensors"  # of our format, in which fetched models are kept
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # a file name on every system


@dataclass(frozen=True)
class Entry:
    """A model that others offer, as `registry.json` tells of it."""

    name: str
    kind: str  # of the network class: `SwappingAutoencoder.kind` and so on
    format: str  # of the file offered, for people
    source: str  # its https address
    licence: str  # as its authors state it
    page: str  # where they tell of it
    about: str  # what it shows, size
    bytes: int | None = None  # of the file at the address; None: not known
    sha256: str | None = None  # of the same file
    parent: str | None = None  # what its training started from
    member: str | None = None  # pattern for the end of a path inside a zip, if the model is in one
    by_hand: bool = False  # only a browser can fetch it

    @property
    def file(self) -> str:
        """The name of the downloaded file: of a zip its own, since several models share it."""
        path = PurePosixPath(urlsplit(self.source).path)
        return path.name if self.member else self.name + path.suffix


@functools.cache
def known() -> list[Entry]:
    """All models of the registry, in its order."""
    text = Path(__file__).with_name("registry.json").read_text("utf-8")
    return [Entry(**fields) for fields in json.loads(text)]


def find(name: str) -> Entry:
    """The model of this name. GraftError that suggests the names most alike if there is none."""
    names = {entry.name: entry for entry in known()}
    if name in names:
        return names[name]
    alike = get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(alike)}?" if alike else "'graft models' lists all there are."
    raise GraftError(f"There is no model '{name}'; {hint}")


def cache_folder() -> Path:
    """Where fetched models are kept: GRAFTLAB_CACHE, or the system's folder for such things. It need not exist."""
    if folder := os.environ.get(CACHE):
        return Path(folder).expanduser().absolute()
    return user_cache_path("graftlab", appauthor=False, opinion=False)


def model_path(name: str) -> Path:
    """Where the cache keeps the model of this name. GraftError if it could not be a file's name."""
    if not NAME.fullmatch(name):
        raise GraftError(f"'{name}' cannot name a model; use letters, digits, dots, hyphens and underscores.")
    return cache_folder() / "models" / (name + EXTENSION)


def cached(name: str) -> Path | None:
    """The model of this name in the cache, if it is there. Any text may be asked for."""
    path = model_path(name) if NAME.fullmatch(name) else None
    return path if path and path.is_file() else None


def cached_models() -> dict[str, Path]:
    """All models in the cache, by name: fetched ones, and those added by hand."""
    return {path.name.removesuffix(EXTENSION): path for path in sorted(cache_folder().glob(f"models/[!.]*{EXTENSION}"))}
