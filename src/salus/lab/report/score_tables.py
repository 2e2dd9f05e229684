"""Tables of scores: all folds together as published, fold by fold, by stratum, and tumour-free images apart."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, nan, sqrt

import numpy as np

from salus.data.folds import strata_of
from salus.lab.report.material import RESOLUTIONS, Entrant, ImageScores, Material
from salus.lab.report.numbers import (
    DASH,
    count,
    digits,
    fixed,
    info,
    interval,
    listed,
    mean_and_spread,
    plural,
    ratio,
    shown,
)
from salus.lab.report.tables import Cell, Column, Line, Table, heading, mark_best, plain
from salus.metrics.statistics import bootstrap_interval, mean_over_folds

PUBLISHED = ("dice", "jaccard", "tpr", "fpr", "precision", "accuracy", "auc")
"""The scores of the published tables, in their order."""
FIELD = ("hd95", "assd", "nsd", "found", "false_lesions")
"""What the field expects beside them."""


def size_title(material: Material, resolution: str) -> str:
    """Where scores are taken, in words."""
    size = material.settings.protocol.size
    return f"At the networks’ {size} × {size} pixels" if resolution == "network" else "At each image’s own size"


def coverage(material: Material, entrant: Entrant) -> str:
    """Which folds an entrant's figures are from; empty where from all."""
    done, all_folds = material.finished_folds(entrant), material.folds.numbers
    if done == all_folds:
        return ""
    return f"fold{'s' if len(done) > 1 else ''} {listed([str(f) for f in done])} of {len(all_folds)}"


def overall(material: Material, scores: tuple[str, ...], name: str, caption: str, notes: tuple[str, ...]) -> Table:
    """Mean over folds of the folds' means ± its spread, with the interval of the mean over images."""
    lines: list[Line] = []
    for resolution in RESOLUTIONS:
        group = size_title(material, resolution)
        parts = [(e, material.scores[e.name, resolution].lesions()) for e in material.tested]
        columns = [_overall_column(score, [p for _, p in parts], material.comparable) for score in scores]
        for row, (entrant, part) in enumerate(parts):
            cells = (plain(count(len(part))), *(column[row] for column in columns))
            lines.append(Line(entrant.title, cells, entrant.place, coverage(material, entrant), group))
    lost = max((material.scores[e.name, "network"].vanished() for e in material.tested), default=0)
    if lost:
        notes = (*notes, f"{plural(lost, 'image')} with a lesion too small for the networks’ size left out there.")
    if material.comparable:
        notes = ("Bold: best of its column.", *notes) if len(material.tested) > 1 else notes
    else:
        notes = ("The rows are from different images, so none is marked best and none can be compared yet.", *notes)
    headings = (Column("n images"), *(heading(score) for score in scores))
    return Table(name, caption, "Network", headings, tuple(lines), notes)


def _overall_column(score: str, parts: list[ImageScores], comparable: bool) -> list[Cell]:
    over = [mean_over_folds(p.values[score], p.folds) for p in parts]
    means = [o.mean for o in over]
    spreads = [o.sd if sum(map(isfinite, o.means)) > 1 else nan for o in over]
    best = mark_best(means, info(score).higher_is_better, digits(score)) if comparable else [False] * len(parts)
    cells = []
    for part, text, is_best in zip(parts, mean_and_spread(score, means, spreads), best, strict=True):
        found = bootstrap_interval(part.values[score], part.groups)
        detail = interval(found.low, found.high, lambda v: shown(score, v))
        cells.append(Cell(text, "" if text == DASH else detail, is_best))
    return cells


def main_table(material: Material) -> Table:
    """The published seven scores."""
    return overall(
        material,
        PUBLISHED,
        "main",
        "Scores as published, over images with a lesion: mean over folds of the folds’ means ± standard deviation over "
        f"folds; beneath, the 95% bootstrap interval of the mean over images, drawn by {material.unit}.",
        (
            "↑ higher is better, ↓ lower is better. FPR is relative to the lesion’s area, so "
            "it can exceed 1. AUC-ROC is of the probabilities, not of the thresholded mask; – where only masks are "
            "given. No unit: ratios.",
        ),
    )


def field_table(material: Material) -> Table:
    """Boundary scores and lesion detection."""
    return overall(
        material,
        FIELD,
        "field",
        "Outline and lesion detection, over images with a lesion: mean over folds ± standard deviation over folds; "
        f"beneath, the 95% bootstrap interval of the mean over images, drawn by {material.unit}.",
        (
            "HD95, ASSD: distances between the outlines, in pixels of that size. NSD: share of the outlines within 2 "
            "pixels of each other. Lesions found: mean share of an image’s lesions met with IoU of at least .1. False "
            "lesions: predicted regions that meet none, mean number per image.",
            "An image whose lesion is missed altogether counts with DSC 0 and with the image’s diagonal as HD95 and "
            "ASSD. " + _left_empty(material),
        ),
    )


def _left_empty(material: Material) -> str:
    said = []
    for entrant in material.tested:
        part = material.scores[entrant.name, "network"].lesions()
        said.append(f"{entrant.title} {count(np.sum(part.values['area_predicted'] == 0))} of {count(len(part))}")
    return f"Left empty though there is a lesion: {'; '.join(said)}."


