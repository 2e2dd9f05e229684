"""Measure a mask's convex hull, extents and perimeter in physical units; pixels are rectangles, not points."""

from __future__ import annotations

from math import atan2, degrees, hypot, pi

import numpy as np
from scipy.spatial import ConvexHull

PixelSize = tuple[float, float]
"""(row, column) size of a pixel."""


def convex_hull(mask: np.ndarray, pixel_size: PixelSize) -> np.ndarray:
    """Compute the corners of the convex hull of a mask's pixels, the outer corners of which belong to it.

    Args:
        mask: (h, w) bool, not empty.
        pixel_size: (row, column) size of a pixel.

    Returns:
        (n, 2) positions (row, column) in the unit of `pixel_size`, in order around the hull, the uppermost first.

    Example:
        >>> convex_hull(np.ones((2, 3), bool), (1.0, 0.5)).tolist()
        [[0.0, 0.0], [2.0, 0.0], [2.0, 1.5], [0.0, 1.5]]
    """
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    end = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    # Of each row the outer corners of its first and last pixel, as whole numbers: the hull is then exact.
    corners = np.concatenate([np.stack([row, column], axis=1) for row in (rows, rows + 1) for column in (first, end)])
    ring = corners[ConvexHull(corners).vertices]
    start = np.lexsort((ring[:, 1], ring[:, 0]))[0]
    return np.roll(ring, -start, axis=0) * np.asarray(pixel_size)


def feret_extents(corners: np.ndarray) -> tuple[float, float, float]:
    """Measure the maximum Feret diameter of a convex polygon, its extent at right angles to it, and its tilt.

    Args:
        corners: (n, 2) positions (row, column).

    Returns:
        The greatest distance between two corners and the extent at right angles to it, in the unit of the corners;
        and the angle between the longest axis and the rows in degrees, 0 to 90.

    Example:
        >>> feret_extents(np.array([[0.0, 0.0], [0.0, 4.0], [3.0, 4.0], [3.0, 0.0]]))[0]
        5.0
    """
    differences = corners[:, None] - corners
    distances = np.hypot(differences[..., 0], differences[..., 1])
    a, b = np.unravel_index(distances.argmax(), distances.shape)
    down, right = corners[b] - corners[a]
    longest = float(distances[a, b])
    sideways = corners @ np.array([-right, down]) / longest
    return longest, float(np.ptp(sideways)), degrees(atan2(abs(down), abs(right)))


def polygon_area_and_perimeter(corners: np.ndarray) -> tuple[float, float]:
    """Compute the area (by the shoelace formula) and the perimeter of a polygon.

    Args:
        corners: (n, 2), in order around the polygon.

    Example:
        >>> polygon_area_and_perimeter(np.array([[0.0, 0.0], [0.0, 4.0], [3.0, 4.0], [3.0, 0.0]]))
        (12.0, 14.0)
    """
    following = np.roll(corners, -1, axis=0)
    area = abs(float((corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum())) / 2
    return area, float(np.hypot(*(following - corners).T).sum())


def crofton_perimeter(mask: np.ndarray, pixel_size: PixelSize) -> float:
    """Measure the length of a mask's outline, holes included, by Crofton's formula over four directions.

    P = 1/2 sum_k (angle around direction k) (distance of its lines) (crossings of the outline), Legland, Kieu & Devaux
    (2007), "Computation of Minkowski measures on 2D and 3D binary images", with angles for pixels that are not square
    (`skimage.measure.perimeter_crofton` has square ones only).

    Args:
        mask: (h, w) bool.
        pixel_size: (row, column) size of a pixel.

    Example:
        >>> rows, columns = np.indices((120, 120)) - 59.5
        >>> round(crofton_perimeter(rows**2 + columns**2 < 50**2, (1.0, 1.0)) / (100 * pi), 2)
        1.0
    """
    m = np.pad(mask, 1)
    dy, dx = pixel_size
    slope = atan2(dy, dx)
    crossings = {
        "row": np.count_nonzero(m[:, 1:] != m[:, :-1]) * dy * slope,
        "column": np.count_nonzero(m[1:] != m[:-1]) * dx * (pi / 2 - slope),
        "falling": np.count_nonzero(m[1:, 1:] != m[:-1, :-1]) * dx * dy / hypot(dx, dy) * pi / 4,
        "rising": np.count_nonzero(m[1:, :-1] != m[:-1, 1:]) * dx * dy / hypot(dx, dy) * pi / 4,
    }
    return float(sum(crossings.values())) / 2
