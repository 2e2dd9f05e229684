"""Draw the outline of a mask on its scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

from salus.preprocess import to_uint8
from salus.scan import Region, mask_outside_regions

COLOUR = (255, 214, 0)
"""Colour of the outline: amber, which stands out from grey."""

FINE_SIDE = 600
"""Longest side of an image, in pixels, up to which the outline is about two pixels wide; beyond, it grows with it."""

QUALITY = 90
"""JPEG quality of an overlay that is written."""


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


_OPACITY = [round(255 * min(1.0, 1.5 * (1 - abs(2 * share / 255 - 1)))) for share in range(256)]
