"""What this machine can do: where to compute and in which precision."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage

import torch

from graftlab.errors import GraftError


def choose_device(name: str | None = None) -> torch.device:
    """The named device, or the fastest there is: CUDA, then Apple's GPU, then the processor."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda":  # under torchrun each process of a machine has a GPU of its own
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # "meta" and others have names but hold no numbers
    except (RuntimeError, AssertionError, ImportError):
        raise GraftError(f"The device '{name}' is not available here; try --device cpu.") from None
    return device


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Convolutions in float32 and no less: left alone, NVIDIA's GPUs round their inputs to 10 bits (TF32)."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def training_precision(device: torch.device) -> str:
    """bfloat16 where the hardware computes in it, float32 elsewhere."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type == "cpu" and any(getattr(torch.cpu, test, bool)() for test in BF16_CPUS):
        return "bfloat16"
    return "float32"


UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
BF16_CPUS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device: of a GPU's own memory, else of the machine's. None where that is not told."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by PyTorch, for what comes
        return torch.cuda.mem_get_info(device)[0] + kept
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii")
        (line,) = (line for line in told.splitlines() if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):  # no Linux
        return None


def require_memory(device: torch.device, needed: int, what: str, remedy: str) -> None:
    """GraftError if a device has fewer than `needed` bytes free: what needs them, and what to do."""
    free = free_memory(device)
    if free is not None and free < needed:
        raise GraftError(f"{what} needs {amount(needed)} of memory and {amount(free)} are free; {remedy}.")


def require_space(path: Path, needed: int) -> None:
    """GraftError if the disk that holds a file or folder, or will hold it, has fewer than `needed` bytes free."""
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    free = disk_usage(there).free
    if free < needed:
        raise GraftError(
            f"{path} needs {amount(needed)} and its disk has {amount(free)} free; make room or choose another disk, "
            "and run the same command again."
        )


def amount(size: float) -> str:
    """Bytes in the unit that fits: 12 KB, 3.4 MB, 56.7 GB."""
    unit = next((unit for unit in ("KB", "MB", "GB") if size < 999.95 * UNITS[unit]), "TB")
    return f"{size / UNITS[unit]:.{0 if unit == 'KB' else 1}f} {unit}"
