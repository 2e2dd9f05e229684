"""Tables of the reports, before they become HTML or Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from salus.lab.report.number_format import DASH, score_decimals, score_info

NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: number or word.
        detail: text beneath it in smaller type, mostly an interval.
        best: whether it is the best of its column or row (printed bold).
    """

    text: str
    detail: str = ""
    best: bool = False


@dataclass(frozen=True)
class TableRow:
    """A row of a table.

    Attributes:
        title: header of the row.
        cells: its cells, one for each column.
        method_index: index of the method that the row is about, which sets its colour; None for other rows.
        remark: text beneath the title in smaller type.
        group: heading above the row; rows of the same group stand together.
    """

    title: str
    cells: tuple[Cell, ...]
    method_index: int | None = None
    remark: str = ""
    group: str = ""


@dataclass(frozen=True)
class Column:
    """Header of a column: its title, and the index of the method that the column is about, if it is about one."""

    title: str
    method_index: int | None = None
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: its anchor in the page.
        caption: what it shows, with units and n.
        row_header: header of the first column, which holds the titles of the rows.
        columns: headers of the other columns.
        rows: its rows.
        notes: sentences beneath it.
    """

    name: str
    caption: str
    row_header: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> list[tuple[str, list[TableRow]]]:
        """Return the rows by group, in order."""
        groups: dict[str, list[TableRow]] = {}
        for row in self.rows:
            groups.setdefault(row.group, []).append(row)
        return list(groups.items())


def score_column(score: str) -> Column:
    """Build the column header of a score: title, unit, and an arrow to the better side.

    Example:
        >>> [score_column(score).title.replace(NO_BREAK, " ") for score in ("hd95", "dice")]
        ['HD95, px ↓', 'DSC ↑']
    """
    title, unit, higher = score_info(score)
    arrow = "" if higher is None else " ↑" if higher else " ↓"
    return Column(f"{title}{', ' + unit if unit else ''}{arrow}".replace(" ", NO_BREAK))


def mark_best(values: Sequence[float], score: str) -> list[bool]:
    """Mark the best of the values as printed; none where all are equal or fewer than two are known.

    Args:
        values: values to choose from; NaN is never the best.
        score: the score, which has a better side or none, and a number of decimals; values that are printed alike
            are marked alike.

    Returns:
        Whether each value is the best.

    Example:
        >>> mark_best([0.8, 0.9, float("nan")], "dice"), mark_best([0.8, float("nan")], "dice")
        ([False, True, False], [False, False])
    """
    higher = score_info(score).higher_is_better
    rounded = np.round(np.asarray(values, float), score_decimals(score))
    finite = rounded[np.isfinite(rounded)]
    if higher is None or finite.size < 2 or np.ptp(finite) == 0:
        return [False] * len(rounded)
    return [bool(v == (finite.max() if higher else finite.min())) for v in rounded]


def text_cell(text: str, detail: str = "") -> Cell:
    """Build a cell that is not marked best; an empty text becomes a dash."""
    return Cell(text or DASH, detail)
