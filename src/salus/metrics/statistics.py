"""How sure the scores are: intervals, paired comparisons of two networks, and figures over folds.

Images of one patient resemble each other, so whatever is resampled or tested here is the patient ("cluster"), where
the patients are given. Three things no function here can see, and a report has to say:

- The networks are taken as trained. One training run with another seed may differ by more than the interval.
- In cross-validation any two training sets share most of their images, so scores of different folds are not
  independent. `corrected_fold_ttest` allows for that over folds; the tests over images do not.
- A p-value is for one comparison planned beforehand. For many pairs pass all of them through `holm`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import copysign, inf, nan, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from salus.errors import SalusError

Floats = npt.NDArray[np.float64]
Clusters = Sequence[Hashable] | npt.NDArray[Any]

_CELLS = 4_000_000
"""Most random numbers held at once, 32 MB."""


@dataclass(frozen=True)
class Interval:
    """A mean over `n` values of `clusters` patients with its confidence interval, in the unit of the values."""

    mean: float
    low: float
    high: float
    n: int
    clusters: int


@dataclass(frozen=True)
class PairedDifference:
    """The difference a - b over the same images, in the unit of the score.

    Attributes:
        mean: Mean of a - b over the images.
        low: Lower end of its confidence interval.
        high: Upper end of its confidence interval.
        p_wilcoxon: Two-sided p-value of the Wilcoxon signed-rank test on the patients' mean differences.
        p_permutation: Two-sided p-value of the sign-flip permutation test on the same.
        n: Images compared.
        clusters: Patients they come from.
        dropped: Images left out because one of the two scores is not defined.
        effect: Matched-pairs rank-biserial correlation over patients, -1 (b always better) to 1 (a always better).
    """

    mean: float
    low: float
    high: float
    p_wilcoxon: float
    p_permutation: float
    n: int
    clusters: int
    dropped: int
    effect: float


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


def bootstrap_interval(
    values: npt.ArrayLike,
    clusters: Clusters | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of the mean, drawing whole patients (Efron & Tibshirani 1993; Field & Welsh 2007).

    With fewer than about 20 patients the interval is known to be too narrow.

    Args:
        values: Scores, (n,); what is not finite is left out.
        clusters: The patient of each value, n labels; without it every value is its own.
        level: Confidence level, between 0 and 1.
        draws: Bootstrap samples.
        seed: Seed of the draws; the same seed gives the same interval.

    Returns:
        The interval; low and high are NaN with fewer than two patients, where nothing can be said of the spread.

    Raises:
        SalusError: The values are not one list, the labels are missing or of another number, or the level is not
            between 0 and 1.

    Example:
        >>> bootstrap_interval([0.8, 0.9, 0.7, 0.85], clusters=["a", "a", "b", "c"]).clusters
        3
    """
    scores = _one_list(values, "the values")
    codes = _codes(clusters, scores.size)
    kept = np.isfinite(scores)
    return _bootstrap(scores[kept], codes[kept], level, draws, seed)


def paired_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
    draws: int = 2000,
    permutations: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Compare two networks on the same images: difference a - b, its interval, two tests and an effect size.

    The mean and its bootstrap interval weigh every image the same; the tests weigh every patient the same, by the mean
    of the patient's differences. Both tests assume that, were the networks alike, a patient's difference would be as
    likely with the other sign. The permutation test is about the mean: it tries every choice of signs where these
    are at most `permutations`, else draws that many and counts the observed one (Phipson & Smyth 2010). Wilcoxon's is
    about ranks and leaves differences of zero out. The effect is (W+ - W-) / (W+ + W-) of Wilcoxon's rank sums (Kerby
    2014). With five patients or fewer neither test can reach 0.05. The module's docstring says what they cannot see.

    Args:
        a: Scores of one network, (n,).
        b: Scores of the other on the same images, (n,).
        clusters: The patient of each image, n labels; without it every image is its own.
        level: Confidence level, between 0 and 1.
        draws: Bootstrap samples.
        permutations: Most sign choices tried.
        seed: Seed of the bootstrap and of the sign choices.

    Returns:
        The difference. Images with an undefined score in a or b are left out and counted. p is 1 and the effect 0
        where all differences are zero; everything is NaN where no pair is left.

    Raises:
        SalusError: The two lists differ in length, or as in `bootstrap_interval`.

    Example:
        >>> difference = paired_difference([0.9, 0.8, 0.7], [0.8, 0.6, float("nan")])
        >>> round(difference.mean, 2), difference.n, difference.dropped, difference.p_permutation
        (0.15, 2, 1, 0.5)
    """
    first, second = _one_list(a, "the first scores"), _one_list(b, "the second scores")
    if first.size != second.size:
        raise SalusError(f"paired scores must be of the same images, but there are {first.size} and {second.size}")
    codes = _codes(clusters, first.size)
    kept = np.isfinite(first) & np.isfinite(second)
    differences, codes = first[kept] - second[kept], codes[kept]
    interval = _bootstrap(differences, codes, level, draws, seed)
    sums, counts = _cluster_sums(differences, codes)
    means = np.round(sums / counts, 12)  # So that 0.3 - 0.2 and 0.2 - 0.1 tie.
    p_wilcoxon, effect = _wilcoxon(means)
    return PairedDifference(
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        p_wilcoxon=p_wilcoxon,
        p_permutation=_sign_flip(means, permutations, seed),
        n=interval.n,
        clusters=interval.clusters,
        dropped=int(first.size - kept.sum()),
        effect=effect,
    )


def mean_over_folds(values: npt.ArrayLike, folds: Clusters) -> FoldMeans:
    """Mean over images in each fold, then over folds, as the literature prints it ("0.901 ± 0.012").

    `sd` is the population standard deviation of the fold means (divisor k), which is what the published figures are. It
    says how much folds differ; it is neither a standard error nor an interval of the mean.

    Args:
        values: Scores, (n,); what is not finite is left out, and so is a fold of nothing else: its mean is NaN.
        folds: The fold of each value, n labels.

    Returns:
        The means; `mean` and `sd` are NaN where no fold has a value.

    Raises:
        SalusError: The values are not one list, or the labels are missing or of another number.

    Example:
        >>> result = mean_over_folds([0.8, 0.9, 0.7, 0.6], [1, 1, 2, 2])
        >>> result.folds, round(result.mean, 3), round(result.sd, 3)
        ((1, 2), 0.75, 0.1)
    """
    scores = _one_list(values, "the values")
    _codes(folds, scores.size)
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
        sd=float(np.std(known)) if known else nan,
    )


def corrected_fold_ttest(a: npt.ArrayLike, b: npt.ArrayLike, ratio: float | None = None) -> FoldTest:
    """Paired t test on fold means, with the variance corrected for shared training images (Nadeau & Bengio 2003).

    t = mean(d) / sqrt((1/k + ratio) var(d)) on k - 1 degrees of freedom. The plain paired t test is `ratio` 0; it finds
    differences that are not there, because the folds' training sets overlap. (Machine Learning 52:239-281; derived
    for repeated random splits, and in common use for k folds, where it is on the careful side.)

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

    first, second = _one_list(a, "the first fold means"), _one_list(b, "the second fold means")
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


