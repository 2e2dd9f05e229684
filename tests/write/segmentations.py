"""Masks and segmentations that the tests of writers share."""

import numpy as np

from salus.measure.lesions import measure_lesions
from salus.segmentation.result import Segmentation


def segmentation_of(mask, spacing=None, frame=None):
    """The result of a network that sees exactly this mask."""
    return Segmentation(
        mask=mask, probability=mask * np.float32(0.9), saliency=mask * np.float32(0.5), presence=1.0,
        lesions=measure_lesions(mask, mask * 0.9, spacing), confidence=0.9, strangeness=0.5, flags=(), spacing=spacing,
        source="scan.png", network="test", frame=frame,
    )  # fmt: skip


def l_and_ring():
    """An L, and a ring with a hole; neither mirrored, turned nor transposed is the same."""
    mask = np.zeros((40, 64), bool)
    mask[5:30, 8:12] = mask[26:30, 8:40] = True
    mask[4:18, 44:60] = True
    mask[8:12, 50:54] = False
    return mask


def fill_polygons(shape, rings):
    """Fill polygons by the even-odd rule, pixel by pixel: count the edges to the left of its middle."""
    counts = np.zeros(shape, int)
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True):
            if x0 == x1:
                counts[min(y0, y1) : max(y0, y1), x0:] += 1
    return counts % 2 == 1
