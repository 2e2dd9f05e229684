"""Tables of scores: over all folds as published, fold by fold, by stratum, and of tumour-free images."""

from __future__ import annotations

from functools import partial
from math import isfinite, nan, sqrt

import numpy as np

from salus.data.folds import stratify
from salus.lab.report.number_format import (
    DASH,
    format_count,
    format_fixed,
    format_interval,
    format_mean_and_spread,
    format_ratio,
    format_score,
    join_words,
    plural,
)
from salus.lab.report.run_data import RESOLUTIONS, ImageScores, Method, RunData
from salus.lab.report.tables import Cell, Column, Table, TableRow, mark_best, score_column, text_cell
from salus.metrics.fold_statistics import mean_over_folds
from salus.metrics.statistics import bootstrap_interval

PUBLISHED = ("dice", "jaccard", "tpr", "fpr", "precision", "accuracy", "auc")
"""The scores of the published tables, in their order."""
BOUNDARY_AND_DETECTION = ("hd95", "assd", "nsd", "detection_rate", "false_lesions")
"""Scores that the field reports beside them."""


def resolution_title(run_data: RunData, resolution: str) -> str:
    """Describe the resolution at which scores are computed."""
    size = run_data.config.protocol.size
    return f"At the networks’ {size} × {size} pixels" if resolution == "network" else "At each image’s own size"


def finished_folds_note(run_data: RunData, method: Method) -> str:
    """Name the folds that a method was tested on; empty if on all."""
    done, all_folds = run_data.finished_folds(method), run_data.folds.numbers
    if done == all_folds:
        return ""
    return f"fold{'s' if len(done) > 1 else ''} {join_words([str(f) for f in done])} of {len(all_folds)}"


def overall_table(run_data: RunData, scores: tuple[str, ...], name: str, caption: str, notes: tuple[str, ...]) -> Table:
    """Build a table of means over folds ± their standard deviation, with the interval of the mean over images."""
    rows: list[TableRow] = []
    for resolution in RESOLUTIONS:
        group = resolution_title(run_data, resolution)
        images = [run_data.scores[method.name, resolution].with_lesion() for method in run_data.tested]
        columns = [_overall_column(score, images, run_data.comparable) for score in scores]
        for method, own, *score_cells in zip(run_data.tested, images, *columns, strict=True):
            cells = (text_cell(format_count(len(own))), *score_cells)
            rows.append(TableRow(method.title, cells, method.index, finished_folds_note(run_data, method), group))
    vanished = max((run_data.scores[m.name, "network"].count_vanished() for m in run_data.tested), default=0)
    if vanished:
        notes = (*notes, f"{plural(vanished, 'image')} with a lesion too small for the networks’ size left out there.")
    if run_data.comparable:
        notes = ("Bold: best of its column.", *notes) if len(run_data.tested) > 1 else notes
    else:
        notes = ("The rows are from different images, so none is marked best and none can be compared yet.", *notes)
    header = (Column("n images"), *(score_column(score) for score in scores))
    return Table(name, caption, "Network", header, tuple(rows), notes)


def _overall_column(score: str, images: list[ImageScores], comparable: bool) -> list[Cell]:
    """Build the column of a score, a cell for each method's images."""
    over_folds = [mean_over_folds(own.values[score], own.folds) for own in images]
    means = [fold_means.mean for fold_means in over_folds]
    spreads = [fold_means.sd if sum(map(isfinite, fold_means.means)) > 1 else nan for fold_means in over_folds]
    best = mark_best(means, score) if comparable else [False] * len(images)
    cells = []
    for own, text, is_best in zip(images, format_mean_and_spread(score, means, spreads), best, strict=True):
        mean = bootstrap_interval(own.values[score], own.groups)
        detail = format_interval(mean.low, mean.high, partial(format_score, score))
        cells.append(Cell(text, "" if text == DASH else detail, is_best))
    return cells


