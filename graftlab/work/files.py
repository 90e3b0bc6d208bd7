"""Files that are whole or not there, that one process at a time works on, that spare others'; tables of people."""

import contextlib
import errno
import io
import json
import mmap
import os
import re
import shutil
import tomllib
from collections.abc import Callable, Container, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

from graftlab.errors import GraftError

_REMEDIES = {
    errno.ENOSPC: "there is no space left on the disk: free some space or choose another disk",
    errno.EDQUOT: "your disk quota is used up: delete something or choose another disk",
    errno.EACCES: "permission is denied: choose a folder you may write to, and close programs that hold the file open",
    errno.EPERM: "permission is denied: choose a folder you may write to, and close programs that hold the file open",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.ENOTDIR: "a part of the path is a file and not a folder: choose another folder",
    errno.EEXIST: "a part of the path is a file and not a folder: choose another folder",
}

MARKS = (b"graftlab", b'"graft ')  # the program that wrote a file, or the command in its recipe
MODEL = rb"\"config\": "  # in the header of a network of ours
_replacing: ContextVar[bool] = ContextVar("replacing", default=False)

LARGEST_TABLE = 8 << 20  # bytes
PART = ".part-"  # between the name of a file and the number of the process that writes it
_LEFT = re.compile(rf"\..+{re.escape(PART)}(\d+)", re.DOTALL)
_swept: set[Path] = set()  # folders that this process has written in


def atomic_write(path: str | Path, write: Callable[[BinaryIO], object]) -> Path:
    """Create or replace a file in one step: after a crash at any moment the old file or the new one is there, whole.

    `write` receives a binary file and fills it. The bytes reach the disk before the name does; missing parent folders
    are made. Returns the path. GraftError on any OSError, with the earlier file untouched and nothing left beside it;
    other exceptions of `write` pass through, just as clean. What a process that was killed has left is removed."""
    path = Path(path)
    part = path.with_name(f".{path.name}{PART}{os.getpid()}")  # same folder: a rename across disks is not atomic
    try:
        if path.exists() and not path.is_file():  # a rename would put a file in the place of /dev/null
            raise GraftError(f"{path} could not be written, because it is not an ordinary file: choose another name.")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent not in _swept or path.exists():  # not for every frame of a film: folders can be large
            _sweep(path.parent)
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, f"{error.strerror or error}: try another folder")
        raise GraftError(f"{path} could not be written, because {remedy}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return path


def spare_others(path: str | Path, models: bool = False) -> None:
    """GraftError if a file is there that does not say that graftlab wrote it, as pictures, films, pages and tensors of
    ours do in their metadata; to spare `models` too, if it is a network, which may have taken days. An empty one holds
    nothing to be spared; inside `replacing` none is."""
    path = Path(path)
    if _replacing.get() or not path.is_file() or not path.stat().st_size:
        return
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            ours = any(data.find(mark) >= 0 for mark in MARKS)
            network = models and data.find(MODEL) >= 0
    except OSError:  # nobody knows what it is
        ours = network = False
    if not ours:
        raise GraftError(f"{path} does not say that graftlab wrote it; choose another name, or add --overwrite.")
    if network:
        raise GraftError(f"{path} is a model, and this would replace it; choose another name, or add --overwrite.")


@contextmanager
def replacing(wanted: bool = True) -> Iterator[None]:
    """Files of others may be written over meanwhile, if that is wanted."""
    token = _replacing.set(wanted)
    try:
        yield
    finally:
        _replacing.reset(token)


def _sweep(folder: Path) -> None:
    """Remove what processes that are no more were writing in a folder."""
    _swept.add(folder)
    for name in os.listdir(folder):
        match = _LEFT.fullmatch(name)
        if match and not is_running(int(match[1])):
            with contextlib.suppress(OSError):  # on Windows files that are written cannot be removed
                (folder / name).unlink()


def is_running(process: int) -> bool:
    """Whether there is a process of this number on this machine."""
    if os.name != "posix":  # where this would end it, and where removing its file fails
        return process == os.getpid()
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power cut, where the system knows how (POSIX)."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some network disks refuse; the file itself is safe already
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def lock(path: Path, busy: str, patience: float = 0) -> AbstractContextManager[object]:
    """Hold a lock file until the context ends or this process does, in whatever way: it is never stale.

    It is held from the call on, as long as what is returned is kept. GraftError with the sentence `busy` if another
    process holds it for longer than `patience`, seconds."""
    from filelock import FileLock, Timeout  # not at the top: it brings asyncio along

    try:  # a soft lock would outlive a process that is killed
        return FileLock(path, thread_local=False, fallback_to_soft=False).acquire(
            timeout=patience, blocking=patience > 0
        )
    except Timeout:
        raise GraftError(busy) from None
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        return contextlib.nullcontext()  # a network disk without locks: take care yourself


def taken_back(folder: Path, worthless: Container[str] | None = None) -> AbstractContextManager[None]:
    """A context that takes back, if it ends in an error, what a folder did not hold when this was called, and the
    folders that were not there: to be called before the folder is made, and entered when nobody else works in it.

    With names that are `worthless` alone, only as long as there is nothing else."""
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    held = set(folder.iterdir()) if folder.is_dir() else set()

    @contextmanager
    def taking_back() -> Iterator[None]:
        try:
            yield
        except BaseException:
            found = set(folder.iterdir()) - held if folder.is_dir() else set()
            if worthless is None or all(path.name in worthless for path in found):
                for path in found:
                    with contextlib.suppress(OSError):
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
                with contextlib.suppress(OSError):  # somebody has put something there
                    for each in new:
                        each.rmdir()
            raise

    return taking_back()


def refuse_endless(path: Path) -> None:
    """GraftError for a pipe or a device, which nobody may ever write to, or has no end."""
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):  # of names of any length
        raise GraftError(f"{path} is a pipe or a device: save what it gives in a file and name that.")


def read_table(path: str | Path) -> Any:
    """What a file that people write holds: JSON, or by its extension TOML, or YAML if PyYAML is installed.

    GraftError if there is no such file or it cannot be read, or is too large or a device that has no end; ValueError if
    it is malformed."""
    path = Path(path)
    try:
        refuse_endless(path)
        with path.open("rb") as file:
            data = file.read(LARGEST_TABLE + 1)
        if len(data) > LARGEST_TABLE:
            raise GraftError(f"{path} is larger than {LARGEST_TABLE >> 20} MiB, and so no table that people write.")
        text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig").read()  # with any kind of line ends
    except FileNotFoundError:
        raise GraftError(f"{path}: no such file.") from None
    except OSError as error:
        raise GraftError(f"{path} cannot be read ({error.strerror}).") from None
    try:
        return _parsed(text, path)
    except RecursionError:
        raise ValueError("tables in tables without end") from None


def _parsed(text: str, path: Path) -> Any:
    if path.suffix.lower() == ".toml":
        return tomllib.loads(text)
    if path.suffix.lower() not in (".yaml", ".yml"):
        return json.loads(text)
    try:
        import yaml
    except ImportError:
        raise GraftError(f"{path} is YAML, which needs PyYAML; install it, or write JSON.") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
