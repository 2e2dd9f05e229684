"""Tables of a run's settings: its protocol beside the published one, its cost, and published scores for context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from math import nan
from typing import Any

import numpy as np

from salus.lab.report.number_format import DASH, format_count, format_fixed, join_words, plural
from salus.lab.report.run_data import Method, RunData
from salus.lab.report.score_tables import finished_folds_note
from salus.lab.report.tables import Column, Table, TableRow, text_cell
from salus.lab.training.progress import format_duration

SETTINGS = {
    "size": "Input size, pixels each way",
    "folds": "Folds",
    "fold_rule": "Rule of the folds",
    "validation": "Share of the training part that validates",
    "batch": "Images per batch",
    "epochs": "Epochs at most",
    "patience": "Epochs without better validation loss before training stops",
    "learning_rate": "Learning rate (Adam)",
    "restore_best": "Weights of the best epoch are restored",
    "threshold": "Probability from which a pixel is lesion",
    "precision": "Arithmetic",
    "seed": "Seed",
}
"""Printed names of the protocol's settings; any other is called by its name."""

_U, _SA, _SAC = "U-Net", "SA-U-Net", "SA-U-Net-C"
LITERATURE = (
    ("510 BUSIS images, 5 folds (Vakanski, Xian and Freer 2020)", _U, ".894 ± .014", ".821", ".908", ".898", ".977"),
    ("510 BUSIS images, 5 folds (Vakanski, Xian and Freer 2020)", _SA, ".901 ± .012", ".833", ".905", ".918", ".979"),
    ("510 BUSIS images, 5 folds (Vakanski, Xian and Freer 2020)", _SAC, ".905 ± .015", ".837", ".918", ".908", ".979"),
    ("163 images (Dataset B), 4 folds, a course’s reproduction", _U, ".687", ".590", ".675", ".844", ".978"),
    ("163 images (Dataset B), 4 folds, a course’s reproduction", _SA, ".692", ".591", ".704", ".803", ".979"),
)
"""Published scores: images, network, DSC, JI, TPR, precision, ACC."""


def protocol_table(run_data: RunData) -> Table:
    """Build the table of settings with their published values and the reasons for deviations."""
    protocol = run_data.config.protocol
    deviations = protocol.deviations()
    rows = []
    for f in fields(protocol):
        published, reason = f.metadata.get("published"), f.metadata.get("reason", "")
        title = SETTINGS.get(f.name, f.name.replace("_", " "))
        deviation = reason if f.name in deviations else "as published"
        values = (_format_value(getattr(protocol, f.name)), _format_value(published), deviation)
        rows.append(TableRow(title, tuple(map(text_cell, values))))
    return Table(
        "settings",
        "Every setting beside the published protocol’s"
        + (f"; {plural(len(deviations), 'deviation')}." if deviations else "; no deviation."),
        "Setting",
        (Column("Here", numeric=False), Column("Published", numeric=False), Column("Deviation", numeric=False)),
        tuple(rows),
    )


def run_table(run_data: RunData, mask_readings: Sequence[str] = ()) -> Table:
    """Build the table of the run's other settings.

    Args:
        run_data: results of the run.
        mask_readings: how mask files were read, in lines; none where the data set is gone.
    """
    config = run_data.config
    values = {
        "Data set’s folder": config.data,
        "Layout": config.layout,
        "Fingerprint of the data (SHA-256)": run_data.fingerprint,
        "Saliency maps": config.saliency,
        "Masks from elsewhere": "; ".join(f"{name}: {folder}" for name, folder in config.predictions.items()),
        **({"Masks were read as": "; ".join(mask_readings)} if mask_readings else {}),
        "Keras back end": config.backend,
        "Leakage allowed": _format_value(config.allow_leakage),
        "Machine": describe_machine(run_data),
    }
    rows = [TableRow(title, (text_cell(value),)) for title, value in values.items()]
    caption = "The run beside its protocol."
    return Table("run-settings", caption, "Setting", (Column("Here", numeric=False),), tuple(rows))


def _format_value(value: Any) -> str:
    """Format the value of a setting."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def cost_table(run_data: RunData) -> Table | None:
    """Build the table of the networks' size and cost; None before any training is finished."""
    rows = []
    for method in run_data.tested:
        summaries = _summaries(run_data, method)
        if summaries:
            rows.append(_cost_row(run_data, method, summaries))
    if not rows:
        return None
    size = run_data.config.protocol.size
    titles = (
        "Parameters",
        "GFLOP per image",
        "Training, ms per image and epoch",
        "Prediction, ms per image",
        "Epochs a fold, mean",
        "Training, all folds",
        "Arithmetic",
    )
    return Table(
        "cost-table",
        f"Size and cost at {size} × {size} pixels; times are means over the finished folds.",
        "Network",
        tuple(Column(t, numeric=t != "Arithmetic") for t in titles),
        tuple(rows),
        (
            "GFLOP: 10⁹ floating-point operations of the convolutions, one forward pass. Training time includes "
            "validation; the first epoch’s compilation is left out of the ms. Prediction is timed over the whole "
            "test part after one call that compiles.",
            f"Machine: {describe_machine(run_data)}.",
        ),
    )


