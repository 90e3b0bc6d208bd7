"""Where a network that we know lies in a file, whatever its owner has put around it.

People save a network alone or under a key (`g_ema`, `params_ema`, `state_dict`), from inside a larger one (`decoder.`),
and in PyTorch's own wrappers (`module.`, `_orig_mod.`), several at once. The names of its own tensors stay, and what
stands before them is the same for all: so it is found by these names, and no wrapper has to be known.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from graftlab.checkpoints.states import under
from graftlab.errors import refuse

AVERAGED = re.compile(  # in what stands before an average's names
    r"(?<![a-z])(g?ema|gs|avg|averaged?|swa|running|shadow|smooth(ed)?)(?![a-z])", re.IGNORECASE
)


def prefixes(state: Mapping[str, object], pattern: str, others: Iterable[str] = ()) -> list[str]:
    """What stands before the names of networks that have a name of this pattern and all of the others; averages first,
    and what is least deep."""
    wanted = re.compile(rf"(|.*?\.)(?:{pattern})")
    found = {match[1] for name in state if (match := wanted.fullmatch(name))}
    whole = [prefix for prefix in found if all(prefix + name in state for name in others)]
    return sorted(whole, key=lambda prefix: (-len(AVERAGED.findall(prefix)), prefix.count("."), prefix))


def is_average(prefix: str) -> bool:
    return AVERAGED.search(prefix) is not None


def take(state: dict[str, object], prefix: str) -> dict[str, object]:
    """A network's part of the names, which are taken out of the rest."""
    part = under(state, prefix)
    for name in part:
        del state[prefix + name]
    return part


def tensors_in(part: Mapping[str, object], path: Path, misfit: str) -> dict[str, Tensor]:
    """A part's values. GraftError for other things than tensors."""
    refuse(path, misfit, [f"{name} is no tensor" for name, value in part.items() if not isinstance(value, Tensor)])
    return {name: value for name, value in part.items() if isinstance(value, Tensor)}


def notes_on(prefix: str, usual: Iterable[str], rest: Iterable[str]) -> list[str]:
    """Sentences: what stands before the names, unless that is usual, and what else there is."""
    wrapper = prefix.rstrip(".")
    notes = [f"The network is read from '{wrapper}'."] if wrapper and wrapper not in usual else []
    parts = prefix.split(".")
    unused = sorted({name.split(".")[common(name.split("."), parts)] for name in rest})
    more = f" and {len(unused) - 10} more" if len(unused) > 10 else ""
    return notes + ([f"Not used: {', '.join(unused[:10])}{more}."] if unused else [])


def common(a: list[str], b: list[str]) -> int:
    """How many parts two names share at their beginning, short of the whole."""
    alike = [x == y for x, y in zip(a[:-1], b, strict=False)]
    return next((place for place, same in enumerate(alike) if not same), len(alike))
