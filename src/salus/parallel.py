"""Process many items in threads, with few of them in memory at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

QUEUE_PER_WORKER = 4
"""Items per worker of `map_in_order` that are submitted and whose results are not yet taken."""


def map_in_order(function: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[R, None, None]:
    """Apply a function to items in threads and yield the results in the items' order.

    The first item is processed before the threads start, so that what is loaded on first use is loaded once.

    Args:
        function: called from several threads at a time.
        items: taken one by one; at most `QUEUE_PER_WORKER` x workers wait.
        workers: number of threads.

    Example:
        >>> list(map_in_order(abs, [-3, 2, -1], workers=2))
        [3, 2, 1]
    """
    iterator = iter(items)
    for first in islice(iterator, 1):
        yield function(first)
    with ThreadPoolExecutor(workers) as pool:
        futures: deque[Future[R]] = deque()
        try:
            for item in iterator:
                futures.append(pool.submit(function, item))
                if len(futures) >= QUEUE_PER_WORKER * workers:
                    yield futures.popleft().result()
            while futures:
                yield futures.popleft().result()
        finally:
            for future in futures:
                future.cancel()
