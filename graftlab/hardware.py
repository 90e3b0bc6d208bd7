"""What this machine can do: where to compute and in which precision."""

import os
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


def training_precision(device: torch.device) -> str:
    """bfloat16 where the hardware computes in it, float32 elsewhere."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type == "cpu" and any(getattr(torch.cpu, test, bool)() for test in BF16_CPUS):
        return "bfloat16"
    return "float32"


BF16_CPUS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def require_space(folder: Path, needed: int) -> None:
    """GraftError if the disk that holds `folder` has fewer than `needed` bytes free."""
    free = disk_usage(folder).free
    if free < needed:
        raise GraftError(
            f"{folder} has {free / 1e6:.0f} MB of free space and {needed / 1e6:.0f} MB are needed; free some space and "
            "run the same command again."
        )
