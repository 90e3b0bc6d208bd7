"""Work in steps that can be interrupted: what the search, the tuning and the training of an encoder have in common."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from torch import Tensor

from graftlab.artifacts import write_tensors
from graftlab.checkpoints.states import read_state
from graftlab.config.base import require
from graftlab.errors import GraftError
from graftlab.work.parts import open_parts
from graftlab.work.progress import Progress, silent

SAVE_EVERY = 30.0  # seconds


class Work(Protocol):
    """Something done in steps, all of which depend on nothing but the state and their number."""

    steps: int
    done: int

    def step(self) -> float: ...

    def state(self) -> dict[str, Tensor]: ...

    def restore(self, tensors: dict[str, Tensor]) -> None: ...


def carry_out(work: Work, progress: Progress = silent, file: Path | None = None, writes: bool = True) -> None:
    """Do the steps that are left: those that `file` says are not done, if there is one.

    It is written twice a minute and at the end, so that the same call goes on after an interruption, to the same
    result; of several processes one `writes`. One that is damaged, or holds numbers that are not finite, counts for
    nothing. The caller sees to it that a file of other work is not there.

    GraftError if one is, and if a loss, or what is to be kept, is not finite."""
    if file and file.exists():
        go_on(work, file, progress)
    saved = monotonic()
    while work.done < work.steps:
        loss = work.step()
        work.done += 1
        due = work.done == work.steps or monotonic() - saved >= SAVE_EVERY
        state = work.state() if due else {}  # the loss is that before the step, which may itself have led astray
        if not (isfinite(loss) and all(tensor.isfinite().all() for tensor in state.values())):
            gave = "numbers that are not finite" if isfinite(loss) else f"a loss of {loss}"
            raise GraftError(
                f"Step {work.done} of {work.steps} gave {gave}, from where no other leads back: choose a lower "
                "learning rate, or another model."
            )
        progress(work.done, work.steps, f"loss {loss:.4f}")
        if due:
            saved = monotonic()
        if due and file and writes:
            write_tensors(file, state, {"done": work.done, "loss": loss})


def go_on(work: Work, file: Path, progress: Progress) -> None:
    """Take up what a file says is done; nothing, if it is damaged."""
    try:
        tensors, header = read_state(file)
    except GraftError:
        progress(0, work.steps, "its state was damaged: begun again")
        return
    try:
        done, loss = int(header["done"]), float(header["loss"])
        require(0 <= done <= work.steps, "So many steps there are not.")
        work.restore(tensors)
    except (ArithmeticError, KeyError, RuntimeError, TypeError, ValueError):
        raise GraftError(f"{file} is no state of this work: remove it, and run the same command again.") from None
    work.done = done
    progress(work.done, work.steps, f"loss {loss:.4f}")


@contextmanager
def keep_state(out: str | Path | None, plan: Mapping[str, Any], resume: bool) -> Iterator[tuple[Path | None, str]]:
    """A hidden folder beside a file for states of work that is to become it, of an earlier call if its plan was equal,
    and why not if it was another. It stays until `parts.forget`: who writes the file does so first."""
    if out is None:
        yield None, ""
        return
    with open_parts(Path(out), ".safetensors", 1, plan, resume) as parts:
        yield parts.folder, parts.note
