"""Read tables in CSV that people and other programs write, by column name."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from salus.errors import SalusError
from salus.read.find import UNPRINTABLE
from salus.spreadsheet import restore_cell


def read_table(path: Path, columns: Sequence[str], advice: str) -> list[dict[str, str]]:
    """Read a CSV with a header line, which also tells whether comma, semicolon or tab separates the cells.

    Args:
        path: the file, UTF-8.
        columns: required columns, in lower case.
        advice: what to do if one is missing, for the error.

    Returns:
        A dictionary for each line: value by column name in lower case, both stripped; "" where a line is short. The
        apostrophe before a text that a spreadsheet would take for a formula is removed, see `salus.spreadsheet`.

    Raises:
        SalusError: the file cannot be read as a table, a column is missing or there twice, a line has more cells than
            the first, or a cell holds an unprintable character.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
            raise OSError("it is no file")
        text = path.read_text(encoding="utf-8-sig")
        delimiter = max(",;\t", key=next((line for line in text.split("\n") if line.strip()), "").count)
        lines = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
        rows = [cells for line in lines if any(cells := [cell.strip() for cell in line])]
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file; {advice}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SalusError(f"{path}: cannot be read as a table ({error}); save it as CSV in UTF-8") from None
    names = [name.lower() for name in rows[0]] if rows else []
    missing = [column for column in columns if column not in names]
    if missing:
        raise SalusError(f"{path}: has no column {', '.join(map(repr, missing))}; {advice}")
    for column in columns:
        if names.count(column) > 1:
            raise SalusError(f"{path}: has the column {column!r} {names.count(column)} times; {advice}")
    for row in rows[1:]:
        if any(row[len(names) :]):
            raise SalusError(
                f"{path}: the line of {row[0]!r} has more cells than the first line; "
                f"put double quotes round a cell that holds a {delimiter!r}"
            )
        odd = next((cell for cell in row if UNPRINTABLE.search(cell)), None)
        if odd is not None:
            raise SalusError(f"{path}: {odd[:60]!r} holds a line break or another character that cannot be printed")
    values = ([restore_cell(cell) for cell in row[: len(names)]] for row in rows[1:])
    return [dict(zip_longest(names, row, fillvalue="")) for row in values]
