"""Compose the report section by section, before it becomes HTML or Markdown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

import salus
from salus.lab.report.comparisons import Comparison, compare_methods, comparison_table, describe_findings
from salus.lab.report.figures import Chart
from salus.lab.report.image_data import ImageData
from salus.lab.report.number_format import format_count, join_words, plural
from salus.lab.report.panels import CaseSelection, Panel
from salus.lab.report.run_data import RunData
from salus.lab.report.score_plots import dice_distribution, forest_plot, paired_scatter
from salus.lab.report.score_tables import field_table, fold_table, main_table, strata_table, tumour_free_table
from salus.lab.report.setting_tables import (
    cost_table,
    describe_folds,
    literature_table,
    protocol_table,
    run_table,
    size_warning,
    truth_warning,
)
from salus.lab.report.tables import Table
from salus.lab.report.training_plots import learning_curves, probability_curves

MAX_LISTED_LEAKS = 12
"""Largest number of leaking groups that are listed."""


@dataclass(frozen=True)
class Section:
    """A section of the report: text, then tables, then figures."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True)
class Leakage:
    """Patients or near-duplicates in the training and the test part of a fold.

    Attributes:
        sentence: how many there are, and what follows.
        groups: the first groups, each with its cases and their folds.
        more: number of groups that are not listed.
    """

    sentence: str
    groups: tuple[tuple[str, str], ...]
    more: int


