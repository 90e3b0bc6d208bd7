"""Several processes or machines, started by `torchrun`: each computes a part of the batch, gradients are averaged."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

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
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def share(batch: int) -> int:
    """This process's part of a batch. GraftError unless the batch divides into even parts, for swapping in pairs."""
    count = world_size()
    if batch % (2 * count):
        raise GraftError(
            f"A batch of {batch} does not divide into {count} even parts, one for each process; use --batch "
            f"{max(1, round(batch / (2 * count))) * 2 * count}."
        )
    return batch // count


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over processes, in one message."""
    if world_size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def mean(numbers: Tensor) -> Tensor:
    """Mean over processes."""
    if world_size() == 1:
        return numbers
    both = numbers.clone()
    dist.all_reduce(both)
    return both / world_size()


def average(numbers: dict[str, float]) -> dict[str, float]:
    """Means over processes, for the log."""
    if world_size() == 1:
        return numbers
    flat = torch.tensor([numbers[name] for name in sorted(numbers)], dtype=torch.float64)
    flat = flat.cuda() if dist.get_backend() == "nccl" else flat
    dist.all_reduce(flat)
    return dict(zip(sorted(numbers), (flat / world_size()).tolist(), strict=True))


def barrier() -> None:
    if world_size() > 1:
        dist.barrier()


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is set in any process; all processes get the same answer."""
    if world_size() == 1:
        return flag
    votes: Tensor = torch.tensor(int(flag), device=device)
    dist.all_reduce(votes, dist.ReduceOp.MAX)
    return bool(votes.item())


def agree(number: int, device: torch.device) -> bool:
    """Whether all processes have the same number; all get the same answer."""
    if world_size() == 1:
        return True
    ends = torch.tensor([number, -number], device=device)
    dist.all_reduce(ends, dist.ReduceOp.MAX)
    return bool(ends.sum() == 0)
