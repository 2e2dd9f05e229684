"""The charts and the gallery of a saliency benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.lab.report.figures import COLOURS, DASHES, MARKERS, MUTED, Chart, figure_style, make_chart, new_figure
from salus.lab.report.panels import apply_colour_map, jpeg_data_uri, outline_path

if TYPE_CHECKING:
    from salus.lab.training.cross_validation import CrossValidationData

Rows = Sequence[Mapping[str, Any]]

IMAGES_PER_KIND = 4
"""Images of each kind in the gallery, for each data set."""


@dataclass(frozen=True)
class MapPicture:
    """A method's map of an image.

    Attributes:
        method: name of the method.
        score: its AUC, or its maximum if there is no tumour, as printed.
        uri: data URI of the map.
    """

    method: str
    score: str
    uri: str


@dataclass(frozen=True)
class Picture:
    """An image of the gallery.

    Attributes:
        title: data set, kind and name of the image.
        scan: data URI of the scan.
        side: height and width of the scan.
        truth: SVG path round the tumour.
        maps: map of each method.
    """

    title: str
    scan: str
    side: int
    truth: str
    maps: tuple[MapPicture, ...]


def select_rows(rows: Rows, name: str, method: str | None, tumour: int) -> list[Mapping[str, Any]]:
    """Select the rows of a data set and a method (None: all methods), with a tumour (1) or without (0)."""
    return [r for r in rows if r["set"] == name and r["tumour"] == tumour and method in (None, r["method"])]


def best_method(methods: Sequence[str], rows: Rows) -> str:
    """Return the method with the largest mean AUC, by which the gallery is sorted."""
    auc = {m: [r["auc"] for r in rows if r["method"] == m and r["tumour"]] for m in methods}
    return max(methods, key=lambda method: float(np.mean(auc[method])) if auc[method] else 0.0)


def auc_chart(name: str, methods: Sequence[str], rows: Rows) -> Chart:
    """Plot the cumulative distribution of the images' AUC in a data set, a curve for each method."""
    with figure_style():
        figure = new_figure(3.2, 5.6)
        axes = figure.add_subplot()
        summaries, lowest = [], 0.5
        for i, method in enumerate(methods):
            values = np.sort([r["auc"] for r in select_rows(rows, name, method, tumour=1)])
            lowest = min(lowest, float(values[0]))
            steps = np.concatenate([[0], values, [1]])
            share = np.concatenate([[0], np.arange(1, len(values) + 1) / len(values), [1]])
            colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
            axes.step(steps, share, where="post", label=method, color=colour, linestyle=dash)
            summaries.append(f"{method} {np.mean(values):.3f}")
        axes.set(xlabel="pixel AUC of an image", ylabel="share of images at or below", ylim=(0, 1.02))
        axes.set_xlim(max(0.0, lowest - 0.03), 1.005)
        axes.legend(loc="center left", bbox_to_anchor=(0.12, 0.6))
        caption = f"{name}: AUC image by image. The further right and down, the better."
        return make_chart(figure, f"auc-{_anchor(name)}", caption, f"{name}, mean AUC: {', '.join(summaries)}")


def calibration_chart(name: str, reliability: Mapping[str, Mapping[str, Any]]) -> Chart:
    """Plot the values of maps against the share of tumour there, over all pixels of a data set."""
    with figure_style():
        figure = new_figure(3.2, 3.9)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8)
        summaries = []
        for i, (method, curve) in enumerate(reliability.items()):
            bins = [(a, b) for a, b in zip(curve["said"], curve["seen"], strict=True) if a is not None]
            axes.plot(
                *zip(*bins, strict=True),
                color=COLOURS[i % len(COLOURS)],
                linestyle=DASHES[i % len(DASHES)],
                marker=MARKERS[i % len(MARKERS)],
                markersize=4,
                label=method,
            )
            summaries.append(f"{method} {curve['error']:.3f}")
        axes.set(xlabel="value of the map", ylabel="share of tumour there", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.legend(loc="upper left")
        caption = f"{name}: on the diagonal a map’s values are probabilities of tumour."
        alt = f"{name}, expected calibration error: {', '.join(summaries)}"
        return make_chart(figure, f"calibration-{_anchor(name)}", caption, alt)


def make_gallery(
    name: str, methods: Sequence[str], best: str, data: CrossValidationData, maps: Mapping[str, np.ndarray], rows: Rows
) -> list[Picture]:
    """Show a data set's best, median and worst images by one method's AUC, and the tumour-free ones it lights most.

    Args:
        name: name of the data set.
        methods: methods whose maps are shown.
        best: method that the images are sorted by.
        data: all images.
        maps: maps by method, (n, s, s) in [0, 1].
        rows: rows of scores.csv.
    """
    index = {
        image: i for i, (image_set, image) in enumerate(zip(data.sets, data.names, strict=True)) if image_set == name
    }
    row_of = {(row["method"], row["image"]): row for row in rows if row["set"] == name}
    n = IMAGES_PER_KIND
    ranked = sorted(select_rows(rows, name, best, tumour=1), key=lambda row: -row["auc"])
    top, rest = ranked[:n], ranked[n:]
    worst, rest = rest[-n:], rest[:-n]
    middle = max((len(rest) - n) // 2, 0)
    free = sorted(select_rows(rows, name, best, tumour=0), key=lambda row: -row["maximum"])[:n]
    kinds = {"best": top, "median": rest[middle : middle + n], "worst": worst, "tumour-free, most lit": free}
    pictures = []
    for kind, members in kinds.items():
        for image in (row["image"] for row in members):
            i = index[image]
            pictures.append(
                Picture(
                    title=f"{name}, {kind}: {image}",
                    scan=jpeg_data_uri(data.images[i]),
                    side=data.images.shape[1],
                    truth=outline_path(data.masks[i].astype(float), 0.5),
                    maps=tuple(_map_picture(method, row_of[method, image], maps[method][i]) for method in methods),
                )
            )
    return pictures


def _map_picture(method: str, row: Mapping[str, Any], values: np.ndarray) -> MapPicture:
    """Colour a map, and format its score."""
    score = f"AUC {row['auc']:.3f}" if row["tumour"] else f"maximum {row['maximum']:.2f}"
    return MapPicture(method, score, jpeg_data_uri(apply_colour_map(values.astype(np.float32))))


def _anchor(name: str) -> str:
    """Turn the name of a data set into an anchor of the page."""
    return "".join(c if c.isalnum() else "-" for c in name.lower())
