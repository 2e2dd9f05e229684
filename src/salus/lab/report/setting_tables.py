"""Tables of what a run was: its protocol beside the published one, its cost, and the published figures for context."""

from __future__ import annotations

from dataclasses import fields
from math import nan
from typing import Any

import numpy as np

from salus.lab.report.material import Entrant, Material
from salus.lab.report.numbers import DASH, count, duration, fixed, listed, plural
from salus.lab.report.score_tables import coverage
from salus.lab.report.tables import Column, Line, Table, plain

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
"""The protocol's settings in words; a setting without words goes by its name."""

_U, _SA, _SAC = "U-Net", "SA-U-Net", "SA-U-Net-C"
LITERATURE = (
    ("510 BUSIS images, 5 folds (Vakanski, Xian and Freer 2020)", _U, ".894 ± .014", ".821", ".908", ".898", ".977"),
    ("510 BUSIS images, 5 folds (Vakanski, Xian and Freer 2020)", _SA, ".901 ± .012", ".833", ".905", ".918", ".979"),
    ("510 BUSIS images, 5 folds (Vakanski, Xian and Freer 2020)", _SAC, ".905 ± .015", ".837", ".918", ".908", ".979"),
    ("163 images (Dataset B), 4 folds, a course’s reproduction", _U, ".687", ".590", ".675", ".844", ".978"),
    ("163 images (Dataset B), 4 folds, a course’s reproduction", _SA, ".692", ".591", ".704", ".803", ".979"),
)
"""Published figures: images, network, DSC, JI, TPR, precision, ACC."""


def protocol_table(material: Material) -> Table:
    """Every setting, the published value, and why a deviation."""
    protocol = material.settings.protocol
    deviations = protocol.deviations()
    lines = []
    for f in fields(protocol):
        published, reason = f.metadata.get("published"), f.metadata.get("reason", "")
        head = SETTINGS.get(f.name, f.name.replace("_", " "))
        said = reason if f.name in deviations else "as published"
        lines.append(Line(head, (plain(_word(getattr(protocol, f.name))), plain(_word(published)), plain(said))))
    number = len(deviations)
    return Table(
        "settings",
        "Every setting beside the published protocol’s"
        + (f"; {plural(number, 'deviation')}." if number else "; no deviation."),
        "Setting",
        (Column("Here", numeric=False), Column("Published", numeric=False), Column("Deviation", numeric=False)),
        tuple(lines),
    )


def run_table(material: Material) -> Table:
    """What the run was about, beside its protocol."""
    settings = material.settings
    found = {
        "Data set’s folder": settings.data,
        "Layout": settings.layout,
        "Fingerprint of the data (SHA-256)": material.fingerprint,
        "Saliency maps": settings.saliency,
        "Masks from elsewhere": "; ".join(f"{name}: {folder}" for name, folder in settings.predictions.items()),
        "Keras back end": settings.backend,
        "Leakage allowed": _word(settings.allow_leakage),
        "Machine": machine(material),
    }
    lines = [Line(head, (plain(value),)) for head, value in found.items()]
    caption = "The run beside its protocol."
    return Table("run-settings", caption, "Setting", (Column("Here", numeric=False),), tuple(lines))


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def cost_table(material: Material) -> Table | None:
    """What the networks took; None before any part is finished."""
    lines = []
    for entrant in material.tested:
        done = [s for (name, _), s in material.summaries.items() if name == entrant.name]
        if done:
            lines.append(_cost(material, entrant, done))
    if not lines:
        return None
    size = material.settings.protocol.size
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
        tuple(lines),
        (
            "GFLOP: 10⁹ floating-point operations of the convolutions, one forward pass. Training time includes "
            "validation; the first epoch’s compilation is left out of the ms. Prediction is timed over the whole "
            "test part after one call that compiles.",
            f"Machine: {machine(material)}.",
        ),
    )


