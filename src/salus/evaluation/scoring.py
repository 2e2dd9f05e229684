"""Score predictions against truth: a row for each image and resolution.

Each image is scored twice: at the networks' size ("network", 256 x 256 as published) and at its own ("native", where
the probability is resized back before the threshold).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from salus.data.case import Case
from salus.data.layouts import read_data_set
from salus.errors import SalusError
from salus.evaluation.predictions import are_probabilities, match_predictions, read_prediction
from salus.metrics.segmentation import score
from salus.preprocess import resize
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter

Row = dict[str, Any]
"""Network, fold, case, patient, label and resolution, then the fields of `salus.metrics.segmentation.Scores`."""


def score_cases(
    network: str,
    fold: int,
    cases: Sequence[Case],
    masks: np.ndarray,
    probability: np.ndarray,
    threshold: float = 0.5,
) -> list[Row]:
    """Score a network's probability maps of several cases, at both resolutions.

    Args:
        network: its name.
        fold: the fold's number.
        cases: n cases.
        masks: (n, s, s) bool, the truth at the network's size.
        probability: (n, s, s) float in [0, 1].
        threshold: probability from which on a pixel is lesion.
    """
    rows = []
    for case, small_truth, small in zip(cases, masks, probability, strict=True):
        shape = case.read_image().shape
        truth, native = case.read_mask(shape), resize(small, shape)
        rows += [
            _row(network, fold, case, "network", small_truth, small >= threshold, small),
            _row(network, fold, case, "native", truth, native >= threshold, native),
        ]
    return rows


def score_prediction(
    name: str, fold: int, case: Case, path: Path, size: int = 256, *, is_probability: bool
) -> list[Row]:
    """Score one image's prediction made elsewhere (another program, a radiologist), at both resolutions.

    Args:
        name: who made it.
        fold: the fold in which the case is tested.
        case: a labelled case.
        path: the prediction, of the image's size; see `read_prediction`.
        size: height and width of the "network" resolution.
        is_probability: whether it is a probability, see `are_probabilities`.

    Raises:
        SalusError: a file is unreadable or of another size than the image.
    """
    shape = case.read_image().shape
    truth = case.read_mask(shape)
    probability, mask = read_prediction(path, shape, is_probability)
    small_truth = resize(truth, (size, size)) >= 0.5
    small = resize(mask if probability is None else probability, (size, size))
    return [
        _row(name, fold, case, "network", small_truth, small >= 0.5, None if probability is None else small),
        _row(name, fold, case, "native", truth, mask, probability),
    ]


def score_segmentation(segmentation: Segmentation, case: Case, size: int = 256) -> list[Row]:
    """Score the outline of a `Segmenter`, by its own mask, at both resolutions.

    Args:
        segmentation: of the case's image.
        case: a labelled case.
        size: height and width of the "network" resolution.

    Raises:
        SalusError: a mask is unreadable or of another size than the image.
    """
    network, mask, probability = segmentation.network, segmentation.mask, segmentation.probability
    truth = case.read_mask(mask.shape)
    small_truth, small_mask, small = (resize(values, (size, size)) for values in (truth, mask, probability))
    return [
        _row(network, 0, case, "network", small_truth >= 0.5, small_mask >= 0.5, np.clip(small, 0, 1)),
        _row(network, 0, case, "native", truth, mask, probability),
    ]


def evaluate(
    predictions: Path | str, truth: Path | str, *, layout: str | None = None, size: int = 256, workers: int = 4
) -> tuple[list[Row], list[str]]:
    """Score a folder of predictions against a data set.

    Args:
        predictions: a folder of masks or probability maps, named as the images.
        truth: the data set's folder.
        layout: how it is laid out; None detects it.
        size: height and width of the "network" resolution.
        workers: threads.

    Returns:
        Two rows for each case that could be scored, and one line for each that could not.

    Raises:
        SalusError: a folder is missing, or cases have no prediction.
    """
    folder, cases = Path(predictions), _labelled_cases(truth, layout)
    files = match_predictions(folder, cases)
    path_of, is_probability = dict(zip(cases, files, strict=True)), are_probabilities(files, workers)
    return _score_each(
        cases,
        lambda case: score_prediction(folder.name, 0, case, path_of[case], size, is_probability=is_probability),
        workers,
    )


def evaluate_network(
    network: Path | str | None, truth: Path | str, *, layout: str | None = None, size: int = 256, workers: int = 1
) -> tuple[list[Row], list[str]]:
    """Outline every image of a data set at its own size, as `salus segment` does, and score the outlines.

    Args:
        network: an .onnx file of `salus train`; None or "shipped" takes the one in the package.
        truth: the data set's folder.
        layout: how it is laid out; None detects it.
        size: height and width of the "network" resolution.
        workers: images that are worked on at a time; the network takes all cores for one.

    Returns:
        As `evaluate`.

    Raises:
        SalusError: the folder is missing or nothing in it has a truth; or see `salus.segmentation.segmenter.Segmenter`.
    """
    cases = _labelled_cases(truth, layout)
    segmenter = Segmenter(network)
    return _score_each(cases, lambda case: score_segmentation(segmenter(case.image), case, size), workers)


def _labelled_cases(truth: Path | str, layout: str | None) -> tuple[Case, ...]:
    cases = read_data_set(truth, layout).labelled
    if not cases:
        raise SalusError(f"{truth}: no image in it has a truth to score against; salus data check says what is there")
    return cases


def _score_each(
    cases: Sequence[Case], score_case: Callable[[Case], list[Row]], workers: int
) -> tuple[list[Row], list[str]]:
    """Score all cases; return their rows, and one line for each case that could not be scored."""

    def score_or_error(case: Case) -> list[Row] | str:
        try:
            return score_case(case)
        except SalusError as error:
            return str(error)

    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(score_or_error, cases))
    rows = [row for result in results if not isinstance(result, str) for row in result]
    return rows, [result for result in results if isinstance(result, str)]


def _row(
    network: str,
    fold: int,
    case: Case,
    resolution: str,
    truth: np.ndarray,
    mask: np.ndarray,
    probability: np.ndarray | None,
) -> Row:
    head = {"network": network, "fold": fold, "case": case.name, "patient": case.patient, "label": case.label}
    return {**head, "resolution": resolution, **asdict(score(truth, mask, probability))}
