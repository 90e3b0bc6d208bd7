"""One process at a time in a folder, by a lock that the operating system releases when its holder dies."""

import sys
from pathlib import Path
from typing import BinaryIO

from graftlab.errors import GraftError


def lock(folder: Path) -> BinaryIO:
    """Hold `folder/lock` until the returned file is closed or this process ends, in whatever way: it is never stale.

    GraftError if another process holds it."""
    file = (folder / "lock").open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.close()
        raise GraftError(
            f"{folder} is in use by another process; wait until it ends, or choose another folder."
        ) from None
    except OSError:  # a network disk without locks: take care yourself
        pass
    return file
