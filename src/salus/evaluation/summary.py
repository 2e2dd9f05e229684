"""Summarise the scores of many images, and read them back from a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salus.evaluation.scoring import Row
from salus.metrics.segmentation import SCORES


def summarise_scores(rows: Sequence[Row]) -> dict[str, Any]:
    """Average each score over the images where it is defined, by resolution; lesion and tumour-free images apart.

    Args:
        rows: of `salus.evaluation.scoring`. An image is tumour-free if its truth is empty at its own size: a small
            lesion may vanish at the network's.

    Returns:
        For "network" and "native": the number of images with a lesion, of each score the mean and the number of images
        in it, and the number of tumour-free images and of those left empty.
    """
    summary: dict[str, Any] = {}
    tumour_free = {row["case"] for row in rows if row["resolution"] == "native" and not row["area_true"]}
    for resolution in ("network", "native"):
        own = [row for row in rows if row["resolution"] == resolution]
        lesion, free = [r for r in own if r["area_true"]], [r for r in own if r["case"] in tumour_free]
        scores = {}
        for name in SCORES:
            values = [float(row[name]) for row in lesion if not np.isnan(row[name])]
            scores[name] = {"mean": float(np.mean(values)) if values else None, "n": len(values)}
        summary[resolution] = {
            "lesion_images": len(lesion),
            "scores": scores,
            "tumour_free": {"images": len(free), "left_empty": sum(not row["area_predicted"] for row in free)},
        }
    return summary


def render_summary(summary: dict[str, Any]) -> str:
    """Render the summary as a text table."""
    lines = [f"{'':<34}{'256 x 256':>12}{'native':>12}"]
    for name, info in SCORES.items():
        means = [summary[resolution]["scores"][name]["mean"] for resolution in ("network", "native")]
        title = f"{info.title} ({info.unit})" if info.unit else info.title
        lines.append(f"{title:<34}" + "".join(f"{'-' if mean is None else format(mean, '.4f'):>12}" for mean in means))
    lines.append(f"{summary['native']['lesion_images']} images with a lesion")
    free = summary["native"]["tumour_free"]
    if free["images"]:
        lines.append(f"{free['images']} tumour-free images, {free['left_empty']} left empty")
    return "\n".join(lines)


def read_rows(path: Path) -> list[Row]:
    """Read rows from CSV: numbers as float, fold as int, an empty label or patient as None."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: _parse_value(key, text) for key, text in row.items()} for row in csv.DictReader(file)]


def _parse_value(key: str, text: str) -> Any:
    if key in ("network", "case", "resolution"):
        return text
    if key in ("label", "patient"):
        return text or None
    return int(text) if key == "fold" else float(text)
