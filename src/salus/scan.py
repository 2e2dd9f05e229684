"""A scan: one grey ultrasound image, its pixel size and the regions of it that show tissue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from salus.errors import SalusError

MIN_SIDE = 8
"""The shortest side of an image that is segmented, in pixels."""

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what Pillow's "L" uses


@dataclass(frozen=True)
class Region:
    """A rectangle of a scan that shows tissue in B-mode, in pixels of the scan.

    Attributes:
        top: first row; left: first column.
        height: of it, and width: likewise.
        spacing: (row, column) size of a pixel in mm, None where the source does not say.
    """

    top: int
    left: int
    height: int
    width: int
    spacing: tuple[float, float] | None = None

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """This part of an array whose first two axes are the scan's rows and columns.

        Example:
            >>> Region(1, 2, 2, 3).of(np.zeros((9, 9))).shape
            (2, 3)
        """
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def within(pixels: np.ndarray, regions: Sequence[Region]) -> np.ndarray:
    """A copy of an image in which all is 0 that lies outside every region; the image itself where there is no region.

    Example:
        >>> within(np.ones((2, 4), int), [Region(0, 1, 1, 2)]).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    if not regions:
        return pixels
    kept = np.zeros_like(pixels)
    for region in regions:
        region.of(kept)[...] = region.of(pixels)
    return kept


@dataclass(frozen=True, eq=False)
class Scan:
    """One grey ultrasound image, a frame of a cine maybe.

    Attributes:
        pixels: (height, width) float32 in [0, 1].
        source: the file it was read from, or what made it.
        spacing: (row, column) size of a pixel in mm, None where the source does not say.
        regions: the parts to look at; empty means all of it. A region's spacing stands for that of its pixels.
        frame: number of the frame in its file, from 1; None where the file holds one image.
        notes: what a reader must know of how it was read, one line each.
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
        """The regions; one over all of it where there are none."""
        return self.regions or (Region(0, 0, *self.shape, self.spacing),)


def grey_scan(
    values: np.ndarray, source: str, spacing: tuple[float, float] | None = None, frame: int | None = None
) -> Scan:
    """A scan of decoded values, made grey as `read_scan` says.

    Args:
        values: (height, width) or (height, width, channels).
        source: what errors call it.
        spacing: see `Scan`; so is frame.

    Raises:
        SalusError: values are not numbers.
    """
    if values.dtype.kind not in "buif" or not np.isfinite(values).all():
        raise SalusError(f"{source}: holds values that are not numbers; convert it to an 8-bit or 16-bit image")
    return Scan(to_grey(values), source, spacing, frame=frame)


def to_grey(values: np.ndarray) -> np.ndarray:
    """Decoded values to grey ones in [0, 1], as `read_scan` says."""
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
