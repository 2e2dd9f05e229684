"""Superpixels: an image as about 230 connected regions of similar grey, the nodes of every classical method here.

SLIC (Achanta et al. 2012, "SLIC superpixels compared to state-of-the-art superpixel methods", PAMI 34:2274) clusters
pixels around seeds on a grid of step S by

    d² = (grey difference)² + (`COMPACTNESS` · distance / S)²

grey in [0, 1] from the darkest to the brightest pixel of the image, after a Gaussian blur against speckle. Pieces that
came apart are given to a neighbour, so that each region is connected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

WORKING_SIZE = 128
"""Height and width at which the classical methods work."""

COUNT = 230
"""Desired number of regions; SLIC rounds it to a grid."""

COMPACTNESS = 0.1
"""Weight of the distance against the grey difference."""

BLUR = 1.0
"""Standard deviation of the blur in pixels."""

ROUNDS = 5
"""Rounds of clustering: later ones move few pixels."""


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one image.

    Attributes:
        labels: (h, w) int32, 0 to n - 1, every label present.
        mean: (n,) float64 mean grey in [0, 1].
        area: (n,) pixels.
        centre: (n, 2) float64 (row, column) of the centroid, shares of height and width in [0, 1].
        edges: (m, 2) int32 adjacent pairs i < j (4-neighbourhood).
        shared: (m,) length of the shared boundary in pixels.
    """

    labels: np.ndarray
    mean: np.ndarray
    area: np.ndarray
    centre: np.ndarray
    edges: np.ndarray
    shared: np.ndarray

    def to_map(self, values: np.ndarray) -> np.ndarray:
        """Give each pixel its region's value: (n,) to (h, w), the dtype of `values`."""
        return np.asarray(values)[self.labels]

    def average(self, image: np.ndarray) -> np.ndarray:
        """Average an image in each region: (h, w) to (n,) float64."""
        return np.bincount(self.labels.ravel(), np.ravel(image), len(self.area)) / self.area

    def directed_edges(self) -> tuple[np.ndarray, np.ndarray]:
        """List each edge in both directions: the regions (2 m,) and their neighbours (2 m,)."""
        i, j = self.edges.T
        return np.concatenate([i, j]), np.concatenate([j, i])

    def average_neighbours(self, values: np.ndarray) -> np.ndarray:
        """Average values over each region's neighbours, weighted by the shared boundary: (n,) to (n,) float64."""
        n, (region, neighbour) = len(self.area), self.directed_edges()
        weights = np.concatenate([self.shared, self.shared]).astype(float)
        sums = csr_array((weights, (region, neighbour)), shape=(n, n)) @ values
        return np.asarray(sums / np.maximum(np.bincount(region, weights, n), 1))


def compute_superpixels(image: np.ndarray, count: int = COUNT) -> Regions:
    """Cluster the pixels of an image into regions by SLIC.

    Args:
        image: (h, w) uint8.
        count: desired number of regions; at most one for 4 pixels is made.

    Example:
        >>> import numpy as np
        >>> regions = compute_superpixels(np.zeros((32, 32), np.uint8), 16)
        >>> len(regions.area), int(regions.area.sum())
        (16, 1024)
    """
    from skimage.segmentation import slic

    labels = slic(
        image.astype(np.float32) / np.float32(255),
        n_segments=max(1, min(count, image.size // 4)),
        compactness=COMPACTNESS,
        sigma=BLUR,
        max_num_iter=ROUNDS,
        start_label=0,
        channel_axis=None,
    )
    return measure_regions(image, labels)


def measure_regions(image: np.ndarray, labels: np.ndarray) -> Regions:
    """Measure the regions of a labelled image.

    Args:
        image: (h, w) uint8.
        labels: (h, w) integers from 0; they are renumbered where some are missing.
    """
    flat = labels.ravel()
    area = np.bincount(flat)
    if not area.all():
        flat = (np.cumsum(area > 0) - 1)[flat]
        area = area[area > 0]
    h, w = image.shape
    labels = flat.reshape(h, w).astype(np.int32)
    rows, columns = np.repeat((np.arange(h) + 0.5) / h, w), np.tile((np.arange(w) + 0.5) / w, h)
    n = len(area)
    grey, row, column = (np.bincount(flat, values, n) / area for values in (image.ravel() / 255, rows, columns))
    codes = np.concatenate([_edge_codes(labels[:-1], labels[1:], n), _edge_codes(labels[:, :-1], labels[:, 1:], n)])
    codes, shared = np.unique(codes, return_counts=True)
    edges = np.stack([codes // n, codes % n], axis=1).astype(np.int32)
    return Regions(labels, grey, area, np.stack([row, column], axis=1), edges, shared)


def _edge_codes(first: np.ndarray, second: np.ndarray, n: int) -> np.ndarray:
    """Encode the pairs i < j of neighbouring pixels' labels that differ as i n + j."""
    differ = first != second
    a, b = first[differ].astype(np.int64), second[differ]
    return np.minimum(a, b) * n + np.maximum(a, b)
