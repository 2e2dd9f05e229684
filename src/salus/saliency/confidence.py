"""Confidence of a saliency map: its quality, predicted from the map alone.

The quality of a map S with truth G is its best Dice, the largest over all thresholds t of the Dice of (S >= t) and G;
where the image has no tumour, it is 1 - max S, since the best map is then 0 everywhere. It is predicted from the
`DESCRIPTORS` d of the map by a logistic regression on the quality q as a soft target, with a ridge penalty:

    c = σ(b + w·(d - mean) / scale),   (w, b) minimise  -Σ [q ln c + (1 - q) ln(1 - c)] + `RIDGE` |w|²/2

A map is then gated toward the location prior P, never dropped:

    S' = c S + (1 - c) P

Fit it on maps that were made out of fold: maps of the images an estimator was trained on look better than they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull
from scipy.special import expit

from salus.errors import SalusError
from salus.metrics.saliency import best_dice_threshold
from salus.preprocess import resize
from salus.saliency.contour import label_contours
from salus.saliency.logistic import fit_logistic
from salus.saliency.npz import open_npz

WORKING_SIZE = 64
"""Height and width at which a map is described."""

LEVEL = 0.5
"""A map's contours are described where it is at least this share of its maximum."""

RIDGE = 1.0
"""Weight of the ridge penalty."""

