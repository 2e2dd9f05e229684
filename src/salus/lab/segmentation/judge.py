"""TODO."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.lab.segmentation.calibrate import _known
from salus.measure.lesions import expected_dice
from salus.metrics.segmentation import score
from salus.metrics.statistics import bootstrap_interval
from salus.preprocess import resize
from salus.segmentation.network import NetworkSettings
from salus.segmentation.postprocess import cut, from_logit

if TYPE_CHECKING:
    from salus.lab.segmentation.held_out import Raw
    from salus.lab.training.cross_validation import Pool


BANDS = (0.0, 0.6, 0.7, 0.8, 0.9, 1.01)
"""Of confidence, for the card's table."""


def _score_one(raw: Raw, index: int, pool: Pool, settings: NetworkSettings) -> dict[str, Any]:
    place = int(raw.place[index])
    case = pool.cases[place]
    scan = case.read_image()
    truth = case.read_mask(scan.shape)
    small = from_logit(raw.logit[index].astype(np.float32) / settings.temperature)
    probability = np.clip(resize(small, scan.shape), 0, 1)
    mask = cut(probability, settings.threshold, settings.smallest)
    if raw.presence[index] < settings.presence:
        mask[:] = False
    row: dict[str, Any] = {
        "image": pool.names[place],
        "set": pool.sets[place],
        "label": pool.labels[place],
        "group": pool.groups[place],
        "fold": int(raw.fold[index]),
        "tumour": int(truth.any()),
        "share": round(float(truth.mean()), 5),
        "presence": round(float(raw.presence[index]), 4),
        "strangeness": round(float(raw.strangeness[index]), 3),
        "empty": int(not mask.any()),
        "confidence": round(expected_dice(mask, probability) if mask.any() else 1 - float(raw.presence[index]), 4),
    }
    if truth.any():
        found = score(truth, mask, probability)
        row |= {name: round(float(getattr(found, name)), 4) for name in ("dice", "jaccard", "tpr", "precision", "auc")}
    else:
        row |= dict.fromkeys(("dice", "jaccard", "tpr", "precision", "auc"), "")
    return row


def _belongs(name: str, label: str | None, row: dict[str, Any]) -> bool:
    return row["set"] == name and label in (None, row["label"])


def summarise(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Dice with its 95% interval (patients drawn whole) by set, label and size; tumour-free images left empty."""
    shares = [r["share"] for r in rows if r["tumour"]]
    sizes = np.quantile(shares, [1 / 3, 2 / 3]) if shares else (0, 0)
    of: dict[str, Callable[[dict[str, Any]], bool]] = {}
    for name in sorted({r["set"] for r in rows}):
        of[name] = partial(_belongs, name, None)
        of[f"{name}, one image a patient or cluster"] = _first_of_group(rows, name)
        for label in sorted({r["label"] for r in rows if r["set"] == name and r["label"]}):
            of[f"{name}, {label}"] = partial(_belongs, name, label)
    of["small tumours"] = lambda r: 0 < r["share"] <= sizes[0]
    of["medium tumours"] = lambda r: sizes[0] < r["share"] <= sizes[1]
    of["large tumours"] = lambda r: r["share"] > sizes[1]
    found = {}
    for title, belongs in of.items():
        lesions = [r for r in rows if r["tumour"] and belongs(r)]
        free = [r for r in rows if not r["tumour"] and belongs(r)]
        entry: dict[str, Any] = {}
        if lesions:
            interval = bootstrap_interval([r["dice"] for r in lesions], [r["group"] for r in lesions])
            entry |= {
                "lesion_images": len(lesions),
                "dice": round(interval.mean, 4),
                "low": _known(interval.low, 4),
                "high": _known(interval.high, 4),
                "missed": round(float(np.mean([r["dice"] < 0.1 for r in lesions])), 4),
            }
        if free:
            entry |= {"free_images": len(free), "left_empty": round(float(np.mean([r["empty"] for r in free])), 4)}
        if entry:
            found[title] = entry
    return found


def _first_of_group(rows: list[dict[str, Any]], name: str) -> Callable[[dict[str, Any]], bool]:
    firsts: dict[str, str] = {}
    for row in rows:
        if row["set"] == name:
            firsts.setdefault(row["group"], row["image"])
    chosen = set(firsts.values())
    return lambda row: row["set"] == name and row["image"] in chosen


def coverage(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Mean Dice of the images one is surest of, for growing shares of the images (empty counts 1 where rightly so)."""
    value = np.array([r["dice"] if r["tumour"] else float(r["empty"]) for r in rows])
    order = np.argsort([-r["confidence"] for r in rows], kind="stable")
    running = np.cumsum(value[order]) / np.arange(1, len(rows) + 1)
    shares = np.arange(0.1, 1.01, 0.1)
    at = np.maximum(np.rint(shares * len(rows)).astype(int), 1) - 1
    return {"share": [round(float(s), 1) for s in shares], "dice": [round(float(v), 4) for v in running[at]]}


def certainty(rows: list[dict[str, Any]]) -> list[dict[str, float | int | None]]:
    """What stated confidences came to, in bands: the mean Dice of outlines, and how often "no tumour" was right."""
    found: list[dict[str, float | int | None]] = []
    for low, high in pairwise(BANDS):
        band = [r for r in rows if low <= r["confidence"] < high]
        outlined = [r["dice"] if r["tumour"] else 0.0 for r in band if not r["empty"]]
        empty = [1 - r["tumour"] for r in band if r["empty"]]
        found.append(
            {
                "from": low,
                "outlined": len(outlined),
                "dice": _known(np.mean(outlined), 4) if outlined else None,
                "empty": len(empty),
                "rightly": _known(np.mean(empty), 4) if empty else None,
            }
        )
    return found
