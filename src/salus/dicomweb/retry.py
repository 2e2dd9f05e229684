"""Try again what a service did not answer, with growing pauses."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from salus.dicomweb.answers import Unreachable, unreachable

T = TypeVar("T")

FIRST, LONGEST = 0.5, 60.0
"""The first pause in seconds, and the longest."""


def with_retries(
    work: Callable[[], T],
    tries: int,
    on_pause: Callable[[str, float], object] = lambda reason, seconds: None,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """Do work, and do it again where a service does not answer, or says that it cannot now.

    Pauses double, from `FIRST` to `LONGEST`, and are shortened at random, so that programs do not ask at once; a
    service that names a pause (Retry-After) gets it, up to `LONGEST`.

    Args:
        work: raises what requests raises, or `Unreachable`.
        tries: largest number of times that it is done.
        on_pause: called before each pause, with the reason and the seconds.
        sleep: waits that long.

    Raises:
        Unreachable: it was in vain, or the service's answer will not change, as where a password is wrong.

    Example:
        >>> answers = iter([Unreachable("HTTP status 503"), Unreachable("ConnectionError"), "here"])
        >>> def ask():
        ...     if isinstance(answer := next(answers), Exception):
        ...         raise answer
        ...     return answer
        >>> with_retries(ask, 5, sleep=lambda seconds: None)
        'here'
    """
    import requests

    for attempt in range(tries):
        try:
            return work()
        except (Unreachable, requests.RequestException) as error:
            reason = error if isinstance(error, Unreachable) else unreachable(error)
            if not reason.passes or attempt == tries - 1:
                raise reason from None
            pause = min(LONGEST, max(reason.pause, FIRST * 2.0**attempt * random.uniform(0.5, 1.0)))
            on_pause(str(reason), pause)
            sleep(pause)
    raise Unreachable("was not tried", passes=False)
