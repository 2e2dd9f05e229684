"""What commands print while they work: lines of progress, mistakes, and counters for a person who watches."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def log(line: str) -> None:
    """Print a line of progress at once, also where the output goes to a file."""
    print(line, flush=True)


def one_line(text: str) -> str:
    r"""Return a text with line breaks, control characters and bytes that are no UTF-8 as escapes.

    Example:
        >>> print(one_line("a\nb\udcff.png"))
        a\nb\udcff.png
    """
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def warn(message: str) -> None:
    """Print a mistake or a warning on standard error, as one line."""
    over_counter = "\r" if sys.stderr.isatty() else ""
    print(f"{over_counter}salus: {' '.join(message.split())}", file=sys.stderr, flush=True)


def progress_counter(what: str) -> Callable[[int, int], None] | None:
    """Return a callback that shows `what` with (done, total) on one line of the terminal; None without a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        print(f"\r{what} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show
