"""Connectedness of regions to the image's borders: what hangs together with a border is hardly a tumour.

Neutro-connectedness (Xian et al. 2016, "Neutro-connectedness cut", arXiv 1512.06285): neighbours i, j of mean
grey m connect with μ_ij = exp(-(m_i - m_j)² / 2σ²), a path connects as its weakest link, and a region is as connected
to the seeds as its best path makes it:

    T_i = max over paths from a seed to i of min μ along the path          (1 for seeds)

The best paths lie on the spanning tree of least 1 - μ, found once for all borders. A posterior shadow joins a tumour to
the bottom and a shallow tumour touches the top, so each border has a figure of its own.

Boundary connectivity (Zhu et al. 2014, "Saliency optimization from robust background detection"): with d the least sum
of |m_i - m_j| over paths and S_ij = exp(-d_ij² / 2σ²),

    B_i = Σ_j S_ij [j at a border] / sqrt(Σ_j S_ij)                         background weight: 1 - exp(-B_i² / 2)
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, dijkstra, minimum_spanning_tree

from salus.saliency.methods.superpixels import Regions

BORDERS = ("top", "bottom", "left", "right")
"""The order of the borders in every array."""

SIGMA = 0.1
"""Grey difference, image in [0, 1], at which neighbours connect with exp(-1/2)."""

REACH = 0.1
"""Geodesic grey distance at which regions belong together with exp(-1/2)."""


def touches(regions: Regions) -> np.ndarray:
    """Whether each region has a pixel at each border: (n, 4) bool, in the order of `BORDERS`."""
    labels, found = regions.labels, np.zeros((len(regions.area), 4), bool)
    for index, line in enumerate((labels[0], labels[-1], labels[:, 0], labels[:, -1])):
        found[line, index] = True
    return found


def neutro_connectedness(regions: Regions, sigma: float = SIGMA) -> np.ndarray:
    """Connectedness of each region to each border.

    Args:
        regions: n regions of an image.
        sigma: grey difference at which neighbours connect with exp(-1/2).

    Returns:
        (n, 4) float64 in [0, 1], in the order of `BORDERS`; 1 for regions at the border.

    Example:
        >>> import numpy as np
        >>> from salus.saliency.methods.superpixels import describe_regions
        >>> image = np.array([[255, 255, 255], [255, 0, 255], [255, 255, 255]], np.uint8)
        >>> ring = describe_regions(image, (image == 0).astype(int))
        >>> neutro_connectedness(ring, sigma=0.5).round(4).tolist()
        [[1.0, 1.0, 1.0, 1.0], [0.1353, 0.1353, 0.1353, 0.1353]]
    """
    n = len(regions.area)
    i, j = regions.edges.T
    difference = np.abs(regions.mean[i] - regions.mean[j])
    rank = np.empty(len(difference))
    rank[np.argsort(difference, kind="stable")] = np.arange(1, len(difference) + 1)  # above 0: a stored 0 is no edge
    tree = minimum_spanning_tree(csr_array((rank, (i, j)), shape=(n, n))).tocoo()
    mu = np.exp(-((regions.mean[tree.row] - regions.mean[tree.col]) ** 2) / (2 * sigma**2))
    links = dict(zip(zip(tree.row.tolist(), tree.col.tolist(), strict=True), mu.tolist(), strict=True))
    at = touches(regions)
    found = np.empty((n, 4))
    for border in range(4):
        found[:, border] = _from_seeds(tree, links, np.flatnonzero(at[:, border]), n)
    return found


def _from_seeds(tree: csr_array, links: dict[tuple[int, int], float], seeds: np.ndarray, n: int) -> np.ndarray:
    """Bottlenecks of the paths from one virtual root, node n, joined to all seeds before any other link."""
    rows, columns = np.concatenate([tree.row, np.full(len(seeds), n)]), np.concatenate([tree.col, seeds])
    weights = np.concatenate([tree.data, np.full(len(seeds), 0.5)])
    joined = minimum_spanning_tree(csr_array((weights, (rows, columns)), shape=(n + 1, n + 1)))
    order, parents = breadth_first_order(joined, n, directed=False)
    best = [0.0] * n + [1.0]
    for node, parent in zip(order[1:].tolist(), parents[order[1:]].tolist(), strict=True):
        if parent == n:
            best[node] = 1.0
        else:
            link = links[node, parent] if (node, parent) in links else links[parent, node]
            best[node] = min(best[parent], link)
    return np.array(best[:n])


def boundary_connectivity(regions: Regions, reach: float = REACH) -> np.ndarray:
    """How much of what each region belongs to lies at the borders.

    Args:
        regions: n regions of an image.
        reach: geodesic grey distance at which regions belong together with exp(-1/2).

    Returns:
        (n,) float64, 0 and above; above 1 is background as a rule.
    """
    n = len(regions.area)
    i, j = regions.edges.T
    weights = np.abs(regions.mean[i] - regions.mean[j]) + 1e-12  # a stored 0 is no edge
    distance = dijkstra(csr_array((weights, (i, j)), shape=(n, n)), directed=False)
    together = np.exp(-(distance**2) / (2 * reach**2))
    return np.asarray(together @ touches(regions).any(axis=1) / np.sqrt(together.sum(axis=1)))
