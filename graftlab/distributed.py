"""Several processes or machines, started by `torchrun`: each computes a part of the batch, gradients are averaged."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from graftlab.errors import GraftError


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def processes(device: torch.device) -> Iterator[None]:
    """Join the group that `torchrun` describes in the environment; without it, this process is alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def share(batch: int, unit: int = 2) -> int:
    """This process's part of a batch. GraftError unless the batch divides into parts that are multiples of `unit`: by
    default even, for swapping in pairs."""
    count = world_size()
    if batch % (unit * count):
        raise GraftError(
            f"A batch of {batch} does not divide into {count} {'even' if unit == 2 else 'equal'} parts, one for each "
            f"process; use --batch {max(1, round(batch / (unit * count))) * unit * count}."
        )
    return batch // count


@contextmanager
def _together() -> Iterator[None]:
    """In which all processes exchange something. GraftError if one of them is not there any more."""
    try:
        yield
    except torch.OutOfMemoryError:  # before anything was exchanged
        raise
    except RuntimeError as error:
        reason = re.sub(r"^\[\S*\] ", "", str(error)).split(". ")[0].split("\n")[0]  # without where in the source
        raise GraftError(
            f"Process {rank()} of {world_size()} cannot reach the others, one of which has ended ({reason}); torchrun "
            "tells which. The same command goes on from the last saved state, on any number of processes."
        ) from error


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over processes, in one message."""
    if world_size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    with _together():
        dist.all_reduce(flat)
    flat /= world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def mean(numbers: Tensor) -> Tensor:
    """Mean over processes."""
    return _all_reduced(numbers) / world_size() if world_size() > 1 else numbers


def average(numbers: dict[str, float]) -> dict[str, float]:
    """Means over processes, for the log."""
    if world_size() == 1:
        return numbers
    flat = torch.tensor([numbers[name] for name in sorted(numbers)], dtype=torch.float64)
    flat = flat.cuda() if dist.get_backend() == "nccl" else flat
    return dict(zip(sorted(numbers), mean(flat).tolist(), strict=True))


def gathered(rows: Tensor) -> Tensor:
    """The rows (n, ...) of all processes in their order: (n * processes, ...)."""
    if world_size() == 1:
        return rows
    everybody = [torch.empty_like(rows) for _ in range(world_size())]
    with _together():
        dist.all_gather(everybody, rows.contiguous())
    return torch.cat(everybody)


def told(what: Any) -> Any:
    """What the first process has, in all of them."""
    if world_size() == 1:
        return what
    message = [what]
    with _together():
        dist.broadcast_object_list(message)
    return message[0]


def barrier() -> None:
    if world_size() > 1:
        with _together():
            dist.barrier()


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is set in any process; all processes get the same answer."""
    if world_size() == 1:
        return flag
    return bool(_all_reduced(torch.tensor(int(flag), device=device), dist.ReduceOp.MAX).item())


def agree(number: int, device: torch.device) -> bool:
    """Whether all processes have the same number; all get the same answer."""
    if world_size() == 1:
        return True
    return bool(_all_reduced(torch.tensor([number, -number], device=device), dist.ReduceOp.MAX).sum() == 0)


def _all_reduced(numbers: Tensor, how: Any = dist.ReduceOp.SUM) -> Tensor:
    both = numbers.clone()
    with _together():
        dist.all_reduce(both, how)
    return both
