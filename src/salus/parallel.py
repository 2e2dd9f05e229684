"""Work on many items in threads, with few of them in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 4
"""Items that are worked on ahead, or wait to be taken, for each worker of `in_order`."""


def in_order(work: Callable[[T], R], given: Iterable[T], workers: int) -> Generator[R, None, None]:
    """Work on items in threads; results in the items' order, with few of either in memory at a time.

    The first is worked on alone, so that one thread alone loads what is loaded at the first use.

    Example:
        >>> list(in_order(abs, [-3, 2, -1], workers=2))
        [3, 2, 1]
    """
    items = iter(given)
    for first in islice(items, 1):
        yield work(first)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for one in items:
                waiting.append(pool.submit(work, one))
                if len(waiting) >= AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
