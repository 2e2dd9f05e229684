"""Outlines with few corners, which a person can edit, that still give the mask to the pixel.

The outline of a mask is a staircase of pixel edges, of a corner every pixel or two: too many to move by hand. A
simplified one crosses each of these edges within half a pixel of its middle, between the middles of the two pixels that
it parts. So no pixel's middle changes sides, and the outline, filled, is the mask again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from salus.measure.outline import Point, fill_polygons, polygons

TOLERANCE = 0.49
"""Greatest distance from the middle of an edge, in pixels, across the edge."""

COCO_TOLERANCE = 0.3
"""The same for COCO files: pycocotools counts in fifths of a pixel, and finds the same mask up to here."""

SHIFTS = (0.0, -0.6, 0.6, -0.3, 0.3)
"""Where a corner may lie: outside or inside the middle of an edge by these shares of the tolerance."""

MAX_SPAN = 250
"""Greatest number of pixel edges between two corners; it bounds the time."""


def simplified_polygons(mask: np.ndarray, tolerance: float = TOLERANCE) -> list[list[tuple[float, float]]]:
    """Trace the outlines of a mask as `salus.measure.outline.polygons` does, with as few corners as are needed.

    Args:
        mask: (h, w) bool.
        tolerance: greatest distance from the middle of a pixel's edge, in pixels; below one half.

    Returns:
        Rings of (x, y) from the image's upper left corner; outer ones clockwise as seen, holes the other way. Filled
        by the even-odd rule, pixels by their middles, they give the mask.

    Example:
        >>> rows, columns = np.mgrid[:60, :60]
        >>> disc = np.hypot(rows - 30, columns - 30) < 25
        >>> len(polygons(disc)[0]) > 3 * len(simplified_polygons(disc)[0])
        True
    """
    rings = []
    for ring in polygons(mask):
        exact = [(float(x), float(y)) for x, y in ring]
        corners = _simplify_ring(ring, tolerance)
        is_same = 2 < len(corners) < len(ring) and np.array_equal(
            fill_polygons([corners], mask.shape), fill_polygons([ring], mask.shape)
        )
        rings.append(corners if is_same else exact)
    return rings


def _simplify_ring(ring: Sequence[Point], tolerance: float) -> list[tuple[float, float]]:
    """Go round a ring, each time as far as one line can go, and choose the corner from which the next goes farthest."""
    middles, normals = _edges(ring)
    count = len(middles)
    corners, at, corner = [middles[0]], 0, middles[0]
    while at < count:
        span = min(MAX_SPAN, count - at)
        following = (at + 1 + np.arange(span)) % count
        ends, shifts = _reachable(corner, middles[following], tolerance * normals[following])
        farthest = int(ends.max())
        if at + farthest + 1 >= count:
            break
        # Of the corners on the last edge that can be reached, the one from which the next line goes farthest.
        best, best_reach = None, -1
        beyond = (at + farthest + 2 + np.arange(min(MAX_SPAN, count - 1))) % count
        for shift in np.asarray(SHIFTS)[shifts[farthest]]:
            candidate = middles[following[farthest]] + shift * tolerance * normals[following[farthest]]
            reach = int(_reachable(candidate, middles[beyond], tolerance * normals[beyond])[0].max(initial=0))
            if reach > best_reach:
                best, best_reach = candidate, reach
        assert best is not None
        corners.append(best)
        corner, at = best, at + farthest + 1
    return [(float(x), float(y)) for x, y in np.round(corners, 2)]


def _reachable(corner: np.ndarray, middles: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the edges on which a line from a corner may end.

    Args:
        corner: (2,).
        middles: (n, 2) middles of the edges that follow.
        across: (n, 2) vectors across them, as long as the tolerance.

    Returns:
        Indices of edges, at least 0; and (n, shifts) bool, which places on an edge may be the line's end.
    """
    # The line crosses edge i within the tolerance if its direction lies between those to the ends of its gate. The
    # range of directions narrows from edge to edge: the next one that lies out of it cannot be reached.
    offsets = middles - corner
    gates = [offsets + sign * across for sign in (-1, 1)]
    reference = np.arctan2(*offsets[0][::-1])
    angles = [(np.arctan2(gate[:, 1], gate[:, 0]) - reference + np.pi) % (2 * np.pi) - np.pi for gate in gates]
    low = np.maximum.accumulate(np.minimum(*angles))
    high = np.minimum.accumulate(np.maximum(*angles))
    is_well = (np.abs(angles[0] - angles[1]) < np.pi / 2 + 1e-9) & (np.hypot(*offsets.T) > np.hypot(*across.T))
    is_well[0] = True
    limit = len(middles) if is_well.all() else int(np.argmin(is_well))
    places = offsets[:, None] + np.asarray(SHIFTS)[:, None] * across[:, None]
    at = (np.arctan2(places[..., 1], places[..., 0]) - reference + np.pi) % (2 * np.pi) - np.pi
    before_low, before_high = np.roll(low, 1), np.roll(high, 1)
    before_low[0], before_high[0] = -np.pi, np.pi
    allowed = (at >= before_low[:, None]) & (at <= before_high[:, None])
    allowed[0] = True
    allowed[limit:] = False
    return np.flatnonzero(allowed.any(axis=1)), allowed


def _edges(ring: Sequence[Point]) -> tuple[np.ndarray, np.ndarray]:
    """List the pixel edges along a ring: (n, 2) middles, and (n, 2) unit vectors across them."""
    middles, normals = [], []
    for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True):
        count = abs(x1 - x0) + abs(y1 - y0)
        step = np.array([x1 - x0, y1 - y0]) / count
        middles.append(np.array([x0, y0]) + (np.arange(count)[:, None] + 0.5) * step)
        normals.append(np.repeat([[-step[1], step[0]]], count, axis=0))
    return np.concatenate(middles), np.concatenate(normals)
