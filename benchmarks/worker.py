"""An implementation in a process of its own, which works when told to and sleeps while others work.

Modules of the same name do not meet there, memory is counted apart, and what needs too much of it ends alone.
"""

import multiprocessing
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from io import StringIO
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import torch

from benchmarks.rounds import LeftOutError
from graftlab.benchmarking import clock
from graftlab.benchmarking.clock import Work
from graftlab.benchmarking.speed import SAMPLE, WHAT, Case
from graftlab.errors import GraftError

CPU = torch.device("cpu")
TURN = 0.3  # seconds that a turn lasts at least: what is fast is repeated, and not measured just out of its sleep
SHARE = 0.9  # of the free memory that one may take


class Implementation(Protocol):
    """What is measured: one per process."""

    def work(self, case: Case) -> Work:
        """What one repeat of a case does, everything else prepared."""
        ...


class Worker:
    """The near end: starts the process when it is first needed, and again after it had to be stopped."""

    def __init__(self, make: Callable[[], Implementation], threads: int) -> None:
        self._make, self._threads = make, threads
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def call(self, name: str, *arguments: Any, timeout: float | None = None) -> Any:
        """What the far end's method returns. LeftOutError if it fails, dies or is not done after `timeout` seconds."""
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, far = context.Pipe()
            self._process = context.Process(target=serve, args=(far, self._make, self._threads), daemon=True)
            self._process.start()
            far.close()
        try:
            self._pipe.send((name, arguments))
            if not self._pipe.poll(timeout):
                self.close()
                raise LeftOutError(f"not done after {timeout:.0f} s")
            done, answer = self._pipe.recv()
        except (EOFError, OSError):
            self.close()
            raise LeftOutError("its process ended, most likely for want of memory") from None
        if not done:
            self.close()  # what it holds may be half made
            raise LeftOutError(answer)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process and self._pipe:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = self._pipe = None


def serve(pipe: Connection, make: Callable[[], Implementation], threads: int) -> None:
    """The far end: do what the pipe says until it is closed. What implementations print is dropped."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the near end, which then ends this
    torch.set_num_threads(threads)
    stand: Stand | None = None
    with suppress(EOFError, BrokenPipeError):  # the near end is gone
        while True:
            name, arguments = pipe.recv()
            try:
                with redirect_stdout(StringIO()):
                    stand = stand or Stand(make())
                    answer = (True, getattr(stand, name)(*arguments))
            except Exception as error:
                answer = (False, explained(error))
            pipe.send(answer)


def explained(error: Exception) -> str:
    """The first line of an error; of PyTorch's long message about memory, what it means."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, MemoryError) or "allocate memory" in text:
        return "needs more memory than is free"
    return text.splitlines()[0][:200] if isinstance(error, GraftError) else f"{type(error).__name__}: {text:.200}"


class Stand:
    """Where an implementation is measured, one case after another."""

    def __init__(self, implementation: Implementation) -> None:
        self.implementation = implementation
        self._work: Work | None = None

    def prepare(self, case: Case) -> None:
        """Get a case ready and take a turn, which does not count."""
        self._work = None
        may_take_what_is_free()
        torch.set_grad_enabled(case.what not in (*WHAT, SAMPLE))
        self._work = self.implementation.work(case)
        clock.forget_peak(CPU)
        self.turn()

    def turn(self) -> float:
        """Median of the seconds of repeats: of one, or of as many as fill TURN."""
        assert self._work is not None, "prepare a case first"
        found: list[float] = []
        while sum(found) < TURN:
            found.append(clock.once(self._work, CPU))
        return median(found)

    def memory(self) -> int | None:
        """Bytes of the process at the peak of the case, weights and pictures included."""
        return clock.peak(CPU)

    def flops(self) -> int:
        assert self._work is not None, "prepare a case first"
        return clock.flops(self._work)

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call a method that only this implementation has."""
        torch.set_grad_enabled(False)
        return getattr(self.implementation, name)(*arguments)


def may_take_what_is_free() -> None:
    """Let allocations beyond the free memory fail in this process, before the system ends another one's."""
    if sys.platform != "linux":
        return
    import resource

    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = (clock.of_process("VmSize") or 0) + int(SHARE * free)
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
