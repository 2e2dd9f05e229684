"""The report of a saliency benchmark: RUN/report.md without pictures of scans, RUN/report.html with a gallery."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from scipy.stats import spearmanr

from salus.lab.report.build import markdown
from salus.lab.report.figures import COLOURS_ON_DARK, variables
from salus.lab.report.numbers import DASH, p_value
from salus.lab.report.saliency_pictures import Rows, auc_chart, calibration_chart, gallery, of, ranked_by
from salus.lab.report.score_tables import wilson
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import write_by_rename
from salus.metrics.statistics import bootstrap_interval, paired_difference

if TYPE_CHECKING:
    from salus.lab.saliency.benchmark import SaliencyResult
    from salus.lab.saliency.config import Asked
    from salus.lab.training.cross_validation import Pool

COLUMNS = {
    "auc": "AUC ↑",
    "hit": "brightest pixel in tumour ↑",
    "best_dice": "best Dice ↑",
    "f_measure": "F-measure ↑",
    "mae": "MAE ↓",
}
"""Scores of images with a tumour, and how they are called."""

PAIRED = ("auc", "hit", "best_dice")
"""Scores whose differences to the baseline are shown."""


@dataclass(frozen=True)
class Grid:
    """A table: a title, heads, and rows of words, the first of each row its head."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def build_saliency_report(run: Path, result: SaliencyResult, log: Log) -> None:
    """Write RUN/report.html, RUN/report.md and RUN/figures/, and print the main tables.

    Args:
        run: the run's folder.
        result: of the benchmark.
        log: called with lines of progress.

    Raises:
        SalusError: a file cannot be written.
    """
    asked, pool, maps, rows = result.asked, result.pool, result.maps, result.rows
    reliability, speed = result.reliability, result.speed
    sets = tuple(dict.fromkeys(pool.sets))
    with_tumours = [name for name in sets if of(rows, name, None, tumour=1)]
    lesions = [_lesions(name, asked.methods, rows, reliability, speed) for name in with_tumours]
    free = [_free(name, asked.methods, rows) for name in sets if of(rows, name, None, tumour=0)]
    baseline = "prior" if "prior" in asked.methods else asked.methods[0]
    others = [method for method in asked.methods if method != baseline]
    paired = [_differences(name, others, rows, baseline) for name in with_tumours if others]
    confident = [grid for grid in (_confidence(name, asked.methods, rows) for name in with_tumours) if grid]
    charts = []
    for name in sets:
        charts += [auc_chart(name, asked.methods, rows)] if name in with_tumours else []
        charts.append(calibration_chart(name, {method: parts[name] for method, parts in reliability.items()}))
    best = ranked_by(asked.methods, rows)
    light, dark = variables()
    shown = {
        "facts": _facts(asked, pool),
        "grids": [*lesions, *free, *paired, *confident],
        "charts": charts,
        "pictures": [picture for name in sets for picture in gallery(name, asked.methods, best, pool, maps, rows)],
        "ranked_by": best,
        "light": light,
        "dark": dark,
        "on_scan": COLOURS_ON_DARK[4],
    }
    pages = _templates()
    (run / "figures").mkdir(exist_ok=True)
    for chart in charts:
        _write(run / "figures" / f"{chart.name}.svg", chart.file)
    for file, template in (("report.md", "saliency.md.j2"), ("report.html", "saliency.html.j2")):
        _write(run / file, pages.get_template(template).render(**shown))
    for grid in (*lesions, *free):
        _print(grid, log)
    log(f"report: {run / 'report.html'} (shows the images; report.md beside it does not)")


def _facts(asked: Asked, pool: Pool) -> dict[str, str]:
    threads = os.environ.get("OMP_NUM_THREADS")
    counts = []
    for name in dict.fromkeys(pool.sets):
        has = [mask.any() for mask, of_set in zip(pool.masks, pool.sets, strict=True) if of_set == name]
        counts.append(f"{name}: {len(has)} images, {sum(has)} with a tumour")
    return {
        "Data": "; ".join(counts) + (f" (at most {asked.limit} of each set)" if asked.limit else ""),
        "Folds": f"{asked.folds}, seed {asked.seed}; every image is mapped by what never saw it, its patient or a "
        "near-duplicate of it",
        "Fitted on": "the training folds of each set alone" if asked.separate else "the training folds of all sets",
        "Maps and scores": f"at {asked.size} × {asked.size} pixels",
        "Intervals": "95%, bootstrap of the mean that draws whole patients or clusters of near-duplicates; shares of "
        "tumour-free images: Wilson",
        "Time": "of the map alone, median, one image of 256 × 256 at a time (a prior: of the size it was fitted at), "
        + (f"OMP_NUM_THREADS={threads}" if threads else "any number of threads; for one core set OMP_NUM_THREADS=1"),
    }  # fmt: skip


