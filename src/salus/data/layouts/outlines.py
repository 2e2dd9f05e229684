"""Lesions outlined in an annotation tool: polygons, runs of pixels, and the mask that they make together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from salus.errors import SalusError
from salus.measure.outline import decode_runs, fill_polygons

Ring = Sequence[Sequence[float]]
"""Corners (x, y) of a polygon in pixels; the first pixel covers 0 to 1 in both."""


class Area(Protocol):
    """A part of a lesion."""

    def fill(self, shape: tuple[int, int]) -> np.ndarray:
        """Fill the area: (height, width) bool, of the image's size.

        Raises:
            ValueError: it does not fit the image.
        """
        ...


@dataclass(frozen=True, eq=False)
class PolygonArea:
    """The union of some polygons, less that of some holes.

    Attributes:
        rings: each polygon's corners.
        holes: likewise.
    """

    rings: Sequence[Ring]
    holes: Sequence[Ring] = ()

    def fill(self, shape: tuple[int, int]) -> np.ndarray:
        """Fill the area; see `Area`."""
        return self._union(self.rings, shape) & ~self._union(self.holes, shape)

    def _union(self, rings: Sequence[Ring], shape: tuple[int, int]) -> np.ndarray:
        union = np.zeros(shape, bool)
        for ring in rings:
            union |= fill_polygons([ring], shape)
        return union


@dataclass(frozen=True, eq=False)
class EvenOddArea:
    """Polygons that are filled together by the even-odd rule, such as outlines with those of their holes.

    Attributes:
        rings: each polygon's corners.
    """

    rings: Sequence[Ring]

    def fill(self, shape: tuple[int, int]) -> np.ndarray:
        """Fill the area; see `Area`."""
        return fill_polygons(self.rings, shape)


@dataclass(frozen=True, eq=False)
class RunArea:
    """Runs of pixels in a rectangle, beginning with one outside the lesion.

    Attributes:
        runs: their lengths.
        box: (top, left, height, width) of the rectangle; None for the whole image.
        by_column: they run down the columns, as COCO's; else along the rows, as CVAT's.
    """

    runs: Sequence[int]
    box: tuple[int, int, int, int] | None = None
    by_column: bool = True

    def fill(self, shape: tuple[int, int]) -> np.ndarray:
        """Fill the area; see `Area`."""
        top, left, height, width = self.box or (0, 0, *shape)
        values = decode_runs(self.runs, height * width).reshape((height, width), order="F" if self.by_column else "C")
        filled = np.zeros(shape, bool)
        if top < 0 or left < 0 or top + height > shape[0] or left + width > shape[1]:
            raise ValueError("a mask that reaches beyond the image")
        filled[top : top + height, left : left + width] = values
        return filled


@dataclass(frozen=True, eq=False)
class Outlines:
    """All lesions of one image, as `salus.data.case.Annotation`.

    Attributes:
        areas: whose union is the lesion.
        size: (height, width) that the file says of the image; None where it does not.
    """

    areas: tuple[Area, ...]
    size: tuple[int, int] | None = None

    def read(self, path: Path, shape: tuple[int, int]) -> np.ndarray:
        """Fill the lesions; see `salus.data.case.Annotation`."""
        if self.size is not None and self.size != tuple(shape):
            raise SalusError(
                f"{path}: outlined on an image of {self.size[1]} x {self.size[0]}, but it has {shape[1]} x {shape[0]}; "
                "use the image that was outlined"
            )
        union = np.zeros(shape, bool)
        for area in self.areas:
            try:
                union |= area.fill(shape)
            except (ValueError, IndexError, TypeError) as error:
                raise SalusError(f"{path}: a damaged outline ({error}); export it again") from None
        return union
