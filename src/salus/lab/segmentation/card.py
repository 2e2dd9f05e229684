"""Make the model card: a trained network's data, settings, limits, and scores on held-out patients."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.atomic import write_json, write_text
from salus.data.case import Case
from salus.data.fingerprint import image_digests, list_image_digests
from salus.engine import open_network
from salus.evaluation.training_images import training_sets
from salus.lab.segmentation.calibrate import reliability
from salus.lab.segmentation.card_text import card_text
from salus.lab.segmentation.judge import (
    accuracy_by_confidence,
    dice_by_coverage,
    restraint_costs,
    score_image,
    summarise_by_subset,
)
from salus.lab.training.progress import Log
from salus.segmentation.network import NetworkSettings

if TYPE_CHECKING:
    from salus.lab.segmentation.config import TrainingConfig
    from salus.lab.segmentation.held_out import HeldOutPredictions
    from salus.lab.training.cross_validation import CrossValidationData


LIMITS = """It is research software, not a medical device: no diagnosis, no treatment and no triage may rest on it. It
knows still B-mode images of the breast from the scanners of its training sets, one lesion or none in most. It was not
tested on men, children, implants, after surgery or radiation, on axillary nodes, Doppler, elastography, or 3D."""

FAILURES = (
    "isoechoic lesions and ones without a clear border: part of the outline is missing, or all of it",
    "lesions in deep shadow: the shadow is taken for part of them, or they are missed",
    "ducts, fat lobules and ribs that are dark and round: outlined as lesions in tumour-free images",
    "several lesions in an image: the smaller ones are missed more often",
    "lesions cut by the image's border",
)


def make_card(
    config: TrainingConfig,
    data: CrossValidationData,
    fingerprints: dict[str, str],
    predictions: HeldOutPredictions | None,
    settings: NetworkSettings,
    log: Log,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Score every held-out image at its own size, and make the card.

    Args:
        config: settings of the run.
        data: the images of the run.
        fingerprints: SHA-256 of each data set.
        predictions: the held-out predictions; None where nothing was judged.
        settings: of the network, calibrated where something was judged.
        log: called with lines of progress.

    Returns:
        The rows of images.csv, and the card, plain values.
    """
    card: dict[str, Any] = {
        "settings": asdict(settings),
        "data": {
            name: {
                "images": data.sets.count(name),
                "sha256": fingerprints[name],
                "image_sha256": sorted(image_digests(_trained_cases(config, data, name))),
            }
            for name in dict.fromkeys(data.sets)
        }
        | _unlabelled_entries(data, fingerprints),
        "trained_on": _trained_on(config),
        "started_from": _started_from(config),
        "inherited": _inherited(config),
        "seen": seen_before(config, data, fingerprints),
        "recipe": asdict(config.recipe),
        "limits": " ".join(LIMITS.split()),
        "failures": list(FAILURES),
    }
    if predictions is None:
        return [], card
    log(f"scoring {len(predictions.place)} held-out images at their own size")
    rows = [score_image(predictions, index, data, settings) for index in range(len(predictions.place))]
    card["judged"] = {
        "folds": sorted({int(fold) for fold in predictions.fold}),
        "of": config.folds,
        **({"sources": [Path(folder).name for folder in config.data]} if config.sources else {}),
        "asked": _judged_network(config),
        "scores": summarise_by_subset(rows),
        "restraint": restraint_costs(rows, settings),
        "calibration": reliability(predictions, settings, data.masks, data.shapes),
        "coverage": dice_by_coverage(rows),
        "certainty": accuracy_by_confidence(rows),
    }
    return rows, card


