"""Charts and gallery of a saliency benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps

from salus.lab.report.figures import COLOURS, DASHES, MARKERS, MUTED, Chart, finish, new_figure, style
from salus.lab.report.panels import data_uri, outline

if TYPE_CHECKING:
    from salus.lab.training.cross_validation import Pool

Rows = Sequence[Mapping[str, Any]]

SHOWN = 4
"""Images of each kind in the gallery, per set."""


@dataclass(frozen=True)
class MapPicture:
    """A method's map of an image.

    Attributes:
        method: its name.
        said: its AUC, or its maximum where there is no tumour.
        uri: the map as an inline picture.
    """

    method: str
    said: str
    uri: str


@dataclass(frozen=True)
class Picture:
    """An image of the gallery.

    Attributes:
        title: set, kind and name.
        scan: the scan as an inline picture.
        side: height and width of it.
        truth: SVG path round the tumour.
        maps: of each method.
    """

    title: str
    scan: str
    side: int
    truth: str
    maps: tuple[MapPicture, ...]


def of(rows: Rows, name: str, method: str | None, tumour: int) -> list[Mapping[str, Any]]:
    """The rows of a set and a method (None: of all), with a tumour (1) or without (0)."""
    return [r for r in rows if r["set"] == name and r["tumour"] == tumour and method in (None, r["method"])]


def ranked_by(methods: Sequence[str], rows: Rows) -> str:
    """The method with the largest mean AUC, by which the gallery is sorted."""
    found = {m: [r["auc"] for r in rows if r["method"] == m and r["tumour"]] for m in methods}
    return max(methods, key=lambda method: float(np.mean(found[method])) if found[method] else 0.0)


def auc_chart(name: str, methods: Sequence[str], rows: Rows) -> Chart:
    """The share of a set's images whose AUC is at or below each value, a step for each method."""
    with style():
        figure = new_figure(3.2, 5.6)
        axes = figure.add_subplot()
        words, low = [], 0.5
        for i, method in enumerate(methods):
            values = np.sort([r["auc"] for r in of(rows, name, method, tumour=1)])
            low = min(low, float(values[0]))
            steps = np.concatenate([[0], values, [1]])
            share = np.concatenate([[0], np.arange(1, len(values) + 1) / len(values), [1]])
            colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
            axes.step(steps, share, where="post", label=method, color=colour, linestyle=dash)
            words.append(f"{method} {np.mean(values):.3f}")
        axes.set(xlabel="pixel AUC of an image", ylabel="share of images at or below", ylim=(0, 1.02))
        axes.set_xlim(max(0.0, low - 0.03), 1.005)
        axes.legend(loc="center left", bbox_to_anchor=(0.12, 0.6))
        caption = f"{name}: AUC image by image. The further right and down, the better."
        return finish(figure, f"auc-{_anchor(name)}", caption, f"{name}, mean AUC: {', '.join(words)}")


def calibration_chart(name: str, reliability: Mapping[str, Mapping[str, Any]]) -> Chart:
    """What maps say against how often it is a tumour, over all pixels of a set."""
    with style():
        figure = new_figure(3.2, 3.9)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8)
        words = []
        for i, (method, found) in enumerate(reliability.items()):
            bins = [(a, b) for a, b in zip(found["said"], found["seen"], strict=True) if a is not None]
            axes.plot(
                *zip(*bins, strict=True),
                color=COLOURS[i % len(COLOURS)],
                linestyle=DASHES[i % len(DASHES)],
                marker=MARKERS[i % len(MARKERS)],
                markersize=4,
                label=method,
            )
            words.append(f"{method} {found['error']:.3f}")
        axes.set(xlabel="value of the map", ylabel="share of tumour there", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.legend(loc="upper left")
        caption = f"{name}: on the diagonal a map’s values are probabilities of tumour."
        alt = f"{name}, expected calibration error: {', '.join(words)}"
        return finish(figure, f"calibration-{_anchor(name)}", caption, alt)


def gallery(
    name: str, methods: Sequence[str], best: str, pool: Pool, maps: Mapping[str, np.ndarray], rows: Rows
) -> list[Picture]:
    """A set's best, median and worst images by the AUC of one method, and the tumour-free ones that it lights most.

    Args:
        name: the set.
        methods: whose maps are shown.
        best: the method that sorts.
        pool: all images.
        maps: (n, s, s) in [0, 1] by method.
        rows: of scores.csv.
    """
    place = {image: i for i, (of_set, image) in enumerate(zip(pool.sets, pool.names, strict=True)) if of_set == name}
    score = {(r["method"], r["image"]): r for r in rows if r["set"] == name}
    left = sorted(of(rows, name, best, tumour=1), key=lambda r: -r["auc"])
    top, rest = left[:SHOWN], left[SHOWN:]
    worst, rest = rest[-SHOWN:], rest[:-SHOWN]
    middle = max((len(rest) - SHOWN) // 2, 0)
    free = sorted(of(rows, name, best, tumour=0), key=lambda r: -r["maximum"])[:SHOWN]
    kinds = {"best": top, "median": rest[middle : middle + SHOWN], "worst": worst, "tumour-free, most lit": free}
    found = []
    for kind, members in kinds.items():
        for row in members:
            i = place[row["image"]]
            shown = tuple(MapPicture(m, _said(score[m, row["image"]]), _coloured(maps[m][i])) for m in methods)
            truth = outline(pool.masks[i].astype(float), 0.5)
            title = f"{name}, {kind}: {row['image']}"
            found.append(Picture(title, data_uri(pool.images[i]), pool.images.shape[1], truth, shown))
    return found


def _said(row: Mapping[str, Any]) -> str:
    return f"AUC {row['auc']:.3f}" if row["tumour"] else f"maximum {row['maximum']:.2f}"


def _coloured(values: np.ndarray) -> str:
    return data_uri(np.rint(255 * colormaps["magma"](values.astype(np.float32))[..., :3]).astype(np.uint8))


def _anchor(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower())
