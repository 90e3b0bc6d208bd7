"""How a batch is shared: among processes, and among the passes in which each goes through its share if memory is short.

The result is that of one process and one pass, within rounding: every loss is a mean over pictures, so means of equal
parts have its mean; pictures that meet in a network or a loss stay together; and what is random is a function of the
seed, the images seen and the place in the batch (`networks.chance`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from graftlab import distributed
from graftlab.errors import GraftError
from graftlab.networks.chance import WHOLE, Part, seeing, within

Result = TypeVar("Result")
State = tuple[Tensor, ...]
"""Of the generators of random numbers: PyTorch's, and the GPU's if there is one."""
SHORT = re.compile("out of memory|can't allocate memory|not enough memory", re.IGNORECASE)  # PyTorch, on any device


@dataclass(frozen=True)
class Pass:
    """One of the passes in which a process goes through its share of a batch."""

    number: int
    rows: slice | Tensor  # of the share
    last: bool

    def truths(self, truths: Tensor | None) -> Tensor | None:
        """Places of the share, -1 for none, as places of the pass."""
        if truths is None or isinstance(self.rows, slice):
            return truths
        return within(truths.cpu(), self.rows).to(truths.device)

    def labels(self, labels: Tensor | None) -> Tensor | None:
        """Classes of the share's images, as those of the pass's."""
        return None if labels is None else labels[self.rows]


class Sharing:
    """What a trainer knows about shares of a batch."""

    stretches: int = 1  # of which a batch is a row, see `chance.Part`
    unit: int = 1  # images of a stretch that cannot be parted
    passes: int = 1  # in which this process goes through its share
    config: Any  # a TrainConfig
    device: torch.device
    discriminators: nn.Module
    optimizers: dict[str, Any]
    notes: list[str]
    seen: int

    @property
    def divides(self) -> bool:
        """Whether several processes see each its part of one batch, as a single process would: else each its own."""
        return self.config.batch % (self.stretches * distributed.world_size() * self.unit) == 0

    def advice(self) -> list[str]:
        """What is good to know of a batch that does not divide."""
        if self.divides or distributed.world_size() == 1:
            return []
        multiple = self.stretches * distributed.world_size() * self.unit
        return [
            f"Each of the {distributed.world_size()} processes sees its images alone and draws its own random numbers; "
            f"with --batch a multiple of {multiple}, they would train as one process does."
        ]

    def share(self) -> Tensor:
        """Which images of a batch this process sees: (n,)."""
        batch, processes = self.config.batch, distributed.world_size()
        if self.divides:
            return Part(distributed.rank(), processes, batch // self.stretches).rows(batch)
        return torch.arange(batch).chunk(processes)[distributed.rank()]

    def _part(self, count: int, number: int = 0, passes: int = 1) -> Part:
        """What one pass through this process's `count` images sees of the batch."""
        processes = distributed.world_size() if self.divides else 1
        if passes == processes == 1:
            return WHOLE
        which = distributed.rank() % processes * passes + number
        return Part(which, passes * processes, count * processes // self.stretches)

    def _seed(self) -> None:
        own = 0 if self.divides else distributed.rank()
        torch.manual_seed((self.config.seed * 1_000_003 + self.seen) * 4_099 + own + 1)

    def _chance(self) -> State:
        """The state of the generators of random numbers."""
        state = torch.get_rng_state()
        return (state,) if self.device.type == "cpu" else (state, _generator(self.device).get_state())

    def _restore(self, state: State, buffers: Sequence[Tensor] = ()) -> None:
        """Back to an earlier state of the generators, and of the discriminators' buffers if they are given."""
        torch.set_rng_state(state[0])
        for rest in state[1:]:
            _generator(self.device).set_state(rest)
        for buffer, earlier in zip(self.discriminators.buffers(), buffers, strict=False):
            buffer.copy_(earlier)

    def _in_passes(
        self, work: Callable[[Pass], Result], count: int, since: State | None = None, divisible: bool = True
    ) -> list[Result]:
        """What `work` returns for each part of this process's `count` images. All begin with the same state of chance,
        the present one if none is given, and all end with the same.

        If memory does not suffice, parts are made smaller for good, and all of them done again: so there are as many as
        have been found to be needed, and other processes may need others. `work` may not exchange anything with them
        but at its very end."""
        before = since or self._chance()
        buffers = [buffer.clone() for buffer in self.discriminators.buffers()]  # spectral norms move at every pass
        number, results = 0, list[Result]()
        while number < self.passes:
            if number or since:
                self._restore(before, buffers)
            try:
                with seeing(self._part(count, number, self.passes)):
                    results.append(work(self._pass(count, number)))
                number += 1
            except RuntimeError as error:
                if not SHORT.search(str(error)):
                    raise
                self._make_more_passes(count if divisible else 0, error)
                for optimizer in self.optimizers.values():
                    optimizer.zero_grad(set_to_none=True)
                number, results, since = 0, [], before
        return results

    def _pass(self, count: int, number: int) -> Pass:
        if self.passes == 1:
            return Pass(0, slice(None), True)
        rows = Part(number, self.passes, count // self.stretches).rows(count)
        return Pass(number, rows, number == self.passes - 1)

    def _make_more_passes(self, count: int, error: BaseException) -> None:
        """Go through `count` images in the next larger number of passes that divides them."""
        whole = count // self.stretches if count % self.stretches == 0 else 0
        more = [n for n in range(self.passes + 1, whole + 1) if whole % (n * self.unit) == 0]
        if not more:
            raise GraftError(
                f"The memory of {self.device} does not suffice, and a batch of {self.config.batch} cannot be divided "
                "further; use a smaller --batch, more processes, or smaller networks."
            ) from error
        self.passes = more[0]
        self.notes.append(f"Memory is short: every step takes {self.passes} passes, to the same result.")


def _generator(device: torch.device) -> torch.Generator:
    """The random numbers of a GPU."""
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.cuda.default_generators[device.index or 0]
