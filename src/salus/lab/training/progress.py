"""The type of the functions that take lines of progress, and how such lines tell a duration."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, isfinite

Log = Callable[[str], None]
"""Takes one line of progress, without a line break."""


def format_duration(seconds: float) -> str:
    """Format a duration in its two largest units.

    Example:
        >>> format_duration(12.34), format_duration(250), format_duration(5000), format_duration(200000)
        ('12.3 s', '4 min 10 s', '1 h 23 min', '2 d 7 h')
    """
    if not isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{floor(seconds / 60)} min {floor(seconds % 60)} s"
    if seconds < 86400:
        return f"{floor(seconds / 3600)} h {floor(seconds % 3600 / 60)} min"
    return f"{floor(seconds / 86400)} d {floor(seconds % 86400 / 3600)} h"
