"""Boosted trees as plain arrays: fitted by any library, evaluated by NumPy alone.

The trees of a forest lie one after another in flat arrays, and a node's two children side by side. All trees and
samples step down together, one level at a time:

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
"""Nodes followed at once, which keeps them in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Trees:
    """A forest of t trees with m nodes in all.

    Attributes:
        root: (t,) int32, the first node of each tree.
        feature: (m,) int16, the feature looked at.
        threshold: (m,) float32, samples above go right; infinite at leaves.
        left: (m,) int32, the left child, the right one comes next; a leaf's is itself.
        value: (m,) float32, log odds that a leaf adds.
        bias: log odds before any tree.
        depth: steps from a root to the deepest leaf.
        width: how many features a sample has.

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
        m, own = self.feature.size, np.arange(self.feature.size)
        sizes = {a.shape for a in (self.feature, self.threshold, self.left, self.value)}
        whole = all(a.dtype.kind in "iu" for a in (self.root, self.feature, self.left))
        if sizes != {(m,)} or not m or self.root.ndim != 1 or not whole or self.depth < 0:
            raise SalusError("these arrays make no trees; fit them again")
        leaf = self.left == own
        inside = (self.root >= 0).all() and (self.root < m).all() and (self.feature >= 0).all()
        inside = inside and (self.feature < self.width).all() and (self.left[~leaf] + 1 < m).all()
        if not inside or not (self.left >= own).all() or not np.isposinf(self.threshold[leaf]).all():
            raise SalusError("these arrays make no trees, a link leaves them; fit them again")

    def log_odds(self, samples: np.ndarray) -> np.ndarray:
        """ln p / (1 - p) of each sample.

        Args:
            samples: (n, width) without NaN; compared as float32.

        Returns:
            (n,) float64.

        Raises:
            SalusError: of another width.

        Example:
            >>> import numpy as np
            >>> stump = Trees(np.array([0]), np.zeros(3, np.int16), np.float32([1, np.inf, np.inf]),
            ...               np.array([1, 1, 2]), np.float32([0, -2, 3]), bias=0.5, depth=1, width=1)
            >>> stump.log_odds(np.array([[0.0], [1.0], [2.0]])).tolist()
            [-1.5, -1.5, 3.5]
        """
        if samples.ndim != 2 or samples.shape[1] != self.width:
            raise SalusError(f"these trees want (n, {self.width}) features, not {samples.shape}")
        found = np.full(len(samples), float(self.bias))
        at_once = max(1, CHUNK // max(1, self.root.size))
        flat = np.ascontiguousarray(samples, np.float32).ravel()
        feature, left, root = (a.astype(np.int32) for a in (self.feature, self.left, self.root))
        for start in range(0, len(samples), at_once):
            rows = np.arange(start, min(start + at_once, len(samples)), dtype=np.int32)
            first = (rows * np.int32(self.width))[:, None]
            node = np.broadcast_to(root, (rows.size, root.size))
            for _ in range(self.depth):
                node = left.take(node) + (flat.take(first + feature.take(node)) > self.threshold.take(node))
            found[rows] += self.value.take(node).sum(axis=1, dtype=np.float64)
        return found

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """What an .npz file needs to hold; `from_arrays` takes it back."""
        names = ("root", "feature", "threshold", "left", "value", "bias", "depth", "width")
        return {prefix + name: np.asarray(getattr(self, name)) for name in names}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], prefix: str = "") -> Trees:
        """The trees that `arrays` wrote.

        Raises:
            KeyError: an array is missing.
            SalusError: they do not make trees.
        """
        names = ("root", "feature", "threshold", "left", "value")
        root, feature, threshold, left, value = (arrays[prefix + name] for name in names)
        bias, depth, width = (
            float(arrays[prefix + "bias"]),
            int(arrays[prefix + "depth"]),
            int(arrays[prefix + "width"]),
        )
        return cls(root, feature, threshold, left, value, bias, depth, width)
