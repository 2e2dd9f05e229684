"""The report of a saliency benchmark: RUN/report.md without pictures of scans, RUN/report.html with a gallery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from salus.report.figures import COLOURS, COLOURS_ON_DARK, MARKERS, Chart, finish, new_figure, style, variables
from salus.report.numbers import DASH, p_value
from salus.report.panels import data_uri, outline
from salus.statistics import bootstrap_interval, paired_difference

if TYPE_CHECKING:
    from salus.train.saliency_benchmark import Asked, Pool

Log = Callable[[str], None]
Rows = Sequence[Mapping[str, Any]]

COLUMNS = {
    "auc": "AUC",
    "hit": "brightest pixel in tumour",
    "best_dice": "best Dice",
    "f_measure": "F-measure",
    "mae": "MAE",
}
"""Scores of images with a tumour, and how they are called."""

SHOWN = 4
"""Images of each kind in the gallery, per set."""


@dataclass(frozen=True)
class Grid:
    """A table: a title, heads, and rows of words, the first of each row its head."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """An image of the gallery: what it is, the scan with its size and outline, and each method's map and AUC."""

    title: str
    scan: str
    side: int
    truth: str
    maps: tuple[tuple[str, str, str], ...]


def build_saliency_report(
    run: Path,
    asked: Asked,
    pool: Pool,
    maps: Mapping[str, np.ndarray],
    rows: Rows,
    reliability: Mapping[str, Mapping[str, Mapping[str, Any]]],
    speed: Mapping[str, float],
    log: Log,
) -> None:
    """Write both reports; see `salus.train.saliency_benchmark` for what is given."""
    from salus.train.run import write_by_rename

    sets = tuple(dict.fromkeys(pool.sets))
    grids = [_lesions(name, asked.methods, rows, reliability, speed) for name in sets]
    grids += [_free(name, asked.methods, rows) for name in sets if _of(rows, name, None, tumour=0)]
    against = "prior" if "prior" in asked.methods else asked.methods[0]
    if len(asked.methods) > 1:
        grids += [_differences(name, asked.methods, rows, against) for name in sets if _of(rows, name, None, tumour=1)]
    charts = [chart for name in sets for chart in (_spread(name, asked.methods, rows), _diagram(name, reliability))]
    facts = {
        "Data": "; ".join(f"{name}: {pool.sets.count(name)} images" for name in sets),
        "Folds": f"{asked.folds}, seed {asked.seed}; patients and near-duplicates never split",
        "Fitted on": "each set alone" if asked.separate else "the training folds of all sets together",
        "Maps and scores at": f"{asked.size} × {asked.size} pixels",
    }
    pages = Environment(
        loader=PackageLoader("salus.report", ""), undefined=StrictUndefined, autoescape=lambda n: "html" in (n or "")
    )
    light, dark = variables()
    shown = {"facts": facts, "grids": grids, "charts": charts, "light": light, "dark": dark}
    pictures = [p for name in sets for p in _gallery(name, asked.methods, pool, maps, rows)]
    (run / "figures").mkdir(exist_ok=True)
    for chart in charts:
        (run / "figures" / f"{chart.name}.svg").write_text(chart.file, encoding="utf-8")
    for file, template in (("report.md", "saliency.md.j2"), ("report.html", "saliency.html.j2")):
        text = pages.get_template(template).render(**shown, pictures=pictures, on_scan=COLOURS_ON_DARK[0])
        write_by_rename(run / file, partial(Path.write_text, data=text, encoding="utf-8"))
    for grid in grids[: len(sets)]:
        log(grid.title)
        widths = [max(len(line[i]) for line in (grid.heads, *grid.rows)) for i in range(len(grid.heads))]
        for line in (grid.heads, *grid.rows):
            log("  " + "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)))
    log(f"report: {run / 'report.html'} (it shows the images; report.md does not)")


def _of(rows: Rows, name: str, method: str | None, tumour: int) -> list[Mapping[str, Any]]:
    return [r for r in rows if r["set"] == name and r["tumour"] == tumour and method in (None, r["method"])]


def _lesions(name: str, methods: Sequence[str], rows: Rows, reliability: Any, speed: Mapping[str, float]) -> Grid:
    lines, number = [], 0
    for method in methods:
        own = _of(rows, name, method, 1)
        number = len(own)
        line = [method]
        for score in COLUMNS:
            if not own:
                line.append(DASH)
                continue
            i = bootstrap_interval([r[score] for r in own], [r["patient"] for r in own])
            line.append(f"{i.mean:.3f} [{i.low:.3f}, {i.high:.3f}]")
        ms = speed[method]
        line += [f"{reliability[method][name]['error']:.3f}", DASH if np.isnan(ms) else f"{ms:.1f}"]
        lines.append(tuple(line))
    heads = ("method", *COLUMNS.values(), "calibration error", "ms an image")
    title = f"{name}: {number} images with a tumour; mean [95% interval over patients], calibration over all images"
    return Grid(title, heads, tuple(lines))


def _free(name: str, methods: Sequence[str], rows: Rows) -> Grid:
    lines, number = [], 0
    for method in methods:
        own = _of(rows, name, method, 0)
        number = len(own)
        quiet = bootstrap_interval([r["quiet"] for r in own], [r["patient"] for r in own])
        missed = [r["maximum"] < 0.5 for r in _of(rows, name, method, 1)]
        lines.append(
            (
                method,
                f"{100 * quiet.mean:.0f}% [{100 * quiet.low:.0f}, {100 * quiet.high:.0f}]",
                f"{np.mean([r['maximum'] for r in own]):.3f}",
                f"{100 * np.mean([r['lit'] for r in own]):.1f}%",
                f"{100 * np.mean(missed):.1f}%" if missed else DASH,
            )
        )
    heads = ("method", "below 0.5 everywhere", "mean maximum", "area at 0.5 and above", "tumours below 0.5 too")
    return Grid(f"{name}: {number} tumour-free images", heads, tuple(lines))


def _differences(name: str, methods: Sequence[str], rows: Rows, against: str) -> Grid:
    base = _of(rows, name, against, 1)
    groups = [r["patient"] for r in base]
    lines = []
    for method in methods:
        if method == against:
            continue
        line = [method]
        for score in ("auc", "hit", "best_dice"):
            d = paired_difference([r[score] for r in _of(rows, name, method, 1)], [r[score] for r in base], groups)
            line.append(f"{d.mean:+.3f} [{d.low:+.3f}, {d.high:+.3f}], p {p_value(d.p_permutation)}")
        lines.append(tuple(line))
    heads = ("method", "AUC", "brightest pixel in tumour", "best Dice")
    return Grid(f"{name}: paired differences to {against}, 95% interval, p by sign flips", heads, tuple(lines))


def _spread(name: str, methods: Sequence[str], rows: Rows) -> Chart:
    """The share of images whose AUC is below each value."""
    with style():
        figure = new_figure(2.9, 6.0)
        axes = figure.add_subplot()
        words = []
        for i, method in enumerate(methods):
            values = np.sort([r["auc"] for r in _of(rows, name, method, 1)])
            axes.step(
                values,
                np.arange(1, len(values) + 1) / max(len(values), 1),
                color=COLOURS[i % len(COLOURS)],
                label=method,
            )
            words.append(f"{method} {np.mean(values):.3f}" if len(values) else method)
        axes.set_xlabel("pixel AUC of an image")
        axes.set_ylabel("share of images below")
        axes.set_xlim(0.4, 1)
        axes.legend()
        return finish(
            figure, f"auc-{_anchor(name)}", f"{name}: AUC image by image; the lower the curve, the better.",
            f"{name}, mean AUC: {', '.join(words)}",
        )  # fmt: skip


def _diagram(name: str, reliability: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Chart:
    """Reliability: what a map says against what is seen."""
    with style():
        figure = new_figure(2.9, 4.2)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
        words = []
        for i, (method, sets) in enumerate(reliability.items()):
            pairs = [(a, b) for a, b in zip(sets[name]["said"], sets[name]["seen"], strict=True) if a is not None]
            colour, mark = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
            axes.plot(
                [a for a, _ in pairs], [b for _, b in pairs], color=colour, marker=mark, markersize=4, label=method
            )
            words.append(f"{method} {sets[name]['error']:.3f}")
        axes.set_xlabel("map’s value")
        axes.set_ylabel("share of tumour there")
        axes.legend()
        return finish(
            figure, f"calibration-{_anchor(name)}", f"{name}: whether values are probabilities of tumour; the line is.",
            f"{name}, expected calibration error: {', '.join(words)}",
        )  # fmt: skip


def _anchor(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower())


def _gallery(
    name: str, methods: Sequence[str], pool: Pool, maps: Mapping[str, np.ndarray], rows: Rows
) -> list[Picture]:
    """Best, middle and worst images by the last method's AUC, and the most lit tumour-free ones."""
    place = {(s, n): i for i, (s, n) in enumerate(zip(pool.sets, pool.names, strict=True))}
    ranked = sorted(_of(rows, name, methods[-1], 1), key=lambda r: -r["auc"])
    middle = len(ranked) // 2 - SHOWN // 2
    kinds = {
        "best": ranked[:SHOWN],
        "median": ranked[max(middle, 0) : max(middle, 0) + SHOWN],
        "worst": ranked[-SHOWN:],
        "tumour-free, most lit": sorted(_of(rows, name, methods[-1], 0), key=lambda r: -r["maximum"])[:SHOWN],
    }
    auc = {(r["method"], r["image"]): r["auc"] for r in rows if r["set"] == name}
    found = []
    for kind, members in kinds.items():
        for row in members:
            i = place[name, row["image"]]
            shown = []
            for method in methods:
                value = auc[method, row["image"]]
                said = "" if np.isnan(value) else f"{value:.3f}"
                shown.append((method, said, data_uri(_coloured(maps[method][i]))))
            title = f"{name}, {kind}: {row['image']}"
            truth = outline(pool.masks[i].astype(float), 0.5)
            found.append(Picture(title, data_uri(pool.images[i]), pool.images.shape[1], truth, tuple(shown)))
    return found


def _coloured(values: np.ndarray) -> np.ndarray:
    from matplotlib import colormaps

    return np.rint(255 * colormaps["magma"](values / 255)[..., :3]).astype(np.uint8)
