"""Overlays: the scan with the outline of the tumour, as JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from salus.atomic import write_picture
from salus.preprocess import to_uint8
from salus.scan import Region, mask_outside_regions

COLOUR = (255, 214, 0)
"""Colour of the outline: amber, which stands out from grey."""

FINE_SIDE = 600
"""Longest side of an image, in pixels, up to which the outline is about two pixels wide; beyond, it grows with it."""

QUALITY = 90
"""JPEG quality."""


def draw_overlay(pixels: np.ndarray, mask: np.ndarray, regions: Sequence[Region] = ()) -> Image.Image:
    """Draw an antialiased line along the mask's edge on the scan; the image's border is no edge.

    The mask is averaged over squares of 3 x 3 pixels; the line is opaque where that is near one half.

    Args:
        pixels: (h, w) float in [0, 1].
        mask: (h, w) bool.
        regions: pixels outside all of them become black, because scanners write names there; empty shows all.

    Returns:
        RGB picture of the scan's size.

    Example:
        >>> mask = np.zeros((20, 30), bool)
        >>> mask[5:15, 5:25] = True
        >>> picture = draw_overlay(np.full((20, 30), 0.5), mask)
        >>> picture.size, picture.getpixel((15, 10)), picture.getpixel((15, 5))
        ((30, 20), (128, 128, 128), (255, 214, 0))
    """
    picture = Image.fromarray(to_uint8(mask_outside_regions(pixels, regions))).convert("RGB")
    if mask.any():
        radius = max(1.0, max(mask.shape) / FINE_SIDE)
        soft = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.BoxBlur(radius))
        picture.paste(COLOUR, mask=soft.point(_OPACITY))
    return picture


def write_overlay(path: Path, pixels: np.ndarray, mask: np.ndarray, regions: Sequence[Region] = ()) -> None:
    """Write an overlay as JPEG, its colours at full resolution; arguments as of `draw_overlay`.

    Raises:
        OSError: the file cannot be written.
    """
    write_picture(path, draw_overlay(pixels, mask, regions), "JPEG", quality=QUALITY, subsampling=0)


_OPACITY = [round(255 * min(1.0, 1.5 * (1 - abs(2 * share / 255 - 1)))) for share in range(256)]
