"""Draw the figures of docs/explanation/evaluation.md: folds, near-duplicates, intervals, choice of the epoch."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from canvas import AMBER, BLUE, INK, MUTED, RED, save_png, write_svg
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from saliency import draw_picture
from salus import make_phantom
from salus.data.duplicates import MIN_CORRELATION, perceptual_hash
from salus.data.folds import Folds, make_grouped_folds, make_image_folds
from salus.data.phantom.annotations import draw_marks
from salus.data.phantom.make import Phantom
from salus.lab.report.figures import COLOURS, figure_style, new_figure
from salus.metrics.statistics import bootstrap_interval

TEST_IMAGES = (40, 200)
"""Smallest and largest number of test images for which the gain of choosing the epoch is drawn."""


def draw(folder: Path) -> None:
    """Draw all figures."""
    with figure_style():
        draw_folds(folder / "folds.svg")
        draw_duplicates(folder / "near-duplicates.png")
        draw_intervals(folder / "intervals.svg")
        draw_epoch_choice(folder / "epoch-choice.svg")


def draw_folds(path: Path) -> None:
    """Draw the folds of the same images, made by image and by patient."""
    sizes = (1, 2, 1, 3, 2, 1, 2, 4, 1, 2, 1, 2)
    groups = {f"{p:02}-{i}": f"patient {p:02}" for p, size in enumerate(sizes, 1) for i in range(size)}
    strata = dict.fromkeys(groups, "one")
    figure = new_figure(2.5, 10.2)
    rows = figure.subplots(2, 1)
    for axes, title, by_image in ((rows[0], "By image, as the literature does", True), (rows[1], "Grouped", False)):
        folds = make_image_folds(groups, k=4, seed=1) if by_image else make_grouped_folds(groups, strata, k=4, seed=1)
        _draw_fold_row(axes, folds, title)
    write_svg(
        figure,
        path,
        "Images of twelve patients in four folds: by image most patients are in several, grouped none is",
    )


def _draw_fold_row(axes: Axes, folds: Folds, title: str) -> None:
    leaks, x = folds.leaks(), 0.0
    for patient in dict.fromkeys(folds.groups.values()):
        names = [name for name, group in folds.groups.items() if group == patient]
        wide = len(names) * 1.0
        if patient in leaks:
            axes.add_patch(Rectangle((x - 0.1, -0.1), wide + 0.1, 1.1, facecolor="none", edgecolor=RED, linewidth=1.6))
        for n, name in enumerate(names):
            axes.add_patch(Rectangle((x + n, 0), 0.9, 0.9, facecolor=COLOURS[folds.test[name] - 1], linewidth=0))
            axes.text(x + n + 0.45, 0.45, str(folds.test[name]), ha="center", va="center", color="white", fontsize=8)
        axes.text(x + wide / 2 - 0.05, -0.42, patient.split()[1], ha="center", va="center", fontsize=7.5, color=MUTED)
        x += wide + 0.5
    summary = f"{len(leaks)} of {len(set(folds.groups.values()))} patients are in more than one fold"
    axes.set(title=f"{title}: {summary}", xlim=(-0.3, x), ylim=(-0.75, 1.15))
    axes.set_aspect("equal")
    axes.axis("off")


def draw_duplicates(path: Path) -> None:
    """Draw a phantom, an altered copy, its mirror image and another phantom, with hashes and correlations."""
    first, second = make_phantom(5), make_phantom(9)
    names = ("a phantom", "cropped, brighter, JPEG, marks", "mirrored", "another phantom")
    images = (first.image, _alter(first), first.image[:, ::-1], second.image)
    figure = new_figure(4.1, 9.2)
    grid = figure.subplots(2, 4)
    details = [perceptual_hash(image / np.float32(255)).detail for image in images]
    no_mask = np.zeros((2, 2), bool)
    for column, (name, image, detail) in enumerate(zip(names, images, details, strict=True)):
        draw_picture(grid[0, column], np.asarray(Image.fromarray(image).resize((160, 160))), no_mask, cmap="gray")
        draw_picture(grid[1, column], detail, no_mask, cmap="gray", vmin=-2.5, vmax=2.5)
        grid[0, column].set_title(name, fontsize=8.5)
        correlation = max(float((details[0] * d).mean()) for d in (detail, detail[:, ::-1]))
        linked = correlation >= MIN_CORRELATION
        label = "" if column == 0 else f"correlation {correlation:.2f}: {'linked' if linked else 'another scan'}"
        grid[1, column].set_xlabel(label, fontsize=8.5, color=RED if linked else INK)
    grid[0, 0].set_ylabel("image")
    grid[1, 0].set_ylabel("perceptual hash")
    save_png(figure, path)


def _alter(phantom: Phantom) -> np.ndarray:
    """Add marks to a phantom's image, crop and brighten it, and compress it as JPEG."""
    height, width = phantom.image.shape
    marked = draw_marks(phantom.image, phantom.mask, phantom.spacing, np.random.default_rng(1))
    marked = marked[height // 60 : -height // 50, width // 60 : -width // 60]
    brighter = np.clip(marked * 1.25 + 12, 0, 255).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(brighter).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))


