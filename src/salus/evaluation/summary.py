"""Summarise the scores of many images, and read them back from a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salus import spreadsheet
from salus.evaluation.scoring import Row
from salus.metrics.segmentation import SCORES
from salus.metrics.statistics import bootstrap_interval


def summarise_scores(rows: Sequence[Row]) -> dict[str, Any]:
    """Average each score over the images where it is defined, by resolution; lesion and tumour-free images apart.

    Args:
        rows: of `salus.evaluation.scoring`. An image is tumour-free if its truth is empty at its own size: a small
            lesion may vanish at the network's.

    Returns:
        For "network" and "native": the number of images with a lesion, of each score the mean and the number of images
        in it, the number of tumour-free images and of those left empty, and of each score the 95 % interval of its mean
        (`salus.metrics.statistics.bootstrap_interval` over patients; images count as patients where none is named).
    """
    summary: dict[str, Any] = {}
    tumour_free = {row["case"] for row in rows if row["resolution"] == "native" and not row["area_true"]}
    for resolution in ("network", "native"):
        own = [row for row in rows if row["resolution"] == resolution]
        lesion, free = [r for r in own if r["area_true"]], [r for r in own if r["case"] in tumour_free]
        scores: dict[str, Any] = {}
        intervals: dict[str, Any] = {}
        patients = [row.get("patient") or f"image {row['case']}" for row in lesion]
        for name in SCORES:
            values = [float(row[name]) for row in lesion if not np.isnan(row[name])]
            scores[name] = {"mean": float(np.mean(values)) if values else None, "n": len(values)}
            interval = bootstrap_interval([float(row[name]) for row in lesion], patients) if values else None
            is_known = interval is not None and not np.isnan(interval.low)
            intervals[name] = [interval.low, interval.high] if interval is not None and is_known else None
        summary[resolution] = {
            "lesion_images": len(lesion),
            "scores": scores,
            "intervals": intervals,
            "patients": len(set(patients)),
            "tumour_free": {"images": len(free), "left_empty": sum(not row["area_predicted"] for row in free)},
        }
    return summary


def render_summary(summary: dict[str, Any], size: int = 256) -> str:
    """Render the summary as a text table: means at the network's size and at the images' own, with 95 % intervals.

    Args:
        summary: of `summarise_scores`.
        size: height and width at which the images were scored as "network", pixels.
    """
    lines = [f"{'':<34}{f'{size} x {size}':>12}{'native':>12}  {'95 % interval (native)'}"]
    for name, info in SCORES.items():
        means = [summary[resolution]["scores"][name]["mean"] for resolution in ("network", "native")]
        title = f"{info.title} ({info.unit})" if info.unit else info.title
        interval = summary["native"]["intervals"][name]
        text = f"  {interval[0]:.4f} to {interval[1]:.4f}" if interval else ""
        cells = "".join(f"{'-' if mean is None else format(mean, '.4f'):>12}" for mean in means)
        lines.append(f"{title:<34}{cells}{text}")
    native = summary["native"]
    lines.append(
        f"{native['lesion_images']} images with a lesion, of {native['patients']} patients (or images without one); "
        "intervals by bootstrap over them"
    )
    free = native["tumour_free"]
    if free["images"]:
        lines.append(f"{free['images']} tumour-free images, {free['left_empty']} left empty")
    return "\n".join(lines)


def read_rows(path: Path) -> list[Row]:
    """Read rows from CSV: numbers as float, fold as int, an empty label or patient as None."""
    return [{key: _parse_value(key, text) for key, text in row.items()} for row in spreadsheet.read_rows(path)]


def _parse_value(key: str, text: str) -> Any:
    if key in ("network", "case", "resolution"):
        return text
    if key in ("label", "patient"):
        return text or None
    return int(text) if key == "fold" else float(text)
