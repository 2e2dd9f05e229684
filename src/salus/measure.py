"""Lesions of a mask and their sizes, in pixels and, where the scan is calibrated, in mm."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import find_objects, label
from scipy.spatial import ConvexHull, QhullError

EIGHT = np.ones((3, 3), int)
"""Pixels that touch at a side or a corner belong together."""


@dataclass(frozen=True)
class Lesion:
    """One connected lesion. Lengths are in pixels where `unit` is "px" and in mm where it is "mm".

    Attributes:
        number: from 1, the largest first.
        area_px: pixels.
        box: (top, left, height, width) in pixels.
        centroid: (row, column) in pixels, from the image's upper left corner.
        unit: of the figures below.
        area: in square units.
        longest: the greatest distance between two points of the outline (maximum Feret diameter).
        across: the greatest extent at right angles to it.
        width: left to right.
        height: top to bottom.
        confidence: expected Dice of the lesion under the probabilities in its box, in [0, 1]; see `expected_dice`.
        at_border: it touches the image's border, so that part of it may lie outside.
    """

    number: int
    area_px: int
    box: tuple[int, int, int, int]
    centroid: tuple[float, float]
    unit: str
    area: float
    longest: float
    across: float
    width: float
    height: float
    confidence: float
    at_border: bool


def measure(
    mask: np.ndarray, probability: np.ndarray, spacing: tuple[float, float] | None = None
) -> tuple[Lesion, ...]:
    """Measure every lesion of a mask.

    Args:
        mask: (h, w) bool.
        probability: (h, w) in [0, 1], what the mask was cut from.
        spacing: (row, column) size of a pixel in mm; None leaves all in pixels.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((20, 30), bool)
        >>> mask[5:9, 10:20] = True
        >>> (one,) = measure(mask, mask.astype(float), (0.5, 0.5))
        >>> one.area_px, one.area, one.width, one.height, round(one.longest, 2), one.confidence
        (40, 10.0, 5.0, 2.0, 5.39, 1.0)
    """
    parts, count = label(mask, EIGHT)
    if not count:
        return ()
    step, unit = (spacing, "mm") if spacing else ((1.0, 1.0), "px")
    areas = np.bincount(parts.ravel())[1:]
    boxes = find_objects(parts)
    found = []
    for number, index in enumerate(np.argsort(-areas, kind="stable"), 1):
        rows, columns = boxes[index]
        part = parts[rows, columns] == index + 1
        others = (parts[rows, columns] > 0) & ~part
        longest, across = _extents(part, step)
        r, c = np.nonzero(part)
        height, width = part.shape
        found.append(
            Lesion(
                number=number,
                area_px=int(areas[index]),
                box=(rows.start, columns.start, height, width),
                centroid=(float(rows.start + r.mean() + 0.5), float(columns.start + c.mean() + 0.5)),
                unit=unit,
                area=float(areas[index] * step[0] * step[1]),
                longest=longest,
                across=across,
                width=width * step[1],
                height=height * step[0],
                confidence=expected_dice(part, np.where(others, 0, probability[rows, columns])),
                at_border=bool(
                    rows.start == 0 or columns.start == 0 or rows.stop == mask.shape[0] or columns.stop == mask.shape[1]
                ),
            )
        )
    return tuple(found)


def shifted(lesion: Lesion, rows: int, columns: int) -> Lesion:
    """A lesion that was measured in a part of an image, at its place in the whole.

    Args:
        lesion: of the part.
        rows: of the image above the part; columns: left of it.
    """
    top, left, height, width = lesion.box
    row, column = lesion.centroid
    return replace(lesion, box=(top + rows, left + columns, height, width), centroid=(row + rows, column + columns))


def by_size(lesions: Iterable[Lesion]) -> tuple[Lesion, ...]:
    """Lesions of several parts of an image, numbered from 1, the largest first."""
    order = sorted(lesions, key=lambda one: -one.area_px)
    return tuple(replace(one, number=number) for number, one in enumerate(order, 1))


def expected_dice(mask: np.ndarray, probability: np.ndarray) -> float:
    """2 Σ_mask p / (|mask| + Σ p): about the Dice to expect where p is calibrated; 0 for an empty mask.

    Args:
        mask: bool.
        probability: the same shape, in [0, 1].
    """
    total = float(mask.sum() + probability.sum())
    return 2 * float(probability[mask].sum()) / total if mask.any() else 0.0


def _extents(part: np.ndarray, step: tuple[float, float]) -> tuple[float, float]:
    """Greatest distance between corners of a lesion's pixels, and its extent at right angles to that."""
    edge = part.copy()
    edge[1:-1, 1:-1] &= ~(part[:-2, 1:-1] & part[2:, 1:-1] & part[1:-1, :-2] & part[1:-1, 2:])
    at = np.argwhere(edge).astype(float)
    corners = np.concatenate([at + (dr, dc) for dr in (0, 1) for dc in (0, 1)]) * step
    with suppress(QhullError):  # raised where it is too thin for a hull
        corners = corners[ConvexHull(corners).vertices]
    apart = corners[:, None] - corners
    distance = np.hypot(apart[..., 0], apart[..., 1])
    a, b = np.unravel_index(distance.argmax(), distance.shape)
    along = (corners[b] - corners[a]) / max(float(distance[a, b]), 1e-9)
    sideways = corners @ np.array([-along[1], along[0]])
    return float(distance[a, b]), float(np.ptp(sideways))
