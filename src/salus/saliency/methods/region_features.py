"""Features of regions for a classifier: some seventy figures that say what a region is beside its surroundings.

A scanner's gain and gamma change every grey value but hardly their order, so that grey is taken as its rank in the
image (the share of pixels that are darker), beside grey as a share of the image's standard deviation. A mirrored image
changes nothing but rounding: the two sides are told apart only as the nearer and the farther, the lower and the higher.

Surroundings are looked at on a grid of 64 x 64. Darkness at a scale is a difference of Gaussians; enclosure looks in
eight directions for the brightest place within reach and says how bright the darkest of these is (is this place walled
in?); a basin is the connected dark place that a region lies in when the image is cut at one grey or another, and is
closed while it reaches neither the sides nor the bottom.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter, label, maximum_filter, minimum_filter, uniform_filter, uniform_filter1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from salus.saliency.methods.connectedness import neutro_connectedness, touches
from salus.saliency.methods.layers import layer_depth
from salus.saliency.methods.superpixels import Regions

SIDE = 64
"""Height and width of the grid at which surroundings are looked at."""

SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Standard deviations of the blurs, cells of the grid."""

REACHES = (5, 10, 20)
"""Cells that enclosure looks ahead."""

CUTS = (0.08, 0.14, 0.2, 0.27, 0.35, 0.44, 0.54)
"""Ranks of grey at which basins are cut."""

LINK = 0.1
"""σ of neutro-connectedness, from which the weakest link's grey difference is taken back."""


def features(image: np.ndarray, regions: Regions) -> tuple[np.ndarray, tuple[str, ...]]:
    """Describe the regions of an image.

    Args:
        image: (h, w) uint8, h and w multiples of 64.
        regions: n regions of it.

    Returns:
        (n, k) float32, finite, and k names.

    Example:
        >>> import numpy as np
        >>> from salus.saliency.methods.superpixels import superpixels
        >>> image = np.random.default_rng(0).integers(0, 256, (128, 128)).astype(np.uint8)
        >>> table, names = features(image, superpixels(image))
        >>> table.shape[1] == len(names), bool(np.isfinite(table).all())
        (True, True)
    """
    x = image / np.float32(255)
    held = np.bincount(image.ravel(), minlength=256)
    order = ((np.cumsum(held) - held / 2) / image.size).astype(np.float32)[image]
    deviation = float(x.std()) + 1e-3
    found: dict[str, np.ndarray] = {}
    grid, over = _shrink(order), _Averager(regions, image.shape)
    rank = regions.average(order)
    _own(found, regions, x, order, rank, deviation)
    _links(found, regions, rank, deviation)
    blurred = [np.asarray(gaussian_filter(grid, scale, mode="nearest", truncate=2.5)) for scale in SCALES]
    raw = np.asarray(gaussian_filter(_shrink(x), SCALES[2], mode="nearest", truncate=2.5))
    found["wide raw"] = (over(raw) - regions.mean) / deviation
    found["layer"] = regions.average(layer_depth(image))
    _surroundings(found, over, grid, blurred, rank)
    _enclosure(found, over, blurred[0])
    _basins(found, regions, blurred[0], rank)
    _image(found, x, deviation, len(rank))
    return np.stack(list(found.values()), axis=1).astype(np.float32), tuple(found)


