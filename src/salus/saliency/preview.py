"""A picture to look at: the scan, and beside it the scan under its saliency."""

from __future__ import annotations

import numpy as np

from salus.preprocess import resize, to_bytes
from salus.saliency.map import SaliencyMap
from salus.scan import Scan

HEIGHT = 480
"""Taller scans are shrunk to this many rows."""

HEAT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Colours of saliency 0, 1/4, 1/2, 3/4 and 1 (points of Matplotlib's inferno)."""

OPACITY = 0.6
"""Opacity of the colour where the saliency is 1; it falls to 0 with it."""


def preview(scan: Scan, saliency: SaliencyMap) -> np.ndarray:
    """The scan on the left; on the right coloured by its saliency, outlined in white at one half.

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
    right = (1 - alpha) * grey + alpha * colour
    right[_outline(s >= 0.5)] = 1
    return to_bytes(np.concatenate([grey, np.ones((shape[0], 6, 3)), right], axis=1))


def _outline(region: np.ndarray) -> np.ndarray:
    """Pixels of a region that touch its outside; the picture's edge is none."""
    around = np.pad(region, 1, mode="edge")
    return region & ~(around[2:, 1:-1] & around[:-2, 1:-1] & around[1:-1, 2:] & around[1:-1, :-2])
