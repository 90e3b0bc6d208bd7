"""`unpickle`: a pickle's contents as plain values, read by an interpreter that can run nothing."""

from collections.abc import Callable, Iterator

from graftlab.checkpoints.containers.calls import read_pickle
from graftlab.checkpoints.containers.records import Allowance, Name, Record, Unfinished, refuse

__all__ = ["Name", "Record", "unpickle"]

LEVELS = 200  # of lists in dicts in lists
UNFOLDED = 2_000_000  # values in the tree, where what is shared counts as often as it is reached
CONTAINERS = (dict, list, tuple, Record)


def unpickle(data: memoryview | bytes, where: str, persistent: Callable[[object], object] | None = None) -> object:
    """The value that a pickle of any protocol describes. Nothing is imported, looked up, called or executed.

    It consists of numbers, text, bytes (long ones as views of `data`), lists, tuples, dicts, tensors, and `Name` and
    `Record` for what the pickle mentions and calls; sets are lists. `persistent` gives the values of persistent ids,
    which are refused without it. GraftError, with the file's name `where`, if the pickle is damaged, asks to call
    something that builds no data, or would need more memory than its size explains."""
    tree, _ = read_pickle(memoryview(data), 0, Allowance(where, len(data)), persistent)
    survey(tree, where)
    return tree


def survey(tree: object, where: str) -> None:
    """GraftError unless code may walk the tree without care: one that holds itself has no end, and one whose parts are
    shared many times over can take for ever."""
    measured: dict[int, tuple[int, int]] = {}  # container -> values in it, levels of it
    ancestors: set[int] = set()
    waiting = [tree]
    while waiting:
        value = waiting[-1]
        if isinstance(value, Unfinished):
            refuse(where, "holds a numpy array without numbers")
        inner = [part for part in parts(value) if isinstance(part, CONTAINERS)]
        if id(value) in measured:
            waiting.pop()
        elif id(value) not in ancestors:
            ancestors.add(id(value))
            waiting += (part for part in inner if id(part) not in measured)
            if any(id(part) in ancestors for part in inner):
                refuse(where, "holds something that holds itself, which no checkpoint needs")
        else:
            count = sum(1 for _ in parts(value)) + sum(measured[id(part)][0] for part in inner)
            levels = 1 + max((measured[id(part)][1] for part in inner), default=0)
            if count > UNFOLDED or levels > LEVELS:
                refuse(where, "nests or repeats its values more than any checkpoint does")
            measured[id(value)] = count, levels
            ancestors.remove(id(value))
            waiting.pop()


def parts(value: object) -> Iterator[object]:
    """What a value holds directly."""
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, Record):
        yield value.arguments
        yield value.state
        yield value.entries
