"""What computes here, and the most that it reaches: figures of different machines are compared as shares of it."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

import torch
import torch.nn.functional as F

from graftlab import __version__
from graftlab.benchmarking.clock import durations
from graftlab.hardware import BF16_CPUS, exact_convolutions, training_precision


@dataclass(frozen=True)
class Machine:
    """Processor and software, for the head of a table."""

    processor: str
    cores: int  # that this process may use
    threads: int  # that PyTorch uses
    memory: int | None  # bytes; None where the system does not tell
    system: str
    device: str  # where the networks run, with the name of a GPU
    instructions: str  # the widest that PyTorch uses on the processor
    bfloat16: list[str]  # what computes in bfloat16 here; empty: nothing does
    versions: dict[str, str]  # by program

    @classmethod
    def here(cls, device: torch.device) -> Self:
        affinity = getattr(os, "sched_getaffinity", None)  # of Linux: a container may have few of the cores
        return cls(
            processor=processor(),
            cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
            threads=torch.get_num_threads(),
            memory=memory(device),
            system=f"{platform.system()} {platform.machine()}",
            device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            instructions=torch.backends.cpu.get_cpu_capability(),
            bfloat16=bfloat16(device),
            versions={"graftlab": __version__, "PyTorch": torch.__version__, "Python": platform.python_version()},
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        """Two lines."""
        device = self.processor if self.device == "cpu" else f"{self.device} beside {self.processor}"
        memory = f", {self.memory / 1e9:.1f} GB of memory" if self.memory else ""
        return (
            f"{device}, {plural(self.cores, 'core')}, {plural(self.threads, 'thread')}{memory}, {self.system}\n"
            f"{', '.join(map(' '.join, self.versions.items()))}, instructions {self.instructions}, "
            f"bfloat16 {'in ' + ' and '.join(self.bfloat16) if self.bfloat16 else 'not in hardware'}"
        )


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def processor() -> str:
    """The processor's name as its maker writes it, or what Python knows of it."""
    try:
        if sys.platform == "linux":
            lines = Path("/proc/cpuinfo").read_text().splitlines()
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, StopIteration, subprocess.SubprocessError):
        pass
    return platform.processor() or platform.machine() or "unknown processor"


def memory(device: torch.device) -> int | None:
    """Bytes that the device has."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def bfloat16(device: torch.device) -> list[str]:
    """What computes in bfloat16: a GPU, or instructions of the processor."""
    if device.type == "cpu":
        names = [test.removeprefix("_is_").removesuffix("_supported") for test in BF16_CPUS if cpu_has(test)]
        return [name.replace("_", " ") for name in names]
    return [device.type] if training_precision(device) == "bfloat16" else []


def cpu_has(test: str) -> bool:
    return bool(getattr(torch.cpu, test, bool)())


# -- the ceiling ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ceiling:
    """The machine at its best, in three kinds of work; medians of repeats."""

    convolution: dict[str, float]  # FLOP/s of one large 3x3 convolution, channels last, by precision
    matrix: dict[str, float]  # FLOP/s of a product of two large matrices, by precision
    copy: float  # bytes per second, read and written, of a copy that fits no cache

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        """One line."""
        rates = "; ".join(
            f"{what} " + ", ".join(f"{rate / 1e9:,.0f} GFLOP/s in {precision}" for precision, rate in found.items())
            for what, found in (("3x3 convolution", self.convolution), ("matrix product", self.matrix))
        )
        return f"ceiling: {rates}; copying {self.copy / 1e9:.1f} GB/s"


def ceiling(device: torch.device, precisions: Sequence[str]) -> Ceiling:
    """Measure the machine. A few seconds on a laptop."""
    return Ceiling(
        convolution={precision: convolution(device, precision) for precision in precisions},
        matrix={precision: matrix(device, precision) for precision in precisions},
        copy=copy(device),
    )


def convolution(device: torch.device, precision: str) -> float:
    """FLOP/s of a 3x3 convolution, large enough to show the machine at its best."""
    images, channels, side = (4, 128, 96) if device.type == "cpu" else (16, 256, 128)
    form = {"dtype": getattr(torch, precision), "device": device}
    x = torch.randn(images, channels, side, side, **form).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3, **form).contiguous(memory_format=torch.channels_last)
    with exact_convolutions():
        seconds = median(durations(lambda: F.conv2d(x, weight, padding=1), device))
    return 2 * 9 * channels**2 * images * side**2 / seconds


def matrix(device: torch.device, precision: str) -> float:
    """FLOP/s of a square matrix product."""
    side = 2048 if device.type == "cpu" else 8192
    a = torch.randn(side, side, dtype=getattr(torch, precision), device=device)
    return 2 * side**3 / median(durations(lambda: a @ a, device))


def copy(device: torch.device) -> float:
    """Bytes per second, counting what is read and what is written."""
    source = torch.ones(64 * 2**20, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / median(durations(lambda: target.copy_(source), device))
