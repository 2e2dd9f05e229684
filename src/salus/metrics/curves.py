"""ROC and precision-recall curves of probability maps, over one image or pooled over many.

`roc_auc` is exact, for one image. For curves over all pixels of a data set, `CurveCounts` counts each image in two
histograms of 1024 bins, one of tumour and one of background pixels, in constant memory. The bin edges are even in log
odds, from -16 to 16, because trained networks are very confident: most of their background lies below 1e-3, which would
fall into a single bin if bins were even in probability. One edge is exactly 0.5. Every point of a curve is exact at its
threshold (a pixel is predicted where its probability is at or above it). Between two thresholds the pixels of a bin
count as tied, so the area is off by at most half of (share of tumour in the bin x share of background in it), summed.

The rates are over pixels of all images together. `fpr` here is false positives over background, the usual one, unlike
`salus.metrics.segmentation.Scores.fpr`, which is relative to the lesion.
"""

from dataclasses import dataclass, field
from math import nan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from salus.errors import SalusError

BINS = 1024
"""Number of histogram bins, and so of thresholds."""

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

THRESHOLDS: Floats = expit(np.linspace(-16.0, 16.0, BINS, endpoint=False))
"""Lower edge of every bin, (1024,), rising from 0."""
THRESHOLDS[0] = 0.0
THRESHOLDS.flags.writeable = False