@dataclass(frozen=True)
class Page:
    """The whole report.

    Attributes:
        title: title of the page.
        facts: terms and values that describe the run.
        findings: sentences on the results.
        leakage: leaking groups, or None.
        missing: a line for every method and fold that is not finished.
        remarks: what could not be shown, and why.
        sections: sections in order.
        panels: panels by kind; empty without scans.
        panel_note: how the images of the panels were selected.
        phantoms: whether the images are synthetic.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    findings: tuple[str, ...]
    leakage: Leakage | None
    missing: tuple[str, ...]
    remarks: tuple[str, ...]
    sections: tuple[Section, ...]
    panels: dict[str, list[Panel]] = field(default_factory=dict)
    panel_note: str = ""
    phantoms: bool = False


def compose_page(
    run_data: RunData,
    image_data: ImageData | None,
    remarks: list[str],
    selection: CaseSelection | None,
    panels: dict[str, list[Panel]],
) -> Page:
    """Compose the report.

    Args:
        run_data: results of the run.
        image_data: its images; None if the data set cannot be read.
        remarks: what could not be shown, and why.
        selection: images of the panels, or None.
        panels: panels by kind.
    """
    comparisons = compare_methods(run_data)
    titles = [method.title for method in (run_data.tested or run_data.methods)]
    data = Path(run_data.config.data).name
    sections = [*_result_sections(run_data, image_data), *_protocol_sections(run_data, image_data)]
    if comparisons:
        sections.insert(1, _comparison_section(run_data, comparisons))
    return Page(
        title=f"{join_words(titles)} on {data}",
        facts=_facts(run_data, image_data),
        findings=(*describe_findings(run_data, comparisons), *filter(None, (truth_warning(run_data),))),
        leakage=_leakage(run_data),
        missing=run_data.missing,
        remarks=tuple(remarks),
        sections=tuple(sections),
        panels=panels,
        panel_note=f"Ranked by the {selection.ranked_by} at the networks’ size." if selection else "",
        phantoms=bool(image_data and image_data.phantoms),
    )


def _facts(run_data: RunData, image_data: ImageData | None) -> tuple[tuple[str, str], ...]:
    """Describe the data, the folds and the versions."""
    config, folds = run_data.config, run_data.folds
    labels: Counter[str | None]
    lesion_cases = {row["case"] for row in run_data.rows if row["area_true"] > 0}
    if image_data is not None:
        n_images, scope = len(image_data.pairs.cases), ""
        if image_data.left_out:
            scope = f"; {format_count(image_data.left_out)} more left out, unreadable"
        has_lesion = image_data.pairs.masks.any(axis=(1, 2))
        lesion_cases |= {image_data.pairs.cases[i].name for i in np.flatnonzero(has_lesion)}
        labels = Counter(case.label for case in image_data.pairs.cases)
        patients = {case.patient for case in image_data.pairs.cases}
    else:
        first = {row["case"]: row for row in reversed(run_data.rows)}
        n_images = len(first)
        scope = "" if n_images == len(folds.test) else f" (of the {format_count(n_images)} tested so far)"
        labels = Counter(row["label"] for row in first.values())
        patients = {row["patient"] for row in first.values()}
    with_lesion, free = format_count(len(lesion_cases)), n_images - len(lesion_cases)
    tumour_free = format_count(free) if free else "none"
    images = f"{format_count(len(folds.test))}: {with_lesion} with a lesion, {tumour_free} tumour-free"
    label_counts = [f"{format_count(labels[label])} {label}" for label in sorted(filter(None, labels))]
    unlabelled = f", {format_count(labels[None])} without" if labels[None] and label_counts else ""
    groups = len({folds.groups[name] for name in folds.test})
    if patients and None not in patients:
        patients_text = format_count(len(patients))
    else:
        clusters = "no near-duplicates found"
        if groups < len(folds.test):
            clusters = f"near-duplicates count as one: {plural(groups, 'cluster')}"
        patients_text = f"not named by the data set; {clusters}"
    facts = {
        "Data": f"{Path(config.data).name} (layout “{config.layout}”)",
        "Images": images + scope,
        "Labels": ", ".join(label_counts) + unlabelled if label_counts else "none given",
        "Patients": patients_text,
        "Cross-validation": f"{len(folds.numbers)} folds, rule “{folds.rule}”, seed {folds.seed}",
        "Networks’ size": f"{config.protocol.size} × {config.protocol.size} pixels",
        "Saliency maps": config.saliency,
        "Data’s fingerprint": f"SHA-256 {run_data.fingerprint[:16]}…",
        "Report made on": date.today().isoformat(),
        "Salus": _versions(run_data),
    }
    return tuple(facts.items())


def _versions(run_data: RunData) -> str:
    """Return the version that trained, and that of this report if it differs."""
    trained = run_data.environment.get("salus", "unknown")
    return trained if trained == salus.__version__ else f"{trained}; this report {salus.__version__}"


def _leakage(run_data: RunData) -> Leakage | None:
    """Describe the leaking groups, if there are any."""
    leaks, folds = run_data.folds.leaks(), run_data.folds
    if not leaks:
        return None
    images = sum(map(len, leaks.values()))
    sentence = (
        f"{plural(len(leaks), 'patient or near-duplicate cluster|patients or near-duplicate clusters')} with "
        f"{plural(images, 'image')} of {format_count(len(folds.test))} "
        f"{'sits' if len(leaks) == 1 else 'sit'} on both sides of a fold: networks were tested on what they were "
        "trained on. The scores are probably too high and do not hold for new patients."
    )
    listed_groups = [
        (group, ", ".join(f"{name} (fold {folds.test[name]})" for name in names))
        for group, names in list(leaks.items())[:MAX_LISTED_LEAKS]
    ]
    return Leakage(sentence, tuple(listed_groups), max(0, len(leaks) - MAX_LISTED_LEAKS))


def _comparison_section(run_data: RunData, comparisons: list[Comparison]) -> Section:
    text = ("Every pair of networks, in DSC, JI and HD95.", size_warning(run_data))
    charts = (forest_plot(comparisons), paired_scatter(run_data))
    return Section(
        "comparisons",
        "Paired comparisons",
        tuple(filter(None, text)),
        (comparison_table(run_data, comparisons),),
        tuple(c for c in charts if c is not None),
    )


def _result_sections(run_data: RunData, image_data: ImageData | None) -> list[Section]:
    if not run_data.tested:
        return [_training_section(run_data)] if run_data.histories else []
    spread = dice_distribution(run_data)
    sections = [
        Section(
            "scores",
            "Scores",
            ("Only images with a lesion count here; tumour-free images have a section of their own.",),
            (main_table(run_data), field_table(run_data)),
            (spread,) if spread else (),
        ),
        Section("strata-section", "By lesion size and label", (), (strata_table(run_data),)),
        _tumour_free_section(run_data, image_data),
        Section("folds", "Fold by fold", (), (fold_table(run_data, "network"), fold_table(run_data, "native"))),
    ]
    pooled = probability_curves(run_data, image_data.curves) if image_data else None
    if pooled:
        sections.append(Section("roc-section", "ROC and precision-recall", (), (), (pooled,)))
    sections.append(_training_section(run_data))
    cost = cost_table(run_data)
    if cost:
        sections.append(Section("cost", "Cost", (), (cost,)))
    return sections


def _training_section(run_data: RunData) -> Section:
    curves = learning_curves(run_data)
    text = () if curves else ("No network has begun to train.",)
    return Section("training", "Training", text, (), (curves,) if curves else ())


def _tumour_free_section(run_data: RunData, image_data: ImageData | None) -> Section:
    table = tumour_free_table(run_data)
    if table is not None:
        return Section("tumour-free-section", "Tumour-free images", (), (table,))
    none_exists = image_data is not None and bool(image_data.pairs.masks.any(axis=(1, 2)).all())
    text = "None in this set." if none_exists or not run_data.missing else "None was tested so far."
    return Section("tumour-free-section", "Tumour-free images", (text,))


def _protocol_sections(run_data: RunData, image_data: ImageData | None) -> list[Section]:
    leakage = _leakage(run_data)
    tables = (protocol_table(run_data), run_table(run_data, image_data.mask_readings if image_data else ()))
    leakage_text = "No leakage: no patient and no cluster of near-duplicates sits on both sides of a fold."
    if leakage:
        leakage_text = f"LEAKAGE: {leakage.sentence}"
    return [
        Section("protocol", "Protocol", (describe_folds(run_data), leakage_text), tables),
        Section("context", "Published figures, for context", (), (literature_table(),)),
    ]
