"""Work in steps that can be interrupted: what the search, the tuning and the training of an encoder have in common."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from torch import Tensor

from graftlab.artifacts import read_tensors, write_tensors
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


def carry_out(work: Work, progress: Progress = silent, file: Path | None = None) -> None:
    """Do the steps that are left: those that `file` says are not done, if there is one.

    It is written twice a minute and at the end, so that the same call goes on after an interruption, to the same
    result. The caller sees to it that a file of other work is not there."""
    if file and file.exists():
        tensors, header = read_tensors(file, "remove it, and run the same command again")
        work.restore(tensors)
        work.done = header["done"]
        progress(work.done, work.steps, f"loss {header['loss']:.4f}")
    saved = monotonic()
    while work.done < work.steps:
        loss = work.step()
        work.done += 1
        progress(work.done, work.steps, f"loss {loss:.4f}")
        if file and (work.done == work.steps or monotonic() - saved >= SAVE_EVERY):
            write_tensors(file, work.state(), {"done": work.done, "loss": loss})
            saved = monotonic()


@contextmanager
def keep_state(out: str | Path | None, plan: Mapping[str, Any], resume: bool) -> Iterator[tuple[Path | None, str]]:
    """A hidden folder beside a file for states of work that is to become it, of an earlier call if its plan was equal,
    and why not if it was another. It stays until `parts.forget`: who writes the file does so first."""
    if out is None:
        yield None, ""
        return
    with open_parts(Path(out), ".safetensors", 1, plan, resume) as parts:
        yield parts.folder, parts.note
