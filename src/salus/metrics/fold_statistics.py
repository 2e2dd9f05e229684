"""Means over the folds of a cross-validation, and a test of their differences."""

from collections.abc import Hashable
from dataclasses import dataclass
from math import copysign, inf, nan, sqrt

import numpy as np
import numpy.typing as npt

from salus.errors import SalusError
from salus.metrics.statistics import Clusters, as_vector, label_codes


@dataclass(frozen=True)
class FoldMeans:
    """Mean of each fold, in the order of the sorted fold labels; the mean of these means, and their spread `sd`."""

    folds: tuple[Hashable, ...]
    means: tuple[float, ...]
    mean: float
    sd: float


@dataclass(frozen=True)
class FoldTest:
    """Mean difference over folds, the corrected t statistic, its two-sided p-value and degrees of freedom."""

    mean: float
    t: float
    p: float
    degrees: int


def mean_over_folds(values: npt.ArrayLike, folds: Clusters) -> FoldMeans:
    """Average over the images of each fold, then over folds, as the literature prints it ("0.901 ± 0.012").

    `sd` is the sample standard deviation of the k fold means (divisor k - 1); published figures often have the divisor
    k, which is smaller, by a tenth with five folds. It says how much folds differ; it is neither a standard error nor
    an interval of the mean.

    Args:
        values: Scores, (n,); values that are not finite are left out. A fold without a finite value has the mean NaN,
            and does not count.
        folds: The fold of each value, n labels.

    Returns:
        The means; `mean` is NaN where no fold has a value, `sd` where fewer than two have.

    Raises:
        SalusError: The values are not one list, or the labels are missing or of another number.

    Example:
        >>> result = mean_over_folds([0.8, 0.9, 0.7, 0.6], [1, 1, 2, 2])
        >>> result.folds, round(result.mean, 3), round(result.sd, 3)
        ((1, 2), 0.75, 0.141)
    """
    scores = as_vector(values, "the values")
    label_codes(folds, scores.size)
    labels, codes = np.unique(np.asarray(folds), return_inverse=True)
    defined = np.isfinite(scores)
    counts = np.bincount(codes[defined], minlength=labels.size)
    sums = np.bincount(codes[defined], weights=scores[defined], minlength=labels.size)
    means = [float(total / count) if count else nan for total, count in zip(sums, counts, strict=True)]
    known = [mean for mean in means if mean == mean]
    return FoldMeans(
        folds=tuple(labels.tolist()),
        means=tuple(means),
        mean=float(np.mean(known)) if known else nan,
        sd=float(np.std(known, ddof=1)) if len(known) > 1 else nan,
    )


def corrected_fold_ttest(a: npt.ArrayLike, b: npt.ArrayLike, ratio: float | None = None) -> FoldTest:
    """Test fold means by the paired t test, its variance corrected for shared training images (Nadeau & Bengio 2003).

    t = mean(d) / sqrt((1/k + ratio) var(d)) on k - 1 degrees of freedom. The plain paired t test is `ratio` 0; it finds
    differences where there are none, because the folds' training sets overlap. (Machine Learning 52:239-281; derived
    for repeated random splits, and in common use for k folds, where it is conservative.)

    Args:
        a: Fold means of one network, (k,), k at least 2.
        b: Fold means of the other on the same folds, (k,).
        ratio: Test images per training image of a fold; 1 / (k - 1) by default, cross-validation without a
            validation part.

    Returns:
        The test; p is 1 where all folds agree, and 0 where they differ by the same amount.

    Raises:
        SalusError: The lists differ in length, hold fewer than 2 folds or an undefined mean, or the ratio is negative.

    Example:
        >>> test = corrected_fold_ttest([0.90, 0.88, 0.91, 0.89], [0.89, 0.86, 0.91, 0.88])
        >>> round(test.t, 2), round(test.p, 3), test.degrees
        (1.6, 0.207, 3)
    """
    from scipy import special

    first, second = as_vector(a, "the first fold means"), as_vector(b, "the second fold means")
    k = first.size
    if k != second.size or k < 2:
        raise SalusError(f"fold means must be of the same folds, two or more, but there are {k} and {second.size}")
    difference = np.round(first - second, 12)
    if not np.all(np.isfinite(difference)):
        raise SalusError("a fold mean is not defined: leave that fold out of both lists")
    share = 1 / (k - 1) if ratio is None else ratio
    if not share >= 0:
        raise SalusError(f"the ratio of test to training images must be at least 0, but is {ratio}")
    mean, deviation = float(difference.mean()), float(difference.std(ddof=1))
    if np.ptp(difference) > 0:
        t = mean / (deviation * sqrt(1 / k + share))
    elif mean:
        t = copysign(inf, mean)
    else:
        t = 0.0
    return FoldTest(mean=mean, t=t, p=float(2 * special.stdtr(k - 1, -abs(t))), degrees=k - 1)