def roc_auc(truth: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Compute the area under the ROC curve of a probability or saliency map: exact, tied values averaged.

    It is the Mann-Whitney statistic, computed by sorting each class and searching one in the other: the same number as
    by average ranks, in a quarter of the time.

    Args:
        truth: True mask, any shape, booleans or only 0 and 1.
        probability: Values in 0..1, same shape; only their order counts.

    Returns:
        The area, 0..1, or NaN where the truth is empty or full.

    Raises:
        SalusError: The shapes differ, the truth is not binary, or a probability lies outside 0..1.

    Example:
        >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
        0.875
    """
    true = as_mask(truth, "the true mask")
    values = as_probability(probability, true)
    positives, negatives = np.sort(values[true]), np.sort(values[~true])
    if positives.size == 0 or negatives.size == 0:
        return nan
    below = np.searchsorted(negatives, positives, side="left").sum()
    not_above = np.searchsorted(negatives, positives, side="right").sum()
    return float(below + not_above) / (2.0 * positives.size * negatives.size)


class RocCurve(NamedTuple):
    """Points from (0, 0) to (1, 1): false and true positive rate over pixels, and falling thresholds from inf."""

    fpr: Floats
    tpr: Floats
    thresholds: Floats


class PrecisionRecallCurve(NamedTuple):
    """Points of rising recall: precision (1 where nothing is predicted), and falling thresholds from inf."""

    recall: Floats
    precision: Floats
    thresholds: Floats


def _no_counts() -> Counts:
    return np.zeros(BINS, dtype=np.int64)


@dataclass(eq=False)
class CurveCounts:
    """Pixels of each class in each bin of probability, accumulated over images.

    Attributes:
        positives: Tumour pixels in each bin, (1024,).
        negatives: Background pixels in each bin, (1024,).

    Example:
        >>> counts = CurveCounts()
        >>> counts.add([[0, 1], [0, 1]], [[0.1, 0.9], [0.2, 0.8]])
        >>> counts.add([[0, 1]], [[0.6, 0.3]])
        >>> round(counts.auc(), 3)
        0.889
    """

    positives: Counts = field(default_factory=_no_counts)
    negatives: Counts = field(default_factory=_no_counts)

    def add(self, truth: npt.ArrayLike, probability: npt.ArrayLike) -> None:
        """Count the pixels of one image, or of a batch.

        Args:
            truth: True mask, any shape, booleans or only 0 and 1.
            probability: Predicted probability of tumour, same shape, 0..1.

        Raises:
            SalusError: The shapes differ, the truth is not binary, or a probability lies outside 0..1.
        """
        true = as_mask(truth, "the true mask")
        values = np.clip(as_probability(probability, true), 0.0, 1.0)
        bins = np.searchsorted(THRESHOLDS, values.ravel(), side="right") - 1
        both = np.bincount(bins + BINS * true.ravel(), minlength=2 * BINS)
        self.negatives += both[:BINS]
        self.positives += both[BINS:]

    def merge(self, other: "CurveCounts") -> "CurveCounts":
        """Add up the counts of two folds or two workers, as a new histogram."""
        return CurveCounts(self.positives + other.positives, self.negatives + other.negatives)

    def roc(self, points: int | None = None) -> RocCurve:
        """Compute the ROC curve: all 1025 points, or about `points` of them, spread evenly along the curve.

        The two ends and the threshold 0.5 are always among them.

        Raises:
            SalusError: No pixel of one of the classes was added, or `points` is below 2.
        """
        tp, fp, thresholds = self._cumulative()
        if not (tp[-1] and fp[-1]):
            raise SalusError("a ROC curve needs tumour pixels and background pixels, but one kind is missing")
        curve = RocCurve(fp / fp[-1], tp / tp[-1], thresholds)
        kept = _spread_points(curve.fpr, curve.tpr, thresholds, points)
        return RocCurve(*(values[kept] for values in curve))

    def pr(self, points: int | None = None) -> PrecisionRecallCurve:
        """Compute the precision-recall curve: all 1025 points, or about `points` of them, as in `roc`.

        Raises:
            SalusError: No tumour pixel was added, or `points` is below 2.
        """
        tp, fp, thresholds = self._cumulative()
        if not tp[-1]:
            raise SalusError("a precision-recall curve needs tumour pixels, but there is none")
        precision = np.where(tp + fp > 0, tp / np.maximum(tp + fp, 1), 1.0)
        curve = PrecisionRecallCurve(tp / tp[-1], precision, thresholds)
        kept = _spread_points(curve.recall, precision, thresholds, points)
        return PrecisionRecallCurve(*(values[kept] for values in curve))

    def auc(self) -> float:
        """Compute the area under the ROC curve over all pixels, 0..1; NaN where one class is missing."""
        if not (self.positives.any() and self.negatives.any()):
            return nan
        fpr, tpr, _ = self.roc()
        return float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1])) / 2)

    def average_precision(self) -> float:
        """Average the precision over the steps of recall, 0..1, without interpolation; NaN without a tumour pixel."""
        if not self.positives.any():
            return nan
        recall, precision, _ = self.pr()
        return float(np.sum(np.diff(recall) * precision[1:]))

    def _cumulative(self) -> tuple[Counts, Counts, Floats]:
        """Count true and false positives at falling thresholds, from none predicted to all."""
        true_positives = np.concatenate([[0], np.cumsum(self.positives[::-1])])
        false_positives = np.concatenate([[0], np.cumsum(self.negatives[::-1])])
        return true_positives, false_positives, np.concatenate([[np.inf], THRESHOLDS[::-1]])


def roc_curve(truth: npt.ArrayLike, probability: npt.ArrayLike, points: int = 200) -> RocCurve:
    """Compute the ROC curve of the pixels of one image or batch; arguments, errors as in `CurveCounts.add` and `roc`.

    Example:
        >>> curve = roc_curve([[0, 1], [0, 1]], [[0.1, 0.9], [0.2, 0.8]])
        >>> curve.tpr[curve.thresholds == 0.5], curve.fpr[curve.thresholds == 0.5]
        (array([1.]), array([0.]))
    """
    counts = CurveCounts()
    counts.add(truth, probability)
    return counts.roc(points)


def pr_curve(truth: npt.ArrayLike, probability: npt.ArrayLike, points: int = 200) -> PrecisionRecallCurve:
    """Compute the precision-recall curve over the pixels of one image or batch; as `roc_curve`.

    Example:
        >>> curve = pr_curve([[0, 1], [1, 1]], [[0.7, 0.9], [0.8, 0.3]])
        >>> curve.precision[curve.thresholds == 0.5].round(3)
        array([0.667])
    """
    counts = CurveCounts()
    counts.add(truth, probability)
    return counts.pr(points)


def _spread_points(x: Floats, y: Floats, thresholds: Floats, points: int | None) -> npt.NDArray[np.intp]:
    """Choose the indices of at most points + 1 points, evenly spaced along the length of the curve."""
    if points is None:
        return np.arange(x.size)
    if points < 2:
        raise SalusError(f"a curve needs at least 2 points, but {points} were asked for")
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    even = np.searchsorted(length, np.linspace(0.0, length[-1], points))
    return np.unique(np.append(even, np.flatnonzero(thresholds == 0.5)))


def as_mask(values: npt.ArrayLike, name: str) -> Mask:
    """Convert values to booleans, of any shape; `name` says in the error which array is meant.

    Raises:
        SalusError: A value is neither 0 nor 1.

    Example:
        >>> as_mask([0, 1], "the true mask")
        array([False,  True])
    """
    array = np.asarray(values)
    if array.dtype == np.bool_:
        return array
    ones = array == 1
    neither = ~(ones | (array == 0))
    if np.any(neither):
        value = array[neither].flat[0]
        raise SalusError(f"{name} must hold only 0 and 1, but one value is {value}: threshold it, as in `mask > 0`")
    return ones


def as_probability(values: npt.ArrayLike, truth: Mask) -> npt.NDArray[Any]:
    """Convert values to a float array of the truth's shape; rounding errors of 1e-6 beyond 0..1 are accepted.

    Raises:
        SalusError: The shapes differ, or a value is NaN or outside 0..1.

    Example:
        >>> as_probability([0, 1], np.array([False, True]))
        array([0., 1.])
    """
    array = np.asarray(values)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    require_same_shape(truth, array, "the probability map")
    if array.size and not (array.min() >= -1e-6 and array.max() <= 1 + 1e-6):
        raise SalusError(f"probabilities must lie in 0..1, but these run from {array.min()} to {array.max()}")
    return array


def require_same_shape(truth: Mask, other: npt.NDArray[Any], name: str) -> None:
    """Check that an array has the truth's shape; `name` says in the error which array is meant.

    Raises:
        SalusError: The shapes differ.

    Example:
        >>> require_same_shape(np.zeros((2, 2), dtype=bool), np.ones((2, 2)), "the probability map")
    """
    if truth.shape != other.shape:
        raise SalusError(f"{name} has shape {other.shape}, but the true mask has shape {truth.shape}; they must agree")
