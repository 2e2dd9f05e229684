"""Draw the figures of docs/explanation/saliency.md: the methods' maps of phantoms, and the steps towards them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from canvas import AMBER, save_png
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from salus import estimate_saliency, make_phantom
from salus.lab.report.figures import figure_style, new_figure
from salus.preprocess import resize
from salus.saliency.methods.connectedness import BORDERS, neutro_connectedness
from salus.saliency.methods.cues import CUES, LINK, compute_cues, to_working_size
from salus.saliency.methods.layers import layer_depth

SEED = 3
"""Seed of a phantom with one clearly visible tumour."""

TUMOUR_FREE_SEED = 8
"""Seed of a phantom without a tumour."""

CONTOURS_SEED = 8
"""Seed of a phantom whose map has several contours."""

HEAT = LinearSegmentedColormap.from_list("salus", ["#10151b", "#3b4a6b", "#c25b3f", "#ffd23f", "#fffbe6"])


def draw(folder: Path) -> None:
    """Draw all figures."""
    with figure_style():
        draw_methods(folder / "saliency-methods.png")
        draw_steps(folder / "saliency-steps.png")
        draw_forms(folder / "saliency-forms.png")


def draw_methods(path: Path) -> None:
    """Draw a phantom with a tumour and one without, and the maps of both by five methods."""
    with_tumour, without = make_phantom(SEED), make_phantom(TUMOUR_FREE_SEED, tumour=False)
    figure = new_figure(3.75, 10.2)
    grid = figure.subplots(2, 6)
    for place, (row, phantom) in enumerate(zip(grid, (with_tumour, without), strict=True)):
        shown = to_working_size(phantom.image)
        mask = resize(phantom.mask, shown.shape) >= 0.5
        draw_picture(row[0], shown, mask, cmap="gray")
        for axes, method in zip(row[1:], ("prior", "hybrid", "anatomy", "regions", "learned"), strict=True):
            saliency_map = estimate_saliency(phantom.image, method)
            values = resize(saliency_map.values, shown.shape)
            draw_picture(axes, values, mask, cmap=HEAT, vmin=0, vmax=1)
            axes.set_xlabel(f"maximum {saliency_map.values.max():.2f}, conf. {saliency_map.confidence:.2f}", fontsize=7)
            if place == 0:
                axes.set_title(method)
    grid[0][0].set_title("phantom")
    grid[0][0].set_ylabel("with a tumour")
    grid[1][0].set_ylabel("without")
    save_png(figure, path)


def draw_steps(path: Path) -> None:
    """Draw what the classical methods use: superpixels, darkness, connectedness to each border, layers."""
    phantom = make_phantom(SEED)
    shown = to_working_size(phantom.image)
    mask = resize(phantom.mask, shown.shape) >= 0.5
    region_cues = compute_cues(shown)
    regions, cue = region_cues.regions, dict(zip(CUES, region_cues.cues.T, strict=True))
    figure = new_figure(2.15, 10.2)
    row = figure.subplots(1, 6)
    labels = regions.labels
    edge = np.zeros(labels.shape, bool)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    draw_picture(row[0], np.where(edge, 255, shown), mask, cmap="gray")
    row[0].set_title(f"{len(regions.area)} superpixels")
    draw_picture(row[1], regions.to_map(1 - cue["rank"]), mask, cmap=HEAT, vmin=0, vmax=1)
    row[1].set_title("darkness")
    connected = neutro_connectedness(regions, LINK)
    for axes, border in zip(row[2:5], ("top", "bottom", "left"), strict=True):
        draw_picture(axes, regions.to_map(connected[:, BORDERS.index(border)]), mask, cmap=HEAT, vmin=0, vmax=1)
        axes.set_title(f"link to the {border}", fontsize=8.5)
    draw_picture(row[5], layer_depth(shown), mask, cmap="cividis", vmin=0, vmax=4)
    row[5].set_title("depth in layers")
    save_png(figure, path)


def draw_forms(path: Path) -> None:
    """Draw the forms of a map that a network may get: one contour, hard and soft, and gated."""
    phantom = make_phantom(CONTOURS_SEED)
    shown = to_working_size(phantom.image)
    mask = resize(phantom.mask, shown.shape) >= 0.5
    figure = new_figure(2.35, 10.2)
    row = figure.subplots(1, 5)
    forms = (
        ("hybrid", {}),
        ("one contour, hard", {"one_contour": "hard"}),
        ("one contour, soft", {"one_contour": "soft"}),
        ("gated", {"gate": True}),
    )
    draw_picture(row[0], shown, mask, cmap="gray")
    row[0].set_title("phantom")
    for axes, (title, options) in zip(row[1:], forms, strict=True):
        saliency_map = estimate_saliency(phantom.image, "hybrid", **options)
        draw_picture(axes, resize(saliency_map.values, shown.shape), mask, cmap=HEAT, vmin=0, vmax=1)
        axes.set_title(title)
    save_png(figure, path)


def draw_picture(axes: Axes, values: np.ndarray, mask: np.ndarray, **more: object) -> None:
    """Draw an image or a map with the true outline in amber (white on a map)."""
    axes.imshow(values, interpolation="nearest", aspect="equal", **more)
    if mask.any():
        axes.contour(mask, levels=[0.5], colors=[AMBER if more.get("cmap") == "gray" else "white"], linewidths=0.9)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)
