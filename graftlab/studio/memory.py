"""What is kept because it will be wanted again, up to so many bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Things by key, together at most `most` bytes: the one that was not asked for longest goes first.

    One alone may be larger; it goes when the next comes. For one thread at a time."""

    def __init__(self, most: int, size: Callable[[T], int]) -> None:
        self.most, self._size = most, size
        self.bytes = 0
        self._things: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._things)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._things

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The thing of this key, made if it is not there."""
        if key not in self._things:
            thing = make()
            size = self._size(thing)
            self._things[key], self.bytes = (thing, size), self.bytes + size
            while self.bytes > self.most and len(self._things) > 1:
                self.bytes -= self._things.popitem(last=False)[1][1]
        self._things.move_to_end(key)
        return self._things[key][0]