def draw_intervals(path: Path) -> None:
    """Draw simulated scores of 30 patients with four images each, and the interval over images and over patients."""
    rng = np.random.default_rng(3)
    patients = np.repeat(np.arange(30), 4)
    scores = np.clip(0.74 + rng.normal(0, 0.12, 30)[patients] + rng.normal(0, 0.05, 120), 0, 1)
    by_patient, by_image = bootstrap_interval(scores, patients), bootstrap_interval(scores)
    figure = new_figure(2.9, 10.2)
    left, right = figure.subplots(1, 2, width_ratios=(2.2, 1))
    order = np.argsort([scores[patients == p].mean() for p in range(30)])
    for place, patient in enumerate(order):
        own = scores[patients == patient]
        left.plot([place] * 2, [own.min(), own.max()], color="#c9d0d8", linewidth=3, solid_capstyle="round", zorder=1)
        left.scatter([place] * 4, own, s=9, color=BLUE, zorder=2)
    left.set(title="Four images of each of 30 patients resemble each other", xlabel="patients, in order", ylabel="DSC",
             xticks=[])  # fmt: skip
    for place, (interval, colour) in enumerate(((by_image, MUTED), (by_patient, BLUE))):
        mean, low, high = interval.mean, interval.low, interval.high
        right.errorbar(place, mean, [[mean - low], [high - mean]], color=colour, marker="o", capsize=5)
        right.text(place + 0.12, mean, f"{low:.3f} to\n{high:.3f}", fontsize=8.5, va="center", color=colour)
    right.set(
        title="95% interval of the mean",
        xlim=(-0.5, 1.8),
        xticks=(0, 1),
        xticklabels=("over\nimages", "over\npatients"),
    )
    right.set_ylim(by_patient.low - 0.02, by_patient.high + 0.02)
    write_svg(figure, path, "Scores by patient, and the bootstrap interval over images and, wider, over patients")


def draw_epoch_choice(path: Path) -> None:
    """Draw a simulation: a network that no longer learns, tested at every epoch, and the best epoch chosen."""
    rng = np.random.default_rng(4)
    true, spread, images, epochs = 0.70, 0.12, 40, 60
    test, validation = (true + rng.normal(0, spread / np.sqrt(images), epochs) for _ in range(2))
    figure = new_figure(2.9, 10.2)
    left, right = figure.subplots(1, 2)
    left.axhline(true, color=INK, linewidth=1, linestyle=":")
    left.plot(np.arange(1, epochs + 1), test, color=RED, linewidth=1.2, label="mean over 40 test images")
    best, chosen = int(test.argmax()), int(validation.argmax())
    left.scatter(best + 1, test[best], color=RED, zorder=3)
    left.annotate(f"picked on the test: {test[best]:.3f}", (best + 1, test[best]), (0, 7), textcoords="offset points",
                  ha="center", fontsize=8.5, color=RED)  # fmt: skip
    left.scatter(chosen + 1, test[chosen], color=BLUE, zorder=3)
    left.annotate(f"picked on validation: {test[chosen]:.3f}", (chosen + 1, test[chosen]), (0, -64), ha="center",
                  textcoords="offset points", fontsize=8.5, color=BLUE,
                  arrowprops={"arrowstyle": "-", "color": BLUE})  # fmt: skip
    left.set(title="Simulated: a network whose true DSC is .700 at every epoch", xlabel="epoch", ylabel="DSC",
             ylim=(true - 0.075, true + 0.075))  # fmt: skip
    n = np.arange(*TEST_IMAGES)
    for choices, dash, colour in ((200, "-", RED), (50, "--", AMBER), (10, ":", BLUE)):
        highest = rng.normal(size=(4000, choices)).max(axis=1).mean()
        right.plot(n, 100 * highest * spread / np.sqrt(n), dash, color=colour, label=f"best of {choices} epochs")
    right.set(
        title="What picking on the test adds, on average", xlabel="test images", ylabel="DSC points", ylim=(0, None)
    )
    right.legend()
    write_svg(figure, path, "Left: noise alone makes one epoch look better. Right: the gain is up to five points")
