"""Progress with the time left: a counter for a person who watches, and a line now and then for a log."""

from __future__ import annotations

import sys
import time

INTERVAL = 30.0
"""Seconds between two lines in a log."""

MIN_ELAPSED = 3.0
"""Seconds after which the time left is told; before, it would be a guess."""


class Progress:
    """Progress of work on many things, on standard error.

    On a terminal it is one line, which is written again and again; elsewhere a line every `INTERVAL` seconds.

    Args:
        what: they are, as "images".
        quiet: write nothing.
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what, self._quiet = what, quiet
        self._is_terminal = sys.stderr.isatty()
        self._began, self._kept = time.monotonic(), 0
        self._last_line, self._width = self._began, 0

    def __call__(self, done: int, total: int) -> None:
        """Show progress. The first call says how many were done before the work began, for which no time is counted."""
        if self._quiet or total < 2:
            return
        now = time.monotonic()
        if not self._width:
            self._began, self._kept, self._last_line = now, min(done, total - 1), now
        text = f"{self._what} {done}/{total}{self._time_left(done, total, now)}"
        if self._is_terminal:
            end = "\n" if done == total else ""
            print(f"\r{text:<{self._width}}".rstrip(" " if end else "") + end, end="", file=sys.stderr, flush=True)
        elif now - self._last_line >= INTERVAL and done < total:
            self._last_line = now
            print(text, file=sys.stderr, flush=True)
        self._width = len(text)

    def message(self, line: str) -> None:
        """Print a line of its own, which replaces the counter until that is shown again."""
        start = f"\r{' ' * self._width}\r" if self._is_terminal and self._width and not self._quiet else ""
        print(start + line, file=sys.stderr, flush=True)

    def _time_left(self, done: int, total: int, now: float) -> str:
        elapsed, made = now - self._began, done - self._kept
        if done == total or elapsed < MIN_ELAPSED or made < 1:
            return ""
        return f", {format_duration(elapsed / made * (total - done))} left"


def format_duration(seconds: float) -> str:
    """Format a duration in two units.

    Example:
        >>> format_duration(41.6), format_duration(185), format_duration(7500)
        ('42 s', '3 min', '2 h 5 min')
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
