"""A mask as labels, and as polygons whose inside is the mask again, to the pixel."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import find_objects, label

from salus.measure.lesions import EIGHT
from salus.segmentation.result import Segmentation

Point = tuple[int, int]


def labels_of(found: Segmentation) -> np.ndarray:
    """(h, w) uint8: the number of the lesion that each pixel belongs to, 0 elsewhere.

    A lesion is the connected part whose box is the lesion's; numbers are as they stand, also tracked ones.
    """
    parts, count = label(found.mask, EIGHT)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    marks = {
        (rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start, int(sizes[mark])): mark
        for mark, (rows, columns) in enumerate(find_objects(parts), 1)
    }
    numbers = np.zeros(count + 1, np.uint8)
    for lesion in found.lesions:
        mark = marks.get((*lesion.box, lesion.area_px))
        if mark is not None:
            numbers[mark] = min(lesion.number, 255)
    return np.asarray(numbers[parts])


def polygons(mask: np.ndarray) -> list[list[Point]]:
    """Closed outlines along the edges of a mask's pixels, as (x, y) corners from the image's upper left corner.

    Outer outlines and those of holes, each once; filled by the even-odd rule they give the mask. Outer ones go round
    clockwise as seen, holes the other way; corners in a straight line are left out.

    Args:
        mask: (h, w) bool.

    Example:
        >>> mask = np.zeros((4, 5), bool)
        >>> mask[1:3, 1:4] = True
        >>> polygons(mask)
        [[(1, 1), (4, 1), (4, 3), (1, 3)]]
    """
    padded = np.pad(mask, 1).astype(np.int8)
    ways: dict[Point, list[Point]] = {}  # from a corner to the next ones, the mask on the right hand
    for axis in (0, 1):
        change = np.diff(padded, axis=axis)
        for r, c in np.argwhere(change):
            entering = change[r, c] > 0
            if axis == 0:  # between rows r and r + 1 of the padded mask: an edge along y = r
                a, b = (int(c) - 1, int(r)), (int(c), int(r))
                start, end = (a, b) if entering else (b, a)
            else:
                a, b = (int(c), int(r) - 1), (int(c), int(r))
                start, end = (b, a) if entering else (a, b)
            ways.setdefault(start, []).append(end)
    found = []
    while ways:
        first = min(ways)
        ring, at, before = [], first, (-1, 0)
        while True:
            nexts = ways[at]
            # Where two parts touch at a corner, turn right: each part keeps an outline of its own.
            here = (
                min(nexts, key=lambda to: _left(before, (to[0] - at[0], to[1] - at[1]))) if len(nexts) > 1 else nexts[0]
            )
            nexts.remove(here)
            if not nexts:
                del ways[at]
            way = (here[0] - at[0], here[1] - at[1])
            if way != before:
                ring.append(at)
            at, before = here, way
            if at == first and (at not in ways or len(ring) > 3):
                break
        found.append(ring)
    return found


def _left(before: Point, way: Point) -> int:
    """How far left a way turns: -1 right, 0 straight on, 1 left, in coordinates whose y points down."""
    return -(before[0] * way[1] - before[1] * way[0])
