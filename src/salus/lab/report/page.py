"""What the report says, section by section, before it becomes HTML or Markdown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

import salus
from salus.lab.report.comparisons import COMPARED, compare, comparison_table, findings
from salus.lab.report.evidence import Evidence
from salus.lab.report.figures import Chart
from salus.lab.report.material import Entrant, Material
from salus.lab.report.numbers import count, listed, plural
from salus.lab.report.panels import Choice, Panel
from salus.lab.report.score_plots import distribution, forest, paired_scatter
from salus.lab.report.score_tables import field_table, fold_table, main_table, strata_table, tumour_free_table
from salus.lab.report.setting_tables import (
    capacity,
    ceiling,
    cost_table,
    group_note,
    literature_table,
    protocol_table,
    run_table,
)
from salus.lab.report.tables import Table
from salus.lab.report.training_plots import learning_curves, probability_curves

LEAKS_NAMED = 12
"""Most leaking groups that are listed by name."""


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it: text, then tables, then figures."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True)
class Leakage:
    """What is tested and trained on at once.

    Attributes:
        sentence: how much.
        groups: the first of them with their cases and folds.
        more: how many are not listed.
    """

    sentence: str
    groups: tuple[tuple[str, str], ...]
    more: int


@dataclass(frozen=True)
class Page:
    """The whole report.

    Attributes:
        title: of the page.
        facts: what was compared, on what.
        findings: what the numbers say.
        leakage: None where nothing leaks.
        missing: what is not finished, a line each.
        remarks: what could not be shown, and why.
        sections: in order.
        panels: by kind; empty where no scan is at hand.
        panel_note: how they were chosen.
        phantoms: whether scans are made up.
        entrants: those in the panels' legend.
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
    entrants: tuple[Entrant, ...] = ()


def compose(
    material: Material,
    evidence: Evidence | None,
    remarks: list[str],
    choice: Choice | None,
    panels: dict[str, list[Panel]],
) -> Page:
    """Put the report together; `evidence` is None where the data set is not at hand."""
    comparisons = compare(material)
    names = [e.title for e in (material.tested or material.entrants)]
    data = Path(material.settings.data).name
    sections = [*_results(material, evidence), *_protocol(material)]
    if comparisons:
        sections.insert(1, _comparisons(material, comparisons))
    return Page(
        title=f"{listed(names)} on {data}",
        facts=_facts(material, evidence),
        findings=(*findings(material, comparisons), *filter(None, (ceiling(material),))),
        leakage=_leakage(material),
        missing=material.missing,
        remarks=tuple(remarks),
        sections=tuple(sections),
        panels=panels,
        panel_note=f"Ranked by the {choice.ranked_by} at the networks’ size." if choice else "",
        phantoms=bool(evidence and evidence.phantoms),
        entrants=material.tested,
    )


def _facts(material: Material, evidence: Evidence | None) -> tuple[tuple[str, str], ...]:
    settings, folds = material.settings, material.folds
    labels: Counter[str | None]
    lesions = {row["case"] for row in material.rows if row["area_true"] > 0}
    if evidence is not None:
        whole, scope = len(evidence.pairs.cases), ""
        if evidence.left_out:
            scope = f"; {count(evidence.left_out)} more left out, unreadable"
        seen = np.flatnonzero(evidence.pairs.masks.any(axis=(1, 2)))
        with_lesion = len({evidence.pairs.cases[i].name for i in seen} | lesions)
        labels = Counter(case.label for case in evidence.pairs.cases)
        patients = {case.patient for case in evidence.pairs.cases}
    else:
        first = {row["case"]: row for row in reversed(material.rows)}
        whole = len(first)
        scope = "" if whole == len(folds.test) else f" (of the {count(whole)} tested so far)"
        with_lesion, labels = len(lesions), Counter(row["label"] for row in first.values())
        patients = {row["patient"] for row in first.values()}
    free = whole - with_lesion
    images = (
        f"{count(len(folds.test))}: {count(with_lesion)} with a lesion, {count(free) if free else 'none'} tumour-free"
    )
    known = [f"{count(n)} {label}" for label, n in sorted(labels.items(), key=lambda item: str(item[0])) if label]
    unlabelled = f", {count(labels[None])} without" if labels[None] and known else ""
    groups = len({folds.groups[name] for name in folds.test})
    if patients and None not in patients:
        patients_in_words = count(len(patients))
    else:
        alike = groups < len(folds.test)
        clusters = f"near-duplicates count as one: {plural(groups, 'cluster')}" if alike else "no near-duplicates found"
        patients_in_words = f"not named by the data set; {clusters}"
    found = {
        "Data": f"{Path(settings.data).name} (layout “{settings.layout}”)",
        "Images": images + scope,
        "Labels": ", ".join(known) + unlabelled if known else "none given",
        "Patients": patients_in_words,
        "Cross-validation": f"{len(folds.numbers)} folds, rule “{folds.rule}”, seed {folds.seed}",
        "Networks’ size": f"{settings.protocol.size} × {settings.protocol.size} pixels",
        "Saliency maps": settings.saliency,
        "Data’s fingerprint": f"SHA-256 {material.fingerprint[:16]}…",
        "Report made on": date.today().isoformat(),
        "Salus": _versions(material),
    }
    return tuple(found.items())


