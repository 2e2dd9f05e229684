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

WORKING = 128
"""Height and width at which the classical methods work."""

COUNT = 230
"""Wanted number of regions; SLIC rounds it to a grid."""

COMPACTNESS = 0.1
"""Weight of nearness against likeness."""

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

    def paint(self, values: np.ndarray) -> np.ndarray:
        """Give each pixel its region's value: (n,) to (h, w), the dtype of `values`."""
        return np.asarray(values)[self.labels]

    def average(self, values: np.ndarray) -> np.ndarray:
        """Mean of a map in each region: (h, w) to (n,) float64."""
        return np.bincount(self.labels.ravel(), np.ravel(values), len(self.area)) / self.area


def superpixels(image: np.ndarray, count: int = COUNT) -> Regions:
    """Cluster an image into regions.

    Args:
        image: (h, w) uint8.
        count: wanted number of regions, at most one for 4 pixels.

    Example:
        >>> import numpy as np
        >>> regions = superpixels(np.zeros((32, 32), np.uint8), 16)
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
    return describe_regions(image, labels)


def describe_regions(image: np.ndarray, labels: np.ndarray) -> Regions:
    """The regions of a labelled image.

    Args:
        image: (h, w) uint8.
        labels: (h, w) integers from 0; those that are missing are closed up.
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
    sums = [np.bincount(flat, weights, n) / area for weights in (image.ravel() / 255, rows, columns)]
    pairs = np.concatenate([_pairs(labels[:-1], labels[1:], n), _pairs(labels[:, :-1], labels[:, 1:], n)])
    codes, shared = np.unique(pairs, return_counts=True)
    edges = np.stack([codes // n, codes % n], axis=1).astype(np.int32)
    return Regions(labels, sums[0], area, np.stack(sums[1:], axis=1), edges, shared)


def _pairs(one: np.ndarray, other: np.ndarray, n: int) -> np.ndarray:
    """Codes i n + j, i < j, of the neighbouring pixels whose labels differ."""
    differ = one != other
    a, b = one[differ].astype(np.int64), other[differ]
    return np.minimum(a, b) * n + np.maximum(a, b)
