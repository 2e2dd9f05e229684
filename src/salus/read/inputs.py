"""Convert what users pass for an image (a scan, an array or a file) to a scan, and check it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.read.frames import read_scan
from salus.read.limits import MAX_PIXELS
from salus.scan import MIN_SIDE, Scan


def as_scan(image: Scan | np.ndarray | Path | str) -> Scan:
    """Return the scan of an image and check its size and values.

    Args:
        image: a scan; a grey array (height, width), uint8 or floating point in [0, 1]; or an image file.

    Raises:
        SalusError: the file cannot be read; the image is not grey, smaller than `MIN_SIDE` on a side or larger than
            `MAX_PIXELS`; or its values are of another type or range.
    """
    if isinstance(image, str | Path):
        image = read_scan(image)
    source = image.source if isinstance(image, Scan) else "the image"
    pixels = image.pixels if isinstance(image, Scan) else np.asarray(image)
    if pixels.ndim != 2:
        raise SalusError(f"{source}: has the shape {pixels.shape}; give one grey image (height, width)")
    if min(pixels.shape) < MIN_SIDE or pixels.size > MAX_PIXELS:
        raise SalusError(
            f"{source}: {pixels.shape[1]} x {pixels.shape[0]} pixels; it must have {MIN_SIDE} or more on either side "
            f"and {MAX_PIXELS:,} in all at most"
        )
    if pixels.dtype == np.uint8:
        pixels = pixels / np.float32(255)
    elif pixels.dtype.kind != "f" or not (pixels.min() >= 0 and pixels.max() <= 1):  # false for NaN too
        raise SalusError(f"{source}: grey values must be uint8, or floating point in 0..1")
    if isinstance(image, Scan):
        return image if pixels is image.pixels else replace(image, pixels=pixels)
    return Scan(pixels.astype(np.float32), source)
