"""Work in background threads, in order and a bounded distance ahead; handles that are opened once per process.

Threads, not processes: Pillow, NumPy, hashing and file reads all release the interpreter lock, nothing has to be
pickled, and the same code behaves alike on Linux, macOS and Windows.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def worker_count() -> int:
    """Threads worth starting on this machine, at least 2 so that reading overlaps with decoding."""
    return max(2, min(16, os.cpu_count() or 2))


def ordered_map(
    work: Callable[[Item], Result],
    items: Iterable[Item],  # may be endless
    workers: int | None = None,  # None: `worker_count()`
    ahead: int | None = None,  # results in the making at any time; None: four per worker
) -> Generator[Result, None, None]:
    """`map` in threads: results in the order of items, at most `ahead` of them before they are asked for.

    An exception in `work`, or of the items, is raised at its place in the order. Closing the iterator drops what has
    not begun and waits for what has, so that no thread outlives it.
    """
    workers = workers or worker_count()
    queue = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="graftlab-data")
    pending: deque[Future[Result]] = deque()
    failed: BaseException | None = None

    def begin(count: int) -> None:
        nonlocal failed, queue
        try:
            pending.extend(pool.submit(work, item) for item in islice(queue, count))
        except BaseException as error:  # KeyboardInterrupt too: what was begun before is not lost
            failed, queue = error, iter(())

    try:
        begin(ahead or 4 * workers)
        while pending:
            result = pending.popleft().result()
            begin(1)
            yield result
        if failed:
            raise failed
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class PerProcess(Generic[Result]):
    """A handle made at first use in each process: open files and threads survive neither a fork nor a pickle.

    make: a picklable function of no arguments. Two threads may both make one; the first to finish is kept.
    """

    def __init__(self, make: Callable[[], Result]) -> None:
        self._make = make
        self._made: dict[int, Result] = {}

    def __call__(self) -> Result:
        made = self._made.get(os.getpid())
        return made if made is not None else self._made.setdefault(os.getpid(), self._make())

    def __reduce__(self) -> tuple[Any, ...]:
        return PerProcess, (self._make,)
