"""Figures of training and of probabilities: loss and DSC by epoch, ROC and precision-recall over all test pixels."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from salus.lab.report.figures import MUTED, PAPER, Chart, bare, colour, dash, finish, marker, new_figure, style
from salus.lab.report.material import Entrant, History, Material
from salus.lab.report.numbers import count, listed, ratio
from salus.metrics.curves import CurveCounts

_WATCHED = (("loss", "Dice loss"), ("dsc", "DSC"))


def learning_curves(material: Material) -> Chart | None:
    """Loss and DSC by epoch, a row a network; None where no training has begun."""
    trained = [e for e in material.entrants if any(name == e.name for name, _ in material.histories)]
    if not trained:
        return None
    said = []
    with style():
        figure = new_figure(0.55 + 2.05 * len(trained))
        grid = figure.subplots(len(trained), 2, squeeze=False, sharex=True, sharey="col")
        for row, entrant in enumerate(trained):
            folds = {fold: h for (name, fold), h in material.histories.items() if name == entrant.name}
            for axes, (score, title) in zip(grid[row], _WATCHED, strict=True):
                for fold, history in folds.items():
                    _one_training(axes, entrant, fold, history, score)
                axes.set_title(f"{entrant.title}: {title}")
                bare(axes, "y")
            best = [f"{_best(h)} of {len(h)}" for h in folds.values() if h]
            said.append(f"{entrant.title}, best epochs {listed(best)}")
        for axes in grid[-1]:
            axes.set_xlabel("Epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        for axes in grid[:, 1]:
            axes.set_ylim(0, 1)
        legend = [
            Line2D([], [], color=MUTED, linewidth=1.7, label="validation part"),
            Line2D([], [], color=MUTED, linewidth=0.9, alpha=0.55, linestyle=(0, (3, 2)), label="training part"),
            Line2D([], [], color=MUTED, marker="o", linestyle="", markersize=6, label="best epoch, with its fold"),
        ]
        figure.legend(handles=legend, loc="outside lower center", ncols=3)
        kept = "best epoch’s" if material.settings.protocol.restore_best else "last epoch’s"
        caption = (
            "Training by epoch, a line a fold. Best epoch: least loss on the validation part; the scores here are the "
            f"{kept} weights’. Loss: over a batch, its mean. DSC: mean over images at threshold .5, on the training "
            "part while the weights still move."
        )
        return finish(figure, "learning", caption, f"Loss and DSC by epoch. {'; '.join(said)}.")


def _best(history: History) -> int:
    return int(min(history, key=lambda row: row["val_loss"])["epoch"])


def _one_training(axes: Axes, entrant: Entrant, fold: int, history: History, score: str) -> None:
    if not history or score not in history[0] or f"val_{score}" not in history[0]:
        return
    epochs = [row["epoch"] for row in history]
    tone = colour(entrant)
    axes.plot(epochs, [r[score] for r in history], color=tone, linewidth=0.9, alpha=0.55, linestyle=(0, (3, 2)))
    axes.plot(epochs, [r[f"val_{score}"] for r in history], color=tone, linewidth=1.4, alpha=0.9)
    best = next(row for row in history if row["epoch"] == _best(history))
    at = (best["epoch"], best[f"val_{score}"])
    axes.plot(*at, "o", color=tone, markersize=9, markeredgecolor=PAPER, zorder=4)
    axes.annotate(str(fold), at, color=PAPER, fontsize=6.5, fontweight="bold", ha="center", va="center", zorder=5)


def probability_curves(material: Material, counts: dict[str, CurveCounts]) -> Chart | None:
    """ROC and precision-recall pooled over test pixels; None where no network's probabilities are at hand."""
    shown = [e for e in material.tested if e.name in counts and counts[e.name].positives.any()]
    if not shown:
        return None
    said = []
    with style():
        figure = new_figure(3.9)
        roc, pr = figure.subplots(1, 2)
        for entrant in shown:
            pixels = counts[entrant.name]
            auc, ap = ratio(pixels.auc()), ratio(pixels.average_precision())
            look = {"color": colour(entrant), "linestyle": dash(entrant), "linewidth": 1.7}
            at = {"marker": marker(entrant), "color": colour(entrant), "markersize": 6, "markeredgecolor": PAPER}
            if pixels.negatives.any():
                curve = pixels.roc(200)
                half = int(np.flatnonzero(curve.thresholds == 0.5)[0])
                roc.plot(curve.fpr, curve.tpr, **look, label=f"{entrant.title}: AUC {auc}")
                roc.plot(curve.fpr[half], curve.tpr[half], **at, zorder=4)
            other = pixels.pr(200)
            half = int(np.flatnonzero(other.thresholds == 0.5)[0])
            begun = other.recall > 0  # what shares the highest probability has one precision, down to recall 0
            recall = np.concatenate([[0.0], other.recall[begun]])
            precision = np.concatenate([other.precision[begun][:1], other.precision[begun]])
            pr.plot(recall, precision, **look, label=f"{entrant.title}: AP {ap}")
            pr.plot(other.recall[half], other.precision[half], **at, zorder=4)
            images = len(material.scores[entrant.name, "network"])
            said.append(f"{entrant.title} AUC {auc}, AP {ap}, n = {count(images)} images")
        roc.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
        first = counts[shown[0].name]
        share = first.positives.sum() / (first.positives.sum() + first.negatives.sum())
        pr.axhline(share, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
        roc.set(title="ROC", xlabel="False positives / background pixels", ylabel="True positives / lesion pixels")
        pr.set(title="Precision and recall", xlabel="Recall", ylabel="Precision")
        for axes, corner in ((roc, "lower right"), (pr, "best")):
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal")
            axes.legend(loc=corner)
        caption = (
            "ROC and precision-recall over the pixels of all test images together, at the networks’ size; dotted: "
            f"chance (lesion is {100 * share:.1f}% of the pixels); mark: threshold .5. AUC and AP: areas, no unit. "
            f"{'; '.join(said)}. Pixels of every fold share one scale of probability here, unlike the mean of the "
            "images’ AUC in the tables."
        )
        alt = f"ROC and precision-recall curves. {'; '.join(said)}."
        return finish(figure, "roc", caption, alt)
