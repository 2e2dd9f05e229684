"""Judge saliency methods: out of fold, patients and near-duplicates never split, every image scored.

RUN/run.json            what was asked for
RUN/METHOD/fold-N.npz   maps of the fold's test images, confidence, time; written whole: what is there is done
RUN/scores.csv          every image and method
RUN/calibration.json    reliability of each method on each set
RUN/report.html, .md    the report

Folds are dealt in each set alone. Where images of two sets show the same scan they count as one patient: an image is
never mapped by what was fitted on a near-duplicate of it in another set.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.lab.saliency.config import Asked
from salus.lab.saliency.folds import FoldMaps, map_fold
from salus.lab.saliency.source import FILES, TRUTH, parse_source
from salus.lab.training.cross_validation import Pool, hold_to, read_pool
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import FOLDS, RUN_FILE, SCORES, read_json, write_by_rename, write_json
from salus.metrics.saliency import Calibration, MapScores, calibrate, score_map

CALIBRATION = "calibration.json"
SCORE_NAMES = tuple(f.name for f in fields(MapScores) if f.name != "threshold")
"""The scores that are worth a mean."""


@dataclass(frozen=True, eq=False)
class SaliencyResult:
    """The result of a saliency benchmark.

    Attributes:
        asked: the settings.
        pool: all images.
        maps: (n, s, s) in [0, 1] by method, out of fold.
        rows: the rows of scores.csv, of every method in the order of the images.
        reliability: by method and data set, see `calibration_json`.
        speed: ms an image by method, NaN where it was not timed.
    """

    asked: Asked
    pool: Pool
    maps: Mapping[str, np.ndarray]
    rows: Sequence[dict[str, Any]]
    reliability: Mapping[str, Mapping[str, Mapping[str, Any]]]
    speed: Mapping[str, float]


def start(run: Path, asked: Asked, log: Log = print) -> SaliencyResult:
    """Start a run in a new folder and carry it through; `salus.lab.report.saliency` makes the report of the result.

    Raises:
        SalusError: the folder is in use, a method is unknown, or the data cannot be read.
    """
    if (run / RUN_FILE).exists():
        raise SalusError(f"{run}: holds a run already; continue it with: salus saliency-benchmark --resume {run}")
    for method in asked.methods:
        source = parse_source(method)
        if source.base == TRUTH or source.changes:
            raise SalusError(f"{method}: name plain methods here; truth and changes are for salus benchmark")
    pool, found = pool_of(asked, log)
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SalusError(f"{run}: cannot be made ({error.strerror})") from None
    (run / FOLDS).unlink(missing_ok=True)  # of a run that was killed in its first moments
    hold_to(pool, run / FOLDS)
    write_json(run / RUN_FILE, {**asdict(asked), "fingerprint": found})
    return _carry_through(run, asked, pool, log)


def resume(run: Path, log: Log = print) -> SaliencyResult:
    """Carry an interrupted run through; what is finished is not done again.

    Raises:
        SalusError: no run there, or its data have changed.
    """
    content = read_json(run / RUN_FILE)
    try:
        known = content.pop("fingerprint")
        asked = Asked(**{**content, "data": tuple(content["data"]), "methods": tuple(content["methods"])})
    except (KeyError, TypeError) as error:
        raise SalusError(f"{run / RUN_FILE}: not a saliency run of this Salus version ({error})") from None
    pool, found = pool_of(asked, log)
    if found != known:
        raise SalusError(f"the data have changed since {run} was started; start a new run")
    hold_to(pool, run / FOLDS)
    return _carry_through(run, asked, pool, log)


def pool_of(asked: Asked, log: Log) -> tuple[Pool, dict[str, str]]:
    """The images that a run is about, and the fingerprint of each set.

    Raises:
        SalusError: see `salus.lab.training.cross_validation.read_pool`; or a set ships no maps where they are asked for.
    """
    found = read_pool(
        asked.data,
        folds=asked.folds,
        size=asked.size,
        seed=asked.seed,
        limit=asked.limit,
        skip_bad=asked.skip_bad,
        log=log,
    )
    if FILES in asked.methods and found[0].saliency is None:
        raise SalusError("not every image has a map in saliency/; leave out the method file")
    return found


def _carry_through(run: Path, asked: Asked, pool: Pool, log: Log) -> SaliencyResult:
    maps: dict[str, np.ndarray] = {}
    speed: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    for method in asked.methods:
        maps[method] = np.empty(pool.images.shape, np.float16)
        confidence, ms = np.full(len(pool.names), np.nan), []
        for fold in np.unique(pool.fold):
            test = np.flatnonzero(pool.fold == fold)
            path = run / method.replace(":", ".") / f"fold-{fold}.npz"
            if not path.exists():
                log(f"{method}, fold {fold} of {asked.folds}")
                path.parent.mkdir(exist_ok=True)
                map_fold(asked, pool, method, test, log).save(path)
            found = FoldMaps.load(path, len(test))
            maps[method][test], confidence[test] = found.maps, found.confidence
            ms.append(found.ms)
        speed[method] = float(np.median(ms))
        rows += _rows(pool, method, maps[method], confidence)
    write_by_rename(run / SCORES, lambda p: _write_rows(p, rows))
    reliability = {
        method: {name: calibration_json(calibrate(maps[method][k], pool.masks[k])) for name, k in _sets(pool)}
        for method in asked.methods
    }
    cost = {method: None if np.isnan(ms) else ms for method, ms in speed.items()}
    write_json(run / CALIBRATION, {"calibration": reliability, "ms_per_image": cost})
    return SaliencyResult(asked, pool, maps, rows, reliability, speed)


def _rows(pool: Pool, method: str, maps: np.ndarray, confidence: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "set": pool.sets[i],
            "image": name,
            "fold": int(pool.fold[i]),
            "patient": pool.groups[i],
            "label": pool.labels[i],
            "method": method,
            "tumour": int(pool.masks[i].any()),
            **asdict(score_map(maps[i].astype(np.float32), pool.masks[i])),
            "confidence": float(confidence[i]),
        }
        for i, name in enumerate(pool.names)
    ]


def _sets(pool: Pool) -> list[tuple[str, np.ndarray]]:
    sets = np.asarray(pool.sets)
    return [(name, np.flatnonzero(sets == name)) for name in dict.fromkeys(pool.sets)]


def calibration_json(found: Calibration) -> dict[str, Any]:
    """A calibration as plain values; empty bins are null."""
    plain = [[None if np.isnan(v) else float(v) for v in values] for values in (found.said, found.seen)]
    return {"said": plain[0], "seen": plain[1], "pixels": found.pixels.tolist(), "error": found.error}


def _write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "" if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()})