class _Averager:
    """Mean of a grid in each region."""

    def __init__(self, regions: Regions, shape: tuple[int, ...]) -> None:
        cells = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
        cells = np.repeat(np.repeat(cells, shape[0] // SIDE, axis=0), shape[1] // SIDE, axis=1)
        one = np.ones(cells.size, np.float32)
        n = len(regions.area)
        self.weights = csr_array((one, (regions.labels.ravel(), cells.ravel())), shape=(n, SIDE * SIDE))
        self.area = regions.area

    def __call__(self, grid: np.ndarray) -> np.ndarray:
        return np.asarray(self.weights @ grid.ravel() / self.area)


def _shrink(x: np.ndarray) -> np.ndarray:
    h, w = x.shape
    return x.reshape(SIDE, h // SIDE, SIDE, w // SIDE).mean(axis=(1, 3))


def _shift(grid: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The grid's value so many rows below and columns to the right; beyond the border the border's."""
    r = np.clip(np.arange(SIDE) + rows, 0, SIDE - 1)
    c = np.clip(np.arange(SIDE) + columns, 0, SIDE - 1)
    return grid[r][:, c]


def _own(
    found: dict[str, np.ndarray], regions: Regions, x: np.ndarray, order: np.ndarray, rank: np.ndarray, deviation: float
) -> None:
    """Place, size, grey and spread of the region itself."""
    found["row"] = regions.centre[:, 0]
    found["off centre"] = np.abs(regions.centre[:, 1] - 0.5)
    found["area"] = np.log(regions.area)
    found["rank"] = rank
    found["grey"] = regions.mean
    found["grey by mean"] = regions.mean / (x.mean() + 1e-3)
    found["spread"] = np.sqrt(np.maximum(regions.average(x * x) - regions.mean**2, 0)) / deviation
    found["rank spread"] = np.sqrt(np.maximum(regions.average(order * order) - rank**2, 0))
    found["place by rank"] = rank.argsort().argsort() / len(rank)


def _links(found: dict[str, np.ndarray], regions: Regions, rank: np.ndarray, deviation: float) -> None:
    """What the region is to its neighbours and, by paths, to the borders."""
    n, (i, j) = len(rank), regions.edges.T
    both, other = np.concatenate([i, j]), np.concatenate([j, i])
    weight = np.concatenate([regions.shared, regions.shared])
    step = rank[other] - rank[both]
    joined = csr_array((weight.astype(float), (both, other)), shape=(n, n))
    total = np.maximum(np.bincount(both, weight, n), 1)
    ring = joined @ rank / total
    found["ring"] = ring - rank
    found["second ring"] = joined @ ring / total - rank
    lowest, highest = np.full(n, 1.0), np.full(n, -1.0)
    np.minimum.at(lowest, both, step)
    np.maximum.at(highest, both, step)
    found["darkest neighbour"], found["brightest neighbour"] = lowest, highest
    t = neutro_connectedness(regions, LINK)
    weakest = np.minimum(LINK * np.sqrt(-2 * np.log(np.maximum(t, 1e-300))) / deviation, 10.0)
    at = touches(regions)
    border, region = np.nonzero(at.T)
    rows = np.concatenate([i, n + border])
    columns = np.concatenate([j, region])
    lengths = np.concatenate([np.abs(rank[i] - rank[j]) + 1e-4, np.full(len(region), 1e-6)])
    graph = csr_array((lengths, (rows, columns)), shape=(n + 4, n + 4))
    away = dijkstra(graph + graph.T, indices=np.arange(n, n + 4), limit=np.inf)[:, :n].T
    for name, values in (("link", weakest), ("path", away)):
        found[f"{name} top"], found[f"{name} bottom"] = values[:, 0], values[:, 1]
        found[f"{name} nearer side"] = values[:, 2:].min(axis=1)
        found[f"{name} farther side"] = values[:, 2:].max(axis=1)
    found["border"] = at.any(axis=1).astype(float)


def _surroundings(
    found: dict[str, np.ndarray], over: _Averager, grid: np.ndarray, blurred: list[np.ndarray], rank: np.ndarray
) -> None:
    """Darkness at every scale, texture, edges, and what lies above, beneath and beside."""
    means = [over(blur) for blur in blurred]
    for scale, mean in zip(SCALES, means, strict=True):
        found[f"wide {scale:g}"] = mean - rank
    for (fine, coarse), (a, b) in zip(pairwise(SCALES), pairwise(means), strict=True):
        found[f"dark {fine:g}-{coarse:g}"] = b - a
    found["dark 2-16"] = means[4] - means[1]
    found["dark 4-16"] = means[4] - means[2]
    square = grid * grid
    for width in (3, 7):
        mean = uniform_filter(grid, width, mode="nearest")
        local = np.sqrt(np.maximum(uniform_filter(square, width, mode="nearest") - mean**2, 0))
        found[f"texture {width}"] = over(local)
    finest = blurred[0]
    found["texture around"] = over(gaussian_filter(np.abs(grid - finest), 4, mode="nearest", truncate=2.5))
    soft = blurred[1]
    gy, gx = np.gradient(soft)
    found["slope down"] = over(gy)
    found["edge"] = over(np.hypot(gy, gx))
    row = uniform_filter1d(soft, SIDE // 2 + 1, axis=1, mode="nearest")
    column = uniform_filter1d(soft, SIDE // 2 + 1, axis=0, mode="nearest")
    found["row mean"], found["column mean"] = over(row) - rank, over(column) - rank
    for d in (6, 12, 20):
        window = blurred[1] if d == 6 else blurred[2]
        found[f"above {d}"] = over(_shift(window, -d, 0)) - rank
        found[f"beneath {d}"] = over(_shift(window, d, 0)) - rank
        sides = over(_shift(window, 0, -d)) - rank, over(_shift(window, 0, d)) - rank
        found[f"darker side {d}"], found[f"brighter side {d}"] = np.minimum(*sides), np.maximum(*sides)
    below = uniform_filter1d(finest, 17, axis=0, mode="nearest", origin=0)
    below = _shift(below, 12, 0)
    across = np.asarray(gaussian_filter(below, (0, 2.0), mode="nearest", truncate=2.5))
    beside = (_shift(across, 0, -12) + _shift(across, 0, 12)) / 2
    found["shadow"] = over(across - beside)


def _enclosure(found: dict[str, np.ndarray], over: _Averager, grid: np.ndarray) -> None:
    """How bright the walls are, in ranks above the place itself."""
    ways = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
    pad = max(REACHES)
    padded = np.pad(grid, pad, mode="edge")
    for diagonal_first, reach in enumerate(REACHES):
        walls = np.empty((len(ways), SIDE, SIDE), grid.dtype)
        for index, (r, c) in enumerate(ways):
            steps = range(1, reach + 1, 1 if diagonal_first == 0 else 2)
            if r and c:
                steps = range(1, round(reach * 0.71) + 1, 1 if diagonal_first == 0 else 2)
            views = [padded[pad + k * r : pad + k * r + SIDE, pad + k * c : pad + k * c + SIDE] for k in steps]
            walls[index] = np.max(views, axis=0)
        walls -= grid
        walls.sort(axis=0)
        found[f"lowest wall {reach}"] = over(walls[0])
        found[f"second wall {reach}"] = over(walls[2])
        found[f"walls {reach}"] = over(walls.mean(axis=0))
    hollow = maximum_filter(minimum_filter(grid, 9, mode="nearest"), 9, mode="nearest")
    closed = minimum_filter(maximum_filter(grid, 17, mode="nearest"), 17, mode="nearest")
    found["hollow"] = over(grid - hollow)
    found["closing 17"] = over(closed - grid)


def _basins(found: dict[str, np.ndarray], regions: Regions, grid: np.ndarray, rank: np.ndarray) -> None:
    """The largest closed basin that holds the region's centre, and how long it stays closed as the cut rises."""
    at = tuple(np.minimum((regions.centre * SIDE).astype(int), SIDE - 1).T)
    n = len(rank)
    share, closed_at, first = np.zeros(n), np.zeros(n), np.full(n, 1.0)
    row, fill, any_share = np.full(n, 0.5), np.zeros(n), np.zeros(n)
    count = np.zeros(n)
    level = np.sort(grid.ravel())
    rows, columns = np.repeat(np.arange(SIDE), SIDE), np.tile(np.arange(SIDE), SIDE)
    for cut in CUTS:
        parts, number = label(grid <= level[int(cut * level.size)])
        flat = parts.ravel()
        area = np.bincount(flat, minlength=number + 1)
        open_ = np.zeros(number + 1, bool)
        for line in (parts[-1], parts[:, 0], parts[:, -1]):
            open_[line] = True
        open_[0] = True
        mean_row = np.bincount(flat, rows, number + 1) / np.maximum(area, 1)
        mean_column = np.bincount(flat, columns, number + 1) / np.maximum(area, 1)
        moment = np.bincount(flat, (rows - mean_row[flat]) ** 2 + (columns - mean_column[flat]) ** 2, number + 1)
        compact = area * area / (2 * np.pi * np.maximum(moment, 1e-3) + area)
        mine = parts[at]
        inside, closed = mine > 0, ~open_[mine]
        any_share = np.where(inside & (any_share == 0), area[mine] / level.size, any_share)
        first = np.where(inside, np.minimum(first, cut), first)
        share = np.where(closed, area[mine] / level.size, share)
        row = np.where(closed, mean_row[mine] / SIDE, row)
        fill = np.where(closed, compact[mine], fill)
        closed_at = np.where(closed, cut, closed_at)
        count += closed
    found["basin"] = share
    found["basin closes"] = closed_at
    found["basin opens"] = first
    found["basin row"] = row
    found["basin compact"] = fill
    found["basin levels"] = count
    found["first basin"] = any_share


def _image(found: dict[str, np.ndarray], x: np.ndarray, deviation: float, n: int) -> None:
    """What holds for the whole image, and the region's rank in it by what matters most."""
    low, middle, high = np.quantile(x, (0.1, 0.5, 0.9))
    found["image contrast"] = np.full(n, deviation / (x.mean() + 1e-3))
    found["image skew"] = np.full(n, (high + low - 2 * middle) / (high - low + 1e-3))
    found["image black"] = np.full(n, np.mean(x < 0.02))
    for name in ("dark 2-16", "dark 4-8", "walls 20", "lowest wall 10", "basin"):
        values = found[name]
        found[f"{name} best"] = np.full(n, values.max())
        found[f"{name} short"] = values.max() - values
