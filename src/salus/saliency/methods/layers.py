"""Layers of the breast: skin, fat, mammary gland, muscle, as bands that reach from the left to the right border.

Xu et al. 2018 and 2019 (arXiv 1806.10696, 1906.07760) divide the image by its anatomy, since tumours arise in the
mammary layer. Here three boundaries b_1 < b_2 < b_3 (skin | fat | mammary | muscle) are paths from the left to the
right border, each the best within its range of depths (`RANGES`), by dynamic programming:

    max Σ_columns sign · (mean below - mean above) - `STEP_COST` |change of row| - `DEPTH_COST` (row - usual row)²

The depth in layers is then 0 at the top, k at the boundary b_k, 4 at the bottom, and linear between. The layer weight
is how often a tumour lies at that depth (`TUMOUR_FREQUENCY`, maximum 1). Cropping an image changes it less than the
row.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.ndimage import correlate1d, uniform_filter1d

from salus.preprocess import resize

LAYERS = ("skin", "fat", "mammary", "muscle")

SIDE = 64
"""Height and width at which the boundaries are found."""

RANGES = ((0.02, 0.16), (0.12, 0.45), (0.5, 0.95))
"""Depths between which each boundary may lie, shares of the height."""

USUAL_DEPTHS = (0.08, 0.25, 0.72)
"""The usual depth of each boundary, share of the height."""

SIGNS = (-1.0, 1.0, 1.0)
"""1 where the image grows brighter beneath the boundary, -1 where it grows darker."""

STEP_COST = 0.05
"""Cost of a path's step by one row from a column to the next."""

DEPTH_COST = 1.0
"""Cost of lying off the usual depth, for a whole height squared."""

TUMOUR_FREQUENCY = (0.02, 0.03, 0.32, 0.92, 1.0, 0.64, 0.16, 0.02, 0.02)
"""Weight at the depths in layers 0, 0.5, ... 4, measured on BUS-BRA and BUSI, which agree within 0.14."""


def find_layer_boundaries(image: np.ndarray) -> np.ndarray:
    """Find the three boundaries between the layers.

    Args:
        image: (h, w) uint8.

    Returns:
        (3, w) float64 rows as shares of the height, each below the one before.
    """
    small = resize(image, (SIDE, SIDE)) / 255.0
    smooth = uniform_filter1d(small, 5, axis=1, mode="nearest")
    edge = correlate1d(smooth, np.array([-1, -1, -1, 1, 1, 1]) / 3.0, axis=0, origin=-1, mode="nearest")
    depths = (np.arange(SIDE) + 0.5) / SIDE
    paths = np.empty((3, SIDE))
    for k, ((low, high), usual, sign) in enumerate(zip(RANGES, USUAL_DEPTHS, SIGNS, strict=True)):
        rows = np.flatnonzero((depths >= low) & (depths <= high))
        gain = sign * edge[rows] - DEPTH_COST * ((depths[rows] - usual) ** 2)[:, None]
        paths[k] = depths[rows[find_best_path(gain)]]
    paths = np.maximum.accumulate(uniform_filter1d(paths, 5, axis=1, mode="nearest"), axis=0)
    paths += np.arange(3)[:, None] / (4 * SIDE)  # no layer is empty
    columns = (np.arange(image.shape[1]) + 0.5) / image.shape[1]
    return np.stack([np.interp(columns, depths, path) for path in paths])


def find_best_path(gain: np.ndarray) -> np.ndarray:
    """Find the path from left to right of the largest gain, at most one row up or down a column.

    Args:
        gain: (rows, columns) gain of passing through each place.

    Returns:
        (columns,) the path's row in each column.
    """
    total, steps = gain[:, 0], []
    outside = np.full(1, -np.inf)
    for column in gain.T[1:]:
        above = np.concatenate([outside, total[:-1]]) - STEP_COST
        below = np.concatenate([total[1:], outside]) - STEP_COST
        choices = np.stack([above, total, below])
        steps.append(choices.argmax(axis=0) - 1)
        total = choices.max(axis=0) + column
    row = int(total.argmax())
    path = [row]
    for step in reversed(steps):
        row += int(step[row])
        path.append(row)
    return np.array(path[::-1])


def layer_depth(image: np.ndarray) -> np.ndarray:
    """Compute the depth of each pixel in layers: 0 at the top, 1, 2, 3 at the boundaries, 4 at the bottom.

    Args:
        image: (h, w) uint8.

    Returns:
        (h, w) float64.
    """
    h, w = image.shape
    boundaries = np.concatenate([np.zeros((1, w)), find_layer_boundaries(image), np.ones((1, w))])
    depths = ((np.arange(h) + 0.5) / h)[:, None]
    shares = [np.clip((depths - top) / np.maximum(end - top, 1e-9), 0, 1) for top, end in pairwise(boundaries)]
    return np.sum(shares, axis=0)


def layer_weight(depth: np.ndarray) -> np.ndarray:
    """Look up how often a tumour lies at a depth in layers: any shape in [0, 4] to float64 in [0, 1].

    Example:
        >>> f = TUMOUR_FREQUENCY
        >>> layer_weight(np.array([0.0, 2.25, 4.0])).tolist() == [f[0], (f[4] + f[5]) / 2, f[8]]
        True
    """
    return np.interp(depth, np.linspace(0, len(LAYERS), len(TUMOUR_FREQUENCY)), TUMOUR_FREQUENCY)
