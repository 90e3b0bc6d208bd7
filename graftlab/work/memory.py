"""What this process does with memory that tensors have freed."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let this process keep what tensors free for the next ones; whether it can (on Linux, with glibc).

    Left alone, the C library hands large pieces back at once and gets them again page by page, zeroed. With pictures of
    512 px and more that takes longer than the convolutions. The price is a process that never shrinks, which is why
    `graft` does it and the library leaves it to you."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(M_MMAP_MAX, 0) == 1 and mallopt(M_TRIM_THRESHOLD, -1) == 1