def fold_table(material: Material, resolution: str) -> Table:
    """The folds' means."""
    scores = (*PUBLISHED, "hd95")
    lines = []
    for fold in material.folds.numbers:
        parts = []
        for entrant in material.tested:
            everything = material.scores[entrant.name, resolution].lesions()
            part = everything.take([i for i, f in enumerate(everything.folds) if f == fold])
            if len(part):
                parts.append((entrant, part))
        columns = []
        for score in scores:
            means = [_mean(p.values[score]) for _, p in parts]
            best = mark_best(means, info(score).higher_is_better, digits(score))
            columns.append([Cell(shown(score, m), "", b) for m, b in zip(means, best, strict=True)])
        for row, (entrant, part) in enumerate(parts):
            summary = material.summaries.get((entrant.name, fold), {})
            trained = f"{summary['fitted_on']} + {summary['validated_on']}" if "fitted_on" in summary else DASH
            cells = (plain(trained), plain(count(len(part))), *(column[row] for column in columns))
            lines.append(Line(entrant.title, cells, entrant.place, "", f"Fold {fold}"))
    return Table(
        f"folds-{resolution}",
        f"{size_title(material, resolution)}: mean over the images with a lesion of each fold.",
        "Network",
        (Column("Trained + validated on"), Column("n tested"), *(heading(score) for score in scores)),
        tuple(lines),
        ("Trained + validated on, n tested: numbers of images. Bold: best of its fold.",),
    )


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else nan


def strata_table(material: Material) -> Table:
    """DSC by lesion size and by label."""
    pixels = material.settings.protocol.size**2
    parts = {e.name: material.scores[e.name, "network"].lesions() for e in material.tested}
    share = {c: a / pixels for p in parts.values() for c, a in zip(p.cases, p.values["area_true"], strict=True)}
    labels = {c: label for p in parts.values() for c, label in zip(p.cases, p.labels, strict=True)}
    cases = list(share)
    of_case = strata_of(cases, [None] * len(cases), [share[c] for c in cases])
    size_of = {c: stratum.rpartition("/")[2] for c, stratum in of_case.items()}
    lines = []
    for size in ("small", "medium", "large"):
        members = {c for c in cases if size_of[c] == size}
        if members:
            shares = [share[c] for c in members]
            remark = f"{fixed(100 * min(shares))} to {fixed(100 * max(shares))}% of the image"
            lines.append(
                _stratum(material, parts, members, Line(size.title(), (), None, remark, "Lesion size (tercile)"))
            )
    for label in sorted({label for label in labels.values() if label}):
        members = {c for c in cases if labels[c] == label}
        lines.append(_stratum(material, parts, members, Line(label, (), group="Label")))
    notes = () if any(labels.values()) else ("The data set gives no labels.",)
    return Table(
        "strata",
        "DSC by lesion size and by label, at the networks’ size: mean over images with its 95% bootstrap interval, "
        f"drawn by {material.unit}.",
        "Stratum",
        (Column("n images"), *(Column(e.title, e.place) for e in material.tested)),
        tuple(lines),
        ("Bold: best of its row.", *notes) if material.comparable else notes,
    )


def _stratum(material: Material, parts: dict[str, ImageScores], members: set[str], line: Line) -> Line:
    """The line with its cells filled in."""
    found = []
    for entrant in material.tested:
        part = parts[entrant.name]
        found.append(part.take([i for i, c in enumerate(part.cases) if c in members]))
    intervals = [bootstrap_interval(p.values["dice"], p.groups) for p in found]
    best = mark_best([i.mean for i in intervals], True, 3) if material.comparable else [False] * len(found)
    cells = [Cell(ratio(i.mean), interval(i.low, i.high), b) for i, b in zip(intervals, best, strict=True)]
    sizes = sorted({len(p) for p in found})
    return replace(line, cells=(plain(" to ".join(map(count, sizes))), *cells))


def tumour_free_table(material: Material) -> Table | None:
    """What networks do where there is nothing to outline; None where no such image was tested."""
    parts = [(e, material.scores[e.name, "network"].tumour_free()) for e in material.tested]
    if not any(len(p) for _, p in parts):
        return None
    pixels = material.settings.protocol.size**2
    lines = []
    for entrant, part in parts:
        if not len(part):
            continue
        groups = len(set(part.groups))
        share = float(np.mean(part.values["area_predicted"] == 0))
        area = bootstrap_interval(part.values["area_predicted"], part.groups)
        false = bootstrap_interval(part.values["false_lesions"], part.groups)
        cells = (
            plain(count(len(part)), plural(groups, material.unit)),
            plain(ratio(share), interval(*wilson(share, groups))),
            plain(fixed(area.mean, 1), interval(area.low, area.high, fixed)),
            plain(fixed(100 * area.mean / pixels, 2)),
            plain(fixed(false.mean, 2), interval(false.low, false.high, lambda v: fixed(v, 2))),
        )
        lines.append(Line(entrant.title, cells, entrant.place, coverage(material, entrant)))
    return Table(
        "tumour-free",
        "Tumour-free images, at the networks’ size. They are in no other table.",
        "Network",
        tuple(
            Column(t)
            for t in (
                "n images",
                "Share left empty\u00a0↑",
                "False-positive pixels, mean\u00a0↓",
                "… in % of the image\u00a0↓",
                "False lesions per image\u00a0↓",
            )
        ),
        tuple(lines),
        (
            f"Share left empty: 95% Wilson interval that counts each {material.unit} once. Others: 95% bootstrap "
            f"interval of the mean, drawn by {material.unit}.",
        ),
    )


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95% Wilson score interval of a share seen in n trials (Wilson 1927, JASA 22:209).

    Example:
        >>> [round(end, 3) for end in wilson(1.0, 10)]
        [0.722, 1.0]
    """
    z = 1.959964
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