def _versions(material: Material) -> str:
    trained = material.environment.get("salus", "unknown")
    return trained if trained == salus.__version__ else f"{trained}; this report {salus.__version__}"


def _leakage(material: Material) -> Leakage | None:
    leaks, folds = material.folds.leaks(), material.folds
    if not leaks:
        return None
    images = sum(map(len, leaks.values()))
    sentence = (
        f"{plural(len(leaks), 'patient or near-duplicate cluster|patients or near-duplicate clusters')} with "
        f"{plural(images, 'image')} of {count(len(folds.test))} "
        f"{'sits' if len(leaks) == 1 else 'sit'} on both sides of a fold: networks were tested on what they were "
        "trained on. The scores are probably too high and do not hold for new patients."
    )
    listed_groups = [
        (group, ", ".join(f"{name} (fold {folds.test[name]})" for name in names))
        for group, names in list(leaks.items())[:LEAKS_NAMED]
    ]
    return Leakage(sentence, tuple(listed_groups), max(0, len(leaks) - LEAKS_NAMED))


def _comparisons(material: Material, comparisons: list) -> Section:
    text = [f"Every pair of networks, in {listed(['DSC', 'JI', 'HD95'][: len(COMPARED)])}."]
    larger = capacity(material)
    charts = (forest(comparisons), paired_scatter(material))
    return Section(
        "comparisons",
        "Paired comparisons",
        (*text, larger) if larger else tuple(text),
        (comparison_table(material, comparisons),),
        tuple(c for c in charts if c is not None),
    )


def _results(material: Material, evidence: Evidence | None) -> list[Section]:
    if not material.tested:
        return [_training(material)] if material.histories else []
    spread = distribution(material)
    sections = [
        Section(
            "scores",
            "Scores",
            ("Only images with a lesion count here; tumour-free images have a section of their own.",),
            (main_table(material), field_table(material)),
            (spread,) if spread else (),
        ),
        Section("strata-section", "By lesion size and label", (), (strata_table(material),)),
        _tumour_free(material, evidence),
        Section("folds", "Fold by fold", (), (fold_table(material, "network"), fold_table(material, "native"))),
    ]
    pooled = probability_curves(material, evidence.curves) if evidence else None
    if pooled:
        sections.append(Section("roc-section", "ROC and precision-recall", (), (), (pooled,)))
    sections.append(_training(material))
    cost = cost_table(material)
    if cost:
        sections.append(Section("cost", "Cost", (), (cost,)))
    return sections


def _training(material: Material) -> Section:
    curves = learning_curves(material)
    text = () if curves else ("No network has begun to train.",)
    return Section("training", "Training", text, (), (curves,) if curves else ())


def _tumour_free(material: Material, evidence: Evidence | None) -> Section:
    table = tumour_free_table(material)
    if table is not None:
        return Section("tumour-free-section", "Tumour-free images", (), (table,))
    known = evidence is not None and bool(evidence.pairs.masks.any(axis=(1, 2)).all())
    text = "None in this set." if known or not material.missing else "None was tested so far."
    return Section("tumour-free-section", "Tumour-free images", (text,))


def _protocol(material: Material) -> list[Section]:
    leakage = _leakage(material)
    said = "No leakage: no patient and no cluster of near-duplicates sits on both sides of a fold."
    if leakage:
        said = f"LEAKAGE: {leakage.sentence}"
    return [
        Section("protocol", "Protocol", (group_note(material), said), (protocol_table(material), run_table(material))),
        Section("context", "Published figures, for context", (), (literature_table(),)),
    ]
