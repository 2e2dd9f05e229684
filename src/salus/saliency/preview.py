"""A picture of a scan and, beside it, the scan coloured by its saliency."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_erosion

from salus.preprocess import resize, to_uint8
from salus.saliency.map import SaliencyMap
from salus.scan import Scan

HEIGHT = 480
"""Taller scans are shrunk to this many rows."""

HEAT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Colours of saliency 0, 1/4, 1/2, 3/4 and 1 (points of Matplotlib's inferno)."""

OPACITY = 0.6
"""Opacity of the colour where the saliency is 1; it falls linearly to 0."""

GAP = 6
"""Columns of white between the two halves."""


def draw_preview(scan: Scan, saliency: SaliencyMap) -> np.ndarray:
    """Draw the scan on the left, and on the right coloured by its saliency, outlined in white at one half.

    Args:
        scan: (height, width).
        saliency: its map, of the same shape.

    Returns:
        (h, 2 w + gap, 3) uint8, h at most `HEIGHT`.
    """
    scale = min(1.0, HEIGHT / scan.shape[0])
    shape = max(1, round(scan.shape[0] * scale)), max(1, round(scan.shape[1] * scale))
    grey = np.repeat(np.clip(resize(scan.pixels, shape), 0, 1)[..., None], 3, axis=2)
    s = np.clip(resize(saliency.values, shape), 0, 1)
    stops = np.linspace(0, 1, len(HEAT))
    colour = np.stack([np.interp(s, stops, channel) for channel in np.array(HEAT).T / 255], axis=2)
    alpha = OPACITY * s[..., None]
    coloured = (1 - alpha) * grey + alpha * colour
    region = s >= 0.5
    coloured[region & ~binary_erosion(region, border_value=1)] = 1  # no line along the picture's edge
    return to_uint8(np.concatenate([grey, np.ones((shape[0], GAP, 3)), coloured], axis=1))
