"""Lesions of a mask and their sizes, in pixels and, where the scan is calibrated, in mm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import pi, sqrt

import numpy as np
from scipy.ndimage import find_objects, label, maximum_filter1d

from salus.measure.geometry import extents, hull, hull_size, perimeter

EIGHT = np.ones((3, 3), int)
"""Pixels that touch at a side or a corner belong together."""


RING, LEAST_RING = 0.5, 2
"""Width of the surroundings of a lesion: this share of its equivalent radius, and pixels at least."""


@dataclass(frozen=True)
class Lesion:
    """One connected lesion. Lengths are in pixels where `unit` is "px" and in mm where it is "mm".

    docs/reference/measurements.md has the definitions, their sources, and how they behave on lesions that are cut off.

    Attributes:
        number: from 1, the largest first; in a cine, that of the lesion in all frames.
        area_px: pixels.
        box: (top, left, height, width) in pixels.
        centroid: (row, column) in pixels, from the image's upper left corner.
        unit: of the figures below.
        area: in square units.
        longest: the greatest distance between two points of the outline (maximum Feret diameter).
        across: the greatest extent at right angles to it.
        width: left to right.
        height: top to bottom.
        perimeter: length of the outline, holes included.
        depth: from the upper edge of the region, which is taken for the skin, to the nearest point.
        border: from the nearest side of the region; 0 where the lesion touches it.
        tilt: degrees between the longest axis and the skin, 0 to 90.
        parallel: it is at least as wide as it is high (BI-RADS orientation).
        circularity: 4 pi area / perimeter^2, in (0, 1], 1 for a disk.
        solidity: area / area of the convex hull, in (0, 1].
        irregularity: 1 - perimeter of the convex hull / perimeter, in [0, 1), 0 for a convex outline.
        contrast: mean grey within less mean grey of the surroundings, in [-1, 1]; None without the image.
        confidence: expected Dice of the lesion under the probabilities in its box, in [0, 1]; see `expected_dice`.
        at_border: it touches the region's border, so that part of it may lie outside.
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
    perimeter: float
    depth: float
    border: float
    tilt: float
    parallel: bool
    circularity: float
    solidity: float
    irregularity: float
    contrast: float | None
    confidence: float
    at_border: bool


def measure(
    mask: np.ndarray,
    probability: np.ndarray,
    spacing: tuple[float, float] | None = None,
    pixels: np.ndarray | None = None,
) -> tuple[Lesion, ...]:
    """Measure every lesion of a mask.

    Args:
        mask: (h, w) bool.
        probability: (h, w) in [0, 1], what the mask was cut from.
        spacing: (row, column) size of a pixel in mm; None leaves all in pixels.
        pixels: (h, w) grey in [0, 1], for the contrast.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((20, 30), bool)
        >>> mask[5:9, 10:20] = True
        >>> (one,) = measure(mask, mask.astype(float), (0.5, 0.5))
        >>> one.area_px, one.area, one.width, one.height, round(one.longest, 2), one.depth, one.solidity
        (40, 10.0, 5.0, 2.0, 5.39, 2.5, 1.0)
    """
    parts, count = label(mask, EIGHT)
    if not count:
        return ()
    areas = np.bincount(parts.ravel())[1:]
    boxes = find_objects(parts)
    order = np.argsort(-areas, kind="stable")
    return tuple(
        _one(number, int(index) + 1, parts, boxes[index], probability, spacing, pixels)
        for number, index in enumerate(order, 1)
    )


def _one(
    number: int,
    mark: int,
    parts: np.ndarray,
    box: tuple[slice, slice],
    probability: np.ndarray,
    spacing: tuple[float, float] | None,
    pixels: np.ndarray | None,
) -> Lesion:
    """The lesion that is marked so among the labelled parts."""
    rows, columns = box
    part = parts[box] == mark
    others = (parts[box] > 0) & ~part
    down, right = step = spacing or (1.0, 1.0)
    below, beyond = parts.shape[0] - rows.stop, parts.shape[1] - columns.stop
    in_rows, in_columns = part.sum(axis=1), part.sum(axis=0)
    area_px = int(in_rows.sum())
    area = float(area_px * down * right)
    corners = hull(part, step)
    (longest, across, tilt), (hull_area, hull_length) = extents(corners), hull_size(corners)
    length = perimeter(part, step)
    height, width = part.shape
    border = min(rows.start * down, columns.start * right, below * down, beyond * right)
    return Lesion(
        number=number,
        area_px=area_px,
        box=(rows.start, columns.start, height, width),
        centroid=(rows.start + _mean(in_rows), columns.start + _mean(in_columns)),
        unit="mm" if spacing else "px",
        area=area,
        longest=longest,
        across=across,
        width=width * right,
        height=height * down,
        perimeter=length,
        depth=rows.start * down,
        border=border,
        tilt=tilt,
        parallel=width * right >= height * down,
        circularity=min(1.0, 4 * pi * area / length**2),
        solidity=min(1.0, area / hull_area),
        irregularity=max(0.0, 1 - hull_length / length),
        contrast=None if pixels is None else _contrast(parts, mark, box, pixels, sqrt(area / pi), step),
        confidence=expected_dice(part, np.where(others, 0, probability[box])),
        at_border=border == 0,
    )


def _mean(counts: np.ndarray) -> float:
    """Mean position of the middles of pixels that are counted by row, or by column."""
    return float(counts @ np.arange(len(counts)) / counts.sum()) + 0.5


def _contrast(
    parts: np.ndarray,
    mark: int,
    box: tuple[slice, slice],
    pixels: np.ndarray,
    radius: float,
    step: tuple[float, float],
) -> float | None:
    """Mean grey of a lesion less that of its surroundings, up to a ring's width to all sides, lesions excluded."""
    wide = [max(LEAST_RING, round(RING * radius / size)) for size in step]
    around = tuple(
        slice(max(0, one.start - margin), min(side, one.stop + margin))
        for one, margin, side in zip(box, wide, parts.shape, strict=True)
    )
    part, grey = parts[around] == mark, pixels[around]
    near = part.view(np.uint8)
    for axis, margin in enumerate(wide):
        near = maximum_filter1d(near, 2 * margin + 1, axis, mode="constant")
    ring = near.astype(bool) & (parts[around] == 0)
    return float(grey[part].mean() - grey[ring].mean()) if ring.any() else None


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
