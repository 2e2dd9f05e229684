"""A table as the report's two pages print it: headings with unit and direction, cells with their interval beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from salus.lab.report.numbers import DASH, info

NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Cell:
    """One entry.

    Attributes:
        text: the number or word.
        detail: what stands beneath it in smaller type, an interval mostly.
        best: whether it is the best of its kind (printed bold).
    """

    text: str
    detail: str = ""
    best: bool = False


@dataclass(frozen=True)
class Line:
    """One row.

    Attributes:
        head: what the row is about.
        cells: its entries.
        place: the entrant's place, which colours its swatch; None where the row is about something else.
        remark: what stands beneath the head in smaller type.
        group: rows of equal group stand together under that heading.
    """

    head: str
    cells: tuple[Cell, ...]
    place: int | None = None
    remark: str = ""
    group: str = ""


@dataclass(frozen=True)
class Column:
    """A heading: the title, and the entrant's place where the column is one entrant's."""

    title: str
    place: int | None = None
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: its anchor.
        caption: what it shows, with units and n.
        stub: the heading of the rows' heads.
        columns: the other headings.
        lines: the rows.
        notes: beneath it.
    """

    name: str
    caption: str
    stub: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> list[tuple[str, list[Line]]]:
        """The rows under their headings, in order."""
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            found.setdefault(line.group, []).append(line)
        return list(found.items())


def heading(score: str) -> Column:
    """A score's heading: title, unit, and an arrow to the better side.

    Example:
        >>> [heading(score).title.replace(NO_BREAK, " ") for score in ("hd95", "dice")]
        ['HD95, px ↓', 'DSC ↑']
    """
    title, unit, higher = info(score)
    arrow = "" if higher is None else " ↑" if higher else " ↓"
    return Column(f"{title}{', ' + unit if unit else ''}{arrow}".replace(" ", NO_BREAK))


def mark_best(values: Sequence[float], higher: bool | None, digits: int) -> list[bool]:
    """Which of the values are the best as printed; none where there is nothing to choose between.

    Args:
        values: to choose from; NaN is never the best.
        higher: whether higher is better; None: neither.
        digits: decimals printed. What looks the same in print is marked the same.

    Example:
        >>> mark_best([0.8, 0.9, float("nan")], True, 3), mark_best([0.8, float("nan")], True, 3)
        ([False, True, False], [False, False])
    """
    known = np.round(np.asarray(values, float), digits)
    finite = known[np.isfinite(known)]
    if higher is None or finite.size < 2 or np.ptp(finite) == 0:
        return [False] * len(known)
    return [bool(v == (finite.max() if higher else finite.min())) for v in known]


def plain(text: str, detail: str = "") -> Cell:
    """A cell that is never the best; an empty text becomes a dash."""
    return Cell(text or DASH, detail)