def main_table(run_data: RunData) -> Table:
    """Build the table of the seven published scores."""
    return overall_table(
        run_data,
        PUBLISHED,
        "main",
        "Scores as published, over images with a lesion: mean over folds of the folds’ means ± standard deviation over "
        "folds (divisor n − 1); beneath, the 95% bootstrap interval of the mean over images, "
        f"drawn by {run_data.unit}.",
        (
            "↑ higher is better, ↓ lower is better. FPR is relative to the lesion’s area, so "
            "it can exceed 1. AUC-ROC is of the probabilities, not of the thresholded mask; – where only masks are "
            "given. No unit: ratios.",
        ),
    )


def field_table(run_data: RunData) -> Table:
    """Build the table of boundary scores and lesion detection."""
    return overall_table(
        run_data,
        BOUNDARY_AND_DETECTION,
        "field",
        "Outline and lesion detection, over images with a lesion: mean over folds ± standard deviation over folds "
        f"(n − 1); beneath, the 95% bootstrap interval of the mean over images, drawn by {run_data.unit}.",
        (
            "HD95, ASSD: distances between the outlines, in pixels of that size. NSD: share of the outlines within 2 "
            "pixels of each other. Lesions found: mean share of an image’s lesions met with IoU of at least .1. False "
            "lesions: predicted regions that meet none, mean number per image.",
            "An image whose lesion is missed altogether counts with DSC 0 and with the image’s diagonal as HD95 and "
            "ASSD. " + _left_empty(run_data),
        ),
    )


def _left_empty(run_data: RunData) -> str:
    """Count the images with a lesion for which each method's mask is empty."""
    counts = []
    for method in run_data.tested:
        own = run_data.scores[method.name, "network"].with_lesion()
        empty = np.sum(own.values["area_predicted"] == 0)
        counts.append(f"{method.title} {format_count(empty)} of {format_count(len(own))}")
    return f"Left empty though there is a lesion: {'; '.join(counts)}."


def fold_table(run_data: RunData, resolution: str) -> Table:
    """Build the table of the means of each fold."""
    scores = (*PUBLISHED, "hd95")
    rows = []
    for fold in run_data.folds.numbers:
        tested = []
        for method in run_data.tested:
            images = run_data.scores[method.name, resolution].with_lesion()
            own = images.select([i for i, number in enumerate(images.folds) if number == fold])
            if len(own):
                tested.append((method, own))
        columns = []
        for score in scores:
            means = [_mean_of_finite(own.values[score]) for _, own in tested]
            best = mark_best(means, score)
            columns.append([Cell(format_score(score, m), "", b) for m, b in zip(means, best, strict=True)])
        for (method, own), *score_cells in zip(tested, *columns, strict=True):
            summary = run_data.summaries.get((method.name, fold), {})
            trained = f"{summary['fitted_on']} + {summary['validated_on']}" if "fitted_on" in summary else DASH
            cells = (text_cell(trained), text_cell(format_count(len(own))), *score_cells)
            rows.append(TableRow(method.title, cells, method.index, "", f"Fold {fold}"))
    return Table(
        f"folds-{resolution}",
        f"{resolution_title(run_data, resolution)}: mean over the images with a lesion of each fold.",
        "Network",
        (Column("Trained + validated on"), Column("n tested"), *(score_column(score) for score in scores)),
        tuple(rows),
        ("Trained + validated on, n tested: numbers of images. Bold: best of its fold.",),
    )