DESCRIPTORS = (
    "agreement",  # cosine of map and prior
    "place",  # the prior at the map's centroid, as a share of the prior's maximum
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
"""The descriptors of a map. A map of zeros has its centroid in the middle, agreement 0 and entropy 1."""


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

    def predict(self, maps: np.ndarray, prior: np.ndarray) -> np.ndarray:
        """Predict the quality of each map.

        Args:
            maps: (n, h, w) in [0, 1].
            prior: (h, w) in [0, 1], the location prior.

        Returns:
            (n,) float64 in [0, 1].
        """
        return np.asarray(expit((describe_maps(maps, prior) - self.mean) / self.scale @ self.weights + self.bias))

    def save(self, path: Path | str) -> None:
        """Write an .npz file."""
        np.savez(
            path, names=DESCRIPTORS, mean=self.mean, scale=self.scale, weights=self.weights, bias=np.float64(self.bias)
        )

    @classmethod
    def load(cls, path: Path | str) -> Confidence:
        """Read a file of `save`.

        Raises:
            SalusError: the file is missing or damaged, or was fitted on other descriptors.
        """
        with open_npz(path, "a confidence") as file:
            names = tuple(str(name) for name in file["names"])
            mean, scale, weights = (np.asarray(file[key], np.float64) for key in ("mean", "scale", "weights"))
            bias = float(file["bias"])
        if names != DESCRIPTORS or any(v.shape != (len(DESCRIPTORS),) for v in (mean, scale, weights)):
            raise SalusError(f"{path}: fitted by another version of Salus; fit the confidence again")
        return cls(mean, scale, weights, bias)


def fit_confidence(maps: np.ndarray, masks: np.ndarray, prior: np.ndarray, ridge: float = RIDGE) -> Confidence:
    """Fit the predictor of quality.

    Args:
        maps: (n, h, w) in [0, 1], out of fold where the estimator was trained on these images.
        masks: (n, h, w) bool.
        prior: (h, w) in [0, 1], the location prior.
        ridge: weight of the penalty; a larger one pulls every prediction toward the mean quality.

    Raises:
        SalusError: there are no maps, or the masks have another shape.
    """
    if len(maps) == 0 or maps.shape != masks.shape:
        raise SalusError(f"a confidence is fitted on maps with a mask each, but there are {maps.shape}, {masks.shape}")
    quality = np.array([best_dice(saliency, mask) for saliency, mask in zip(maps, masks, strict=True)])
    descriptors = describe_maps(maps, prior)
    mean, scale = descriptors.mean(axis=0), descriptors.std(axis=0)
    scale[scale < 1e-9] = 1.0
    design = np.column_stack([(descriptors - mean) / scale, np.ones(len(descriptors))])
    # The small penalty of the bias keeps it finite where all maps are perfect.
    penalty = ridge * np.append(np.ones(len(DESCRIPTORS)), 1e-3)
    beta = fit_logistic(design, quality, 1 - quality, penalty)
    return Confidence(mean, scale, beta[:-1], float(beta[-1]))


def gate_maps(maps: np.ndarray, confidence: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Move each map toward the prior, the more the lower its confidence: S' = c S + (1 - c) P.

    Args:
        maps: (n, h, w) in [0, 1].
        confidence: (n,) in [0, 1].
        prior: (h, w) in [0, 1].

    Returns:
        (n, h, w) float32 in [0, 1].

    Example:
        >>> import numpy as np
        >>> gate_maps(np.ones((1, 1, 2)), np.array([0.25]), np.array([[0.0, 1.0]])).tolist()
        [[[0.25, 1.0]]]
    """
    c = np.asarray(confidence, np.float32)[:, None, None]
    return np.clip(c * maps + (1 - c) * prior, 0, 1).astype(np.float32)


def best_dice(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Compute the quality of a map: its best Dice over all thresholds; 1 - max where there is no tumour.

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
    return best_dice_threshold(saliency, mask)[0]


def describe_maps(maps: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Compute the `DESCRIPTORS` of each map, (n, d) float64; arguments as in `Confidence.predict`."""
    small_prior = np.clip(resize(prior, (WORKING_SIZE, WORKING_SIZE)).astype(np.float64), 0, 1)
    return np.array([_describe(saliency, small_prior) for saliency in maps]).reshape(len(maps), len(DESCRIPTORS))


def _describe(saliency: np.ndarray, prior: np.ndarray) -> list[float]:
    """Compute the `DESCRIPTORS` of one map, given the prior at the working size."""
    s = np.clip(resize(saliency, prior.shape).astype(np.float64), 0, 1)
    total, last = float(s.sum()), WORKING_SIZE - 1
    norm = float(np.sqrt((s * s).sum() * (prior * prior).sum()))
    row = column = 0.5
    entropy = 1.0
    if total > 0:
        row = float(s.sum(axis=1) @ np.arange(WORKING_SIZE)) / total / last
        column = float(s.sum(axis=0) @ np.arange(WORKING_SIZE)) / total / last
        share = s[s > 0] / total
        entropy = float(-(share * np.log(share)).sum() / np.log(s.size))
    labels, strength = label_contours(s, LEVEL)
    sums = strength * np.bincount(labels.ravel(), minlength=strength.size + 1)[1:]
    strongest = labels == strength.argmax() + 1 if strength.size else np.zeros(s.shape, bool)
    outside = s[~strongest]
    contrast = float(s[strongest].mean() - (outside.mean() if outside.size else 0.0)) if strongest.any() else 0.0
    return [
        float((s * prior).sum()) / norm if norm > 0 else 0.0,
        float(prior[round(row * last), round(column * last)] / max(prior.max(), 1e-12)),
        row,
        row * row,
        2 * abs(column - 0.5),
        solidity(strongest),
        float(sums[strength.argmax()] / sums.sum()) if strength.size else 0.0,
        float(np.sqrt(strongest.mean())),
        entropy,
        float(s.max()),
        float(s.mean()),
        contrast,
    ]


def solidity(region: np.ndarray) -> float:
    """Compute the area of a region over the area of its convex hull, pixels taken as squares; 0 where it is empty.

    Example:
        >>> solidity(np.ones((3, 4), bool))
        1.0
    """
    rows = np.flatnonzero(region.any(axis=1))
    if rows.size == 0:
        return 0.0
    first, end = region[rows].argmax(axis=1), region.shape[1] - region[rows, ::-1].argmax(axis=1)
    corners = np.column_stack([np.concatenate([rows, rows, rows + 1, rows + 1]), np.tile(np.append(first, end), 2)])
    return min(1.0, np.count_nonzero(region) / float(ConvexHull(corners).volume))
