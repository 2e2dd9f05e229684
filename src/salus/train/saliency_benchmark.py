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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from salus.data.deal import deal_folds
from salus.data.duplicates import cluster
from salus.data.duplicates import fingerprint as print_of
from salus.data.folds import Folds
from salus.data.layouts import read_data_set
from salus.data.prepare import Pairs, prepare
from salus.errors import SalusError
from salus.saliency.quality import Calibration, MapScores, calibrate, score_map
from salus.train.run import RUN_FILE, SCORES, fingerprint, read_json, write_by_rename, write_json
from salus.train.saliency_fold import FoldMaps, map_fold
from salus.train.source import FILES, TRUTH, parse_source

Log = Callable[[str], None]
CALIBRATION = "calibration.json"
SCORE_NAMES = tuple(f.name for f in fields(MapScores) if f.name != "threshold")
"""The scores that are worth a mean."""


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
        groups: the patient or cluster of near-duplicates of each, over all sets.
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
        if not cases:
            raise SalusError(f"{folder}: no image has a mask; maps can only be judged where the truth is known")
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
    sets = tuple(name for name, _, _ in every)
    images = np.concatenate([pairs.images for _, pairs, _ in parts])
    groups = tuple(f"{name}/{folds.groups[case.name]}" for name, folds, case in every)
    pool = Pool(
        names=tuple(case.name for _, _, case in every),
        sets=sets,
        labels=tuple(case.label or "" for _, _, case in every),
        groups=join_groups(groups, sets, images, log) if len(parts) > 1 else groups,
        fold=np.asarray([folds.test[case.name] for _, folds, case in every]),
        images=images,
        masks=np.concatenate([pairs.masks for _, pairs, _ in parts]),
        saliency=np.concatenate(maps) if len(maps) == len(parts) else None,
    )
    if FILES in asked.methods and pool.saliency is None:
        raise SalusError("not every image has a map in saliency/; leave out the method file")
    return pool, prints


def join_groups(groups: Sequence[str], sets: Sequence[str], images: np.ndarray, log: Log = print) -> tuple[str, ...]:
    """Groups joined where images of different sets show the same scan.

    Args:
        groups: the patient or cluster of each of n images within its set.
        sets: the data set of each.
        images: (n, s, s) uint8.
        log: is told what was joined.

    Returns:
        n groups; a joined one bears the first of its names.
    """
    found = cluster({str(i): print_of(image / np.float32(255)) for i, image in enumerate(images)})
    title = {group: group for group in groups}
    joined = 0
    for members in ([int(name) for name in names] for names in found.clusters):
        if len({sets[i] for i in members}) == 1:
            continue  # one set's own near-duplicates were found at full size
        joined += len(members)
        together = {title[groups[i]] for i in members}
        first = min(together)
        title = {group: first if of in together else of for group, of in title.items()}
    if joined:
        log(f"{joined} images have a near-duplicate in another set; none is fitted on while its like is tested")
    return tuple(title[group] for group in groups)


def _carry_through(run: Path, asked: Asked, pool: Pool, log: Log) -> None:
    from salus.report.saliency import build_saliency_report

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
    build_saliency_report(run, asked, pool, maps, rows, reliability, speed, log)


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
