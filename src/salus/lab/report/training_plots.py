"""Figures of training and probabilities: loss and DSC by epoch, ROC and precision-recall over all test pixels."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from salus.lab.report.figures import (
    MUTED,
    PAPER,
    Chart,
    figure_style,
    line_style,
    make_chart,
    method_colour,
    method_marker,
    new_figure,
)
from salus.lab.report.number_format import format_count, format_ratio, join_words
from salus.lab.report.run_data import History, Method, RunData
from salus.metrics.curves import CurveCounts

_CURVES = (("loss", "Dice loss"), ("dsc", "DSC"))


def learning_curves(run_data: RunData) -> Chart | None:
    """Plot loss and DSC by epoch, a row for each method; None if no training has begun."""
    trained = [method for method in run_data.methods if any(name == method.name for name, _ in run_data.histories)]
    if not trained:
        return None
    summaries = []
    with figure_style():
        figure = new_figure(0.55 + 2.05 * len(trained))
        grid = figure.subplots(len(trained), 2, squeeze=False, sharex=True, sharey="col")
        for row, method in enumerate(trained):
            folds = {fold: h for (name, fold), h in run_data.histories.items() if name == method.name}
            for axes, (score, title) in zip(grid[row], _CURVES, strict=True):
                for fold, history in folds.items():
                    _draw_history(axes, method, fold, history, score)
                axes.set_title(f"{method.title}: {title}")
                axes.grid(visible=False, axis="x")
            best = [f"{_best_epoch(h)} of {len(h)}" for h in folds.values() if h]
            summaries.append(f"{method.title}, best epochs {join_words(best)}")
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
        kept = "best epoch’s" if run_data.config.protocol.restore_best else "last epoch’s"
        caption = (
            "Training by epoch, a line a fold. Best epoch: least loss on the validation part; the scores here are the "
            f"{kept} weights’. Loss: over a batch, its mean. DSC: mean over images at threshold .5, on the training "
            "part while the weights still move."
        )
        return make_chart(figure, "learning", caption, f"Loss and DSC by epoch. {'; '.join(summaries)}.")


def _best_epoch(history: History) -> int:
    """Return the epoch with the least loss on the validation part."""
    return int(min(history, key=lambda row: row["val_loss"])["epoch"])


def _draw_history(axes: Axes, method: Method, fold: int, history: History, score: str) -> None:
    """Draw one training's curve of a score, with the best epoch marked."""
    if not history or score not in history[0] or f"val_{score}" not in history[0]:
        return
    epochs = [row["epoch"] for row in history]
    colour = method_colour(method)
    axes.plot(epochs, [r[score] for r in history], color=colour, linewidth=0.9, alpha=0.55, linestyle=(0, (3, 2)))
    axes.plot(epochs, [r[f"val_{score}"] for r in history], color=colour, linewidth=1.4, alpha=0.9)
    best = next(row for row in history if row["epoch"] == _best_epoch(history))
    at = (best["epoch"], best[f"val_{score}"])
    axes.plot(*at, "o", color=colour, markersize=9, markeredgecolor=PAPER, zorder=4)
    axes.annotate(str(fold), at, color=PAPER, fontsize=6.5, fontweight="bold", ha="center", va="center", zorder=5)


def probability_curves(run_data: RunData, counts: dict[str, CurveCounts]) -> Chart | None:
    """Plot ROC and precision-recall over all test pixels; None without any method's probabilities."""
    methods = [m for m in run_data.tested if m.name in counts and counts[m.name].positives.any()]
    if not methods:
        return None
    summaries = []
    with figure_style():
        figure = new_figure(3.9)
        roc, pr = figure.subplots(1, 2)
        for method in methods:
            pixels = counts[method.name]
            auc, ap = format_ratio(pixels.auc()), format_ratio(pixels.average_precision())
            line = {"color": method_colour(method), "linestyle": line_style(method), "linewidth": 1.7}
            mark = {
                "marker": method_marker(method),
                "color": method_colour(method),
                "markersize": 6,
                "markeredgecolor": PAPER,
            }
            if pixels.negatives.any():
                curve = pixels.roc(200)
                half = int(np.flatnonzero(curve.thresholds == 0.5)[0])
                roc.plot(curve.fpr, curve.tpr, **line, label=f"{method.title}: AUC {auc}")
                roc.plot(curve.fpr[half], curve.tpr[half], **mark, zorder=4)
            pr_curve = pixels.pr(200)
            half = int(np.flatnonzero(pr_curve.thresholds == 0.5)[0])
            positive = pr_curve.recall > 0  # the first precision holds down to recall 0
            recall = np.concatenate([[0.0], pr_curve.recall[positive]])
            precision = np.concatenate([pr_curve.precision[positive][:1], pr_curve.precision[positive]])
            pr.plot(recall, precision, **line, label=f"{method.title}: AP {ap}")
            pr.plot(pr_curve.recall[half], pr_curve.precision[half], **mark, zorder=4)
            images = len(run_data.scores[method.name, "network"])
            summaries.append(f"{method.title} AUC {auc}, AP {ap}, n = {format_count(images)} images")
        roc.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
        first = counts[methods[0].name]
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
            f"{'; '.join(summaries)}. Pixels of every fold share one scale of probability here, unlike the mean of the "
            "images’ AUC in the tables."
        )
        alt = f"ROC and precision-recall curves. {'; '.join(summaries)}."
        return make_chart(figure, "roc", caption, alt)
