"""What this process does with memory that tensors have freed."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let this process keep what tensors free for the next ones; whether it can (on Linux, with glibc).

    Left alone, the C library hands large pieces back at once and gets them again page by page, zeroed. With pictures of
    512 px and more that takes longer than the convolutions. The price is a process that never shrinks, which is why
    `graft` does it and the library leaves it to you. All threads take from one heap: with one for each, as the C
    library has it, what one thread has freed would be of no use to the others."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    wanted = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_ARENA_MAX, 1))
    return mallopt is not None and all(mallopt(what, value) == 1 for what, value in wanted)
