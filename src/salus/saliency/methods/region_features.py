"""Features of regions for a classifier: some seventy numbers that compare a region with its surroundings.

A scanner's gain and gamma change every grey value but hardly their order. Grey is therefore taken as its rank in the
image (the share of pixels that are darker), and also as a share of the image's standard deviation. A mirrored image
changes nothing but rounding: the two sides are told apart only as the nearer and the farther, the lower and the higher.

Surroundings are measured on a grid of 64 x 64. Darkness at a scale is a difference of Gaussians. Enclosure takes in
each of eight directions the brightest place within reach, the wall, and measures how bright the lowest walls are: is
this place walled in? A basin is the connected dark area that a region lies in when the image is thresholded at a grey;
it is closed while it reaches neither the sides nor the bottom.

Fitted models hold the names of their features, in the order of the columns here.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter, label, maximum_filter, minimum_filter, uniform_filter, uniform_filter1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from salus.saliency.methods.connectedness import neutro_connectedness, touches_borders
from salus.saliency.methods.layers import layer_depth
from salus.saliency.methods.superpixels import Regions

SIDE = 64
"""Height and width of the grid on which surroundings are measured."""

SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Standard deviations of the blurs, cells of the grid."""

REACHES = (5, 10, 20)
"""Distances within which enclosure looks for walls, cells of the grid."""

DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
"""Directions (rows, columns) in which enclosure looks for walls."""

THRESHOLDS = (0.08, 0.14, 0.2, 0.27, 0.35, 0.44, 0.54)
"""Ranks of grey at which the image is thresholded for basins."""

LINK = 0.1
"""σ of neutro-connectedness, from which the weakest link's grey difference is computed back."""

Features = dict[str, np.ndarray]
"""Columns (n,) by name."""


def compute_features(image: np.ndarray, regions: Regions) -> tuple[np.ndarray, tuple[str, ...]]:
    """Compute the features of the regions of an image.

    Args:
        image: (h, w) uint8, h and w multiples of 64.
        regions: n regions of it.

    Returns:
        (n, k) float32, finite, and k names.

    Example:
        >>> import numpy as np
        >>> from salus.saliency.methods.superpixels import compute_superpixels
        >>> image = np.random.default_rng(0).integers(0, 256, (128, 128)).astype(np.uint8)
        >>> features, names = compute_features(image, compute_superpixels(image))
        >>> features.shape[1] == len(names), bool(np.isfinite(features).all())
        (True, True)
    """
    x = image / np.float32(255)
    histogram = np.bincount(image.ravel(), minlength=256)
    ranks = ((np.cumsum(histogram) - histogram / 2) / image.size).astype(np.float32)[image]
    deviation = float(x.std()) + 1e-3
    grid, average = _shrink(ranks), _GridAverage(regions, image.shape)
    rank = regions.average(ranks)
    blurred = [_blur(grid, scale) for scale in SCALES]
    columns = _region_features(regions, x, ranks, rank, deviation)
    columns |= _graph_features(regions, rank, deviation)
    columns["wide raw"] = (average(_blur(_shrink(x), SCALES[2])) - regions.mean) / deviation
    columns["layer"] = regions.average(layer_depth(image))
    columns |= _surroundings(average, grid, blurred, rank)
    columns |= _enclosure(average, blurred[0])
    columns |= _basins(regions, blurred[0])
    columns |= _image_features(columns, x, deviation)
    return np.stack(list(columns.values()), axis=1).astype(np.float32), tuple(columns)


