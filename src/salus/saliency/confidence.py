"""Confidence of a saliency map: its quality, predicted from the map alone.

The quality of a map S with truth G is its best Dice, the largest over all thresholds t of the Dice of (S >= t) and G;
where the image has no tumour, it is 1 - max S, since the best map then lights nothing. It is predicted from the
`DESCRIPTORS` d of the map by a logistic regression on the quality q as a soft target, with a ridge penalty:

    c = σ(b + w·(d - mean) / scale),   (w, b) minimise  -Σ [q ln c + (1 - q) ln(1 - c)] + `RIDGE` |w|²/2

which is convex and solved by Newton's method. A map is then gated toward the location prior P, never dropped:

    S' = c S + (1 - c) P

Fit it on maps that were made out of fold: maps of the images an estimator was trained on look better than they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull

from salus.errors import SalusError
from salus.preprocess import resize
from salus.saliency.contour import contours

WORKING = 64
"""Height and width at which a map is described."""

LEVEL = 0.5
"""A map's contours are described where it is at least this share of its maximum."""

RIDGE = 1.0
"""Weight of the ridge penalty."""

DESCRIPTORS = (
    "agreement",  # cosine of map and prior
    "place",  # share of the prior's maximum at the map's centroid
    "depth",  # the centroid's row, 0 at the top, 1 at the bottom
    "depth²",  # with it the best depth may lie anywhere between
    "side",  # distance of the centroid's column from the middle, 0 to 1
    "solidity",  # area over convex area of the strongest contour
    "dominance",  # its share of the saliency in all contours
    "area",  # square root of its share of the image
    "entropy",  # of the map as a distribution, over its maximum ln(pixels)
    "maximum",
    "mean",
    "contrast",  # mean within the strongest contour less mean outside
)
"""What is said of a map. A map of zeros lies in the middle, agrees with nothing and has the entropy 1."""


@dataclass(frozen=True, eq=False)
class Confidence:
    """A fitted predictor of quality.

    Attributes:
        mean: (d,) mean of each descriptor in training.
        scale: (d,) standard deviation of each, 1 where it never varied.
        weights: (d,) weight of each standardised descriptor.
        bias: log odds of the quality at the means.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float

    def of(self, maps: np.ndarray, prior: np.ndarray) -> np.ndarray:
        """Predicted quality of each map.

        Args:
            maps: (n, h, w) in [0, 1].
            prior: (h, w) in [0, 1], the location prior.

        Returns:
            (n,) float64 in [0, 1].
        """
        return _sigmoid((describe(maps, prior) - self.mean) / self.scale @ self.weights + self.bias)

    def save(self, path: Path | str) -> None:
        """Write an .npz file."""
        np.savez(
            path, names=DESCRIPTORS, mean=self.mean, scale=self.scale, weights=self.weights, bias=np.float64(self.bias)
        )

    @classmethod
    def load(cls, path: Path | str) -> Confidence:
        """Read what `save` wrote.

        Raises:
            SalusError: missing, damaged, or fitted on other descriptors.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                names = tuple(str(name) for name in file["names"])
                mean, scale, weights = (np.asarray(file[key], np.float64) for key in ("mean", "scale", "weights"))
                bias = float(file["bias"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise SalusError(f"{path}: cannot be read as a confidence ({' '.join(str(error).split())})") from None
        if names != DESCRIPTORS or any(v.shape != (len(DESCRIPTORS),) for v in (mean, scale, weights)):
            raise SalusError(f"{path}: fitted by another version of Salus; fit the confidence again")
        return cls(mean, scale, weights, bias)


def fit_confidence(maps: np.ndarray, masks: np.ndarray, prior: np.ndarray, ridge: float = RIDGE) -> Confidence:
    """Fit the predictor of quality.

    Args:
        maps: (n, h, w) in [0, 1], out of fold where the estimator was trained on these images.
        masks: (n, h, w) bool.
        prior: (h, w) in [0, 1], the location prior.
        ridge: weight of the penalty; more pulls every prediction toward the mean quality.

    Raises:
        SalusError: no map, or other masks than maps.
    """
    if len(maps) == 0 or maps.shape != masks.shape:
        raise SalusError(f"a confidence is fitted on maps with a mask each, but there are {maps.shape}, {masks.shape}")
    quality = np.array([best_dice(one, mask) for one, mask in zip(maps, masks, strict=True)])
    found = describe(maps, prior)
    mean, scale = found.mean(axis=0), found.std(axis=0)
    scale[scale < 1e-9] = 1.0
    design = np.column_stack([(found - mean) / scale, np.ones(len(found))])
    penalty = ridge * np.append(np.ones(len(DESCRIPTORS)), 1e-3)  # a trace on the bias: finite where all are perfect
    beta = np.zeros(design.shape[1])
    for _ in range(100):
        c = _sigmoid(design @ beta)
        slope = design.T @ (c - quality) + penalty * beta
        step = np.linalg.solve(design.T @ (design * (c * (1 - c))[:, None]) + np.diag(penalty), slope)
        beta -= step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))  # no leap, so that it cannot overshoot
        if np.abs(step).max() < 1e-9:
            break
    return Confidence(mean, scale, beta[:-1], float(beta[-1]))