def holm(p_values: npt.ArrayLike) -> Floats:
    """Adjust p-values for the number of comparisons (Holm 1979, Scandinavian Journal of Statistics 6:65-70).

    Rejecting where the adjusted value is at most 0.05 keeps the chance of any false rejection at 0.05, whatever the
    comparisons have to do with each other.

    Args:
        p_values: (n,), each in 0..1; NaN is a comparison not made: it stays NaN and is not counted.

    Returns:
        Adjusted p-values, (n,), in the order given, 0..1.

    Raises:
        SalusError: A value lies outside 0..1, or the values are not one list.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3)
        array([0.03, 0.06, 0.06])
    """
    values = _one_list(p_values, "the p-values")
    made = ~np.isnan(values)
    p = values[made]
    if np.any((p < 0) | (p > 1)):
        raise SalusError(f"a p-value lies in 0..1, but one is {p[(p < 0) | (p > 1)][0]}")
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.full(values.shape, nan)
    adjusted[np.flatnonzero(made)[order]] = np.minimum(stepped, 1.0)
    return adjusted


def _one_list(values: npt.ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise SalusError(f"{name} must be one list of numbers, but have shape {array.shape}")
    return array


def _codes(labels: Clusters | None, n: int) -> npt.NDArray[np.intp]:
    """A whole number for each label."""
    if labels is None:
        return np.arange(n)
    if len(labels) != n:
        raise SalusError(f"every value needs its label, but there are {n} values and {len(labels)} labels")
    if any(label is None or label != label for label in labels):
        raise SalusError("a label is missing: give an image of an unknown patient a label of its own")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.intp)


def _cluster_sums(values: Floats, codes: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    _, codes = np.unique(codes, return_inverse=True)
    sums: Floats = np.bincount(codes, weights=values).astype(np.float64)
    return sums, np.bincount(codes).astype(np.float64)


def _blocks(draws: int, width: int) -> list[int]:
    """The draws in parts that fit into memory."""
    part = max(1, _CELLS // max(width, 1))
    return [min(part, draws - start) for start in range(0, draws, part)]


def _bootstrap(values: Floats, codes: npt.NDArray[np.intp], level: float, draws: int, seed: int) -> Interval:
    if not 0 < level < 1:
        raise SalusError(f"the confidence level must lie between 0 and 1, but is {level}")
    sums, counts = _cluster_sums(values, codes)
    mean = float(values.mean()) if values.size else nan
    if sums.size < 2:
        return Interval(mean, nan, nan, values.size, sums.size)
    rng = np.random.default_rng(seed)
    means = []
    for block in _blocks(draws, sums.size):
        chosen = rng.integers(sums.size, size=(block, sums.size))
        means.append(sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), values.size, sums.size)


def _wilcoxon(differences: Floats) -> tuple[float, float]:
    """Two-sided p-value and rank-biserial correlation."""
    from scipy import stats  # Half a second, which those who only want an interval need not wait.

    if differences.size == 0:
        return nan, nan
    nonzero = differences[differences != 0]
    if nonzero.size == 0:
        return 1.0, 0.0
    ranks = stats.rankdata(np.abs(nonzero))
    effect = float(np.sum(ranks * np.sign(nonzero)) / ranks.sum())
    return float(stats.wilcoxon(nonzero).pvalue), effect


def _sign_flip(differences: Floats, permutations: int, seed: int) -> float:
    """Two-sided p-value of the mean under random signs: exact where all choices fit into `permutations`."""
    n = differences.size
    if n == 0:
        return nan
    total = differences.sum()
    # Sums of the same numbers in another order may differ in their last bits, and still are as extreme.
    extreme = abs(total) - 1e-9 * np.abs(differences).sum()
    if n < 63 and 2**n <= permutations:
        flipped = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float(np.mean(np.abs(total - 2 * (flipped @ differences)) >= extreme))
    rng = np.random.default_rng(seed)
    as_extreme = 0
    for block in _blocks(permutations, n):
        flipped = rng.integers(2, size=(block, n), dtype=np.int8)
        as_extreme += int(np.sum(np.abs(total - 2 * (flipped @ differences)) >= extreme))
    return (1 + as_extreme) / (1 + permutations)
