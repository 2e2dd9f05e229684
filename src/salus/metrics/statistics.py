"""Confidence intervals of scores, paired comparisons of two networks, and correction for several comparisons.

Images of one patient resemble each other, so patients ("clusters") are resampled and tested here, where they are
given. Three things that no function here can account for, and that a report has to say:

- The networks are taken as trained. One training run with another seed may differ by more than the interval.
- In cross-validation any two training sets share most of their images, so scores of different folds are not
  independent. `salus.metrics.fold_statistics.corrected_fold_ttest` allows for that; the tests over images do not.
- A p-value is for one comparison planned beforehand. For many pairs pass all of them through `holm`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from salus.errors import SalusError

Floats = npt.NDArray[np.float64]
Clusters = Sequence[Hashable] | npt.NDArray[Any]

MAX_RANDOM_NUMBERS = 4_000_000
"""Largest number of random numbers held at once, 32 MB."""


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
        effect: Matched-pairs rank-biserial correlation over patients, -1 (b always higher) to 1 (a always
            higher).
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


def bootstrap_interval(
    values: npt.ArrayLike,
    clusters: Clusters | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Compute a percentile bootstrap interval of the mean, drawing whole patients.

    See Efron & Tibshirani 1993, and for clusters Field & Welsh 2007. With fewer than about 20 patients the interval is
    known to be too narrow.

    Args:
        values: Scores, (n,); values that are not finite are left out.
        clusters: The patient of each value, n labels; without them every value is its own patient.
        level: Confidence level, between 0 and 1.
        draws: Bootstrap samples.
        seed: Seed of the draws; the same seed gives the same interval.

    Returns:
        The interval; low and high are NaN with fewer than two patients, of which the spread is unknown.

    Raises:
        SalusError: The values are not one list, the labels are missing or of another number, or the level is not
            between 0 and 1.

    Example:
        >>> bootstrap_interval([0.8, 0.9, 0.7, 0.85], clusters=["a", "a", "b", "c"]).clusters
        3
    """
    scores = as_vector(values, "the values")
    codes = label_codes(clusters, scores.size)
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
    2014). With five patients or fewer neither test can reach 0.05. For what they cannot account for see the module's
    docstring.

    Args:
        a: Scores of one network, (n,).
        b: Scores of the other on the same images, (n,).
        clusters: The patient of each image, n labels; without them every image is its own patient.
        level: Confidence level, between 0 and 1.
        draws: Bootstrap samples.
        permutations: Largest number of sign choices tried.
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
    first, second = as_vector(a, "the first scores"), as_vector(b, "the second scores")
    if first.size != second.size:
        raise SalusError(f"paired scores must be of the same images, but there are {first.size} and {second.size}")
    codes = label_codes(clusters, first.size)
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


def holm(p_values: npt.ArrayLike) -> Floats:
    """Adjust p-values for the number of comparisons (Holm 1979, Scandinavian Journal of Statistics 6:65-70).

    Rejecting where the adjusted value is at most 0.05 keeps the chance of any false rejection at 0.05, whatever the
    comparisons have to do with each other.

    Args:
        p_values: (n,), each in 0..1; NaN is a comparison that was not made: it stays NaN and is not counted.

    Returns:
        Adjusted p-values, (n,), in the order given, 0..1.

    Raises:
        SalusError: A value lies outside 0..1, or the values are not one list.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3)
        array([0.03, 0.06, 0.06])
    """
    values = as_vector(p_values, "the p-values")
    tested = ~np.isnan(values)
    p = values[tested]
    if np.any((p < 0) | (p > 1)):
        raise SalusError(f"a p-value lies in 0..1, but one is {p[(p < 0) | (p > 1)][0]}")
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.full(values.shape, nan)
    adjusted[np.flatnonzero(tested)[order]] = np.minimum(stepped, 1.0)
    return adjusted


def as_vector(values: npt.ArrayLike, name: str) -> Floats:
    """Convert values to a vector of floats; `name` says in the error which values are meant."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise SalusError(f"{name} must be one list of numbers, but have shape {array.shape}")
    return array


def label_codes(labels: Clusters | None, n: int) -> npt.NDArray[np.intp]:
    """Give each label a whole number, in order of first appearance."""
    if labels is None:
        return np.arange(n)
    if len(labels) != n:
        raise SalusError(f"every value needs its label, but there are {n} values and {len(labels)} labels")
    if any(label is None or label != label for label in labels):
        raise SalusError("a label is missing: give an image of an unknown patient a label of its own")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.intp)


def _cluster_sums(values: Floats, codes: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Sum the values of each cluster, and count them."""
    _, codes = np.unique(codes, return_inverse=True)
    sums: Floats = np.bincount(codes, weights=values).astype(np.float64)
    return sums, np.bincount(codes).astype(np.float64)


def _block_sizes(draws: int, width: int) -> list[int]:
    """Divide draws of `width` random numbers each into blocks that fit into memory."""
    size = max(1, MAX_RANDOM_NUMBERS // max(width, 1))
    return [min(size, draws - start) for start in range(0, draws, size)]


def _bootstrap(values: Floats, codes: npt.NDArray[np.intp], level: float, draws: int, seed: int) -> Interval:
    """Compute the percentile interval of the mean of finite values, drawing whole clusters."""
    if not 0 < level < 1:
        raise SalusError(f"the confidence level must lie between 0 and 1, but is {level}")
    sums, counts = _cluster_sums(values, codes)
    mean = float(values.mean()) if values.size else nan
    if sums.size < 2:
        return Interval(mean, nan, nan, values.size, sums.size)
    rng = np.random.default_rng(seed)
    means = []
    for block in _block_sizes(draws, sums.size):
        chosen = rng.integers(sums.size, size=(block, sums.size))
        means.append(sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), values.size, sums.size)


def _wilcoxon(differences: Floats) -> tuple[float, float]:
    """Compute the two-sided p-value of Wilcoxon's signed-rank test, and the rank-biserial correlation."""
    from scipy import stats  # it takes half a second to import, and intervals do not need it

    if differences.size == 0:
        return nan, nan
    nonzero = differences[differences != 0]
    if nonzero.size == 0:
        return 1.0, 0.0
    ranks = stats.rankdata(np.abs(nonzero))
    effect = float(np.sum(ranks * np.sign(nonzero)) / ranks.sum())
    return float(stats.wilcoxon(nonzero).pvalue), effect


def _sign_flip(differences: Floats, permutations: int, seed: int) -> float:
    """Compute the two-sided p-value of the mean under random signs: exact where all choices fit into `permutations`."""
    n = differences.size
    if n == 0:
        return nan
    total = differences.sum()
    # The margin: sums of the same numbers in another order may differ in their last bits, and are as extreme.
    extreme = abs(total) - 1e-9 * np.abs(differences).sum()
    if n < 63 and 2**n <= permutations:
        flipped = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float(np.mean(np.abs(total - 2 * (flipped @ differences)) >= extreme))
    rng = np.random.default_rng(seed)
    as_extreme = 0
    for block in _block_sizes(permutations, n):
        flipped = rng.integers(2, size=(block, n), dtype=np.int8)
        as_extreme += int(np.sum(np.abs(total - 2 * (flipped @ differences)) >= extreme))
    return (1 + as_extreme) / (1 + permutations)
