"""Measure the lesions of a mask, in pixels or, where the scan is calibrated, in mm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import pi, sqrt

import numpy as np
from scipy.ndimage import find_objects, label, maximum_filter1d

from salus.measure.geometry import convex_hull, crofton_perimeter, feret_extents, polygon_area_and_perimeter

EIGHT_CONNECTED = np.ones((3, 3), int)
"""Structuring element for components whose pixels touch at a side or a corner."""

RING_SHARE, MIN_RING = 0.5, 2
"""Width of the ring around a lesion: share of its equivalent radius, and the least number of pixels."""


@dataclass(frozen=True)
class Lesion:
    """Measurements of one connected lesion; lengths are in pixels where `unit` is "px" and in mm where it is "mm".

    docs/reference/measurements.md has the definitions, their sources, and how they behave on lesions that are cut off.

    Attributes:
        number: from 1, the largest first; in a cine, one lesion has the same number in all frames.
        area_px: number of pixels.
        box: (top, left, height, width) in pixels.
        centroid: (row, column) in pixels, from the image's upper left corner.
        unit: "px" or "mm", of the lengths and the area below.
        area: in units squared.
        longest: the greatest distance between two points of the outline (maximum Feret diameter).
        across: the greatest extent at right angles to `longest`.
        width: extent from left to right.
        height: extent from top to bottom.
        perimeter: length of the outline, holes included.
        depth: distance of the nearest point from the upper edge of the region, which is taken for the skin.
        border: distance from the nearest side of the region; 0 where the lesion touches it.
        tilt: degrees between the longest axis and the skin, 0 to 90.
        parallel: whether it is at least as wide as it is high (BI-RADS orientation).
        circularity: 4 pi area / perimeter^2, in (0, 1], 1 for a disk.
        solidity: area / area of the convex hull, in (0, 1].
        irregularity: 1 - perimeter of the convex hull / perimeter, in [0, 1), 0 for a convex outline.
        contrast: mean grey value inside less that of the ring around it, in [-1, 1]; None without the image.
        confidence: expected Dice of the lesion under the probabilities in its box, in [0, 1]; see `expected_dice`.
        at_border: whether it touches the border of the region, so that part of it may lie outside.
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


def measure_lesions(
    mask: np.ndarray,
    probability: np.ndarray,
    spacing: tuple[float, float] | None = None,
    pixels: np.ndarray | None = None,
) -> tuple[Lesion, ...]:
    """Measure every connected lesion of a mask.

    Args:
        mask: (h, w) bool.
        probability: (h, w) in [0, 1], the map that was thresholded.
        spacing: (row, column) size of a pixel in mm; None measures in pixels.
        pixels: (h, w) grey values in [0, 1], for the contrast.

    Returns:
        The lesions, the largest first.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((20, 30), bool)
        >>> mask[5:9, 10:20] = True
        >>> (lesion,) = measure_lesions(mask, mask.astype(float), (0.5, 0.5))
        >>> lesion.area_px, lesion.area, lesion.width, lesion.height, round(lesion.longest, 2), lesion.depth
        (40, 10.0, 5.0, 2.0, 5.39, 2.5)
    """
    labels, count = label(mask, EIGHT_CONNECTED)
    if not count:
        return ()
    areas = np.bincount(labels.ravel())[1:]
    boxes = find_objects(labels)
    order = np.argsort(-areas, kind="stable")
    return tuple(
        _measure_lesion(number, int(index) + 1, labels, boxes[index], probability, spacing, pixels)
        for number, index in enumerate(order, 1)
    )


