"""Score predictions against truth: a row for each image and resolution.

Each image is scored twice: at the networks' size ("network", 256 x 256 as published) and at its own ("native", where
the probability is resized back before the threshold).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from salus.data.case import Case
from salus.data.layouts import read_data_set
from salus.errors import SalusError
from salus.evaluation.predictions import match_predictions, read_prediction
from salus.evaluation.training_images import training_warnings
from salus.metrics.segmentation import score
from salus.preprocess import resize
from salus.read.mask_values import AUTO, MaskDecision, check_mask_values, summarise_decisions, warn_of_faint_maps
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter

Row = dict[str, Any]
"""Network, fold, case, patient, label and resolution, then the fields of `salus.metrics.segmentation.Scores`."""


@dataclass
class Decisions:
    """How the files of truth and predictions were read, by name."""

    truth: dict[str, MaskDecision] = field(default_factory=dict)
    predictions: dict[str, MaskDecision] = field(default_factory=dict)

    def report(self, remarks: list[str] | None, warnings: list[str] | None) -> None:
        """Add what was decided to the remarks, and what may have been misread to the warnings."""
        for role, files in (("truth", self.truth), ("predictions", self.predictions)):
            if remarks is not None:
                remarks += summarise_decisions(role, files)
            if warnings is not None:
                warnings += warn_of_faint_maps(role, files)


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
    name: str,
    fold: int,
    case: Case,
    path: Path,
    size: int = 256,
    *,
    mask_values: str = AUTO,
    decisions: Decisions | None = None,
) -> list[Row]:
    """Score one image's prediction made elsewhere (another program, a radiologist), at both resolutions.

    Args:
        name: who made it.
        fold: the fold in which the case is tested.
        case: a labelled case.
        path: the prediction, of the image's size; see `read_prediction`.
        size: height and width of the "network" resolution.
        mask_values: how the prediction's values are read; see `salus.read.mask_values`.
        decisions: gets how each file was read.

    Raises:
        SalusError: a file is unreadable or of another size than the image, or what is lesion cannot be decided.
    """
    shape = case.read_image().shape
    truth = _read_truth(case, shape, decisions)
    prediction = read_prediction(path, case, shape, mask_values)
    if decisions is not None:
        decisions.predictions[str(path)] = prediction.decision
    mask, probability = prediction.mask, prediction.probability
    small_truth, small_mask = (resize(values, (size, size)) >= 0.5 for values in (truth, mask))
    small = None if probability is None else np.clip(resize(probability, (size, size)), 0, 1)
    return [
        _row(name, fold, case, "network", small_truth, small_mask, small),
        _row(name, fold, case, "native", truth, mask, probability),
    ]


def score_segmentation(
    segmentation: Segmentation, case: Case, size: int = 256, decisions: Decisions | None = None
) -> list[Row]:
    """Score the outline of a `Segmenter`, by its own mask, at both resolutions.

    Args:
        segmentation: of the case's image.
        case: a labelled case.
        size: height and width of the "network" resolution.
        decisions: gets how the truth was read.

    Raises:
        SalusError: a mask is unreadable or of another size than the image.
    """
    network, mask, probability = segmentation.network, segmentation.mask, segmentation.probability
    truth = _read_truth(case, mask.shape, decisions)
    small_truth, small_mask, small = (resize(values, (size, size)) for values in (truth, mask, probability))
    return [
        _row(network, 0, case, "network", small_truth >= 0.5, small_mask >= 0.5, np.clip(small, 0, 1)),
        _row(network, 0, case, "native", truth, mask, probability),
    ]


def evaluate(
    predictions: Path | str,
    truth: Path | str,
    *,
    layout: str | None = None,
    size: int = 256,
    workers: int = 4,
    mask_values: str = AUTO,
    truth_values: str = AUTO,
    remarks: list[str] | None = None,
    warnings: list[str] | None = None,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> tuple[list[Row], list[str]]:
    """Score a folder of predictions against a data set.

    Args:
        predictions: a folder of masks or probability maps, named as the images.
        truth: the data set's folder.
        layout: how it is laid out; None detects it.
        size: height and width of the "network" resolution.
        workers: threads.
        mask_values: how the values of predictions are read; see `salus.read.mask_values`.
        truth_values: the same of the truth.
        remarks: gets a line on how the truth was read, and one on the predictions.
        warnings: gets lines on what the truth's layout leaves out, and where predictions may have been misread.
        on_progress: called with the number of cases that are done, and of all.

    Returns:
        Two rows for each case that could be scored, and one line for each that could not.

    Raises:
        SalusError: a folder is missing, or cases have no prediction.
    """
    check_mask_values(mask_values)
    folder, cases = Path(predictions), _labelled_cases(truth, layout, truth_values, warnings)
    path_of = dict(zip(cases, match_predictions(folder, cases, warnings), strict=True))
    decisions = Decisions()

    def score_case(case: Case) -> list[Row]:
        return score_prediction(folder.name, 0, case, path_of[case], size, mask_values=mask_values, decisions=decisions)

    result = _score_each(cases, score_case, workers, on_progress)
    decisions.report(remarks, warnings)
    return result


def evaluate_network(
    network: Path | str | None,
    truth: Path | str,
    *,
    layout: str | None = None,
    size: int = 256,
    workers: int = 1,
    device: str = "cpu",
    precision: str = "float32",
    truth_values: str = AUTO,
    remarks: list[str] | None = None,
    warnings: list[str] | None = None,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> tuple[list[Row], list[str]]:
    """Outline every image of a data set at its own size, as `salus segment` does, and score the outlines.

    Args:
        network: an .onnx file of `salus train`; None or "shipped" takes the one in the package.
        truth: the data set's folder.
        layout: how it is laid out; None detects it.
        size: height and width of the "network" resolution.
        workers: images that are worked on at a time; the network takes all cores for one.
        device: see `salus.engine.open_network`, also for the next.
        precision: in which the network computes.
        truth_values: how the values of masks are read; see `salus.read.mask_values`.
        remarks: gets a line on how the truth was read.
        warnings: gets lines on what the truth's layout leaves out, and one where the network was trained on these very
            images.
        on_progress: called with the number of cases that are done, and of all.

    Returns:
        As `evaluate`.

    Raises:
        SalusError: the folder is missing or nothing in it has a truth; or see `salus.segmentation.segmenter.Segmenter`.
    """
    cases = _labelled_cases(truth, layout, truth_values, warnings)
    segmenter, decisions = Segmenter(network, device=device, precision=precision), Decisions()

    def score_case(case: Case) -> list[Row]:
        return score_segmentation(segmenter(case.image), case, size, decisions)

    result = _score_each(cases, score_case, workers, on_progress)
    decisions.report(remarks, warnings)
    if warnings is not None:
        warnings += training_warnings(segmenter.path, cases)
    return result


def _read_truth(case: Case, shape: tuple[int, int], decisions: Decisions | None) -> np.ndarray:
    files = case.read_mask_files(shape)
    if decisions is not None:
        decisions.truth.update({path: reading.decision for path, reading in files.items()})
    return np.any([reading.mask for reading in files.values()], axis=0) if files else np.zeros(shape, bool)


def _labelled_cases(
    truth: Path | str, layout: str | None, mask_values: str, warnings: list[str] | None
) -> tuple[Case, ...]:
    """List the cases with a truth; what the layout leaves out goes to the warnings."""
    data = read_data_set(truth, layout, mask_values)
    if not data.labelled:
        raise SalusError(f"{truth}: no image in it has a truth to score against; salus data check says what is there")
    if warnings is not None:
        warnings += data.remarks
    return data.labelled


def _score_each(
    cases: Sequence[Case],
    score_case: Callable[[Case], list[Row]],
    workers: int,
    on_progress: Callable[[int, int], object],
) -> tuple[list[Row], list[str]]:
    """Score all cases; return their rows, and one line for each case that could not be scored."""

    def score_or_error(case: Case) -> list[Row] | str:
        try:
            return score_case(case)
        except SalusError as error:
            return str(error)

    results = []
    on_progress(0, len(cases))
    with ThreadPoolExecutor(workers) as pool:
        for done, result in enumerate(pool.map(score_or_error, cases), 1):
            results.append(result)
            on_progress(done, len(cases))
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
