"""Figures of scores: their distribution over images, two methods image by image, and differences with intervals."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from salus.lab.report.comparisons import Comparison, difference_scale, scores_on_common_images
from salus.lab.report.figures import (
    MUTED,
    PAPER,
    WIDTH,
    Chart,
    figure_style,
    make_chart,
    method_colour,
    method_marker,
    new_figure,
)
from salus.lab.report.number_format import format_count, format_fixed, format_ratio, format_signed, plural, score_info
from salus.lab.report.run_data import Method, RunData

MAX_VECTOR_POINTS = 1500
"""Largest number of points that a figure holds as vectors; more are rasterised."""


def dice_distribution(run_data: RunData) -> Chart | None:
    """Plot every image's DSC for each method, with quartiles; None without an image with a lesion."""
    scores = [(method, run_data.scores[method.name, "network"].with_lesion()) for method in run_data.tested]
    dice_of = [(method, s.values["dice"]) for method, s in scores if len(s)]
    if not dice_of:
        return None
    points = sum(dice.size for _, dice in dice_of)
    rng = np.random.default_rng(0)
    summaries: list[str] = []
    with figure_style():
        figure = new_figure(0.75 + 0.72 * len(dice_of))
        axes = figure.subplots()
        for row, (method, dice) in enumerate(reversed(dice_of)):
            quartiles = np.percentile(dice, [25, 50, 75])
            jittered = row + 0.13 + 0.24 * rng.random(dice.size)
            _draw_points(axes, method, dice, jittered, alpha=0.5, s=11, rasterized=points > MAX_VECTOR_POINTS)
            _draw_box(axes, method, dice, row - 0.14)
            low, median, high = map(format_ratio, quartiles)
            summaries.insert(
                0, f"{method.title} median {median}, quartiles {low} and {high}, n = {format_count(dice.size)}"
            )
        axes.set_yticks(range(len(dice_of)), [method.title for method, _ in reversed(dice_of)])
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.45, len(dice_of) - 0.4), xlabel="DSC of an image")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        caption = (
            "DSC of every image with a lesion, at the networks’ size: points; beneath, the quartiles (box), the median "
            "(bar), the range without outliers (whiskers, 1.5 quartile distances) and the mean (diamond)."
        )
        return make_chart(figure, "distribution", caption, f"Spread of DSC over images. {'; '.join(summaries)}.")


def _draw_points(axes: Axes, method: Method, x: np.ndarray, y: np.ndarray, **style: Any) -> None:
    """Draw points in the colour and with the marker of a method."""
    axes.scatter(x, y, marker=method_marker(method), color=method_colour(method), linewidths=0, **style)


def _draw_box(axes: Axes, method: Method, values: np.ndarray, y: float) -> None:
    """Draw a horizontal box plot at height y."""
    line = {"color": method_colour(method), "linewidth": 1.2}
    axes.boxplot(
        [values],
        positions=[y],
        widths=0.2,
        orientation="horizontal",
        showfliers=False,
        showmeans=True,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": PAPER, "edgecolor": method_colour(method), "linewidth": 1.2},
        medianprops={**line, "linewidth": 2.4, "solid_capstyle": "butt"},
        whiskerprops=line,
        capprops=line,
        meanprops={
            "marker": "D",
            "markersize": 5,
            "markerfacecolor": method_colour(method),
            "markeredgecolor": PAPER,
            "markeredgewidth": 0.8,
        },
    )


def paired_scatter(run_data: RunData) -> Chart | None:
    """Plot the first method against up to three others, image by image; None without a second one."""
    if len(run_data.tested) < 2:
        return None
    first = run_data.tested[0]
    pairs = [(other, *scores_on_common_images(run_data, first, other)) for other in run_data.tested[1:4]]
    pairs = [pair for pair in pairs if len(pair[1])]
    if not pairs:
        return None
    summaries = []
    with figure_style():
        figure = new_figure(3.5, WIDTH * len(pairs) / 3 if len(pairs) > 1 else 3.8)
        for axes, (other, a, b) in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
            x, y = a.values["dice"], b.values["dice"]
            axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
            _draw_points(axes, other, x, y, alpha=0.55, s=15, rasterized=x.size * len(pairs) > MAX_VECTOR_POINTS)
            above, below = int(np.sum(y > x)), int(np.sum(y < x))
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
            axes.set(xlabel=f"DSC, {first.title}", ylabel=f"DSC, {other.title}")
            axes.text(0.03, 0.96, f"{other.title} better: {above}", transform=axes.transAxes, va="top", fontsize=8.5)
            axes.text(0.97, 0.04, f"{first.title} better: {below}", transform=axes.transAxes, ha="right", fontsize=8.5)
            summaries.append(
                f"{other.title} is better on {above}, {first.title} on {below} of {plural(x.size, 'image')}"
            )
        caption = "The same image in two networks: DSC at the networks’ size, a point an image; dashed: both alike."
        return make_chart(figure, "paired-scatter", caption, f"{'; '.join(summaries)}.")


def forest_plot(comparisons: list[Comparison]) -> Chart | None:
    """Plot differences with their intervals, a panel for each score; None without a pair of methods."""
    if not comparisons:
        return None
    by_score = [(score, list(members)) for score, members in groupby(comparisons, key=lambda c: c.score)]
    rows = max(len(members) for _, members in by_score)
    summaries = []
    with figure_style():
        figure = new_figure(1.15 + 0.34 * rows)
        panels = figure.subplots(1, len(by_score), squeeze=False)[0]
        for column, (axes, (score, members)) in enumerate(zip(panels, by_score, strict=True)):
            factor, unit = difference_scale(score)
            for y, c in zip(range(rows - 1, -1, -1), members, strict=False):
                d, colour = c.difference, method_colour(c.first)
                axes.plot([factor * d.low, factor * d.high], [y, y], color=colour, linewidth=1.7, solid_capstyle="butt")
                axes.plot(factor * d.mean, y, method_marker(c.first), color=colour, markersize=5.5)
                if column == 0:
                    low, high = (format_fixed(factor * end) for end in (d.low, d.high))
                    summaries.append(f"{c.title}: {format_signed(factor * d.mean)} ({low} to {high}) DSC points")
            axes.axvline(0, color=MUTED, linewidth=0.9, zorder=1)
            reach = max(abs(v) for v in axes.get_xlim())
            higher = bool(score_info(score).higher_is_better)
            axes.set(xlim=(-1.08 * reach, 1.08 * reach), ylim=(-0.6, rows - 0.4))
            axes.set_yticks(range(rows - 1, -1, -1), [c.title for c in members] if column == 0 else [""] * rows)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.set_title(f"{score_info(score).title}, {unit}")
            axes.set_xlabel(f"{'right' if higher else 'left'} of 0: first is better")
            axes.grid(visible=False, axis="y")
        caption = (
            "Difference first − second on the same images with its 95% bootstrap interval; whether a difference is "
            "shown is decided by the permutation test, see the headline."
        )
        return make_chart(figure, "forest", caption, f"Paired differences with 95% intervals. {'; '.join(summaries)}.")
