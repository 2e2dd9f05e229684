"""Judge saliency methods: out of fold, patients and near-duplicates never split, every image scored.

RUN/run.json            what was asked for
RUN/METHOD/fold-N.npz   maps of the fold's test images (uint8), written whole, so an interrupted run goes on
RUN/scores.csv          every image and method
RUN/calibration.json    reliability of each method on each set
RUN/report.html, .md    the report
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from salus.data.deal import deal_folds
from salus.data.folds import Folds
from salus.data.layouts import read_data_set
from salus.data.prepare import Pairs, prepare
from salus.errors import SalusError
from salus.saliency.quality import Calibration, MapScores, calibrate, score_map
from salus.train.run import RUN_FILE, SCORES, fingerprint, read_json, write_by_rename, write_json
from salus.train.source import FILES, TRUTH, parse_source

Log = Callable[[str], None]
CALIBRATION = "calibration.json"
SCORE_NAMES = tuple(f.name for f in fields(MapScores))
TIMED = 256
"""Height and width of the images that a method is timed on."""


@dataclass(frozen=True)
class Asked:
    """What a run was asked to do.

    Attributes:
        data: folders of data sets.
        methods: estimators' names, or "file".
        folds: how many.
        size: height and width at which maps are made and scored.
        seed: of folds.
        separate: fit on each set alone instead of on all sets together.
        limit: images of each set at most, spread over it; None takes all.
        skip_bad: leave out what cannot be read.
    """

    data: tuple[str, ...]
    methods: tuple[str, ...]
    folds: int = 5
    size: int = 128
    seed: int = 1
    separate: bool = False
    limit: int | None = None
    skip_bad: bool = False


@dataclass(frozen=True, eq=False)
class Pool:
    """All images of all sets.

    Attributes:
        names: of n images.
        sets: the data set of each.
        labels: of each, "" where unknown.
        groups: the patient or cluster of near-duplicates of each.
        fold: (n,) the fold in which an image is tested.
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        saliency: (n, s, s) uint8 where every set ships maps.
    """

    names: tuple[str, ...]
    sets: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    fold: np.ndarray
    images: np.ndarray
    masks: np.ndarray
    saliency: np.ndarray | None


def start(run: Path, asked: Asked, log: Log = print) -> None:
    """Start a run in a new folder and carry it through.

    Raises:
        SalusError: the folder is in use, a method is unknown, or the data cannot be read.
    """
    if (run / RUN_FILE).exists():
        raise SalusError(f"{run}: holds a run already; continue it with: salus saliency-benchmark --resume {run}")
    for method in asked.methods:
        source = parse_source(method)
        if source.base == TRUTH or source.changes:
            raise SalusError(f"{method}: name plain methods here; truth and changes are for salus benchmark")
    if len({Path(folder).name for folder in asked.data}) < len(asked.data):
        raise SalusError("two data sets have the same folder name; results could not be told apart")
    pool, found = read_pool(asked, log)
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SalusError(f"{run}: cannot be made ({error.strerror})") from None
    write_json(run / RUN_FILE, {**asdict(asked), "fingerprint": found})
    _carry_through(run, asked, pool, log)


def resume(run: Path, log: Log = print) -> None:
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
    pool, found = read_pool(asked, log)
    if found != known:
        raise SalusError(f"the data have changed since {run} was started; start a new run")
    _carry_through(run, asked, pool, log)


def read_pool(asked: Asked, log: Log) -> tuple[Pool, dict[str, str]]:
    """Read every set and deal its folds; also the fingerprint of each set.

    Raises:
        SalusError: a set cannot be read, or ships no maps where they are asked for.
    """
    parts: list[tuple[str, Pairs, Folds]] = []
    prints: dict[str, str] = {}
    for folder in asked.data:
        data = read_data_set(folder)
        bad: list[str] = []
        cases = data.labelled
        if asked.limit and len(cases) > asked.limit:
            cases = tuple(cases[int(i)] for i in np.linspace(0, len(cases) - 1, asked.limit).round())
        pairs = prepare(cases, asked.size, bad=bad)
        if bad and not asked.skip_bad:
            raise SalusError(f"{len(bad)} cases cannot be used, e.g. {bad[0]}; mend them, or go on: --skip-bad")
        for line in bad:
            log(f"left out: {line}")
        folds = deal_folds(data, pairs, "grouped", asked.folds, asked.seed)
        name = Path(folder).name
        prints[name] = fingerprint(cases)["sha256"]
        parts.append((name, pairs, folds))
        log(f"{folder}: {len(pairs.cases)} images, {int(pairs.masks.any(axis=(1, 2)).sum())} with a tumour")
    every = [(name, folds, case) for name, pairs, folds in parts for case in pairs.cases]
    maps = [pairs.saliency for _, pairs, _ in parts if pairs.saliency is not None]
    pool = Pool(
        names=tuple(case.name for _, _, case in every),
        sets=tuple(name for name, _, _ in every),
        labels=tuple(case.label or "" for _, _, case in every),
        groups=tuple(f"{name}/{folds.groups[case.name]}" for name, folds, case in every),
        fold=np.asarray([folds.test[case.name] for _, folds, case in every]),
        images=np.concatenate([pairs.images for _, pairs, _ in parts]),
        masks=np.concatenate([pairs.masks for _, pairs, _ in parts]),
        saliency=np.concatenate(maps) if len(maps) == len(parts) else None,
    )
    if FILES in asked.methods and pool.saliency is None:
        raise SalusError("not every image has a map in saliency/; leave out the method file")
    return pool, prints


def _carry_through(run: Path, asked: Asked, pool: Pool, log: Log) -> None:
    from salus.report.saliency import build_saliency_report

    maps: dict[str, np.ndarray] = {}
    cost: dict[str, list[float]] = {}
    for method in asked.methods:
        maps[method] = np.empty(pool.images.shape, np.uint8)
        for fold in np.unique(pool.fold):
            test = np.flatnonzero(pool.fold == fold)
            path = run / method.replace(":", ".") / f"fold-{fold}.npz"
            if not path.exists():
                log(f"{method}, fold {fold} of {asked.folds}")
                found, ms = _one_fold(asked, pool, method, test, log)
                path.parent.mkdir(exist_ok=True)
                write_by_rename(path, partial(_save, maps=found, ms=ms))
            with np.load(path, allow_pickle=False) as content:
                maps[method][test] = content["maps"]
                cost.setdefault(method, []).append(float(content["ms"]))
    log("scores")
    rows = [row for method in asked.methods for row in _rows(pool, method, maps[method])]
    write_by_rename(run / SCORES, lambda p: _write_rows(p, rows))
    reliability = {
        method: {name: calibration_json(calibrate(maps[method][k] / 255, pool.masks[k])) for name, k in _sets(pool)}
        for method in asked.methods
    }
    speed = {method: float(np.median(ms)) for method, ms in cost.items()}
    write_json(run / CALIBRATION, {"calibration": reliability, "ms_per_image": speed})
    build_saliency_report(run, asked, pool, maps, rows, reliability, speed, log)


def _one_fold(asked: Asked, pool: Pool, method: str, test: np.ndarray, log: Log) -> tuple[np.ndarray, float]:
    """Maps (len(test), s, s) uint8 of a fold's test images, and ms an image at `TIMED`, one at a time."""
    from salus.train.estimators import make_estimator

    if method == FILES:
        assert pool.saliency is not None  # checked when the run started
        return pool.saliency[test], float("nan")
    found = np.empty((len(test), *pool.images.shape[1:]), np.uint8)
    training = np.setdiff1d(np.arange(len(pool.names)), test)
    sets = np.asarray(pool.sets)
    scopes = sorted(set(pool.sets)) if asked.separate else [None]
    for scope in scopes:
        inside = np.ones(len(sets), bool) if scope is None else sets == scope
        estimator = make_estimator(method)
        if hasattr(estimator, "log"):
            estimator.log = log
        fit_on, wanted = training[inside[training]], inside[test]
        estimator.fit(pool.images[fit_on], pool.masks[fit_on])
        found[wanted] = np.rint(np.clip(estimator.estimate(pool.images[test[wanted]]), 0, 1) * 255)
    return found, _time(estimator, pool.images[test[:12]])


def _time(estimator: Any, images: np.ndarray) -> float:
    """Median ms of one image at `TIMED`, by the estimator's form for use where it has another than for training."""
    from salus.data.prepare import resize

    used = estimator.for_use() if hasattr(estimator, "for_use") else estimator
    spent = []
    for image in images:
        large = np.rint(resize(image, (TIMED, TIMED))).astype(np.uint8)[None]
        began = time.perf_counter()
        try:
            used.estimate(large)
        except SalusError:  # a location prior knows the size that it was fitted at alone
            return float("nan")
        spent.append(time.perf_counter() - began)
    return 1e3 * float(np.median(spent[2:] or spent))


def _rows(pool: Pool, method: str, maps: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "set": pool.sets[i],
            "image": name,
            "fold": int(pool.fold[i]),
            "patient": pool.groups[i],
            "label": pool.labels[i],
            "method": method,
            "tumour": int(pool.masks[i].any()),
            **asdict(score_map(maps[i] / 255, pool.masks[i])),
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


def _save(path: Path, maps: np.ndarray, ms: float) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, maps=maps, ms=np.float64(ms))


def _write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "" if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()})
