"""Bytes of a file on this machine or at a URL: ranges of it, or all of it through a bounded cache."""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.request import url2pathname

from platformdirs import user_cache_path

from graftlab.data.image_source import SourceError
from graftlab.download import PAUSES, TO_REPEAT, CutError, open_address, read
from graftlab.errors import GraftError
from graftlab.hardware import require_space
from graftlab.work.files import atomic_write

URL = re.compile(r"(https?|file):/+(.*)", re.DOTALL)
CACHE, SPACE = "GRAFTLAB_CACHE", "GRAFTLAB_SHARDS"  # a folder; most gigabytes of shards that are kept there
USUAL_SPACE = 20.0  # GB
HEADERS = {"User-Agent": "graftlab", "Accept-Encoding": "identity"}
pause: Callable[[float], object] = time.sleep  # before another attempt


def url_of(path: str | Path) -> str | None:
    """The URL that a text or a path means, with both slashes, of which a path keeps one. None for a plain path."""
    text = path if isinstance(path, str) else path.as_posix()
    found = URL.fullmatch(text)
    return f"{found[1]}:{'///' if found[1] == 'file' else '//'}{found[2]}" if found else None


def local(place: str) -> Path | None:
    """The file that a path or a file: URL names; None for one on another machine."""
    url = url_of(place)
    if url is None:
        return Path(place)
    return Path(url2pathname(url.removeprefix("file://"))) if url.startswith("file:") else None


@contextlib.contextmanager
def opened(url: str, span: tuple[int, int] | None = None) -> Iterator[Any]:
    """The answer to GET, of all of a file or of `span` (first byte, number). CutError if another attempt may do better;
    SourceError if none will."""
    wanted = {"Range": f"bytes={span[0]}-{span[0] + span[1] - 1}"} if span else {}
    try:
        answer = open_address(url, HEADERS | wanted, insecure=True)  # whatever comes is compared with the index
    except HTTPError as error:
        with error:
            if error.code in TO_REPEAT:
                raise CutError(f"the server answers {error.code} {error.reason}") from None
            raise SourceError(f"{url}: the server answers {error.code} {error.reason}; check the address.") from None
    except SourceError:
        raise
    except GraftError as error:
        raise SourceError(str(error).split(";")[0] + ".") from None
    with contextlib.closing(answer):
        yield answer


def patiently(url: str, attempt: Callable[[], Any]) -> Any:
    """What an attempt returns that is made again, after pauses, when the connection breaks. SourceError at last."""
    for wait in (*PAUSES, None):
        try:
            return attempt()
        except CutError as cut:
            if wait is None:
                raise SourceError(
                    f"{url} cannot be read after {len(PAUSES) + 1} attempts ({cut}); run the same command again when "
                    "the network is well."
                ) from None
            pause(wait)


def tag(answer: Any) -> str:
    """The server's mark of a file's version, or nothing."""
    return str(answer.headers.get("ETag", ""))


@dataclass
class Cache:
    """A folder for whole files, of which the least recently used go when there are more bytes than `space`."""

    folder: Path = field(default_factory=lambda: cache_folder() / "shards")
    space: float = field(default_factory=lambda: allowed_space())

    def file(self, url: str, size: int, key: str) -> Path:
        """A file of the web, fetched if it is not there. `key` names what it holds."""
        from filelock import FileLock  # not at the top: it brings asyncio along

        path = self.folder / key
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):  # one of the processes of a machine fetches
                if not path.exists():
                    self._make_room(size)
                    require_space(path, size)
                    patiently(url, lambda: self._fetch(url, size, path))
        with contextlib.suppress(OSError):
            os.utime(path)
        return path

    def _fetch(self, url: str, size: int, path: Path) -> None:
        def fill(file: BinaryIO) -> None:
            done = 0
            with opened(url) as answer:
                while piece := read(answer):
                    done += file.write(piece)
            if done < size:
                raise CutError(f"the connection broke after {done:,} of {size:,} bytes")

        atomic_write(path, fill)

    def _make_room(self, size: int) -> None:
        kept = sorted((each for each in self.folder.iterdir() if each.suffix != ".lock"), key=_used)
        left = self.space - size - sum(each.stat().st_size for each in kept)
        while left < 0 and kept:
            oldest = kept.pop(0)
            left += oldest.stat().st_size
            with contextlib.suppress(OSError):  # open in another process, on Windows
                oldest.unlink()


def cache_folder() -> Path:
    folder = os.environ.get(CACHE)
    return Path(folder).expanduser().absolute() if folder else user_cache_path("graftlab", False, opinion=False)


def allowed_space() -> float:
    """Bytes that shards may take in the cache."""
    told = os.environ.get(SPACE, str(USUAL_SPACE))
    try:
        return float(told) * 1e9
    except ValueError:
        raise GraftError(f"{SPACE} must be a number of gigabytes, such as 50, not '{told}'.") from None


def _used(path: Path) -> float:
    return path.stat().st_mtime
