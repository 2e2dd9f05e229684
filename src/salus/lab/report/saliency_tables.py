"""The tables of a saliency benchmark, each of one data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from salus.lab.report.number_format import DASH, format_p
from salus.lab.report.saliency_pictures import Rows, select_rows
from salus.lab.report.score_tables import wilson_interval
from salus.lab.report.tables import Column, Table, TableRow, text_cell
from salus.metrics.statistics import bootstrap_interval, paired_difference

SCORE_TITLES = {
    "auc": "AUC ↑",
    "hit": "brightest pixel in tumour ↑",
    "best_dice": "best Dice ↑",
    "f_measure": "F-measure ↑",
    "mae": "MAE ↓",
}
"""Scores of images with a tumour, and their printed names."""

COMPARED = ("auc", "hit", "best_dice")
"""Scores whose differences to the baseline are shown."""


def lesion_table(
    name: str, methods: Sequence[str], rows: Rows, reliability: Mapping[str, Any], speed: Mapping[str, float]
) -> Table:
    """Build the table of images with a tumour.

    Args:
        name: name of the data set.
        methods: saliency methods.
        rows: rows of scores.csv.
        reliability: calibration by method and data set.
        speed: milliseconds per image by method; NaN where it was not timed.
    """
    lines = []
    for method in methods:
        own = select_rows(rows, name, method, tumour=1)
        texts = []
        for score in SCORE_TITLES:
            mean = bootstrap_interval([r[score] for r in own], [r["patient"] for r in own])
            texts.append(f"{mean.mean:.3f} [{mean.low:.3f}, {mean.high:.3f}]")
        ms = speed[method]
        time = DASH if np.isnan(ms) else f"{ms:.1f}" if ms >= 0.1 else "< 0.1"
        lines.append((method, *texts, f"{reliability[method][name]['error']:.3f}", time))
    n_all = len(own) + len(select_rows(rows, name, method, tumour=0))
    caption = f"{name}: {len(own)} images with a tumour (calibration: all {n_all})"
    return _make_table(caption, (*SCORE_TITLES.values(), "calibration error ↓", "ms an image ↓"), lines)


def tumour_free_table(name: str, methods: Sequence[str], rows: Rows) -> Table:
    """Build the table of images without a tumour."""
    lines = []
    for method in methods:
        own = select_rows(rows, name, method, tumour=0)
        quiet = float(np.mean([r["quiet"] for r in own]))
        low, high = wilson_interval(quiet, len({r["patient"] for r in own}))
        missed = [r["maximum"] < 0.5 for r in select_rows(rows, name, method, tumour=1)]
        lines.append(
            (
                method,
                f"{100 * quiet:.0f}% [{100 * low:.0f}, {100 * high:.0f}]",
                f"{np.mean([r['maximum'] for r in own]):.3f}",
                f"{100 * np.mean([r['lit'] for r in own]):.1f}%",
                f"{100 * np.mean(missed):.1f}%" if missed else DASH,
            )
        )
    titles = (
        "quiet: below 0.5 everywhere ↑",
        "mean maximum ↓",
        "area at 0.5 and above ↓",
        "images with a tumour below 0.5 too ↓",
    )
    return _make_table(f"{name}: {len(own)} tumour-free images", titles, lines)


def difference_table(name: str, methods: Sequence[str], rows: Rows, baseline: str) -> Table:
    """Build the table of paired differences to a baseline method."""
    base = select_rows(rows, name, baseline, tumour=1)
    groups = [r["patient"] for r in base]
    lines = []
    for method in methods:
        own = select_rows(rows, name, method, tumour=1)
        texts = []
        for score in COMPARED:
            d = paired_difference([r[score] for r in own], [r[score] for r in base], groups)
            text = f"{d.mean:+.3f} [{d.low:+.3f}, {d.high:+.3f}], p {format_p(d.p_permutation)}"
            texts.append(text.replace("-", "−"))
        lines.append((method, *texts))
    caption = f"{name}: paired difference to {baseline}, image by image; p by sign flips over patients, not adjusted"
    return _make_table(caption, [SCORE_TITLES[score] for score in COMPARED], lines)


def confidence_table(name: str, methods: Sequence[str], rows: Rows) -> Table | None:
    """Build the table of stated confidence against the maps' quality; None if no method states a confidence."""
    lines = []
    for method in methods:
        own = [r for r in select_rows(rows, name, method, tumour=1) if np.isfinite(r["confidence"])]
        if len(own) < 3:
            continue
        confidence, dice = [r["confidence"] for r in own], [r["best_dice"] for r in own]
        both_vary = len(set(confidence)) > 1 and len(set(dice)) > 1
        rank = spearmanr(confidence, dice).statistic if both_vary else np.nan
        correlation = DASH if np.isnan(rank) else f"{rank:+.2f}"
        lines.append((method, f"{np.mean(confidence):.3f}", f"{np.mean(dice):.3f}", correlation))
    titles = ("mean confidence", "mean best Dice", "rank correlation ↑")
    return _make_table(f"{name}: confidence against best Dice", titles, lines) if lines else None


def _make_table(caption: str, titles: Iterable[str], lines: Sequence[tuple[str, ...]]) -> Table:
    """Build a table of texts, the first of each line the method's name."""
    rows = tuple(TableRow(method, tuple(map(text_cell, texts))) for method, *texts in lines)
    return Table("", caption, "method", tuple(Column(title, numeric=False) for title in titles), rows)
