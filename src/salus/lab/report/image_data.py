"""Read a run's data set and outputs again: masks for the pooled curves, scans and probabilities for the panels."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from salus.data.case import Case, DataSet
from salus.data.fingerprint import fingerprint
from salus.data.layouts import read_data_set
from salus.data.phantom.make import COLUMNS
from salus.data.prepare import Pairs, prepare
from salus.errors import SalusError
from salus.evaluation.predictions import match_predictions, read_prediction
from salus.lab.benchmark.config import fold_folder
from salus.lab.report.run_data import Method, RunData
from salus.lab.saliency.source import FILES
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import OUTPUTS
from salus.metrics.curves import CurveCounts
from salus.read.mask_values import MaskDecision, summarise_decisions


@dataclass(frozen=True, eq=False)
class ImageData:
    """The images of a run and what the methods made of them.

    Attributes:
        pairs: all images and masks at the networks' size.
        position: position of each case in `pairs`, by name.
        phantoms: whether the images are synthetic, so that anyone may see them.
        left_out: number of images of the data set that the run left out because they cannot be read.
        curves: pixels of both classes by probability, for each trained method.
        probability: (height, width) by method and case, for the cases of the panels.
        saliency: (s, s) uint8 by case, for the cases of the panels; empty if no network takes saliency maps.
        mask_readings: how the masks of the data set and of predictions were read, in lines; see `summarise_decisions`.
    """

    pairs: Pairs
    position: dict[str, int]
    phantoms: bool
    left_out: int
    curves: dict[str, CurveCounts] = field(default_factory=dict)
    probability: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    saliency: dict[str, np.ndarray] = field(default_factory=dict)
    mask_readings: list[str] = field(default_factory=list)

    def case(self, name: str) -> Case:
        """Return a case by name."""
        return self.pairs.cases[self.position[name]]


def read_image_data(run_data: RunData, panel_cases: list[str], log: Log) -> ImageData:
    """Read the data set and the methods' outputs.

    Args:
        run_data: results of the run.
        panel_cases: cases whose probabilities and saliency maps are kept.
        log: called with a line about everything that is left out.

    Raises:
        SalusError: the data set is gone, or is not the one that was trained on.
    """
    config = run_data.config
    data = read_data_set(config.data, config.layout, config.mask_values)
    if fingerprint(data.labelled)["sha256"] != run_data.fingerprint:
        raise SalusError(f"{config.data}: has changed since the run was started")
    cases = [case for case in data.labelled if case.name in run_data.folds.test]  # without those the run left out
    decisions: dict[str, MaskDecision] = {}
    pairs = prepare(cases, config.protocol.size, decisions=decisions)
    position = {case.name: i for i, case in enumerate(pairs.cases)}
    image_data = ImageData(pairs, position, are_phantoms(data), len(data.labelled) - len(cases))
    image_data.mask_readings.extend(summarise_decisions("truth", decisions))
    for method in run_data.tested:
        if method.trained:
            image_data.curves[method.name] = _add_outputs(image_data, run_data, method, panel_cases, log)
        else:
            folder = Path(config.predictions[method.name])
            _add_predictions(image_data, method.name, folder, config.prediction_values, panel_cases, log)
    if not image_data.saliency and pairs.saliency is not None and config.saliency == FILES:
        image_data.saliency.update({name: pairs.saliency[position[name]] for name in panel_cases})
    return image_data


def read_outputs(run_data: RunData, method: Method) -> Iterator[tuple[list[str], np.ndarray, np.ndarray | None]]:
    """Read the outputs of a method's finished folds.

    Yields:
        For each fold n case names, probabilities (n, s, s) float32, and saliency maps (n, s, s) uint8 or None.

    Raises:
        SalusError: a file is missing or damaged.
    """
    for fold in run_data.finished_folds(method):
        path = fold_folder(run_data.folder, method.name, fold) / OUTPUTS
        try:
            with np.load(path, allow_pickle=False) as content:
                names = [str(name) for name in content["names"]]
                probability = content["probability"].astype(np.float32)
                maps = content["saliency"] if "saliency" in content.files else None
        except OSError as error:
            raise SalusError(f"{path}: unreadable ({error})") from None
        except (ValueError, KeyError, EOFError, BadZipFile, zlib.error):
            raise SalusError(f"{path}: unreadable, the file is damaged") from None
        yield names, probability, maps


def _add_outputs(
    image_data: ImageData, run_data: RunData, method: Method, panel_cases: list[str], log: Log
) -> CurveCounts:
    """Add a trained method's probabilities and saliency maps to `image_data`, and count its pixels for the curves."""
    counts = CurveCounts()
    try:
        for names, probability, maps in read_outputs(run_data, method):
            for i, name in enumerate(names):
                counts.add(image_data.pairs.masks[image_data.position[name]], probability[i])
                if name in panel_cases:
                    image_data.probability[method.name, name] = probability[i]
                    if maps is not None:
                        image_data.saliency.setdefault(name, maps[i])
    except SalusError as error:
        log(f"{error}: no curves of {method.name}")
        return CurveCounts()
    return counts


def _add_predictions(
    image_data: ImageData, method: str, folder: Path, mask_values: str, panel_cases: list[str], log: Log
) -> None:
    """Add probabilities or masks made elsewhere to `image_data`."""
    pairs = image_data.pairs
    try:
        paths = match_predictions(folder, pairs.cases)
        decisions: dict[str, MaskDecision] = {}
        for case, path, shape in zip(pairs.cases, paths, pairs.shapes, strict=True):
            name, reading = case.name, read_prediction(path, case, shape, mask_values)
            decisions[str(path)] = reading.decision
            if name not in panel_cases:
                continue
            probability = reading.probability
            image_data.probability[method, name] = (
                reading.mask.astype(np.float32) if probability is None else probability
            )
        image_data.mask_readings.extend(summarise_decisions(method, decisions))
    except SalusError as error:
        log(f"{error}: {method} is left out of the panels")


def are_phantoms(data: DataSet) -> bool:
    """Return whether a data set consists of this package's phantoms, by its manifest and the names of its cases."""
    path = data.root / "manifest.csv"
    if not path.is_file() or not all(case.name.startswith("phantom_") for case in data.cases):
        return False
    with path.open(newline="", encoding="utf-8-sig") as file:
        return tuple(next(csv.reader(file), ())) == COLUMNS
