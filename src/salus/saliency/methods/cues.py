"""Hand-made cues of a region, in units that suit any scanner.

Grey differences are shares of the image's standard deviation, so that gain and contrast hardly matter. A mirrored image
changes no cue, since the two side borders are told apart only as the nearer and the farther.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from salus.preprocess import resize, to_uint8
from salus.saliency.methods.connectedness import neutro_connectedness
from salus.saliency.methods.layers import layer_depth
from salus.saliency.methods.superpixels import WORKING_SIZE, Regions, compute_superpixels

CUES = (
    "rank",  # share of the image that is darker, and half of what is equal
    "grey",
    "spread",  # standard deviation of the grey within the region
    "row",  # how much brighter the image is along the region's row
    "column",
    "core",  # how much brighter the surroundings are, 3% of the image's height away
    "ring 5%",
    "ring 9%",
    "ring 19%",
    "top",  # neutro-connectedness to the borders
    "bottom",
    "nearer side",  # the more connected one of left and right
    "farther side",
    "layer",  # depth in layers
    "layer²",
    "texture",  # standard deviation of the grey around the region, within 5% of the height
)

SIDE = 64
"""Height and width at which surroundings are averaged."""

LINK = 0.05
"""Grey difference at which regions connect with exp(-1/2)."""


@dataclass(frozen=True, eq=False)
class RegionCues:
    """The regions of an image at the working size, and their cues.

    Attributes:
        regions: n regions.
        cues: (n, 16) float32, a column for each of `CUES`.
    """

    regions: Regions
    cues: np.ndarray


def to_working_size(image: np.ndarray) -> np.ndarray:
    """Resize a grey image (h, w) uint8 to the size at which the classical methods work."""
    if image.shape == (WORKING_SIZE, WORKING_SIZE):
        return image
    return to_uint8(resize(image, (WORKING_SIZE, WORKING_SIZE)) / 255)


def compute_cues(image: np.ndarray) -> RegionCues:
    """Divide an image into regions and compute the cues of each.

    Args:
        image: (h, w) uint8, any size.
    """
    image = to_working_size(image)
    regions = compute_superpixels(image)
    x = image / 255.0
    m, deviation = regions.mean, float(x.std()) + 1e-3
    levels, level = np.unique(m.round(9), return_inverse=True)
    pixels = np.bincount(level, regions.area, len(levels))
    rank = ((np.cumsum(pixels) - pixels / 2) / x.size)[level]
    small = x.reshape(SIDE, WORKING_SIZE // SIDE, SIDE, WORKING_SIZE // SIDE).mean(axis=(1, 3))

    def brighter_around(rows: float, columns: float) -> np.ndarray:
        return (_average(regions, _blur(small, rows, columns)) - m) / deviation

    variance = _blur(small * small, 3, 3) - _blur(small, 3, 3) ** 2
    connected = neutro_connectedness(regions, LINK)
    depth = regions.average(layer_depth(image))
    cues = [
        rank,
        m,
        np.sqrt(np.maximum(regions.average(x * x) - m * m, 0)) / deviation,
        brighter_around(2, 20),
        brighter_around(20, 2),
        *(brighter_around(width, width) for width in (2, 3, 6, 12)),
        connected[:, 0],
        connected[:, 1],
        connected[:, 2:].max(axis=1),
        connected[:, 2:].min(axis=1),
        depth,
        depth * depth,
        _average(regions, np.sqrt(np.maximum(variance, 0))) / deviation,
    ]
    return RegionCues(regions, np.stack(cues, axis=1).astype(np.float32))


def _blur(small: np.ndarray, rows: float, columns: float) -> np.ndarray:
    return np.asarray(gaussian_filter(small, (rows, columns), mode="nearest", truncate=2.5))


def _average(regions: Regions, small: np.ndarray) -> np.ndarray:
    """Average a (SIDE, SIDE) grid in each region."""
    scale = WORKING_SIZE // SIDE
    return regions.average(np.repeat(np.repeat(small, scale, axis=0), scale, axis=1))