def seen_before(config: TrainingConfig, data: CrossValidationData, fingerprints: dict[str, str]) -> list[str]:
    """List the sets of whose held-out patients the network that this run started from had seen images.

    Args:
        config: settings of the run.
        data: the images of the run.
        fingerprints: SHA-256 of each data set.

    Returns:
        A line for each of these sets.
    """
    if config.start_from is None or not config.judged:
        return []
    start = open_network(Path(config.start_from)).settings
    learnt = training_sets(start, Path(config.start_from).stem)
    name = start.get("name", "the network it started from")
    known = frozenset[str]().union(*(each.images for each in learnt if each.images is not None))
    groups, sets = np.asarray(data.groups), np.asarray(data.sets)
    is_known = np.array([digest in known for digest in list_image_digests(data.cases)])
    held_out = data.fold <= config.judged
    seen = held_out & np.isin(groups, groups[is_known])
    lines = [
        f"{name} had been trained on the patients of {int((seen & (sets == data_set)).sum())} of the "
        f"{int((held_out & (sets == data_set)).sum())} held-out images of {data_set}; their scores are not of unseen "
        "patients"
        for data_set in dict.fromkeys(data.sets)
        if (seen & (sets == data_set)).any()
    ]
    if _held_out_alike(config, start.get("card", {})):
        return lines
    whole_sets = {each.sha256 for each in learnt if each.images is None}
    return lines + [
        f"{name} had been trained on images of {data_set}; their scores are not of unseen patients"
        for data_set, sha256 in fingerprints.items()
        if sha256 in whole_sets
    ]


def _held_out_alike(config: TrainingConfig, start_card: dict[str, Any]) -> bool:
    """Tell whether a network whose card names no images was trained without the very fold that this run holds out."""
    same_seed = start_card.get("recipe", {}).get("seed") == config.recipe.seed
    return (
        same_seed and start_card.get("trained_on") == _trained_on(replace(config, final=False)) and config.judged == 1
    )


def _inherited(config: TrainingConfig) -> list[dict[str, Any]]:
    """List what the network that this run started from had learnt from, and what those learnt from that it is from."""
    if config.start_from is None:
        return []
    start = open_network(Path(config.start_from)).settings
    card = start.get("card", {})
    own = {
        "name": start.get("name", Path(config.start_from).stem),
        "trained_on": card.get("trained_on", "every image"),
        "data": card.get("data", {}),
    }
    return [own, *card.get("inherited", [])]


def _trained_cases(config: TrainingConfig, data: CrossValidationData, data_set: str) -> list[Case]:
    """Return the cases of a data set that the network was trained on, by which `salus evaluate` knows them again."""
    indices = range(len(data.cases)) if config.final else data.training_indices(1)
    return [data.cases[int(index)] for index in indices if data.sets[int(index)] == data_set]


def _unlabelled_entries(data: CrossValidationData, fingerprints: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Make the entries of the data sets of which the network saw images alone, no mask."""
    sets = {} if data.unlabelled is None else data.unlabelled.cases
    return {
        name: {
            "images": len(cases),
            "sha256": fingerprints[name],
            "image_sha256": sorted(image_digests(cases)),
            "labelled": False,
        }
        for name, cases in sets.items()
    }


def _trained_on(config: TrainingConfig) -> str:
    if config.final:
        return "every image"
    return f"all but {Path(config.data[0]).name}" if config.sources else f"all but fold 1 of {config.folds}"


def _started_from(config: TrainingConfig) -> str:
    start = "ImageNet" if config.start_from is None else Path(config.start_from).name
    if not config.final or config.final_steps is None:
        return start
    return f"{start} by way of fold 1's network, which it goes on from for {config.final_steps:,} steps"


def _judged_network(config: TrainingConfig) -> str:
    if config.sources:
        return "a network trained on the other data sets alone"
    if config.final:
        return "a network trained without its fold, not of this one"
    if config.judged == 1:
        return "this network, trained without the fold"
    return "the network trained without its fold; this one is that of fold 1"


def write_card(run: Path, card: dict[str, Any]) -> None:
    """Write card.json and card.md."""
    write_json(run / "card.json", card)
    write_text(run / "card.md", card_text(card))
