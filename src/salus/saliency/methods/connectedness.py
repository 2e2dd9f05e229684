"""Connectedness of regions to the image's borders: what hangs together with a border is hardly a tumour.

Neutro-connectedness (Xian et al. 2016, "Neutro-connectedness cut", arXiv 1512.06285): neighbours i, j of mean
grey m connect with μ_ij = exp(-(m_i - m_j)² / 2σ²), a path connects as its weakest link, and a region is as connected
to the seeds as its best path makes it:

    T_i = max over paths from a seed to i of min μ along the path          (1 for seeds)

The best paths lie on the minimum spanning tree of 1 - μ, which is found once for all borders. A posterior shadow joins
a tumour to the bottom and a shallow tumour touches the top, so the connectedness to each border is kept apart.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from salus.saliency.methods.superpixels import Regions

BORDERS = ("top", "bottom", "left", "right")
"""The order of the borders in every array."""

SIGMA = 0.1
"""Grey difference, image in [0, 1], at which neighbours connect with exp(-1/2)."""


def touches_borders(regions: Regions) -> np.ndarray:
    """Tell whether each region has a pixel at each border: (n, 4) bool, in the order of `BORDERS`."""
    labels, touches = regions.labels, np.zeros((len(regions.area), 4), bool)
    for index, line in enumerate((labels[0], labels[-1], labels[:, 0], labels[:, -1])):
        touches[line, index] = True
    return touches


def neutro_connectedness(regions: Regions, sigma: float = SIGMA) -> np.ndarray:
    """Compute the connectedness of each region to each border.

    Args:
        regions: n regions of an image.
        sigma: grey difference at which neighbours connect with exp(-1/2).

    Returns:
        (n, 4) float64 in [0, 1], in the order of `BORDERS`; 1 for regions at the border.

    Example:
        >>> import numpy as np
        >>> from salus.saliency.methods.superpixels import measure_regions
        >>> image = np.array([[255, 255, 255], [255, 0, 255], [255, 255, 255]], np.uint8)
        >>> ring = measure_regions(image, (image == 0).astype(int))
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
    seeds = touches_borders(regions)
    return np.stack([_connect_to(np.flatnonzero(seeds[:, border]), tree, links) for border in range(4)], axis=1)


def _connect_to(seeds: np.ndarray, tree: coo_array, links: dict[tuple[int, int], float]) -> np.ndarray:
    """Compute the weakest link between each of n regions and its seed.

    A virtual root, node n, is joined to all seeds at a smaller rank than every other edge, so that the new spanning
    tree holds these edges.

    Args:
        seeds: labels of the seeds.
        tree: (n, n) spanning tree, whose edges have ranks from 1.
        links: μ of the tree's edges.
    """
    n = tree.shape[0]
    rows, columns = np.concatenate([tree.row, np.full(len(seeds), n)]), np.concatenate([tree.col, seeds])
    ranks = np.concatenate([tree.data, np.full(len(seeds), 0.5)])
    rooted = minimum_spanning_tree(csr_array((ranks, (rows, columns)), shape=(n + 1, n + 1)))
    order, parents = breadth_first_order(rooted, n, directed=False)
    weakest = [0.0] * n + [1.0]
    for node, parent in zip(order[1:].tolist(), parents[order[1:]].tolist(), strict=True):
        if parent == n:
            weakest[node] = 1.0
        else:
            link = links[node, parent] if (node, parent) in links else links[parent, node]
            weakest[node] = min(weakest[parent], link)
    return np.array(weakest[:n])
