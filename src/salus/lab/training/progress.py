"""The type of the functions that take lines of progress."""

from __future__ import annotations

from collections.abc import Callable

Log = Callable[[str], None]
"""Takes one line of progress, without a line break."""
