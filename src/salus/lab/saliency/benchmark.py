"""Compare saliency methods by cross-validation: patients and near-duplicates are never split, every image is scored.

RUN/run.json            settings and fingerprints of the data
RUN/METHOD/fold-N.npz   maps of the fold's test images, confidences, time; written whole: a file that exists is finished
RUN/scores.csv          scores of every image and method
RUN/calibration.json    calibration of each method on each data set, time per image
RUN/report.html, .md    the report

Each set is split into folds by itself. Where images of two sets show the same scan they count as one patient: no map
comes from an estimator that was fitted on a near-duplicate of the image in another set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_json, write_rows
from salus.errors import SalusError
from salus.lab.saliency.config import SaliencyBenchmarkConfig, load_config
from salus.lab.saliency.folds import FoldMaps, estimate_fold, fold_file
from salus.lab.saliency.source import FILES, POINTS, TRUTH, parse_source
from salus.lab.training.cross_validation import CrossValidationData, read_cross_validation_data
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import SCORES, check_same_data, check_unused, start_run
from salus.metrics.saliency import Calibration, MapScores, measure_calibration, score_map

CALIBRATION = "calibration.json"
SCORE_NAMES = tuple(f.name for f in fields(MapScores) if f.name != "threshold")
"""Names of the scores that are averaged."""


@dataclass(frozen=True, eq=False)
class SaliencyResult:
    """The result of a saliency benchmark.

    Attributes:
        config: the settings.
        data: all images.
        maps: (n, s, s) in [0, 1] by method, out of fold.
        rows: the rows of scores.csv, of every method in the order of the images.
        reliability: by method and data set, see `calibration_json`.
        speed: milliseconds per image by method, NaN where it was not timed.
    """

    config: SaliencyBenchmarkConfig
    data: CrossValidationData
    maps: Mapping[str, np.ndarray]
    rows: Sequence[dict[str, Any]]
    reliability: Mapping[str, Mapping[str, Mapping[str, Any]]]
    speed: Mapping[str, float]


def start(run: Path, config: SaliencyBenchmarkConfig, log: Log = print) -> SaliencyResult:
    """Start a run in a new folder and finish it; `salus.lab.report.saliency` makes the report of the result.

    Raises:
        SalusError: the folder holds a run, a method is unknown, or the data cannot be read.
    """
    check_unused(run, "salus saliency-benchmark")
    for method in config.methods:
        source = parse_source(method)
        if source.base in (TRUTH, POINTS) or source.changes:
            raise SalusError(f"{method}: name plain methods here; truth, points and changes are for salus benchmark")
    data, fingerprints = read_data(config, log)
    start_run(run, asdict(config), fingerprints, data.fold_assignment())
    return _finish(run, config, data, log)


def resume(run: Path, log: Log = print) -> SaliencyResult:
    """Finish an interrupted run; folds that are finished are not repeated.

    Raises:
        SalusError: there is no run, or its data have changed.
    """
    config, recorded = load_config(run)
    data, fingerprints = read_data(config, log)
    check_same_data(run, recorded, fingerprints, data.fold_assignment())
    return _finish(run, config, data, log)


def read_data(config: SaliencyBenchmarkConfig, log: Log) -> tuple[CrossValidationData, dict[str, str]]:
    """Read the images of a run, and compute the fingerprint of each set.

    Raises:
        SalusError: a set cannot be read (see `read_cross_validation_data`), or ships no maps although the method "file"
            is named.
    """
    data, fingerprints = read_cross_validation_data(
        config.data,
        folds=config.folds,
        size=config.size,
        mask_values=config.mask_values,
        seed=config.seed,
        limit=config.limit,
        skip_bad=config.skip_bad,
        log=log,
    )
    if FILES in config.methods and data.saliency is None:
        raise SalusError("not every image has a map in saliency/; leave out the method file")
    return data, fingerprints


def score_rows(
    data: CrossValidationData, method: str, maps: np.ndarray, confidence: np.ndarray
) -> list[dict[str, Any]]:
    """Score a method's maps: the rows of scores.csv.

    Args:
        data: n images.
        method: its name.
        maps: (n, s, s) in [0, 1].
        confidence: (n,) predicted quality of each map, NaN where there is none.
    """
    return [
        {
            "set": data.sets[i],
            "image": name,
            "fold": int(data.fold[i]),
            "patient": data.groups[i],
            "label": data.labels[i],
            "method": method,
            "tumour": int(data.masks[i].any()),
            **asdict(score_map(maps[i].astype(np.float32), data.masks[i])),
            "confidence": float(confidence[i]),
        }
        for i, name in enumerate(data.names)
    ]


def calibration_json(calibration: Calibration) -> dict[str, Any]:
    """Convert a calibration to plain values; empty bins are null."""
    stated, observed = (
        [None if np.isnan(value) else float(value) for value in values]
        for values in (calibration.stated, calibration.observed)
    )
    return {"said": stated, "seen": observed, "pixels": calibration.pixels.tolist(), "error": calibration.error}


def _finish(run: Path, config: SaliencyBenchmarkConfig, data: CrossValidationData, log: Log) -> SaliencyResult:
    """Estimate the maps of all folds that are not finished, score all maps and write the scores."""
    sets = {name: np.flatnonzero(np.asarray(data.sets) == name) for name in dict.fromkeys(data.sets)}
    maps: dict[str, np.ndarray] = {}
    speed: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    for method in config.methods:
        maps[method] = np.empty(data.images.shape, np.float16)
        confidence, ms = np.full(len(data.names), np.nan), []
        for fold in np.unique(data.fold).tolist():
            test = data.test_indices(fold)
            path = fold_file(run, method, fold)
            if not path.exists():
                log(f"{method}, fold {fold} of {config.folds}")
                path.parent.mkdir(exist_ok=True)
                estimate_fold(method, data, fold, separate=config.separate, log=log).save(path)
            fold_maps = FoldMaps.load(path, len(test))
            maps[method][test], confidence[test] = fold_maps.maps, fold_maps.confidence
            ms.append(fold_maps.ms)
        speed[method] = float(np.median(ms))
        rows += score_rows(data, method, maps[method], confidence)
    write_rows(run / SCORES, [_without_nan(row) for row in rows])
    reliability = {
        method: {
            name: calibration_json(measure_calibration(maps[method][i], data.masks[i])) for name, i in sets.items()
        }
        for method in config.methods
    }
    ms_per_image = {method: None if np.isnan(ms) else ms for method, ms in speed.items()}
    write_json(run / CALIBRATION, {"calibration": reliability, "ms_per_image": ms_per_image})
    return SaliencyResult(config, data, maps, rows, reliability, speed)


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {name: "" if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}
