"""Boosted trees as plain arrays: fitted by any library, evaluated with NumPy alone.

The trees of a forest lie one after another in flat arrays, and a node's two children side by side. All trees and
samples descend together, one level at a time:

    node <- left[node] + (x[feature[node]] > threshold[node])          a leaf is its own left child and its threshold ∞

and the log odds are the forest's bias plus the sum of the leaves' values (Friedman 2001, "Greedy function
approximation: a gradient boosting machine", doi 10.1214/aos/1013203451).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from salus.errors import SalusError

CHUNK = 1 << 17
"""Nodes visited at once, which keeps them in the processor's cache."""

FIELDS = ("root", "feature", "threshold", "left", "value", "bias", "depth", "width")
"""Names of the arrays in a file, in the order of the attributes of `Trees`."""


@dataclass(frozen=True, eq=False)
class Trees:
    """A forest of t trees with m nodes in all.

    Attributes:
        root: (t,) int32, the first node of each tree.
        feature: (m,) int16, the feature that a node tests.
        threshold: (m,) float32, samples above it go right; infinite at leaves.
        left: (m,) int32, the left child; the right child is the node after it; a leaf's left child is the leaf itself.
        value: (m,) float32, log odds that a leaf adds.
        bias: log odds before any tree.
        depth: steps from a root to the deepest leaf.
        width: number of features of a sample.

    Raises:
        SalusError: the arrays do not make trees.
    """

    root: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    value: np.ndarray
    bias: float
    depth: int
    width: int

    def __post_init__(self) -> None:
        m, nodes = self.feature.size, np.arange(self.feature.size)
        shapes = {a.shape for a in (self.feature, self.threshold, self.left, self.value)}
        integers = all(a.dtype.kind in "iu" for a in (self.root, self.feature, self.left))
        if shapes != {(m,)} or not m or self.root.ndim != 1 or not integers or self.depth < 0:
            raise SalusError("these arrays make no trees; fit them again")
        leaf = self.left == nodes
        inside = (self.root >= 0).all() and (self.root < m).all() and (self.feature >= 0).all()
        inside = inside and (self.feature < self.width).all() and (self.left[~leaf] + 1 < m).all()
        if not inside or not (self.left >= nodes).all() or not np.isposinf(self.threshold[leaf]).all():
            raise SalusError("these arrays make no trees, a link leaves them; fit them again")

    def log_odds(self, samples: np.ndarray) -> np.ndarray:
        """Compute ln p / (1 - p) of each sample.

        Args:
            samples: (n, width) without NaN; compared with the thresholds as float32.

        Returns:
            (n,) float64.

        Raises:
            SalusError: the samples have another number of features.

        Example:
            >>> import numpy as np
            >>> stump = Trees(np.array([0]), np.zeros(3, np.int16), np.float32([1, np.inf, np.inf]),
            ...               np.array([1, 1, 2]), np.float32([0, -2, 3]), bias=0.5, depth=1, width=1)
            >>> stump.log_odds(np.array([[0.0], [1.0], [2.0]])).tolist()
            [-1.5, -1.5, 3.5]
        """
        if samples.ndim != 2 or samples.shape[1] != self.width:
            raise SalusError(f"these trees want (n, {self.width}) features, not {samples.shape}")
        log_odds = np.full(len(samples), float(self.bias))
        chunk = max(1, CHUNK // max(1, self.root.size))
        flat = np.ascontiguousarray(samples, np.float32).ravel()
        feature, left, root = (a.astype(np.int32) for a in (self.feature, self.left, self.root))
        for start in range(0, len(samples), chunk):
            rows = np.arange(start, min(start + chunk, len(samples)), dtype=np.int32)
            first = (rows * np.int32(self.width))[:, None]  # of each sample's features in `flat`
            node = np.broadcast_to(root, (rows.size, root.size))
            for _ in range(self.depth):
                node = left.take(node) + (flat.take(first + feature.take(node)) > self.threshold.take(node))
            log_odds[rows] += self.value.take(node).sum(axis=1, dtype=np.float64)
        return log_odds

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Return the arrays of an .npz file by name, each with a prefix; `from_arrays` reads them."""
        return {prefix + name: np.asarray(getattr(self, name)) for name in FIELDS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], prefix: str = "") -> Trees:
        """Make the trees from arrays of `arrays`.

        Raises:
            KeyError: an array is missing.
            SalusError: they do not make trees.
        """
        root, feature, threshold, left, value, bias, depth, width = (arrays[prefix + name] for name in FIELDS)
        return cls(root, feature, threshold, left, value, float(bias), int(depth), int(width))
