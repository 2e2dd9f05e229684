"""Masks as outlines and run lengths, and back, to the pixel.

Coordinates are (x, y) from the image's upper left corner, so that the first pixel covers 0 to 1 in both; this is how
COCO, LabelMe and CVAT count. A pixel belongs to a polygon if its middle lies in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Point = tuple[int, int]


def polygons(mask: np.ndarray) -> list[list[Point]]:
    """Trace closed outlines along the edges of a mask's pixels, as (x, y) corners from the image's upper left corner.

    There are outer outlines and those of holes, each once; filled by the even-odd rule they give the mask. Outer ones
    go round clockwise as seen, holes the other way; corners in a straight line are left out.

    Args:
        mask: (h, w) bool.

    Example:
        >>> mask = np.zeros((4, 5), bool)
        >>> mask[1:3, 1:4] = True
        >>> polygons(mask)
        [[(1, 1), (4, 1), (4, 3), (1, 3)]]
    """
    padded = np.pad(mask, 1).astype(np.int8)
    edges: dict[Point, list[Point]] = {}  # from a corner to the next ones, the mask on the right hand
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
            edges.setdefault(start, []).append(end)
    rings = []
    while edges:
        first = min(edges)
        ring, corner, direction = [], first, (-1, 0)
        while True:
            ends = edges[corner]
            # Where two parts touch at a corner, turn right: each part keeps an outline of its own.
            end = min(ends, key=lambda to: _turn(direction, _step(corner, to))) if len(ends) > 1 else ends[0]
            ends.remove(end)
            if not ends:
                del edges[corner]
            step = _step(corner, end)
            if step != direction:
                ring.append(corner)
            corner, direction = end, step
            if corner == first and (corner not in edges or len(ring) > 3):
                break
        rings.append(ring)
    return rings


def fill_polygons(rings: Iterable[Sequence[Sequence[float]]], shape: tuple[int, int]) -> np.ndarray:
    """Fill closed polygons by the even-odd rule: (h, w) bool, the inverse of `polygons`.

    Args:
        rings: each a list of (x, y) corners; parts outside the image are cut off.
        shape: (h, w) of the image.

    Example:
        >>> fill_polygons([[(1, 1), (4, 1), (4, 3), (1, 3)]], (4, 5)).astype(int).tolist()
        [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    """
    height, width = shape
    crossings = np.zeros((height, width + 1), np.int64)  # the first pixel right of each crossing of a row's middle line
    for ring in rings:
        corners = np.asarray(ring, float)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            low, high = (y0, y1) if y0 <= y1 else (y1, y0)
            rows = np.arange(max(0, int(np.ceil(low - 0.5))), min(height, int(np.ceil(high - 0.5))))
            if len(rows):
                x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
                np.add.at(crossings, (rows, np.clip(np.ceil(x - 0.5), 0, width).astype(int)), 1)
    return np.cumsum(crossings, axis=1)[:, :width] % 2 == 1


def signed_area(ring: Sequence[tuple[float, float]]) -> float:
    """Compute the area that a polygon encloses (shoelace formula), negative for holes as `polygons` gives them.

    Example:
        >>> signed_area([(0, 0), (3, 0), (3, 2), (0, 2)])
        6.0
    """
    x, y = np.array(ring).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def encode_runs(values: np.ndarray) -> list[int]:
    """Encode a row of booleans as the lengths of its runs, beginning with one of False, which may be 0 long.

    Example:
        >>> encode_runs(np.array([True, True, False, True]))
        [0, 2, 1, 1]
    """
    changes = np.flatnonzero(np.diff(values.astype(np.int8), prepend=0, append=0))
    lengths = np.diff(np.concatenate([[0], changes[changes < values.size], [values.size]]))
    return [int(length) for length in lengths]


def decode_runs(lengths: Sequence[int], size: int) -> np.ndarray:
    """Decode run lengths: (size,) bool, the inverse of `encode_runs`.

    Raises:
        ValueError: a length is negative, or together they are not `size`.

    Example:
        >>> decode_runs([0, 2, 1, 1], 4).tolist()
        [True, True, False, True]
    """
    counts = np.asarray(lengths, np.int64)
    if (counts < 0).any() or counts.sum() != size:
        raise ValueError(f"run lengths of {int(counts.sum())} values, expected {size}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts)


def encode_polygon_or_runs(mask: np.ndarray) -> list[list[int]] | dict[str, Any]:
    """Encode a mask as a COCO polygon, or as uncompressed run lengths where it is not one plain polygon.

    Example:
        >>> mask = np.zeros((4, 5), bool)
        >>> mask[1:3, 1:4] = True
        >>> encode_polygon_or_runs(mask)
        [[1, 1, 4, 1, 4, 3, 1, 3]]
    """
    rings = polygons(mask)
    if len(rings) == 1 and len(set(rings[0])) == len(rings[0]):
        return [[value for point in rings[0] for value in point]]
    return {"size": list(mask.shape), "counts": encode_runs(mask.ravel(order="F"))}


def _step(corner: Point, end: Point) -> Point:
    return (end[0] - corner[0], end[1] - corner[1])


def _turn(direction: Point, step: Point) -> int:
    """Tell how a step turns from a direction: -1 right, 0 straight on, 1 left, with y pointing down."""
    return -(direction[0] * step[1] - direction[1] * step[0])
