"""Compare every pair of methods on the same images, and describe the results in sentences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from salus.lab.report.number_format import (
    DASH,
    format_count,
    format_fixed,
    format_interval,
    format_p,
    format_p_cell,
    format_ratio,
    format_score,
    format_signed,
    plural,
    score_info,
)
from salus.lab.report.run_data import ImageScores, Method, RunData
from salus.lab.report.tables import Cell, Column, Table, TableRow, text_cell
from salus.metrics.fold_statistics import FoldTest, corrected_fold_ttest, mean_over_folds
from salus.metrics.statistics import PairedDifference, bootstrap_interval, holm, paired_difference

COMPARED = ("dice", "jaccard", "hd95")
"""Scores that are compared."""
ALPHA = 0.05
"""Level of significance."""


@dataclass(frozen=True)
class Comparison:
    """Difference of two methods in one score, at the networks' size, on the images with a lesion that both have.

    Attributes:
        score: score that is compared.
        first: the later method in the order of the settings.
        second: the earlier method.
        difference: first - second, in the score's unit.
        p_wilcoxon: p-value of Wilcoxon's test, Holm-adjusted over the pairs of this score.
        p_permutation: p-value of the permutation test, adjusted likewise.
        over_folds: corrected t test over fold means; None with fewer than two common folds.
    """

    score: str
    first: Method
    second: Method
    difference: PairedDifference
    p_wilcoxon: float
    p_permutation: float
    over_folds: FoldTest | None

    @property
    def title(self) -> str:
        """Name the difference."""
        return f"{self.first.title} − {self.second.title}"


def difference_scale(score: str) -> tuple[float, str]:
    """Return factor and unit in which a difference is printed; ratios are printed in points, hundredths of 1."""
    unit = score_info(score).unit
    return (1.0, unit) if unit else (100.0, "points")


def compare_methods(run_data: RunData) -> list[Comparison]:
    """Compare all pairs of methods in all scores of `COMPARED`, one score after the other."""
    comparisons = []
    for score in COMPARED:
        same_score = []
        for second, first in combinations(run_data.tested, 2):
            a, b = scores_on_common_images(run_data, first, second)
            if not len(a):
                continue
            difference = paired_difference(a.values[score], b.values[score], a.groups)
            over_folds = _test_over_folds(run_data, score, first, second, a, b)
            same_score.append(Comparison(score, first, second, difference, np.nan, np.nan, over_folds))
        wilcoxon = holm([c.difference.p_wilcoxon for c in same_score])
        permutation = holm([c.difference.p_permutation for c in same_score])
        comparisons += [
            replace(c, p_wilcoxon=float(w), p_permutation=float(p))
            for c, w, p in zip(same_score, wilcoxon, permutation, strict=True)
        ]
    return comparisons


def scores_on_common_images(run_data: RunData, first: Method, second: Method) -> tuple[ImageScores, ImageScores]:
    """Select both methods' scores on the images with a lesion that both were tested on, in the same order."""
    a, b = (run_data.scores[method.name, "network"].with_lesion() for method in (first, second))
    shared = set(a.cases) & set(b.cases)
    a, b = (x.select([i for i, case in enumerate(x.cases) if case in shared]) for x in (a, b))
    return a, b


def _test_over_folds(
    run_data: RunData, score: str, first: Method, second: Method, a: ImageScores, b: ImageScores
) -> FoldTest | None:
    """Test the difference of the fold means; None with fewer than two common folds."""
    means = np.asarray([mean_over_folds(x.values[score], x.folds).means for x in (a, b)])
    means = means[:, np.isfinite(means).all(axis=0)]
    if means.shape[1] < 2:
        return None
    summaries = [s for (name, _), s in run_data.summaries.items() if name in (first.name, second.name)]
    tested, fitted = (sum(summary.get(key, 0) for summary in summaries) for key in ("tested_on", "fitted_on"))
    ratio_of_sizes = tested / fitted if tested and fitted else 1 / (len(run_data.folds.numbers) - 1)
    return corrected_fold_ttest(means[0], means[1], ratio_of_sizes)