def _summaries(run_data: RunData, method: Method) -> list[dict[str, Any]]:
    """Return the summaries of a method's finished folds."""
    return [summary for (name, _), summary in run_data.summaries.items() if name == method.name]


def _cost_row(run_data: RunData, method: Method, summaries: list[dict[str, Any]]) -> TableRow:
    """Build the row of a method's size and cost."""

    def each(key: str) -> np.ndarray:
        return np.asarray([summary.get(key, nan) for summary in summaries], float)

    epochs = each("epochs")
    spread = "" if np.ptp(epochs) == 0 else f"{format_count(epochs.min())} to {format_count(epochs.max())}"
    arithmetic = sorted({f"{s.get('precision', DASH)}, {s.get('backend', DASH)}" for s in summaries})
    cells = (
        text_cell(format_count(each("parameters")[0])),
        text_cell(format_fixed(each("gflop")[0], 2)),
        text_cell(format_fixed(each("train_ms_per_image").mean())),
        text_cell(format_fixed(each("predict_ms_per_image").mean())),
        text_cell(format_fixed(epochs.mean(), 1 if spread else 0), spread),
        text_cell(format_duration(each("train_seconds").sum()), plural(len(summaries), "fold")),
        text_cell("; ".join(arithmetic)),
    )
    return TableRow(method.title, cells, method.index, finished_folds_note(run_data, method))


def describe_machine(run_data: RunData) -> str:
    """Describe the machine and the versions in a line."""
    e = run_data.environment
    parts = [
        e.get("processor", ""),
        f"{e['cores']} cores" if "cores" in e else "",
        e.get("gpu", ""),
        e.get("system", ""),
    ]
    versions = [
        f"{n} {e[n]}" for n in ("python", "salus", "keras", "tensorflow", "tensorflow-cpu", "jax", "torch") if n in e
    ]
    return ", ".join(p for p in (*parts, *versions) if p)


def size_warning(run_data: RunData) -> str:
    """Warn of networks that differ in size; empty if none does."""
    sizes = {}
    for method in run_data.tested:
        for summary in _summaries(run_data, method)[:1]:
            if summary.get("parameters") and summary.get("gflop"):
                sizes[method.title] = (float(summary["parameters"]), float(summary["gflop"]))
    if len(sizes) < 2:
        return ""
    small, large = min(sizes, key=lambda t: sizes[t][0]), max(sizes, key=lambda t: sizes[t][0])
    parameters, arithmetic = (sizes[large][i] / sizes[small][i] for i in (0, 1))
    if max(parameters, arithmetic) < 1.1:
        return ""
    return (
        f"{large} has {format_fixed(parameters)} times the parameters and {format_fixed(arithmetic)} times the "
        f"arithmetic of {small}, so size alone may explain a difference between them. A fair test of saliency feeds "
        "one network the real map and a constant one."
    )


def truth_warning(run_data: RunData) -> str:
    """Warn of methods whose saliency map is the true mask, or a click drawn from it; empty if there is none."""
    sources = {name: str(summary.get("saliency") or "") for (name, _), summary in run_data.summaries.items()}
    warnings = []
    for base, warning in (
        ("truth", "given the truth itself as saliency map; a ceiling of what any map can do, no method."),
        ("points", "given a simulated click in every lesion as saliency map; what a reader may add, no method."),
    ):
        titles = [method.title for method in run_data.tested if sources.get(method.name, "").split("+")[0] == base]
        warnings += [f"{join_words(titles)}: {warning}"] if titles else []
    return " ".join(warnings)


def literature_table() -> Table:
    """Build the table of published scores."""
    rows = [
        TableRow(network, tuple(text_cell(v) for v in (dsc, ji, tpr, precision, acc)), None, "", images)
        for images, network, dsc, ji, tpr, precision, acc in LITERATURE
    ]
    titles = ("DSC", "JI", "TPR", "Precision", "ACC")
    return Table(
        "literature",
        "Published figures: other images, for context only. Mean over folds ± standard deviation where given; ratios, "
        "at 256 × 256 pixels.",
        "Network",
        tuple(Column(t) for t in titles),
        tuple(rows),
        (
            "BUSIS is not public; Dataset B needs its owner’s permission. FPR and AUC are left out: the published AUC "
            "takes the binarised prediction as truth, which makes it another score.",
        ),
    )


def describe_folds(run_data: RunData) -> str:
    """Describe how the images were split into folds, in a sentence."""
    groups = {run_data.folds.groups[name] for name in run_data.folds.test}
    return (
        f"{len(run_data.folds.numbers)} folds over {plural(len(run_data.folds.test), 'image')} in "
        f"{plural(len(groups), 'independent group')} (a patient, or a cluster of near-duplicate images); "
        f"rule “{run_data.folds.rule}”, seed {run_data.folds.seed}."
    )
