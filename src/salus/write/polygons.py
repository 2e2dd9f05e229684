"""Turn masks into labels, and into polygons that give the mask again, to the pixel, when they are filled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.ndimage import find_objects, label

from salus.measure.lesions import EIGHT_CONNECTED, Lesion
from salus.segmentation.result import Segmentation

Point = tuple[int, int]


def lesion_labels(segmentation: Segmentation) -> np.ndarray:
    """Label each pixel with the number of its lesion: (h, w) uint8, 0 outside lesions, 255 for numbers above 255.

    Numbers are those of `segmentation.lesions`, which tracking may have changed.
    """
    components, labels = _find_components(segmentation)
    numbers = np.zeros(int(components.max()) + 1, np.uint8)
    for lesion, index in zip(segmentation.lesions, labels, strict=True):
        if index > 0:
            numbers[index] = min(lesion.number, 255)
    return np.asarray(numbers[components])


def lesion_masks(segmentation: Segmentation) -> Iterator[tuple[Lesion, np.ndarray]]:
    """Yield each lesion with its own mask, (h, w) bool."""
    components, labels = _find_components(segmentation)
    for lesion, index in zip(segmentation.lesions, labels, strict=True):
        yield lesion, components == index


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


def signed_area(ring: Sequence[Point]) -> float:
    """Compute the area that a polygon encloses (shoelace formula), negative for holes as `polygons` gives them.

    Example:
        >>> signed_area([(0, 0), (3, 0), (3, 2), (0, 2)])
        6.0
    """
    x, y = np.array(ring).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def _find_components(segmentation: Segmentation) -> tuple[np.ndarray, list[int]]:
    """Label the mask's components, and find that of each lesion by its box and area; -1 for one that is not there."""
    components, count = label(segmentation.mask, EIGHT_CONNECTED)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    indices = {
        (rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start, int(sizes[index])): index
        for index, (rows, columns) in enumerate(find_objects(components), 1)
    }
    return components, [indices.get((*lesion.box, lesion.area_px), -1) for lesion in segmentation.lesions]


def _step(corner: Point, end: Point) -> Point:
    return (end[0] - corner[0], end[1] - corner[1])


def _turn(direction: Point, step: Point) -> int:
    """Tell how a step turns from a direction: -1 right, 0 straight on, 1 left, with y pointing down."""
    return -(direction[0] * step[1] - direction[1] * step[0])