def comparison_table(run_data: RunData, comparisons: list[Comparison]) -> Table:
    """Build the table of comparisons."""
    pairs = len({(c.first.name, c.second.name) for c in comparisons})
    rows = []
    for c in comparisons:
        factor, unit = difference_scale(c.score)
        better = "higher" if score_info(c.score).higher_is_better else "lower"
        d, test, over_folds = c.difference, c.over_folds, text_cell(DASH)
        if test is not None:
            over_folds = text_cell(format_p_cell(test.p), f"t({test.degrees}) = {format_fixed(test.t, 2)}")
        ends = format_interval(factor * d.low, factor * d.high, format_signed)
        rows.append(
            TableRow(
                c.title,
                (
                    text_cell(format_signed(factor * d.mean), ends),
                    text_cell(format_count(d.n), "" if d.n == d.clusters else plural(d.clusters, run_data.unit)),
                    _p_cell(c.p_permutation, d.p_permutation, pairs),
                    _p_cell(c.p_wilcoxon, d.p_wilcoxon, pairs),
                    over_folds,
                    text_cell(format_signed(d.effect, 2)),
                ),
                group=f"{score_info(c.score).title}, {unit}, {better} is better",
            )
        )
    adjusted = "one pair, so nothing to adjust" if pairs == 1 else f"Holm’s adjustment over {pairs} pairs a score"
    return Table(
        "paired",
        "Paired differences on the same images with a lesion, at the networks’ size: mean with its 95% bootstrap "
        f"interval, drawn by {run_data.unit}; p-values are two-sided.",
        "First − second",
        tuple(
            Column(t)
            for t in ("Difference", "n images", "p, permutation", "p, Wilcoxon", "p, corrected t over folds", "Effect")
        ),
        tuple(rows),
        (
            f"DSC and JI in points: hundredths of 1. p adjusted ({adjusted}); bold: at most .05. Permutation (sign "
            f"flips of the mean) and Wilcoxon’s signed ranks count each {run_data.unit} once. The t test over folds is "
            "Nadeau and Bengio’s, whose variance allows for training sets that overlap; it is not adjusted. Effect: "
            "matched-pairs rank-biserial correlation, −1 to 1.",
            "What no test here sees: another seed may move a network’s score by more than the interval, for each "
            "network was trained once a fold.",
        ),
    )


def _p_cell(adjusted: float, raw: float, pairs: int) -> Cell:
    """Build the cell of an adjusted p-value, with the raw one beneath it."""
    return Cell(format_p_cell(adjusted), f"raw {format_p_cell(raw)}" if pairs > 1 else "", adjusted <= ALPHA)


def describe_findings(run_data: RunData, comparisons: list[Comparison]) -> list[str]:
    """Describe every method's difference to the first one, a sentence each; without one, every method's score."""
    if not run_data.tested:
        return ["No part of this run is finished yet, so there is nothing to compare."]
    dice = [c for c in comparisons if c.score == "dice"]
    against_first = [c for c in dice if c.second == run_data.tested[0]]
    sentences = [_describe_comparison(run_data, c, len(dice)) for c in against_first]
    if not sentences:
        sentences = [_describe_method(run_data, method) for method in run_data.tested]
    if run_data.missing:
        sentences.append("The run is not finished, so this may change.")
    return sentences


def _describe_comparison(run_data: RunData, c: Comparison, pairs: int) -> str:
    """Describe a difference in DSC in a sentence; `pairs` is the number of differences that p is adjusted for."""
    d = c.difference
    points = format_fixed(abs(100 * d.mean))
    amount = "the same DSC as" if float(points) == 0 else f"{points} DSC points {'more' if d.mean > 0 else 'less'} than"
    # The amount is printed without its sign, so the interval is mirrored if it is negative.
    low, high = (100 * d.low, 100 * d.high) if d.mean >= 0 else (-100 * d.high, -100 * d.low)
    adjusted = "adjusted p" if pairs > 1 else "p"
    known = [] if DASH in format_fixed(low) else [f"95% interval {format_fixed(low)} to {format_fixed(high)}"]
    brackets = ", ".join([*known, f"{adjusted} {format_p(c.p_permutation)}"])
    n = _sample(run_data, d.n, d.clusters)
    sentence = f"{c.first.title} scored {amount} {c.second.title} ({brackets}; {n}): "
    if not c.p_permutation <= ALPHA:
        return sentence + "no difference shown."
    sentence += "a difference on these images"
    if c.over_folds is not None and not c.over_folds.p <= ALPHA:
        return sentence + f", which the stricter test over folds does not show (p {format_p(c.over_folds.p)})."
    return sentence + "."


def _describe_method(run_data: RunData, method: Method) -> str:
    """Describe one method's mean DSC in a sentence."""
    scores = run_data.scores[method.name, "network"].with_lesion()
    if not len(scores):
        return f"{method.title} was tested on no image with a lesion."
    dice = bootstrap_interval(scores.values["dice"], scores.groups)
    known = f" (95% interval {format_ratio(dice.low)} to {format_ratio(dice.high)})" if np.isfinite(dice.low) else ""
    return (
        f"{method.title} scored a mean DSC of {format_score('dice', dice.mean)}{known} over "
        f"{_sample(run_data, dice.n, dice.clusters)}."
    )


def _sample(run_data: RunData, images: int, clusters: int) -> str:
    """Describe the sample: the number of images, and of the patients or clusters they are from."""
    if run_data.unit == "image":
        return plural(images, "image")
    return f"{plural(images, 'image')} {'of' if run_data.unit == 'patient' else 'in'} {plural(clusters, run_data.unit)}"
