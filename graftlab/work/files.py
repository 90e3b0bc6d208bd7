"""Files that are either whole or not there, and that one process at a time may work on; tables that people write."""

import contextlib
import errno
import json
import os
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager
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


def atomic_write(path: str | Path, write: Callable[[BinaryIO], object]) -> Path:
    """Create or replace a file in one step: after a crash at any moment the old file or the new one is there, whole.

    `write` receives a binary file and fills it. The bytes reach the disk before the name does; missing parent folders
    are made. Returns the path. GraftError on any OSError, with the earlier file untouched and nothing left beside it;
    other exceptions of `write` pass through, just as clean."""
    path = Path(path)
    part = path.with_name(f".{path.name}.part-{os.getpid()}")  # same folder: a rename across disks is not atomic
    try:
        if path.exists() and not path.is_file():  # a rename would put a file in the place of /dev/null
            raise GraftError(f"{path} could not be written, because it is not an ordinary file: choose another name.")
        path.parent.mkdir(parents=True, exist_ok=True)
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


def lock(path: Path, busy: str) -> AbstractContextManager[object]:
    """Hold a lock file until the context ends or this process does, in whatever way: it is never stale.

    It is held from the call on, as long as what is returned is kept. GraftError with the sentence `busy` if another
    process holds it."""
    from filelock import FileLock, Timeout  # not at the top: it brings asyncio along

    try:  # a soft lock would outlive a process that is killed
        return FileLock(path, thread_local=False, fallback_to_soft=False).acquire(blocking=False)
    except Timeout:
        raise GraftError(busy) from None
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        return contextlib.nullcontext()  # a network disk without locks: take care yourself


def read_table(path: Path) -> Any:
    """What a file that people write holds: JSON, or by its extension TOML, or YAML if PyYAML is installed.

    GraftError if there is no such file or it cannot be read, ValueError if it is malformed."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise GraftError(f"{path}: no such file.") from None
    except OSError as error:
        raise GraftError(f"{path} cannot be read ({error.strerror}).") from None
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
        raise ValueError(str(error)) from None
