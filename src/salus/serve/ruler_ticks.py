"""Find the ticks of a ruler that a scanner burned into the margin of an image, to propose a calibration.

A ruler is taken for one only if it stands in a dark margin, in a column or row near the border, and has at least
`FEWEST` short bright ticks that are equally spaced along a good part of the image. Where any of it is in doubt, there
is none: a wrong scale is worse than a length that a reader has to measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np

MARGIN = 0.16
"""Share of the image, from each border, in which a ruler may stand."""

FEWEST = 5
"""Ticks of the shortest ruler."""

BRIGHT, DARK = 0.3, 0.12
"""Grey value from which on a pixel belongs to a tick, and largest mean of those between the ticks."""

LONGEST_TICK = 0.02
"""Largest extent of a tick along the ruler, as a share of the image."""

SMALLEST_SPACING, SHORTEST_RULER = 6.0, 0.3
"""Pixels from tick to tick, and share of the image that a ruler spans, at least."""

MAX_ERROR = 0.75
"""Pixels by which a tick may lie off its place on an even scale."""

FEWEST_LINES = 2
"""Neighbouring columns (or rows) that must show the same ticks."""


@dataclass(frozen=True)
class RulerTicks:
    """Equally spaced ticks near the border of an image.

    Attributes:
        line: (x0, y0, x1, y1) from the first tick to the last, in pixels from the image's upper left corner.
        count: number of ticks, both ends included.
        spacing: pixels from one tick to the next.
        edge: of the image that they are near: "left", "right", "top" or "bottom".
    """

    line: tuple[float, float, float, float]
    count: int
    spacing: float
    edge: str


def find_ruler(pixels: np.ndarray) -> RulerTicks | None:
    """Find the ticks of a burned-in ruler; a ruler of depth, left or right, comes before one of width.

    Args:
        pixels: (height, width) grey in [0, 1].

    Returns:
        The ticks of the ruler with most of them; None where there is none, or it is in doubt.

    Example:
        >>> image = np.zeros((200, 160), np.float32)
        >>> image[10:200:20, 150:156] = 1
        >>> ruler = find_ruler(image)
        >>> ruler.count, ruler.spacing, ruler.edge, ruler.line
        (10, 20.0, 'right', (153.0, 10.5, 153.0, 190.5))
    """
    for values, edges in ((pixels, ("left", "right")), (pixels.T, ("top", "bottom"))):
        found = [ticks for edge in edges for ticks in _rulers_at(values, edge)]
        if found:
            best = max(found, key=lambda ticks: ticks.count)
            x0, y0, x1, y1 = best.line
            return best if values is pixels else RulerTicks((y0, x0, y1, x1), best.count, best.spacing, best.edge)
    return None


def _rulers_at(values: np.ndarray, edge: str) -> list[RulerTicks]:
    """Find rulers along the columns near the first or last column; columns that show the same ticks make one."""
    width = values.shape[1]
    reach = int(MARGIN * width)
    columns = range(reach) if edge in ("left", "top") else range(width - reach, width)
    scales = [(x, _even_scale(values[:, x])) for x in columns]
    rulers = []
    for scale, group in groupby(scales, key=lambda pair: pair[1]):
        lines = [x for x, _ in group]
        if scale is not None and len(lines) >= FEWEST_LINES:
            first, last, count = scale
            x = (lines[0] + lines[-1] + 1) / 2
            rulers.append(RulerTicks((x, first, x, last), count, (last - first) / (count - 1), edge))
    return rulers


def _even_scale(line: np.ndarray) -> tuple[float, float, int] | None:
    """Find the ticks of a ruler in one line of pixels.

    Returns:
        Places of the first and last tick, and their number; None where there is no ruler.
    """
    bright = line >= BRIGHT
    edges = np.flatnonzero(np.diff(bright.astype(np.int8), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    if len(starts) < FEWEST:
        return None
    ticks = _longest_even_run((starts + ends) / 2, ends - starts <= max(3, LONGEST_TICK * len(line)))
    if len(ticks) < FEWEST or ticks[-1] - ticks[0] < SHORTEST_RULER * len(line):
        return None
    between = line[int(ticks[0]) : int(ticks[-1]) + 1]
    if between[between < BRIGHT].mean() > DARK:
        return None
    return float(ticks[0]), float(ticks[-1]), len(ticks)


def _longest_even_run(centres: np.ndarray, is_short: np.ndarray) -> np.ndarray:
    """Find the longest run of neighbouring ticks that are all short and lie on an even scale."""
    best = centres[:0]
    run: list[float] = []
    for centre, short in zip(centres, is_short, strict=True):
        if len(run) > 1 and abs((centre - run[-1]) - (run[-1] - run[-2])) > 2 * MAX_ERROR:
            run = run[-1:]
        run = [*run, float(centre)] if short else []
        if len(run) > len(best) and _is_even(np.array(run)):
            best = np.array(run)
    return best


def _is_even(places: np.ndarray) -> bool:
    """Tell whether at least three places lie on an even scale, up to `MAX_ERROR`."""
    if len(places) < 3:
        return False
    step = (places[-1] - places[0]) / (len(places) - 1)
    off = np.abs(places - places[0] - step * np.arange(len(places)))
    return bool(step >= SMALLEST_SPACING and off.max() <= MAX_ERROR)
