"""Geometry of a lesion's mask in physical coordinates: hull, extents, perimeter. Pixels are rectangles, not points."""

from __future__ import annotations

from math import atan2, degrees, hypot, pi

import numpy as np

Step = tuple[float, float]


def hull(part: np.ndarray, step: Step) -> np.ndarray:
    """Corners of the convex hull of a mask's pixels, in order around it: (n, 2), (row, column) positions.

    Andrew's monotone chain (1979) over the outer corners of each row's first and last pixel.

    Args:
        part: (h, w) bool, not empty.
        step: (row, column) size of a pixel.

    Example:
        >>> hull(np.ones((2, 3), bool), (1.0, 0.5)).tolist()
        [[0.0, 0.0], [2.0, 0.0], [2.0, 1.5], [0.0, 1.5]]
    """
    rows = np.flatnonzero(part.any(axis=1))
    first = part[rows].argmax(axis=1)
    last = part.shape[1] - part[rows, ::-1].argmax(axis=1)
    points = sorted(
        {(int(r) + edge, int(c)) for side in (first, last) for r, c in zip(rows, side, strict=True) for edge in (0, 1)}
    )
    ring: list[tuple[int, int]] = []
    for order in (points, points[::-1]):
        start = len(ring)
        for p in order:
            while len(ring) - start > 1 and _turn(ring[-2], ring[-1], p) <= 0:
                ring.pop()
            ring.append(p)
        ring.pop()  # the other chain begins with it
    return np.array(ring, float) * step


def extents(corners: np.ndarray) -> tuple[float, float, float]:
    """The greatest distance between two corners, the extent at right angles to it, and the first's tilt.

    Returns:
        Lengths in the corners' unit (the first is the maximum Feret diameter), and degrees between the longest axis and
        the rows, 0 to 90.

    Example:
        >>> extents(np.array([[0.0, 0.0], [0.0, 4.0], [3.0, 4.0], [3.0, 0.0]]))[0]
        5.0
    """
    apart = corners[:, None] - corners
    distance = np.hypot(apart[..., 0], apart[..., 1])
    a, b = np.unravel_index(distance.argmax(), distance.shape)
    down, right = corners[b] - corners[a]
    longest = float(distance[a, b])
    sideways = corners @ np.array([-right, down]) / longest
    return longest, float(np.ptp(sideways)), degrees(atan2(abs(down), abs(right)))


def hull_size(corners: np.ndarray) -> tuple[float, float]:
    """Area and perimeter of a polygon (the shoelace formula).

    Example:
        >>> hull_size(np.array([[0.0, 0.0], [0.0, 4.0], [3.0, 4.0], [3.0, 0.0]]))
        (12.0, 14.0)
    """
    after = np.roll(corners, -1, axis=0)
    area = abs(float((corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]).sum())) / 2
    return area, float(np.hypot(*(after - corners).T).sum())


def perimeter(part: np.ndarray, step: Step) -> float:
    """Length of a mask's outline, holes included, by Crofton's formula over four directions.

    P = 1/2 sum_k (angle around direction k) (distance of its lines) (crossings of the outline), Legland, Kieu & Devaux
    (2007), "Computation of Minkowski measures on 2D and 3D binary images", with angles for pixels that are not square.

    Args:
        part: (h, w) bool.
        step: (row, column) size of a pixel.

    Example:
        >>> rows, columns = np.indices((120, 120)) - 59.5
        >>> round(perimeter(rows**2 + columns**2 < 50**2, (1.0, 1.0)) / (100 * pi), 2)
        1.0
    """
    p = np.pad(part, 1)
    dy, dx = step
    slope = atan2(dy, dx)
    crossings = {
        "row": np.count_nonzero(p[:, 1:] != p[:, :-1]) * dy * slope,
        "column": np.count_nonzero(p[1:] != p[:-1]) * dx * (pi / 2 - slope),
        "falling": np.count_nonzero(p[1:, 1:] != p[:-1, :-1]) * dx * dy / hypot(dx, dy) * pi / 4,
        "rising": np.count_nonzero(p[1:, :-1] != p[:-1, 1:]) * dx * dy / hypot(dx, dy) * pi / 4,
    }
    return float(sum(crossings.values())) / 2


def _turn(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    """Twice the signed area of a triangle of whole numbers."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
