"""Write the report of a saliency benchmark: RUN/report.md without scans, RUN/report.html with a gallery of scans."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from salus.lab.report.saliency_pictures import auc_chart, best_method, calibration_chart, make_gallery, select_rows
from salus.lab.report.saliency_tables import confidence_table, difference_table, lesion_table, tumour_free_table
from salus.lab.report.tables import Table
from salus.lab.report.templates import HTML, MARKDOWN, write_report
from salus.lab.training.progress import Log

if TYPE_CHECKING:
    from salus.lab.saliency.benchmark import SaliencyResult
    from salus.lab.saliency.config import SaliencyBenchmarkConfig
    from salus.lab.training.cross_validation import CrossValidationData


def build_saliency_report(run: Path, result: SaliencyResult, log: Log) -> None:
    """Write RUN/report.html, RUN/report.md and RUN/figures/, and log the main tables.

    Args:
        run: the run's folder.
        result: result of the benchmark.
        log: called with lines of progress.

    Raises:
        OSError: a file cannot be written.
    """
    methods, rows = result.config.methods, result.rows
    sets = tuple(dict.fromkeys(result.data.sets))
    lesion_sets = [name for name in sets if select_rows(rows, name, None, tumour=1)]
    main_tables = [lesion_table(name, methods, rows, result.reliability, result.speed) for name in lesion_sets]
    main_tables += [tumour_free_table(name, methods, rows) for name in sets if select_rows(rows, name, None, tumour=0)]
    baseline = "prior" if "prior" in methods else methods[0]
    others = [method for method in methods if method != baseline]
    differences = [difference_table(name, others, rows, baseline) for name in lesion_sets if others]
    confidence = [table for table in (confidence_table(name, methods, rows) for name in lesion_sets) if table]
    charts = []
    for name in sets:
        charts += [auc_chart(name, methods, rows)] if name in lesion_sets else []
        charts.append(calibration_chart(name, {method: curves[name] for method, curves in result.reliability.items()}))
    best = best_method(methods, rows)
    gallery = [
        picture for name in sets for picture in make_gallery(name, methods, best, result.data, result.maps, rows)
    ]
    write_report(
        run,
        {MARKDOWN: "saliency.md.j2", HTML: "saliency.html.j2"},
        charts,
        facts=_facts(result.config, result.data),
        tables=[*main_tables, *differences, *confidence],
        gallery=gallery,
        best_method=best,
    )
    for table in main_tables:
        _log_table(table, log)
    log(f"report: {run / HTML} (shows the images; report.md beside it does not)")


def _facts(config: SaliencyBenchmarkConfig, data: CrossValidationData) -> dict[str, str]:
    """Describe the data, the folds and how numbers were measured."""
    threads = os.environ.get("OMP_NUM_THREADS")
    counts = []
    for name in dict.fromkeys(data.sets):
        has_tumour = [mask.any() for mask, image_set in zip(data.masks, data.sets, strict=True) if image_set == name]
        counts.append(f"{name}: {len(has_tumour)} images, {sum(has_tumour)} with a tumour")
    return {
        "Data": "; ".join(counts) + (f" (at most {config.limit} of each set)" if config.limit else ""),
        "Folds": f"{config.folds}, seed {config.seed}; every image is mapped by what never saw it, its patient or a "
        "near-duplicate of it",
        "Fitted on": "the training folds of each set alone" if config.separate else "the training folds of all sets",
        "Maps and scores": f"at {config.size} × {config.size} pixels",
        "Intervals": "95%, bootstrap of the mean that draws whole patients or clusters of near-duplicates; shares of "
        "tumour-free images: Wilson",
        "Time": "of the map alone, median, one image of 256 × 256 at a time (a prior: of the size it was fitted at), "
        + (f"OMP_NUM_THREADS={threads}" if threads else "any number of threads; for one core set OMP_NUM_THREADS=1"),
    }  # fmt: skip


def _log_table(table: Table, log: Log) -> None:
    """Log a table with aligned columns."""
    log(table.caption)
    lines = [(table.row_header, *(column.title for column in table.columns))]
    lines += [(row.title, *(cell.text for cell in row.cells)) for row in table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        log("  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
