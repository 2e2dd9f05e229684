"""Every network against every other on the same images, and what follows from it in plain words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from salus.lab.report.material import Entrant, ImageScores, Material
from salus.lab.report.numbers import DASH, count, fixed, info, interval, p_cell, p_value, plural, ratio, shown, signed
from salus.lab.report.tables import Cell, Column, Line, Table, plain
from salus.metrics.statistics import (
    FoldTest,
    PairedDifference,
    bootstrap_interval,
    corrected_fold_ttest,
    holm,
    mean_over_folds,
    paired_difference,
)

COMPARED = ("dice", "jaccard", "hd95")
ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """`first` minus `second` in one score, at the networks' size, over the images with a lesion that both have.

    Attributes:
        score: compared.
        first: the later entrant.
        second: the earlier entrant.
        difference: first - second, in the score's unit.
        p_wilcoxon: Wilcoxon's p, Holm-adjusted over the pairs of this score.
        p_permutation: the permutation test's p, adjusted likewise.
        over_folds: the corrected t test over fold means; None with fewer than two common folds.
    """

    score: str
    first: Entrant
    second: Entrant
    difference: PairedDifference
    p_wilcoxon: float
    p_permutation: float
    over_folds: FoldTest | None

    @property
    def title(self) -> str:
        """Which difference this is."""
        return f"{self.first.title} − {self.second.title}"


def in_print(score: str) -> tuple[float, str, Callable[[float], str]]:
    """How a difference is printed: factor, unit, form. Ratios go in points, hundredths of 1."""
    unit = info(score).unit
    return (1.0, unit, signed) if unit else (100.0, "points", signed)


def compare(material: Material) -> list[Comparison]:
    """All pairs in all of `COMPARED`, a score after the other."""
    found = []
    for score in COMPARED:
        of_score = []
        for second, first in combinations(material.tested, 2):
            a, b = common(material, first, second)
            if not len(a):
                continue
            difference = paired_difference(a.values[score], b.values[score], a.groups)
            over_folds = _over_folds(material, score, first, second, a, b)
            of_score.append(Comparison(score, first, second, difference, np.nan, np.nan, over_folds))
        wilcoxon = holm([c.difference.p_wilcoxon for c in of_score])
        permutation = holm([c.difference.p_permutation for c in of_score])
        found += [
            replace(c, p_wilcoxon=float(w), p_permutation=float(p))
            for c, w, p in zip(of_score, wilcoxon, permutation, strict=True)
        ]
    return found


def common(material: Material, first: Entrant, second: Entrant) -> tuple[ImageScores, ImageScores]:
    """Both entrants' scores on the images with a lesion that both were tested on, in the same order."""
    a, b = (material.scores[e.name, "network"].lesions() for e in (first, second))
    shared = set(a.cases) & set(b.cases)
    a, b = (x.take([i for i, case in enumerate(x.cases) if case in shared]) for x in (a, b))
    return a, b


def _over_folds(
    material: Material, score: str, first: Entrant, second: Entrant, a: ImageScores, b: ImageScores
) -> FoldTest | None:
    means = np.asarray([mean_over_folds(x.values[score], x.folds).means for x in (a, b)])
    means = means[:, np.isfinite(means).all(axis=0)]
    if means.shape[1] < 2:
        return None
    sizes = [s for (name, _), s in material.summaries.items() if name in (first.name, second.name)]
    tested, fitted = (sum(s.get(key, 0) for s in sizes) for key in ("tested_on", "fitted_on"))
    ratio_of_sizes = tested / fitted if tested and fitted else 1 / (len(material.folds.numbers) - 1)
    return corrected_fold_ttest(means[0], means[1], ratio_of_sizes)