def _lesions(name: str, methods: Sequence[str], rows: Rows, reliability: Any, speed: Mapping[str, float]) -> Grid:
    lines = []
    for method in methods:
        own = of(rows, name, method, tumour=1)
        line = [method]
        for score in COLUMNS:
            i = bootstrap_interval([r[score] for r in own], [r["patient"] for r in own])
            line.append(f"{i.mean:.3f} [{i.low:.3f}, {i.high:.3f}]")
        ms = speed[method]
        cost = DASH if np.isnan(ms) else f"{ms:.1f}" if ms >= 0.1 else "< 0.1"
        line += [f"{reliability[method][name]['error']:.3f}", cost]
        lines.append(tuple(line))
    title = f"{name}: {len(own)} images with a tumour (calibration: all {len(own) + len(of(rows, name, method, 0))})"
    return Grid(title, ("method", *COLUMNS.values(), "calibration error ↓", "ms an image ↓"), tuple(lines))


def _free(name: str, methods: Sequence[str], rows: Rows) -> Grid:
    lines = []
    for method in methods:
        own = of(rows, name, method, tumour=0)
        quiet = float(np.mean([r["quiet"] for r in own]))
        low, high = wilson(quiet, len({r["patient"] for r in own}))
        missed = [r["maximum"] < 0.5 for r in of(rows, name, method, tumour=1)]
        lines.append(
            (
                method,
                f"{100 * quiet:.0f}% [{100 * low:.0f}, {100 * high:.0f}]",
                f"{np.mean([r['maximum'] for r in own]):.3f}",
                f"{100 * np.mean([r['lit'] for r in own]):.1f}%",
                f"{100 * np.mean(missed):.1f}%" if missed else DASH,
            )
        )
    heads = ("method", "quiet: below 0.5 everywhere ↑", "mean maximum ↓", "area at 0.5 and above ↓",
             "images with a tumour below 0.5 too ↓")  # fmt: skip
    return Grid(f"{name}: {len(own)} tumour-free images", heads, tuple(lines))


def _differences(name: str, methods: Sequence[str], rows: Rows, baseline: str) -> Grid:
    base = of(rows, name, baseline, tumour=1)
    groups = [r["patient"] for r in base]
    lines = []
    for method in methods:
        own = of(rows, name, method, tumour=1)
        line = [method]
        for score in PAIRED:
            d = paired_difference([r[score] for r in own], [r[score] for r in base], groups)
            line.append(f"{d.mean:+.3f} [{d.low:+.3f}, {d.high:+.3f}], p {p_value(d.p_permutation)}".replace("-", "−"))
        lines.append(tuple(line))
    title = f"{name}: paired difference to {baseline}, image by image; p by sign flips over patients, not adjusted"
    return Grid(title, ("method", *(COLUMNS[score] for score in PAIRED)), tuple(lines))


def _confidence(name: str, methods: Sequence[str], rows: Rows) -> Grid | None:
    """How well methods that state a confidence know the quality of their maps; None where none does."""
    lines = []
    for method in methods:
        own = [r for r in of(rows, name, method, tumour=1) if np.isfinite(r["confidence"])]
        if len(own) < 3:
            continue
        said, found = [r["confidence"] for r in own], [r["best_dice"] for r in own]
        rank = spearmanr(said, found).statistic if len(set(said)) > 1 and len(set(found)) > 1 else np.nan
        words = (f"{np.mean(said):.3f}", f"{np.mean(found):.3f}", DASH if np.isnan(rank) else f"{rank:+.2f}")
        lines.append((method, *words))
    heads = ("method", "mean confidence", "mean best Dice", "rank correlation ↑")
    return Grid(f"{name}: confidence against best Dice", heads, tuple(lines)) if lines else None


def _print(grid: Grid, log: Callable[[str], None]) -> None:
    log(grid.title)
    lines = (grid.heads, *grid.rows)
    widths = [max(len(line[i]) for line in lines) for i in range(len(grid.heads))]
    for line in lines:
        log("  " + "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())


def _templates() -> Environment:
    pages = Environment(
        loader=PackageLoader("salus.lab.report", "."),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters["md"] = markdown
    return pages


def _write(path: Path, text: str) -> None:
    write_by_rename(path, partial(Path.write_text, data=text, encoding="utf-8"))
