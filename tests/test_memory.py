"""Memory that tensors free stays with the process, so that the next ones find it."""

import ctypes
import subprocess
import sys

import pytest

PROBE = """
import ctypes, torch
from concurrent.futures import ThreadPoolExecutor
from graftlab.work.memory import keep_freed_memory

class Info(ctypes.Structure):  # mallinfo(3)
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

malloc = ctypes.CDLL(None).mallinfo2
malloc.restype = Info
assert keep_freed_memory()
mapped = malloc().hblks
large = torch.ones(2**26)  # 256 MB
print(malloc().hblks - mapped)
del large
print(malloc().fordblks // 2**20)
before = malloc().arena
with ThreadPoolExecutor(1) as pool:
    pool.submit(torch.ones, 2**22).result()  # 16 MB
print((malloc().arena - before) // 2**20)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
def test_large_tensors_leave_their_memory_behind():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    mapped, kept, grown = map(int, done.stdout.split())
    assert (mapped, kept >= 256) == (0, True)  # without it each is mapped, and its memory goes back to the system
    assert grown == 0, "what the main thread has freed is there for others"


def test_elsewhere_nothing_happens(monkeypatch):
    from graftlab.work import memory

    monkeypatch.setattr(sys, "platform", "darwin")
    assert not memory.keep_freed_memory()
