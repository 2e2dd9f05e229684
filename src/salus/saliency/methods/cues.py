"""Cues of a region: what can be said of it before anything is learnt, in figures that suit any scanner.

Differences of grey are shares of the image's standard deviation, so that gain and contrast hardly matter; neither does
a mirrored image change any cue, since the two side borders are told apart only as the nearer and the farther.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from salus.preprocess import resize, to_bytes
from salus.saliency.methods.connectedness import neutro_connectedness
from salus.saliency.methods.layers import layer_depth
from salus.saliency.methods.superpixels import WORKING, Regions, superpixels

CUES = (
    "rank",  # share of the image that is darker, half of what is equal
    "grey",
    "spread",  # standard deviation within
    "row",  # how much brighter its row is
    "column",
    "core",  # how much brighter its surroundings are, 3% of the image's height away
    "ring 5%",
    "ring 9%",
    "ring 19%",
    "top",  # neutro-connectedness to the borders
    "bottom",
    "nearer side",  # the more connected of left and right
    "farther side",
    "layer",  # depth in layers
    "layer²",
    "texture",  # standard deviation around, 5% of the height
)

SIDE = 64
"""Height and width at which surroundings are averaged."""

LINK = 0.05
"""Grey difference at which regions connect with exp(-1/2)."""


@dataclass(frozen=True, eq=False)
class Seen:
    """An image's regions at the working size, and the `CUES` of each: (n, 16) float32."""

    regions: Regions
    cues: np.ndarray


def at_working_size(image: np.ndarray) -> np.ndarray:
    """Resize a grey image (h, w) uint8 to the size of the classical methods."""
    if image.shape == (WORKING, WORKING):
        return image
    return to_bytes(resize(image, (WORKING, WORKING)) / 255)


def look(image: np.ndarray) -> Seen:
    """Part an image into regions and describe them.

    Args:
        image: (h, w) uint8, any size.
    """
    image = at_working_size(image)
    regions = superpixels(image)
    x = image / 255.0
    m, deviation = regions.mean, float(x.std()) + 1e-3
    levels, which = np.unique(m.round(9), return_inverse=True)
    held = np.bincount(which, regions.area, len(levels))
    rank = ((np.cumsum(held) - held / 2) / x.size)[which]
    small = x.reshape(SIDE, WORKING // SIDE, SIDE, WORKING // SIDE).mean(axis=(1, 3))

    def around(rows: float, columns: float) -> np.ndarray:
        return (_average(regions, _blur(small, rows, columns)) - m) / deviation

    variance = _blur(small * small, 3, 3) - _blur(small, 3, 3) ** 2
    connected = neutro_connectedness(regions, LINK)
    depth = regions.average(layer_depth(image))
    cues = [
        rank,
        m,
        np.sqrt(np.maximum(regions.average(x * x) - m * m, 0)) / deviation,
        around(2, 20),
        around(20, 2),
        *(around(width, width) for width in (2, 3, 6, 12)),
        connected[:, 0],
        connected[:, 1],
        connected[:, 2:].max(axis=1),
        connected[:, 2:].min(axis=1),
        depth,
        depth * depth,
        _average(regions, np.sqrt(np.maximum(variance, 0))) / deviation,
    ]
    return Seen(regions, np.stack(cues, axis=1).astype(np.float32))


def _blur(small: np.ndarray, rows: float, columns: float) -> np.ndarray:
    return np.asarray(gaussian_filter(small, (rows, columns), mode="nearest", truncate=2.5))


def _average(regions: Regions, small: np.ndarray) -> np.ndarray:
    times = WORKING // SIDE
    return regions.average(np.repeat(np.repeat(small, times, axis=0), times, axis=1))