def gate(maps: np.ndarray, confidence: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Move each map toward the prior as far as it is not trusted: S' = c S + (1 - c) P.

    Args:
        maps: (n, h, w) in [0, 1].
        confidence: (n,) in [0, 1].
        prior: (h, w) in [0, 1].

    Returns:
        (n, h, w) float32 in [0, 1].

    Example:
        >>> import numpy as np
        >>> gate(np.ones((1, 1, 2)), np.array([0.25]), np.array([[0.0, 1.0]])).tolist()
        [[[0.25, 1.0]]]
    """
    c = np.asarray(confidence, np.float32)[:, None, None]
    return np.clip(c * maps + (1 - c) * prior, 0, 1).astype(np.float32)


def best_dice(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Quality of a map: its best Dice over all thresholds; 1 - max where there is no tumour.

    Args:
        saliency: any shape, in [0, 1].
        mask: the same shape, bool.

    Example:
        >>> best_dice(np.array([0.9, 0.5, 0.1]), np.array([True, True, False]))
        1.0
        >>> best_dice(np.array([0.25, 0.0]), np.array([False, False]))
        0.75
    """
    if not mask.any():
        return 1.0 - float(saliency.max(initial=0.0))
    order = np.argsort(-saliency, axis=None, kind="stable")
    values, truth = saliency.ravel()[order], mask.ravel()[order]
    last = np.append(np.flatnonzero(np.diff(values)), values.size - 1)  # the last pixel of each threshold
    return float((2 * np.cumsum(truth)[last] / (last + 1 + truth.sum())).max())


def describe(maps: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """The `DESCRIPTORS` of each map, (n, d) float64; arguments as in `Confidence.of`."""
    small = np.clip(resize(prior, (WORKING, WORKING)).astype(np.float64), 0, 1)
    return np.array([_describe(one, small) for one in maps]).reshape(len(maps), len(DESCRIPTORS))


def _describe(saliency: np.ndarray, prior: np.ndarray) -> list[float]:
    s = np.clip(resize(saliency, prior.shape).astype(np.float64), 0, 1)
    total, side = float(s.sum()), WORKING - 1
    norm = float(np.sqrt((s * s).sum() * (prior * prior).sum()))
    row = column = 0.5
    entropy = 1.0
    if total > 0:
        row = float(s.sum(axis=1) @ np.arange(WORKING)) / total / side
        column = float(s.sum(axis=0) @ np.arange(WORKING)) / total / side
        share = s[s > 0] / total
        entropy = float(-(share * np.log(share)).sum() / np.log(s.size))
    labels, strength = contours(s, LEVEL)
    shares = strength * np.bincount(labels.ravel(), minlength=strength.size + 1)[1:]
    top = labels == strength.argmax() + 1 if strength.size else np.zeros(s.shape, bool)
    outside = s[~top]
    contrast = float(s[top].mean() - (outside.mean() if outside.size else 0.0)) if top.any() else 0.0
    return [
        float((s * prior).sum()) / norm if norm > 0 else 0.0,
        float(prior[round(row * side), round(column * side)] / max(prior.max(), 1e-12)),
        row,
        row * row,
        2 * abs(column - 0.5),
        solidity(top),
        float(shares[strength.argmax()] / shares.sum()) if strength.size else 0.0,
        float(np.sqrt(top.mean())),
        entropy,
        float(s.max()),
        float(s.mean()),
        contrast,
    ]


def solidity(region: np.ndarray) -> float:
    """Area of a region over the area of its convex hull, pixels taken as squares; 0 where it is empty.

    Example:
        >>> solidity(np.ones((3, 4), bool))
        1.0
    """
    rows = np.flatnonzero(region.any(axis=1))
    if rows.size == 0:
        return 0.0
    first, last = region[rows].argmax(axis=1), region.shape[1] - region[rows, ::-1].argmax(axis=1)
    corners = np.column_stack([np.concatenate([rows, rows, rows + 1, rows + 1]), np.tile(np.append(first, last), 2)])
    return min(1.0, np.count_nonzero(region) / float(ConvexHull(corners).volume))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))
