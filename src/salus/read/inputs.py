"""TODO."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.read.frames import read_scan
from salus.read.limits import MAX_PIXELS
from salus.scan import MIN_SIDE, Scan


def as_scan(given: Scan | np.ndarray | Path | str) -> Scan:
    """A scan of whatever `estimate_saliency` accepts, its pixels checked.

    Raises:
        SalusError: as `estimate_saliency`.
    """
    if isinstance(given, str | Path):
        given = read_scan(given)
    source = given.source if isinstance(given, Scan) else "the image"
    pixels = given.pixels if isinstance(given, Scan) else np.asarray(given)
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
    if isinstance(given, Scan):
        return given if pixels is given.pixels else replace(given, pixels=pixels)
    return Scan(pixels.astype(np.float32), source)