def _cost(material: Material, entrant: Entrant, done: list[dict[str, Any]]) -> Line:
    def each(key: str) -> np.ndarray:
        return np.asarray([s.get(key, nan) for s in done], float)

    epochs = each("epochs")
    spread = "" if np.ptp(epochs) == 0 else f"{count(epochs.min())} to {count(epochs.max())}"
    arithmetic = sorted({f"{s.get('precision', DASH)}, {s.get('backend', DASH)}" for s in done})
    cells = (
        plain(count(each("parameters")[0])),
        plain(fixed(each("gflop")[0], 2)),
        plain(fixed(each("train_ms_per_image").mean())),
        plain(fixed(each("predict_ms_per_image").mean())),
        plain(fixed(epochs.mean(), 1 if spread else 0), spread),
        plain(duration(each("train_seconds").sum()), plural(len(done), "fold")),
        plain("; ".join(arithmetic)),
    )
    return Line(entrant.title, cells, entrant.place, coverage(material, entrant))


def machine(material: Material) -> str:
    """The machine and versions in a line."""
    e = material.environment
    parts = [
        e.get("processor", ""),
        f"{e['cores']} cores" if "cores" in e else "",
        e.get("gpu", ""),
        e.get("system", ""),
    ]
    versions = [f"{n} {e[n]}" for n in ("python", "salus", "keras", "tensorflow", "tensorflow-cpu", "jax") if n in e]
    return ", ".join(p for p in (*parts, *versions) if p)


def capacity(material: Material) -> str:
    """A warning where the networks compared are of different size; empty where not."""
    sizes = {}
    for entrant in material.tested:
        done = [s for (name, _), s in material.summaries.items() if name == entrant.name]
        if done and done[0].get("parameters") and done[0].get("gflop"):
            sizes[entrant.title] = (float(done[0]["parameters"]), float(done[0]["gflop"]))
    if len(sizes) < 2:
        return ""
    small, large = min(sizes, key=lambda t: sizes[t][0]), max(sizes, key=lambda t: sizes[t][0])
    parameters, work = (sizes[large][i] / sizes[small][i] for i in (0, 1))
    if max(parameters, work) < 1.1:
        return ""
    return (
        f"{large} has {fixed(parameters)} times the parameters and {fixed(work)} times the arithmetic of {small}, so "
        "size alone may explain a difference between them. A fair test of saliency feeds one network the real "
        "map and a constant one."
    )


def ceiling(material: Material) -> str:
    """A warning where a network was given the truth as its map; empty where none was."""
    sources = {name: str(summary.get("saliency") or "") for (name, _), summary in material.summaries.items()}
    told = [e.title for e in material.tested if sources.get(e.name, "").split("+")[0] == "truth"]
    said = f"{listed(told)}: given the truth itself as saliency map; a ceiling of what any map can do, no method."
    return said if told else ""


def literature_table() -> Table:
    """The published figures."""
    lines = [
        Line(network, tuple(plain(v) for v in (dsc, ji, tpr, precision, acc)), None, "", images)
        for images, network, dsc, ji, tpr, precision, acc in LITERATURE
    ]
    titles = ("DSC", "JI", "TPR", "Precision", "ACC")
    return Table(
        "literature",
        "Published figures: other images, for context only. Mean over folds ± standard deviation where given; ratios, "
        "at 256 × 256 pixels.",
        "Network",
        tuple(Column(t) for t in titles),
        tuple(lines),
        (
            "BUSIS is not public; Dataset B needs its owner’s permission. FPR and AUC are left out: the published AUC "
            "takes the binarised prediction as truth, which makes it another score.",
        ),
    )


def group_note(material: Material) -> str:
    """What the folds were dealt by, in a sentence."""
    groups = {material.folds.groups[name] for name in material.folds.test}
    return (
        f"{len(material.folds.numbers)} folds over {plural(len(material.folds.test), 'image')} in "
        f"{plural(len(groups), 'independent group')} (a patient, or a cluster of near-duplicate images); "
        f"rule “{material.folds.rule}”, seed {material.folds.seed}."
    )
