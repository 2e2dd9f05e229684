"""Figures of how evaluation works: folds, near-duplicates, intervals, and what choosing the epoch on the test costs."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from canvas import AMBER, BLUE, INK, MUTED, RED, save_png, write_svg
from matplotlib.patches import Rectangle
from PIL import Image

from saliency import picture
from salus import make_phantom
from salus.data.duplicates import SAME, fingerprint
from salus.data.folds import Folds, image_folds, make_folds
from salus.data.phantom.annotations import draw_marks
from salus.lab.report.figures import COLOURS, new_figure, style
from salus.metrics.statistics import bootstrap_interval

ROOM = (40, 200)
"""Test images, at least and at most, for which the cost of choosing is drawn."""


def draw(folder: Path) -> None:
    """Draw all of them."""
    with style():
        folds(folder / "folds.svg")
        duplicates(folder / "near-duplicates.png")
        intervals(folder / "intervals.svg")
        epoch_choice(folder / "epoch-choice.svg")


def folds(path: Path) -> None:
    """The same images dealt by image and by patient: `salus.data.folds` does both."""
    sizes = (1, 2, 1, 3, 2, 1, 2, 4, 1, 2, 1, 2)
    groups = {f"{p:02}-{i}": f"patient {p:02}" for p, size in enumerate(sizes, 1) for i in range(size)}
    strata = dict.fromkeys(groups, "one")
    figure = new_figure(2.5, 10.2)
    rows = figure.subplots(2, 1)
    for axes, title, by_image in ((rows[0], "By image, as the literature does", True), (rows[1], "Grouped", False)):
        dealt = image_folds(groups, k=4, seed=1) if by_image else make_folds(groups, strata, k=4, seed=1)
        _deal(axes, dealt, title)
    write_svg(
        figure, path, "Images of twelve patients in four folds: by image most patients are torn apart, grouped none is"
    )


def _deal(axes: object, dealt: Folds, title: str) -> None:
    leaks, x = dealt.leaks(), 0.0
    for patient in dict.fromkeys(dealt.groups.values()):
        names = [name for name, group in dealt.groups.items() if group == patient]
        wide = len(names) * 1.0
        if patient in leaks:
            axes.add_patch(Rectangle((x - 0.1, -0.1), wide + 0.1, 1.1, facecolor="none", edgecolor=RED, linewidth=1.6))
        for n, name in enumerate(names):
            axes.add_patch(Rectangle((x + n, 0), 0.9, 0.9, facecolor=COLOURS[dealt.test[name] - 1], linewidth=0))
            axes.text(x + n + 0.45, 0.45, str(dealt.test[name]), ha="center", va="center", color="white", fontsize=8)
        axes.text(x + wide / 2 - 0.05, -0.42, patient.split()[1], ha="center", va="center", fontsize=7.5, color=MUTED)
        x += wide + 0.5
    said = (
        f"{len(leaks)} of {len(set(dealt.groups.values()))} patients sit in more than one fold"
        if leaks
        else "nobody does"
    )
    axes.set(title=f"{title}: {said}", xlim=(-0.3, x), ylim=(-0.75, 1.15))
    axes.set_aspect("equal")
    axes.axis("off")


def duplicates(path: Path) -> None:
    """A phantom, a copy of it as data sets hold them, and two others; their fingerprints and correlations."""
    first, second = make_phantom(5), make_phantom(9)
    names = ("a phantom", "cropped, brighter, JPEG, marks", "mirrored", "another phantom")
    images = (first.image, _copy(first), first.image[:, ::-1], second.image)
    figure = new_figure(4.1, 9.2)
    grid = figure.subplots(2, 4)
    prints = [fingerprint(image / np.float32(255)).detail for image in images]
    none = np.zeros((2, 2), bool)
    for column, (name, image, detail) in enumerate(zip(names, images, prints, strict=True)):
        picture(grid[0, column], np.asarray(Image.fromarray(image).resize((160, 160))), none, cmap="gray")
        picture(grid[1, column], detail, none, cmap="gray", vmin=-2.5, vmax=2.5)
        grid[0, column].set_title(name, fontsize=8.5)
        alike = max(float((prints[0] * d).mean()) for d in (detail, detail[:, ::-1]))
        linked = alike >= SAME
        said = "" if column == 0 else f"correlation {alike:.2f}: {'linked' if linked else 'another scan'}"
        grid[1, column].set_xlabel(said, fontsize=8.5, color=RED if linked else INK)
    grid[0, 0].set_ylabel("image")
    grid[1, 0].set_ylabel("fingerprint")
    save_png(figure, path)


def _copy(phantom: object) -> np.ndarray:
    height, width = phantom.image.shape
    marked = draw_marks(phantom.image, phantom.mask, phantom.spacing, np.random.default_rng(1))
    marked = marked[height // 60 : -height // 50, width // 60 : -width // 60]
    brighter = np.clip(marked * 1.25 + 12, 0, 255).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(brighter).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))


def intervals(path: Path) -> None:
    """Made-up scores of 30 patients with four images each: the interval that counts images is too narrow."""
    rng = np.random.default_rng(3)
    patients = np.repeat(np.arange(30), 4)
    scores = np.clip(0.74 + rng.normal(0, 0.12, 30)[patients] + rng.normal(0, 0.05, 120), 0, 1)
    by_patient, by_image = bootstrap_interval(scores, patients), bootstrap_interval(scores)
    figure = new_figure(2.9, 10.2)
    left, right = figure.subplots(1, 2, width_ratios=(2.2, 1))
    order = np.argsort([scores[patients == p].mean() for p in range(30)])
    for place, patient in enumerate(order):
        mine = scores[patients == patient]
        left.plot([place] * 2, [mine.min(), mine.max()], color="#c9d0d8", linewidth=3, solid_capstyle="round", zorder=1)
        left.scatter([place] * 4, mine, s=9, color=BLUE, zorder=2)
    left.set(title="Four images of each of 30 patients resemble each other", xlabel="patients, in order", ylabel="DSC",
             xticks=[])  # fmt: skip
    for place, (_name, one, colour) in enumerate((("by image", by_image, MUTED), ("by patient", by_patient, BLUE))):
        right.errorbar(
            place, one.mean, [[one.mean - one.low], [one.high - one.mean]], color=colour, marker="o", capsize=5
        )
        right.text(place + 0.12, one.mean, f"{one.low:.3f} to\n{one.high:.3f}", fontsize=8.5, va="center", color=colour)
    right.set(
        title="95% interval of the mean",
        xlim=(-0.5, 1.8),
        xticks=(0, 1),
        xticklabels=("drawn by\nimage", "drawn by\npatient"),
    )
    right.set_ylim(by_patient.low - 0.02, by_patient.high + 0.02)
    write_svg(figure, path, "Scores by patient, and the bootstrap interval drawn by image and, wider, by patient")


def epoch_choice(path: Path) -> None:
    """A simulation: a network that no longer learns, judged at every epoch, and the best epoch taken."""
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
    n = np.arange(*ROOM)
    for choices, dash, colour in ((200, "-", RED), (50, "--", AMBER), (10, ":", BLUE)):
        highest = rng.normal(size=(4000, choices)).max(axis=1).mean()
        right.plot(n, 100 * highest * spread / np.sqrt(n), dash, color=colour, label=f"best of {choices} epochs")
    right.set(
        title="What picking on the test adds, on average", xlabel="test images", ylabel="DSC points", ylim=(0, None)
    )
    right.legend()
    write_svg(figure, path, "Left: noise alone makes one epoch look better. Right: the gain is up to five points")