def _measure_lesion(
    number: int,
    value: int,
    labels: np.ndarray,
    box: tuple[slice, slice],
    probability: np.ndarray,
    spacing: tuple[float, float] | None,
    pixels: np.ndarray | None,
) -> Lesion:
    """Measure the component that has a value in a label image."""
    rows, columns = box
    component = labels[box] == value
    others = (labels[box] > 0) & ~component
    down, right = pixel_size = spacing or (1.0, 1.0)
    rows_below, columns_beyond = labels.shape[0] - rows.stop, labels.shape[1] - columns.stop
    row_counts, column_counts = component.sum(axis=1), component.sum(axis=0)
    area_px = int(row_counts.sum())
    area = float(area_px * down * right)
    corners = convex_hull(component, pixel_size)
    longest, across, tilt = feret_extents(corners)
    hull_area, hull_perimeter = polygon_area_and_perimeter(corners)
    perimeter = crofton_perimeter(component, pixel_size)
    height, width = component.shape
    border = min(rows.start * down, columns.start * right, rows_below * down, columns_beyond * right)
    return Lesion(
        number=number,
        area_px=area_px,
        box=(rows.start, columns.start, height, width),
        centroid=(rows.start + _mean_position(row_counts), columns.start + _mean_position(column_counts)),
        unit="mm" if spacing else "px",
        area=area,
        longest=longest,
        across=across,
        width=width * right,
        height=height * down,
        perimeter=perimeter,
        depth=rows.start * down,
        border=border,
        tilt=tilt,
        parallel=width * right >= height * down,
        circularity=min(1.0, 4 * pi * area / perimeter**2),
        solidity=min(1.0, area / hull_area),
        irregularity=max(0.0, 1 - hull_perimeter / perimeter),
        contrast=None if pixels is None else _contrast(labels, value, box, pixels, sqrt(area / pi), pixel_size),
        confidence=expected_dice(component, np.where(others, 0, probability[box])),
        at_border=border == 0,
    )


def _mean_position(counts: np.ndarray) -> float:
    """Average the positions of pixel centres, given the number of pixels in each row or column."""
    return float(counts @ np.arange(len(counts)) / counts.sum()) + 0.5


def _contrast(
    labels: np.ndarray,
    value: int,
    box: tuple[slice, slice],
    pixels: np.ndarray,
    radius: float,
    pixel_size: tuple[float, float],
) -> float | None:
    """Subtract the mean grey value of the ring around a lesion, other lesions excluded, from that of the lesion."""
    margins = [max(MIN_RING, round(RING_SHARE * radius / size)) for size in pixel_size]
    surroundings = tuple(
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for side, margin, length in zip(box, margins, labels.shape, strict=True)
    )
    component, grey = labels[surroundings] == value, pixels[surroundings]
    dilated = component.view(np.uint8)
    for axis, margin in enumerate(margins):
        dilated = maximum_filter1d(dilated, 2 * margin + 1, axis, mode="constant")
    ring = dilated.astype(bool) & (labels[surroundings] == 0)
    return float(grey[component].mean() - grey[ring].mean()) if ring.any() else None


def shift_lesion(lesion: Lesion, rows: int, columns: int) -> Lesion:
    """Move a lesion that was measured in a crop to its place in the whole image.

    Args:
        lesion: as measured in the crop.
        rows: of the image above the crop.
        columns: of the image left of the crop.
    """
    top, left, height, width = lesion.box
    row, column = lesion.centroid
    return replace(lesion, box=(top + rows, left + columns, height, width), centroid=(row + rows, column + columns))


def number_by_size(lesions: Iterable[Lesion]) -> tuple[Lesion, ...]:
    """Sort lesions of several regions by area and number them from 1, the largest first."""
    by_size = sorted(lesions, key=lambda lesion: -lesion.area_px)
    return tuple(replace(lesion, number=number) for number, lesion in enumerate(by_size, 1))


def expected_dice(mask: np.ndarray, probability: np.ndarray) -> float:
    """Estimate the Dice of a mask from calibrated probabilities p: 2 Σ_mask p / (|mask| + Σ p); 0 for an empty mask.

    Args:
        mask: bool, of any shape.
        probability: of the same shape, in [0, 1].
    """
    total = float(mask.sum() + probability.sum())
    return 2 * float(probability[mask].sum()) / total if mask.any() else 0.0
