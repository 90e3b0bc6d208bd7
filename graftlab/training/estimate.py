"""What a training run will cost, told before it starts: parameters, memory, disk and time, from a short probe."""

import sys
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
from torch import nn

from graftlab.config import TrainConfig
from graftlab.training.run import STATES_KEPT
from graftlab.training.trainers import new_trainer

PROBE_SECONDS = 10
PICTURES = 500_000  # bytes of one sample sheet, roughly


@dataclass(frozen=True)
class Estimate:
    """Costs of a run on this machine."""

    parameters: dict[str, int]  # per network
    memory: int | None  # bytes at the peak of a step: of the process, or of the GPU; None where it cannot be read
    disk: int  # bytes in the run folder at the end
    images_per_second: float
    seconds: float  # for the whole run

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        counts = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in self.parameters.items())
        memory = f"{self.memory / 1e9:.1f} GB" if self.memory else "unknown"
        hours = f"{self.seconds / 3600:.1f} hours" if self.seconds > 5400 else f"{self.seconds / 60:.0f} minutes"
        return (
            f"parameters  {counts}\nmemory      {memory} at the peak\ndisk        {self.disk / 1e9:.2f} GB\n"
            f"speed       {self.images_per_second:.1f} images/s\ntime        {hours}"
        )


def estimate(config: TrainConfig, device: torch.device, compiled: bool | None = None) -> Estimate:
    """Take a few steps of every kind on random pictures, and work out what the whole run costs."""
    trainer = new_trainer(config, device, compiled)
    images = torch.rand(config.batch, 3, *config.shape) * 2 - 1
    images = images.to(device).contiguous(memory_format=torch.channels_last)
    steps = trainer.steps()
    seconds: dict[str, list[float]] = {kind: [] for kind in steps}
    start = time.perf_counter()
    while time.perf_counter() - start < PROBE_SECONDS or any(len(taken) < 2 for taken in seconds.values()):
        for kind, (step, _) in steps.items():
            before = time.perf_counter()
            step(images)  # ends with reading a number, so the device has finished
            seconds[kind].append(time.perf_counter() - before)
    # The first of each kind is slower: memory is taken and kernels are chosen.
    rate = config.batch / sum(often * median(seconds[kind][1:]) for kind, (_, often) in steps.items())
    state = sum(tensor.nbytes for tensor in trainer.state()[0].values())
    model = sum(parameter.numel() * 4 for parameter in trainer.model.parameters())
    snapshots = config.images // config.snapshot_every + 2
    discriminators = sum(tensor.nbytes for tensor in trainer.discriminator_weights().values())
    return Estimate(
        parameters={name: size(network) for name, network in trainer.parts().items()},
        memory=peak_memory(device),
        disk=(STATES_KEPT + 1) * state
        + (2 + (snapshots if config.keep_models else 0)) * model
        + discriminators
        + snapshots * PICTURES,
        images_per_second=rate,
        seconds=config.images / rate,
    )


def size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def peak_memory(device: torch.device) -> int | None:
    """Most bytes held at once: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type != "cpu" or sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