class _GridAverage:
    """Averages a grid (64, 64) in each region."""

    def __init__(self, regions: Regions, shape: tuple[int, ...]) -> None:
        cells = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
        cells = np.repeat(np.repeat(cells, shape[0] // SIDE, axis=0), shape[1] // SIDE, axis=1)
        ones = np.ones(cells.size, np.float32)
        n = len(regions.area)
        self.weights = csr_array((ones, (regions.labels.ravel(), cells.ravel())), shape=(n, SIDE * SIDE))
        self.area = regions.area

    def __call__(self, grid: np.ndarray) -> np.ndarray:
        return np.asarray(self.weights @ grid.ravel() / self.area)


def _shrink(x: np.ndarray) -> np.ndarray:
    """Average an image in each cell of the grid."""
    h, w = x.shape
    return x.reshape(SIDE, h // SIDE, SIDE, w // SIDE).mean(axis=(1, 3))


def _blur(grid: np.ndarray, sigma: float | tuple[float, float]) -> np.ndarray:
    return np.asarray(gaussian_filter(grid, sigma, mode="nearest", truncate=2.5))


def _shift(grid: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Take the value so many rows below and columns to the right; beyond the border, the border's."""
    r = np.clip(np.arange(SIDE) + rows, 0, SIDE - 1)
    c = np.clip(np.arange(SIDE) + columns, 0, SIDE - 1)
    return grid[r][:, c]


def _region_features(
    regions: Regions, x: np.ndarray, ranks: np.ndarray, rank: np.ndarray, deviation: float
) -> Features:
    """Measure place, size, grey and spread of each region itself.

    Args:
        regions: n regions.
        x: (h, w) the image in [0, 1].
        ranks: (h, w) rank of each pixel.
        rank: (n,) mean rank of each region.
        deviation: the image's standard deviation.
    """
    return {
        "row": regions.centre[:, 0],
        "off centre": np.abs(regions.centre[:, 1] - 0.5),
        "area": np.log(regions.area),
        "rank": rank,
        "grey": regions.mean,
        "grey by mean": regions.mean / (x.mean() + 1e-3),
        "spread": np.sqrt(np.maximum(regions.average(x * x) - regions.mean**2, 0)) / deviation,
        "rank spread": np.sqrt(np.maximum(regions.average(ranks * ranks) - rank**2, 0)),
        "place by rank": rank.argsort().argsort() / len(rank),
    }


def _graph_features(regions: Regions, rank: np.ndarray, deviation: float) -> Features:
    """Compare each region with its neighbours and, by paths, with the borders."""
    n, (i, j) = len(rank), regions.edges.T
    region, neighbour = regions.directed_edges()
    step = rank[neighbour] - rank[region]
    darkest, brightest = np.full(n, 1.0), np.full(n, -1.0)
    np.minimum.at(darkest, region, step)
    np.maximum.at(brightest, region, step)
    ring = regions.average_neighbours(rank)
    columns: Features = {
        "ring": ring - rank,
        "second ring": regions.average_neighbours(ring) - rank,
        "darkest neighbour": darkest,
        "brightest neighbour": brightest,
    }
    connectedness = neutro_connectedness(regions, LINK)
    weakest_link = LINK * np.sqrt(-2 * np.log(np.maximum(connectedness, 1e-300))) / deviation
    at_border = touches_borders(regions)
    border, at = np.nonzero(at_border.T)
    # Shortest paths over differences of rank; nodes n to n + 3 are the borders.
    lengths = np.concatenate([np.abs(rank[i] - rank[j]) + 1e-4, np.full(len(at), 1e-6)])
    pairs = np.concatenate([i, n + border]), np.concatenate([j, at])
    graph = csr_array((lengths, pairs), shape=(n + 4, n + 4))
    path = dijkstra(graph + graph.T, indices=np.arange(n, n + 4), limit=np.inf)[:, :n].T
    for name, values in (("link", np.minimum(weakest_link, 10.0)), ("path", path)):
        columns[f"{name} top"], columns[f"{name} bottom"] = values[:, 0], values[:, 1]
        columns[f"{name} nearer side"] = values[:, 2:].min(axis=1)
        columns[f"{name} farther side"] = values[:, 2:].max(axis=1)
    columns["border"] = at_border.any(axis=1).astype(float)
    return columns


def _surroundings(average: _GridAverage, grid: np.ndarray, blurred: list[np.ndarray], rank: np.ndarray) -> Features:
    """Measure darkness at every scale, texture, edges, and what lies above, beneath and beside each region.

    Args:
        average: averages a grid in each region.
        grid: (64, 64) ranks.
        blurred: the grid blurred at each of `SCALES`.
        rank: (n,) mean rank of each region.
    """
    finest, fine, medium = blurred[:3]
    means = [average(blur) for blur in blurred]
    columns: Features = {f"wide {scale:g}": mean - rank for scale, mean in zip(SCALES, means, strict=True)}
    for (inner, outer), (a, b) in zip(pairwise(SCALES), pairwise(means), strict=True):
        columns[f"dark {inner:g}-{outer:g}"] = b - a
    columns["dark 2-16"] = means[4] - means[1]
    columns["dark 4-16"] = means[4] - means[2]
    square = grid * grid
    for width in (3, 7):
        mean = uniform_filter(grid, width, mode="nearest")
        local = np.sqrt(np.maximum(uniform_filter(square, width, mode="nearest") - mean**2, 0))
        columns[f"texture {width}"] = average(local)
    columns["texture around"] = average(_blur(np.abs(grid - finest), 4))
    gradient_y, gradient_x = np.gradient(fine)
    columns["slope down"] = average(gradient_y)
    columns["edge"] = average(np.hypot(gradient_y, gradient_x))
    for name, axis in (("row mean", 1), ("column mean", 0)):
        columns[name] = average(uniform_filter1d(fine, SIDE // 2 + 1, axis=axis, mode="nearest")) - rank
    for distance in (6, 12, 20):
        window = fine if distance == 6 else medium
        columns[f"above {distance}"] = average(_shift(window, -distance, 0)) - rank
        columns[f"beneath {distance}"] = average(_shift(window, distance, 0)) - rank
        sides = average(_shift(window, 0, -distance)) - rank, average(_shift(window, 0, distance)) - rank
        columns[f"darker side {distance}"] = np.minimum(*sides)
        columns[f"brighter side {distance}"] = np.maximum(*sides)
    below = _shift(uniform_filter1d(finest, 17, axis=0, mode="nearest"), 12, 0)
    across = _blur(below, (0, 2.0))
    beside = (_shift(across, 0, -12) + _shift(across, 0, 12)) / 2
    columns["shadow"] = average(across - beside)
    return columns


def _enclosure(average: _GridAverage, grid: np.ndarray) -> Features:
    """Measure how bright the walls are, in ranks above the place itself."""
    columns: Features = {}
    pad = max(REACHES)
    padded = np.pad(grid, pad, mode="edge")
    for reach in REACHES:
        stride = 1 if reach == REACHES[0] else 2
        walls = np.empty((len(DIRECTIONS), SIDE, SIDE), grid.dtype)
        for wall, (r, c) in zip(walls, DIRECTIONS, strict=True):
            steps = range(1, (round(reach * 0.71) if r and c else reach) + 1, stride)
            views = [padded[pad + k * r : pad + k * r + SIDE, pad + k * c : pad + k * c + SIDE] for k in steps]
            wall[:] = np.max(views, axis=0)
        walls -= grid
        walls.sort(axis=0)
        columns[f"lowest wall {reach}"] = average(walls[0])
        columns[f"second wall {reach}"] = average(walls[2])
        columns[f"walls {reach}"] = average(walls.mean(axis=0))
    opened = maximum_filter(minimum_filter(grid, 9, mode="nearest"), 9, mode="nearest")
    closed = minimum_filter(maximum_filter(grid, 17, mode="nearest"), 17, mode="nearest")
    columns["hollow"] = average(grid - opened)
    columns["closing 17"] = average(closed - grid)
    return columns


def _basins(regions: Regions, grid: np.ndarray) -> Features:
    """Measure the largest closed basin that holds each region's centre, and at which thresholds it is closed."""
    centre = tuple(np.minimum((regions.centre * SIDE).astype(int), SIDE - 1).T)
    n = len(regions.area)
    share, closed_at, row, compactness = np.zeros(n), np.zeros(n), np.full(n, 0.5), np.zeros(n)
    opens_at, first_share, levels = np.full(n, 1.0), np.zeros(n), np.zeros(n)
    ordered = np.sort(grid.ravel())
    rows, columns = np.repeat(np.arange(SIDE), SIDE), np.tile(np.arange(SIDE), SIDE)
    for threshold in THRESHOLDS:
        labels, number = label(grid <= ordered[int(threshold * ordered.size)])
        flat = labels.ravel()
        area = np.bincount(flat, minlength=number + 1)
        is_open = np.zeros(number + 1, bool)
        is_open[0] = True
        for line in (labels[-1], labels[:, 0], labels[:, -1]):
            is_open[line] = True
        mean_row = np.bincount(flat, rows, number + 1) / np.maximum(area, 1)
        mean_column = np.bincount(flat, columns, number + 1) / np.maximum(area, 1)
        moment = np.bincount(flat, (rows - mean_row[flat]) ** 2 + (columns - mean_column[flat]) ** 2, number + 1)
        disc_likeness = area * area / (2 * np.pi * np.maximum(moment, 1e-3) + area)
        basin = labels[centre]
        inside, closed = basin > 0, ~is_open[basin]
        first_share = np.where(inside & (first_share == 0), area[basin] / ordered.size, first_share)
        opens_at = np.where(inside, np.minimum(opens_at, threshold), opens_at)
        share = np.where(closed, area[basin] / ordered.size, share)
        row = np.where(closed, mean_row[basin] / SIDE, row)
        compactness = np.where(closed, disc_likeness[basin], compactness)
        closed_at = np.where(closed, threshold, closed_at)
        levels += closed
    return {
        "basin": share,
        "basin closes": closed_at,
        "basin opens": opens_at,
        "basin row": row,
        "basin compact": compactness,
        "basin levels": levels,
        "first basin": first_share,
    }


def _image_features(columns: Features, x: np.ndarray, deviation: float) -> Features:
    """Measure the whole image, and how far each region falls short of the image's best by the main features."""
    n = len(columns["rank"])
    low, middle, high = np.quantile(x, (0.1, 0.5, 0.9))
    image: Features = {
        "image contrast": np.full(n, deviation / (x.mean() + 1e-3)),
        "image skew": np.full(n, (high + low - 2 * middle) / (high - low + 1e-3)),
        "image black": np.full(n, np.mean(x < 0.02)),
    }
    for name in ("dark 2-16", "dark 4-8", "walls 20", "lowest wall 10", "basin"):
        values = columns[name]
        image[f"{name} best"] = np.full(n, values.max())
        image[f"{name} short"] = values.max() - values
    return image
