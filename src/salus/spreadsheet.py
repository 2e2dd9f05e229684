"""CSV that spreadsheets open safely: no cell runs as a formula, and letters beyond ASCII are shown.

A spreadsheet takes a cell that begins with =, +, - or @ for a formula, whatever its quotes say, so a file named
=1+1.png would be one. Such a text gets an apostrophe before it; numbers stay as they are. Where a table holds letters
beyond ASCII, it begins with a byte order mark, without which Excel does not take it for UTF-8.

`read_rows` undoes both. Other readers skip the mark with the encoding "utf-8-sig" (pandas does so by itself).
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

BYTE_ORDER_MARK = "\ufeff"

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""Beginning of a cell that a spreadsheet may take for a formula; with apostrophes, so that each can be undone."""


def protect_cell(value: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would take for a formula.

    Example:
        >>> [protect_cell(value) for value in ("=1+1.png", "-a", "-0.5", -0.5, "a=b", None)]
        ["'=1+1.png", "'-a", '-0.5', -0.5, 'a=b', None]
    """
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) and not _is_number(value) else value


def restore_cell(text: str) -> str:
    """Remove the apostrophe of `protect_cell`.

    Example:
        >>> restore_cell("'=1+1.png"), restore_cell("it's")
        ('=1+1.png', "it's")
    """
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a table that `salus.atomic.write_rows` wrote; the values by column, in order.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [
            {key: restore_cell(text) if isinstance(text, str) else text for key, text in row.items()}
            for row in csv.DictReader(file)
        ]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
