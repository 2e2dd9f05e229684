"""Figures of scores: how they spread over images, two networks image by image, and differences with their intervals."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from matplotlib.axes import Axes

from salus.lab.report.comparisons import Comparison, common, in_print
from salus.lab.report.figures import MUTED, PAPER, WIDTH, Chart, bare, colour, finish, marker, new_figure, style
from salus.lab.report.material import Entrant, Material
from salus.lab.report.numbers import count, fixed, info, plural, ratio, signed

MANY = 1500
"""Points from which on a figure holds them as pixels."""


def distribution(material: Material) -> Chart | None:
    """Every image's DSC for each network, with its quartiles; None where there is no image with a lesion."""
    parts = [(e, material.scores[e.name, "network"].lesions()) for e in material.tested]
    parts = [(e, p) for e, p in parts if len(p)]
    if not parts:
        return None
    rng = np.random.default_rng(0)
    said: list[str] = []
    with style():
        figure = new_figure(0.75 + 0.72 * len(parts))
        axes = figure.subplots()
        for row, (entrant, part) in enumerate(reversed(parts)):
            dice = part.values["dice"]
            quartiles = np.percentile(dice, [25, 50, 75])
            _strip(axes, entrant, dice, row + 0.13 + 0.24 * rng.random(dice.size), sum(len(p) for _, p in parts))
            _box(axes, entrant, dice, row - 0.14)
            low, median, high = map(ratio, quartiles)
            said.insert(0, f"{entrant.title} median {median}, quartiles {low} and {high}, n = {count(dice.size)}")
        axes.set_yticks(range(len(parts)), [e.title for e, _ in reversed(parts)])
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.45, len(parts) - 0.4), xlabel="DSC of an image")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        bare(axes, "x")
        caption = (
            "DSC of every image with a lesion, at the networks’ size: points; beneath, the quartiles (box), the median "
            "(bar), the range without outliers (whiskers, 1.5 quartile distances) and the mean (diamond)."
        )
        return finish(figure, "distribution", caption, f"Spread of DSC over images. {'; '.join(said)}.")


def _strip(axes: Axes, entrant: Entrant, x: np.ndarray, y: np.ndarray, everything: int) -> None:
    axes.scatter(
        x, y, s=11, marker=marker(entrant), color=colour(entrant), alpha=0.5, linewidths=0, rasterized=everything > MANY
    )


def _box(axes: Axes, entrant: Entrant, values: np.ndarray, y: float) -> None:
    line = {"color": colour(entrant), "linewidth": 1.2}
    axes.boxplot(
        [values],
        positions=[y],
        widths=0.2,
        orientation="horizontal",
        showfliers=False,
        showmeans=True,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": PAPER, "edgecolor": colour(entrant), "linewidth": 1.2},
        medianprops={**line, "linewidth": 2.4, "solid_capstyle": "butt"},
        whiskerprops=line,
        capprops=line,
        meanprops={
            "marker": "D",
            "markersize": 5,
            "markerfacecolor": colour(entrant),
            "markeredgecolor": PAPER,
            "markeredgewidth": 0.8,
        },
    )


def paired_scatter(material: Material) -> Chart | None:
    """The first entrant against up to three others, image by image; None without a second one."""
    if len(material.tested) < 2:
        return None
    first = material.tested[0]
    pairs = [(other, *common(material, first, other)) for other in material.tested[1:4]]
    pairs = [pair for pair in pairs if len(pair[1])]
    if not pairs:
        return None
    said = []
    with style():
        figure = new_figure(3.5, WIDTH * len(pairs) / 3 if len(pairs) > 1 else 3.8)
        for axes, (other, a, b) in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
            x, y = a.values["dice"], b.values["dice"]
            axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
            axes.scatter(
                x,
                y,
                s=15,
                marker=marker(other),
                color=colour(other),
                alpha=0.55,
                linewidths=0,
                rasterized=x.size * len(pairs) > MANY,
            )
            above, below = int(np.sum(y > x)), int(np.sum(y < x))
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
            axes.set(xlabel=f"DSC, {first.title}", ylabel=f"DSC, {other.title}")
            axes.text(0.03, 0.96, f"{other.title} better: {above}", transform=axes.transAxes, va="top", fontsize=8.5)
            axes.text(0.97, 0.04, f"{first.title} better: {below}", transform=axes.transAxes, ha="right", fontsize=8.5)
            said.append(f"{other.title} is better on {above}, {first.title} on {below} of {plural(x.size, 'image')}")
        caption = "The same image in two networks: DSC at the networks’ size, a point an image; dashed: both alike."
        return finish(figure, "paired-scatter", caption, f"{'; '.join(said)}.")


def forest(comparisons: list[Comparison]) -> Chart | None:
    """Differences with intervals, a panel a score; None where there is no pair."""
    if not comparisons:
        return None
    by_score = [(score, list(members)) for score, members in groupby(comparisons, key=lambda c: c.score)]
    rows = max(len(members) for _, members in by_score)
    said = []
    with style():
        figure = new_figure(1.15 + 0.34 * rows)
        panels = figure.subplots(1, len(by_score), squeeze=False)[0]
        for column, (axes, (score, members)) in enumerate(zip(panels, by_score, strict=True)):
            factor, unit, _ = in_print(score)
            for y, c in zip(range(rows - 1, -1, -1), members, strict=False):
                d, tone = c.difference, colour(c.first)
                axes.plot([factor * d.low, factor * d.high], [y, y], color=tone, linewidth=1.7, solid_capstyle="butt")
                axes.plot(factor * d.mean, y, marker(c.first), color=tone, markersize=5.5)
                if column == 0:
                    text = f"{signed(factor * d.mean)} ({fixed(factor * d.low)} to {fixed(factor * d.high)})"
                    said.append(f"{c.title}: {text} DSC points")
            axes.axvline(0, color=MUTED, linewidth=0.9, zorder=1)
            reach = max(abs(v) for v in axes.get_xlim())
            higher = bool(info(score).higher_is_better)
            axes.set(xlim=(-1.08 * reach, 1.08 * reach), ylim=(-0.6, rows - 0.4))
            axes.set_yticks(range(rows - 1, -1, -1), [c.title for c in members] if column == 0 else [""] * rows)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.set_title(f"{info(score).title}, {unit}")
            axes.set_xlabel(f"{'right' if higher else 'left'} of 0: first is better")
            bare(axes, "x")
        caption = (
            "Difference first − second on the same images with its 95% bootstrap interval; where the bar crosses 0 the "
            "data do not decide."
        )
        return finish(figure, "forest", caption, f"Paired differences with 95% intervals. {'; '.join(said)}.")
