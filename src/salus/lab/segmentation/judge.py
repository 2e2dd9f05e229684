"""Score held-out predictions at each image's own size, and summarise the scores for the model card."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.lab.segmentation.calibrate import round_down, round_or_none
from salus.metrics.segmentation import score
from salus.metrics.statistics import bootstrap_interval
from salus.segmentation.network import NetworkSettings
from salus.segmentation.postprocess import expected_confidence, outline

if TYPE_CHECKING:
    from salus.lab.segmentation.held_out import HeldOutPredictions
    from salus.lab.training.cross_validation import CrossValidationData

Row = dict[str, Any]

SCORE_NAMES = ("dice", "jaccard", "tpr", "precision", "auc")
"""Scores of an image in images.csv; empty where the image has no tumour."""

BANDS = (0.0, 0.6, 0.7, 0.8, 0.9, 1.01)
"""Edges of the confidence bands in the card's table."""

MISSED = 0.1
"""A tumour with a Dice below this counts as missed."""


def score_image(raw: HeldOutPredictions, index: int, data: CrossValidationData, settings: NetworkSettings) -> Row:
    """Outline one held-out image as the runtime does, and score the outline: a row of images.csv.

    Args:
        raw: held-out predictions.
        index: which of them.
        data: the images of the run, and their truth.
        settings: the network's calibration.
    """
    place, presence = int(raw.place[index]), float(raw.presence[index])
    case = data.cases[place]
    shape = case.read_image().shape
    truth = case.read_mask(shape)
    probability, mask = outline(raw.logit[index], presence, shape, settings)
    scores = score(truth, mask, probability) if truth.any() else None
    return {
        "image": data.names[place],
        "set": data.sets[place],
        "label": data.labels[place],
        "group": data.groups[place],
        "fold": int(raw.fold[index]),
        "tumour": int(truth.any()),
        "share": round(float(truth.mean()), 5),
        "presence": round_down(presence),
        "strangeness": round(float(raw.strangeness[index]), 3),
        "empty": int(not mask.any()),
        "confidence": round(expected_confidence(mask, probability, presence), 4),
        **{name: "" if scores is None else round(float(getattr(scores, name)), 4) for name in SCORE_NAMES},
    }


def summarise_by_subset(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """Summarise Dice and emptiness by data set, label and tumour size.

    Args:
        rows: of `score_image`.

    Returns:
        For each subset that holds an image: of its lesion images the number, mean Dice, its 95% bootstrap interval
        (patients drawn whole) and the share missed; of its tumour-free images the number and the share left empty.
    """
    summaries = {}
    for title, subset in _subsets(rows).items():
        lesions = [row for row in subset if row["tumour"]]
        free = [row for row in subset if not row["tumour"]]
        summary: dict[str, Any] = {}
        if lesions:
            interval = bootstrap_interval([row["dice"] for row in lesions], [row["group"] for row in lesions])
            summary |= {
                "lesion_images": len(lesions),
                "dice": round(interval.mean, 4),
                "low": round_or_none(interval.low, 4),
                "high": round_or_none(interval.high, 4),
                "missed": round(float(np.mean([row["dice"] < MISSED for row in lesions])), 4),
            }
        if free:
            left_empty = float(np.mean([row["empty"] for row in free]))
            summary |= {"free_images": len(free), "left_empty": round(left_empty, 4)}
        if summary:
            summaries[title] = summary
    return summaries


def _subsets(rows: list[Row]) -> dict[str, list[Row]]:
    """Divide the rows by data set, within each by label, and all of them by tumour size; title and rows of each."""
    subsets: dict[str, list[Row]] = {}
    for name in sorted({row["set"] for row in rows}):
        subsets[name] = own = [row for row in rows if row["set"] == name]
        first_of_group = {row["group"]: row["image"] for row in reversed(own)}
        subsets[f"{name}, one image a patient or cluster"] = [
            row for row in own if row["image"] == first_of_group[row["group"]]
        ]
        for label in sorted({row["label"] for row in own if row["label"]}):
            subsets[f"{name}, {label}"] = [row for row in own if row["label"] == label]
    shares = [row["share"] for row in rows if row["tumour"]]
    low, high = np.quantile(shares, [1 / 3, 2 / 3]) if shares else (0, 0)
    subsets["small tumours"] = [row for row in rows if 0 < row["share"] <= low]
    subsets["medium tumours"] = [row for row in rows if low < row["share"] <= high]
    subsets["large tumours"] = [row for row in rows if row["share"] > high]
    return subsets


def restraint_costs(rows: list[Row], settings: NetworkSettings) -> dict[str, dict[str, float | None]]:
    """Count what each restraint costs and gains: tumours whose image it leaves empty, tumour-free images left empty.

    Args:
        rows: of `score_image`, made without a limit of presence.
        settings: with the limits.

    Returns:
        For "none" and each restraint of the network: "limit" of presence; of the images with a tumour the share
        "lost"; of those without, the share "left_empty", None where there are none.
    """
    costs: dict[str, dict[str, float | None]] = {}
    for name, limit in {"none": 0.0, **settings.restraint}.items():
        empty = np.array([bool(row["empty"]) or row["presence"] < limit for row in rows])
        tumour = np.array([bool(row["tumour"]) for row in rows])
        costs[name] = {
            "limit": limit,
            "lost": round(float(empty[tumour].mean()), 4) if tumour.any() else None,
            "left_empty": None if tumour.all() else round(float(empty[~tumour].mean()), 4),
        }
    return costs


def dice_by_coverage(rows: list[Row]) -> dict[str, list[float]]:
    """Compute the mean Dice of the most confident images, for growing shares of all images (coverage curve).

    A tumour-free image counts 1 where it was left empty, else 0.
    """
    values = np.array([row["dice"] if row["tumour"] else float(row["empty"]) for row in rows])
    order = np.argsort([-row["confidence"] for row in rows], kind="stable")
    running_mean = np.cumsum(values[order]) / np.arange(1, len(rows) + 1)
    shares = np.arange(0.1, 1.01, 0.1)
    ends = np.maximum(np.rint(shares * len(rows)).astype(int), 1) - 1
    return {"share": [round(float(s), 1) for s in shares], "dice": [round(float(d), 4) for d in running_mean[ends]]}


def accuracy_by_confidence(rows: list[Row]) -> list[dict[str, float | int | None]]:
    """Compare the stated confidence with Dice and correctness, by band of confidence.

    Returns:
        For each band: its lower edge, the number of outlined images and their mean Dice, the number of images left
        empty and the share of them without a tumour; None for the mean of nothing.
    """
    table: list[dict[str, float | int | None]] = []
    for low, high in pairwise(BANDS):
        band = [row for row in rows if low <= row["confidence"] < high]
        dice = [row["dice"] if row["tumour"] else 0.0 for row in band if not row["empty"]]
        rightly = [1 - row["tumour"] for row in band if row["empty"]]
        table.append(
            {
                "from": low,
                "outlined": len(dice),
                "dice": round_or_none(float(np.mean(dice)), 4) if dice else None,
                "empty": len(rightly),
                "rightly": round_or_none(float(np.mean(rightly)), 4) if rightly else None,
            }
        )
    return table
