"""Time, memory and arithmetic of a piece of work."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

Work = Callable[[], Any]

LEAST = 3  # repeats that make a median
PROCESS = Path("/proc/self")


def once(work: Work, device: torch.device) -> float:
    """Seconds of one call, until the device has finished."""
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start


def durations(work: Work, device: torch.device, most: int = 15, budget: float = 1.0) -> list[float]:
    """Seconds of every repeat: `most` of them, fewer once `budget` seconds are spent, and no fewer than LEAST.

    Before them one to three that do not count: memory is taken and kernels are chosen."""
    for _ in range(3):
        if once(work, device) > budget / 10:
            break
    found: list[float] = []
    while len(found) < LEAST or (len(found) < most and sum(found) < budget):
        found.append(once(work, device))
    return found


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def flops(work: Work) -> int:
    """Floating-point operations of the convolutions and matrix products of one call, which may not be in inference
    mode."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def forget_peak(device: torch.device) -> None:
    """Let `peak` count from what is held now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif device.type == "cpu" and sys.platform == "linux":
        try:
            (PROCESS / "clear_refs").write_text("5")
        except OSError:  # a container may forbid it: the peak is then that of the whole process
            return


def peak(device: torch.device) -> int | None:
    """Most bytes held at once, weights included: of the GPU by tensors, or by this process, the program included.

    None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return of_process("VmHWM") if device.type == "cpu" else None


def of_process(line: str) -> int | None:
    """Bytes of a line of Linux's /proc/self/status, such as VmHWM or VmRSS."""
    try:
        status = (PROCESS / "status").read_text()
    except OSError:
        return None
    return next((int(entry.split()[1]) * 1024 for entry in status.splitlines() if entry.startswith(line + ":")), None)