def _mean_of_finite(values: np.ndarray) -> float:
    """Return the mean of the finite values; NaN without one."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else nan


def strata_table(run_data: RunData) -> Table:
    """Build the table of DSC by lesion size and by label."""
    pixels = run_data.config.protocol.size**2
    images = [run_data.scores[method.name, "network"].with_lesion() for method in run_data.tested]
    share = {c: a / pixels for own in images for c, a in zip(own.cases, own.values["area_true"], strict=True)}
    labels = {c: label for own in images for c, label in zip(own.cases, own.labels, strict=True)}
    strata = stratify(list(share), [None] * len(share), list(share.values()))
    rows = []
    for size in ("small", "medium", "large"):
        cases = {case for case in share if strata[case].rpartition("/")[2] == size}
        if cases:
            shares = [share[case] for case in cases]
            remark = f"{format_fixed(100 * min(shares))} to {format_fixed(100 * max(shares))}% of the image"
            cells = _stratum_cells(images, cases, run_data.comparable)
            rows.append(TableRow(size.title(), cells, None, remark, "Lesion size (tercile)"))
    for label in sorted({label for label in labels.values() if label}):
        cases = {case for case in share if labels[case] == label}
        rows.append(TableRow(label, _stratum_cells(images, cases, run_data.comparable), group="Label"))
    notes = () if any(labels.values()) else ("The data set gives no labels.",)
    return Table(
        "strata",
        "DSC by lesion size and by label, at the networks’ size: mean over images with its 95% bootstrap interval, "
        f"drawn by {run_data.unit}.",
        "Stratum",
        (Column("n images"), *(Column(method.title, method.index) for method in run_data.tested)),
        tuple(rows),
        ("Bold: best of its row.", *notes) if run_data.comparable else notes,
    )


def _stratum_cells(images: list[ImageScores], cases: set[str], comparable: bool) -> tuple[Cell, ...]:
    """Build the cells of a stratum: its number of images, and the mean DSC of each method's images."""
    members = [own.select([i for i, case in enumerate(own.cases) if case in cases]) for own in images]
    means = [bootstrap_interval(own.values["dice"], own.groups) for own in members]
    best = mark_best([mean.mean for mean in means], "dice") if comparable else [False] * len(means)
    counts = " to ".join(map(format_count, sorted({len(own) for own in members})))
    cells = [
        Cell(format_ratio(mean.mean), format_interval(mean.low, mean.high), is_best)
        for mean, is_best in zip(means, best, strict=True)
    ]
    return (text_cell(counts), *cells)


def tumour_free_table(run_data: RunData) -> Table | None:
    """Build the table of images without a tumour; None if no such image was tested."""
    tested = [(method, run_data.scores[method.name, "network"].tumour_free()) for method in run_data.tested]
    tested = [(method, own) for method, own in tested if len(own)]
    if not tested:
        return None
    pixels = run_data.config.protocol.size**2
    rows = []
    for method, own in tested:
        groups = len(set(own.groups))
        share = float(np.mean(own.values["area_predicted"] == 0))
        area = bootstrap_interval(own.values["area_predicted"], own.groups)
        false = bootstrap_interval(own.values["false_lesions"], own.groups)
        false_ends = format_interval(false.low, false.high, partial(format_fixed, digits=2))
        cells = (
            text_cell(format_count(len(own)), plural(groups, run_data.unit)),
            text_cell(format_ratio(share), format_interval(*wilson_interval(share, groups))),
            text_cell(format_fixed(area.mean, 1), format_interval(area.low, area.high, format_fixed)),
            text_cell(format_fixed(100 * area.mean / pixels, 2)),
            text_cell(format_fixed(false.mean, 2), false_ends),
        )
        rows.append(TableRow(method.title, cells, method.index, finished_folds_note(run_data, method)))
    titles = (
        "n images",
        "Share left empty\u00a0↑",
        "False-positive pixels, mean\u00a0↓",
        "… in % of the image\u00a0↓",
        "False lesions per image\u00a0↓",
    )
    return Table(
        "tumour-free",
        "Tumour-free images, at the networks’ size. They are in no other table.",
        "Network",
        tuple(Column(title) for title in titles),
        tuple(rows),
        (
            f"Share left empty: 95% Wilson interval that counts each {run_data.unit} once. Others: 95% bootstrap "
            f"interval of the mean, drawn by {run_data.unit}.",
        ),
    )


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Compute the 95% Wilson score interval of a share observed in n trials (Wilson 1927, JASA 22:209).

    Example:
        >>> [round(end, 3) for end in wilson_interval(1.0, 10)]
        [0.722, 1.0]
    """
    z = 1.959964
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
