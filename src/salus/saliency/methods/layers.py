"""Layers of the breast: skin, fat, mammary gland, muscle, as bands that reach from the left to the right border.

Xu et al. 2018 and 2019 (arXiv 1806.10696, 1906.07760) part the image by its anatomy, since tumours arise in the
mammary layer. Here three boundaries b_1 < b_2 < b_3 (skin | fat | mammary | muscle) are paths from the left to the
right border, each the best within its range of depths (`RANGES`), by dynamic programming:

    max over paths Σ_columns sign · (mean below - mean above) - `STIFFNESS` |change of row| - `PULL` (row - usual)²

Depth in layers is then 0 at the top, k at the boundary b_k, 4 at the bottom, linear between; and the layer weight is
how often a tumour was found at that depth (`USUAL`, maximum 1), which a cropped image changes less than its row.
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

USUALLY = (0.08, 0.25, 0.72)
"""The usual depth of each boundary."""

SIGNS = (-1.0, 1.0, 1.0)
"""Whether it grows brighter (1) or darker (-1) beneath each boundary."""

STIFFNESS = 0.05
"""Cost of one row's change from a column to the next."""

PULL = 1.0
"""Cost of lying off the usual depth, for a whole height squared."""

USUAL = (0.02, 0.03, 0.32, 0.92, 1.0, 0.64, 0.16, 0.02, 0.02)
"""Weight at the depths in layers 0, 0.5, ... 4, measured on BUS-BRA and BUSI, which agree within 0.14."""


def boundaries(image: np.ndarray) -> np.ndarray:
    """The three boundaries between the layers.

    Args:
        image: (h, w) uint8.

    Returns:
        (3, w) float64 rows as shares of the height, each below the one before.
    """
    small = resize(image, (SIDE, SIDE)) / 255.0
    smooth = uniform_filter1d(small, 5, axis=1, mode="nearest")
    edge = correlate1d(smooth, np.array([-1, -1, -1, 1, 1, 1]) / 3.0, axis=0, origin=-1, mode="nearest")
    depths = (np.arange(SIDE) + 0.5) / SIDE
    found = np.empty((3, SIDE))
    for k, ((low, high), usual, sign) in enumerate(zip(RANGES, USUALLY, SIGNS, strict=True)):
        rows = np.flatnonzero((depths >= low) & (depths <= high))
        gain = sign * edge[rows] - PULL * ((depths[rows] - usual) ** 2)[:, None]
        found[k] = depths[rows[_path(gain)]]
    found = np.maximum.accumulate(uniform_filter1d(found, 5, axis=1, mode="nearest"), axis=0)
    found += np.arange(3)[:, None] / (4 * SIDE)  # no layer is empty
    columns = (np.arange(image.shape[1]) + 0.5) / image.shape[1]
    return np.stack([np.interp(columns, depths, line) for line in found])


def _path(gain: np.ndarray) -> np.ndarray:
    """The row in each column of the best path: at most one row up or down a column."""
    total, came = gain[:, 0], []
    edge = np.full(1, -np.inf)
    for column in gain.T[1:]:
        ways = np.stack(
            [np.concatenate([edge, total[:-1]]) - STIFFNESS, total, np.concatenate([total[1:], edge]) - STIFFNESS]
        )
        best = ways.argmax(axis=0)
        came.append(best - 1)
        total = ways.max(axis=0) + column
    row = int(total.argmax())
    rows = [row]
    for step in reversed(came):
        row += int(step[row])
        rows.append(row)
    return np.array(rows[::-1])


def layer_depth(image: np.ndarray) -> np.ndarray:
    """Depth of each pixel in layers: 0 at the top, 1, 2, 3 at the boundaries, 4 at the bottom.

    Args:
        image: (h, w) uint8.

    Returns:
        (h, w) float64.
    """
    h, w = image.shape
    lines = np.concatenate([np.zeros((1, w)), boundaries(image), np.ones((1, w))])
    depths = ((np.arange(h) + 0.5) / h)[:, None]
    parts = [np.clip((depths - top) / np.maximum(end - top, 1e-9), 0, 1) for top, end in pairwise(lines)]
    return np.sum(parts, axis=0)


def layer_weight(depth: np.ndarray) -> np.ndarray:
    """How usual a tumour is at a depth in layers: any shape in [0, 4] to float64 in [0, 1].

    Example:
        >>> layer_weight(np.array([0.0, 2.25, 4.0])).tolist() == [USUAL[0], (USUAL[4] + USUAL[5]) / 2, USUAL[8]]
        True
    """
    return np.interp(depth, np.linspace(0, len(LAYERS), len(USUAL)), USUAL)