def comparison_table(material: Material, comparisons: list[Comparison]) -> Table:
    """The comparisons in figures."""
    pairs = len({(c.first.name, c.second.name) for c in comparisons})
    lines = []
    for c in comparisons:
        factor, unit, form = in_print(c.score)
        better = "higher" if info(c.score).higher_is_better else "lower"
        d = c.difference
        test = c.over_folds
        over_folds = plain(DASH) if test is None else plain(p_cell(test.p), f"t({test.degrees}) = {fixed(test.t, 2)}")
        lines.append(
            Line(
                c.title,
                (
                    plain(form(factor * d.mean), interval(factor * d.low, factor * d.high, form)),
                    plain(count(d.n), "" if d.n == d.clusters else plural(d.clusters, material.unit)),
                    _p(c.p_permutation, d.p_permutation, pairs),
                    _p(c.p_wilcoxon, d.p_wilcoxon, pairs),
                    over_folds,
                    plain(signed(d.effect, 2)),
                ),
                group=f"{info(c.score).title}, {unit}, {better} is better",
            )
        )
    adjusted = "one pair, so nothing to adjust" if pairs == 1 else f"Holm’s adjustment over {pairs} pairs a score"
    return Table(
        "paired",
        "Paired differences on the same images with a lesion, at the networks’ size: mean with its 95% bootstrap "
        f"interval, drawn by {material.unit}; p-values are two-sided.",
        "First − second",
        tuple(
            Column(t)
            for t in ("Difference", "n images", "p, permutation", "p, Wilcoxon", "p, corrected t over folds", "Effect")
        ),
        tuple(lines),
        (
            f"DSC and JI in points: hundredths of 1. p adjusted ({adjusted}); bold: at most .05. Permutation (sign "
            f"flips of the mean) and Wilcoxon’s signed ranks count each {material.unit} once. The t test over folds is "
            "Nadeau and Bengio’s, whose variance allows for training sets that overlap; it is not adjusted. Effect: "
            "matched-pairs rank-biserial correlation, −1 to 1.",
            "What no test here sees: another seed may move a network’s score by more than the interval, for each "
            "network was trained once a fold.",
        ),
    )


def _p(adjusted: float, raw: float, pairs: int) -> Cell:
    return Cell(p_cell(adjusted), f"raw {p_cell(raw)}" if pairs > 1 else "", adjusted <= ALPHA)


def findings(material: Material, comparisons: list[Comparison]) -> list[str]:
    """What the numbers say, a sentence each, against the first network."""
    if not material.tested:
        return ["No part of this run is finished yet, so there is nothing to compare."]
    said = []
    dice = [c for c in comparisons if c.score == "dice"]
    against_first = [c for c in dice if c.second == material.tested[0]]
    for c in against_first:
        said.append(_sentence(material, c, len(dice)))
    if not against_first:
        for entrant in material.tested:
            said.append(_alone(material, entrant))
    if material.missing:
        said.append("The run is not finished, so this may change.")
    return said


def _sentence(material: Material, c: Comparison, pairs: int) -> str:
    d = c.difference
    points = fixed(abs(100 * d.mean))
    amount = "the same DSC as" if float(points) == 0 else f"{points} DSC points {'more' if d.mean > 0 else 'less'} than"
    # The interval goes with the amount, so both are turned to the same side.
    low, high = (100 * d.low, 100 * d.high) if d.mean >= 0 else (-100 * d.high, -100 * d.low)
    adjusted = "adjusted p" if pairs > 1 else "p"
    known = [] if DASH in fixed(low) else [f"95% interval {fixed(low)} to {fixed(high)}"]
    brackets = ", ".join([*known, f"{adjusted} {p_value(c.p_permutation)}"])
    n = _sample(material, d.n, d.clusters)
    said = f"{c.first.title} scored {amount} {c.second.title} ({brackets}; {n}): "
    if not c.p_permutation <= ALPHA:
        return said + "no difference shown."
    said += "a difference on these images"
    if c.over_folds is not None and not c.over_folds.p <= ALPHA:
        return said + f", which the stricter test over folds does not show (p {p_value(c.over_folds.p)})."
    return said + "."


def _alone(material: Material, entrant: Entrant) -> str:
    part = material.scores[entrant.name, "network"].lesions()
    if not len(part):
        return f"{entrant.title} was tested on no image with a lesion."
    found = bootstrap_interval(part.values["dice"], part.groups)
    known = f" (95% interval {ratio(found.low)} to {ratio(found.high)})" if np.isfinite(found.low) else ""
    return (
        f"{entrant.title} scored a mean DSC of {shown('dice', found.mean)}{known} over "
        f"{_sample(material, found.n, found.clusters)}."
    )


def _sample(material: Material, images: int, clusters: int) -> str:
    if material.unit == "image":
        return plural(images, "image")
    return f"{plural(images, 'image')} {'of' if material.unit == 'patient' else 'in'} {plural(clusters, material.unit)}"
