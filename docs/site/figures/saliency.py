"""Figures of how saliency works: what each method makes of one phantom, from its superpixels to its map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from canvas import AMBER, save_png
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from salus import estimate_saliency, make_phantom
from salus.lab.report.figures import new_figure, style
from salus.preprocess import resize
from salus.saliency.methods.connectedness import BORDERS, neutro_connectedness
from salus.saliency.methods.cues import CUES, LINK, at_working_size, look
from salus.saliency.methods.layers import layer_depth

SEED = 3
"""Of the phantom that is shown: one tumour, plainly seen."""

FREE = 8
"""Of the phantom without a tumour."""

SPREAD = 8
"""Of the phantom whose map has several contours."""

HEAT = LinearSegmentedColormap.from_list("salus", ["#10151b", "#3b4a6b", "#c25b3f", "#ffd23f", "#fffbe6"])


def draw(folder: Path) -> None:
    """Draw all of them."""
    with style():
        methods(folder / "saliency-methods.png")
        steps(folder / "saliency-steps.png")
        forms(folder / "saliency-forms.png")


def methods(path: Path) -> None:
    """A phantom with a tumour and one without, and the five methods' maps of each."""
    with_one, without = make_phantom(SEED), make_phantom(FREE, tumour=False)
    figure = new_figure(3.75, 10.2)
    grid = figure.subplots(2, 6)
    for place, (row, phantom) in enumerate(zip(grid, (with_one, without), strict=True)):
        shown = at_working_size(phantom.image)
        mask = resize(phantom.mask, shown.shape) >= 0.5
        picture(row[0], shown, mask, cmap="gray")
        for axes, method in zip(row[1:], ("prior", "hybrid", "anatomy", "regions", "learned"), strict=True):
            found = estimate_saliency(phantom.image, method)
            values = resize(found.values, shown.shape)
            picture(axes, values, mask, cmap=HEAT, vmin=0, vmax=1)
            axes.set_xlabel(f"maximum {found.values.max():.2f}, conf. {found.confidence:.2f}", fontsize=7)
            if place == 0:
                axes.set_title(method)
    grid[0][0].set_title("phantom")
    grid[0][0].set_ylabel("with a tumour")
    grid[1][0].set_ylabel("without")
    save_png(figure, path)


def steps(path: Path) -> None:
    """What the classical methods look at: superpixels, darkness, connectedness to each border, layers."""
    phantom = make_phantom(SEED)
    shown = at_working_size(phantom.image)
    mask = resize(phantom.mask, shown.shape) >= 0.5
    seen = look(shown)
    regions, cue = seen.regions, dict(zip(CUES, seen.cues.T, strict=True))
    figure = new_figure(2.15, 10.2)
    row = figure.subplots(1, 6)
    labels = regions.labels
    edge = np.zeros(labels.shape, bool)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    picture(row[0], np.where(edge, 255, shown), mask, cmap="gray")
    row[0].set_title(f"{len(regions.area)} superpixels")
    picture(row[1], regions.paint(1 - cue["rank"]), mask, cmap=HEAT, vmin=0, vmax=1)
    row[1].set_title("darkness")
    connected = neutro_connectedness(regions, LINK)
    for axes, border in zip(row[2:5], ("top", "bottom", "left"), strict=True):
        picture(axes, regions.paint(connected[:, BORDERS.index(border)]), mask, cmap=HEAT, vmin=0, vmax=1)
        axes.set_title(f"joined to the {border}", fontsize=8.5)
    picture(row[5], layer_depth(shown), mask, cmap="cividis", vmin=0, vmax=4)
    row[5].set_title("depth in layers")
    save_png(figure, path)


def forms(path: Path) -> None:
    """What may be done to a map before a network gets it: one contour, hard and soft, and the gate."""
    phantom = make_phantom(SPREAD)
    shown = at_working_size(phantom.image)
    mask = resize(phantom.mask, shown.shape) >= 0.5
    figure = new_figure(2.35, 10.2)
    row = figure.subplots(1, 5)
    wanted = (
        ("hybrid", {}),
        ("one contour, hard", {"one_contour": "hard"}),
        ("one contour, soft", {"one_contour": "soft"}),
        ("gated", {"gate": True}),
    )
    picture(row[0], shown, mask, cmap="gray")
    row[0].set_title("phantom")
    for axes, (title, options) in zip(row[1:], wanted, strict=True):
        found = estimate_saliency(phantom.image, "hybrid", **options)
        picture(axes, resize(found.values, shown.shape), mask, cmap=HEAT, vmin=0, vmax=1)
        axes.set_title(title)
    save_png(figure, path)


def picture(axes: Axes, values: np.ndarray, mask: np.ndarray, **more: object) -> None:
    """An image or a map with the true outline in amber (white on a map)."""
    axes.imshow(values, interpolation="nearest", aspect="equal", **more)
    if mask.any():
        axes.contour(mask, levels=[0.5], colors=[AMBER if more.get("cmap") == "gray" else "white"], linewidths=0.9)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)
