"""Define a scan: one grey ultrasound image, the size of its pixels and the regions of it that show tissue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from salus.errors import SalusError

MIN_SIDE = 8
"""Shortest side of an image or region that is segmented, in pixels."""

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what Pillow's "L" uses


@dataclass(frozen=True)
class Region:
    """A rectangle of a scan that shows tissue in B-mode, in pixels of the scan.

    Attributes:
        top: first row.
        left: first column.
        height: number of rows.
        width: number of columns.
        spacing: (row, column) size of a pixel in mm; None where the source does not say.
    """

    top: int
    left: int
    height: int
    width: int
    spacing: tuple[float, float] | None = None

    def crop(self, pixels: np.ndarray) -> np.ndarray:
        """Crop an array whose first two axes are the scan's rows and columns to this region; returns a view.

        Example:
            >>> Region(1, 2, 2, 3).crop(np.zeros((9, 9))).shape
            (2, 3)
        """
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def valid_spacing(down: float, across: float) -> tuple[float, float] | None:
    """Return a pixel's (row, column) size if both are positive and finite, else None.

    Example:
        >>> valid_spacing(0.1, 0.2), valid_spacing(0.1, 0.0)
        ((0.1, 0.2), None)
    """
    return (down, across) if all(isfinite(step) and step > 0 for step in (down, across)) else None


def mask_outside_regions(pixels: np.ndarray, regions: Sequence[Region]) -> np.ndarray:
    """Copy an image with 0 in all pixels outside every region; without regions, return the image itself.

    Example:
        >>> mask_outside_regions(np.ones((2, 4), int), [Region(0, 1, 1, 2)]).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    if not regions:
        return pixels
    masked = np.zeros_like(pixels)
    for region in regions:
        region.crop(masked)[...] = region.crop(pixels)
    return masked


def split_mask(mask: np.ndarray, regions: Sequence[Region]) -> list[np.ndarray]:
    """Copy the part of a mask in each region; a pixel that lies in several regions goes to the first of them.

    Example:
        >>> [part.tolist() for part in split_mask(np.ones((1, 3), bool), [Region(0, 0, 1, 2), Region(0, 1, 1, 2)])]
        [[[True, True]], [[False, True]]]
    """
    left, parts = mask.copy(), []
    for region in regions:
        parts.append(region.crop(left).copy())
        region.crop(left)[...] = False
    return parts


@dataclass(frozen=True, eq=False)
class Scan:
    """One grey ultrasound image, or one frame of a cine.

    Attributes:
        pixels: (height, width) float32 in [0, 1].
        source: the file it was read from, or a word for where it is from.
        spacing: (row, column) size of a pixel in mm; None where the source does not say.
        regions: the parts to segment; empty for the whole image. Inside a region, the region's own spacing holds.
        frame: number of the frame in its file, from 1; None where the file holds one image.
        notes: remarks on how it was read, one line each.
    """

    pixels: np.ndarray
    source: str
    spacing: tuple[float, float] | None = None
    regions: tuple[Region, ...] = ()
    frame: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.pixels.shape
        return height, width

    @property
    def parts(self) -> tuple[Region, ...]:
        """The regions; where there are none, one that covers the whole image."""
        return self.regions or (Region(0, 0, *self.shape, self.spacing),)


def scan_from_values(
    values: np.ndarray, source: str, spacing: tuple[float, float] | None = None, frame: int | None = None
) -> Scan:
    """Make a scan of decoded values, converted to grey by `to_grey`.

    Args:
        values: (height, width) or (height, width, channels).
        source: the image's name in errors.
        spacing: see `Scan`.
        frame: see `Scan`.

    Raises:
        SalusError: a value is not a finite number.
    """
    if values.dtype.kind not in "buif" or not np.isfinite(values).all():
        raise SalusError(f"{source}: holds values that are not numbers; convert it to an 8-bit or 16-bit image")
    return Scan(to_grey(values), source, spacing, frame=frame)


def to_grey(values: np.ndarray) -> np.ndarray:
    """Convert decoded values to grey values in [0, 1].

    Eight-bit values are divided by 255. Wider ones (16-bit, float) say nothing about their range, so they are stretched
    from 0 (or a negative minimum) to their own maximum. Colour becomes luma (ITU-R BT.601); transparency is dropped.

    Args:
        values: (height, width) or (height, width, channels).

    Returns:
        (height, width) float32.
    """
    if values.ndim == 3:
        weights = LUMA if values.shape[2] >= 3 else (1.0,)
        grey = values[..., : len(weights)].astype(np.float32) @ np.asarray(weights, np.float32)
    else:
        grey = values.astype(np.float32)
    if values.dtype == np.uint8:
        grey /= 255
    elif values.dtype != bool:
        low, high = min(float(grey.min()), 0.0), float(grey.max())
        grey = (grey - low) / (high - low) if high > low else np.zeros_like(grey)
    clipped: np.ndarray = np.clip(grey, 0, 1).astype(np.float32)
    return clipped
