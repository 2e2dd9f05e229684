"""The images of several data sets together, in folds that never split a patient or a cluster of near-duplicates.

Folds are dealt in each set alone. Where images of two sets show the same scan they count as one patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salus.data.case import Case
from salus.data.duplicates import cluster
from salus.data.duplicates import fingerprint as print_of
from salus.data.folds import Folds
from salus.data.layouts import read_data_set
from salus.data.prepare import Pairs, prepare
from salus.data.split import deal_folds
from salus.errors import SalusError
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import fingerprint, read_json, write_json


@dataclass(frozen=True, eq=False)
class Pool:
    """All images of all sets.

    Attributes:
        names: of n images.
        cases: the files of each.
        sets: the data set of each.
        labels: of each, "" where unknown.
        groups: the patient or cluster of near-duplicates of each, over all sets.
        fold: (n,) the fold in which an image is tested.
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        saliency: (n, s, s) uint8 where every set ships maps.
    """

    names: tuple[str, ...]
    cases: tuple[Case, ...]
    sets: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    fold: np.ndarray
    images: np.ndarray
    masks: np.ndarray
    saliency: np.ndarray | None

    def training(self, fold: int) -> np.ndarray:
        """Places of the images that may train where a fold is tested: of none of its patients or clusters."""
        groups = np.asarray(self.groups)
        return np.flatnonzero(~np.isin(groups, groups[self.fold == fold]))


def read_pool(
    data: Sequence[str],
    *,
    folds: int = 5,
    size: int = 128,
    seed: int = 1,
    limit: int | None = None,
    skip_bad: bool = False,
    log: Log = print,
) -> tuple[Pool, dict[str, str]]:
    """Read every set and deal its folds; also the fingerprint of each set.

    Args:
        data: folders of data sets.
        folds: how many; patients and near-duplicates are never split.
        size: height and width of the images.
        seed: of the folds.
        limit: images of each set at most, spread over it; None takes all.
        skip_bad: leave out what cannot be read.
        log: called with lines of progress.

    Raises:
        SalusError: two folders have one name, a set cannot be read, or holds no image with a mask.
    """
    names = [Path(folder).resolve().name for folder in data]
    if len(set(names)) < len(names):
        raise SalusError(f"data sets are told apart by their folders' names, and these are {', '.join(names)}; rename")
    parts: list[tuple[str, Pairs, Folds]] = []
    prints: dict[str, str] = {}
    for name, folder in zip(names, data, strict=True):
        found = read_data_set(folder)
        bad: list[str] = []
        cases = found.labelled
        if not cases:
            raise SalusError(f"{folder}: no image has a mask; maps can only be judged where the truth is known")
        if limit and len(cases) > limit:
            cases = tuple(cases[int(i)] for i in np.linspace(0, len(cases) - 1, limit).round())
        pairs = prepare(cases, size, bad=bad)
        if bad and not skip_bad:
            raise SalusError(f"{len(bad)} cases cannot be used, e.g. {bad[0]}; mend them, or go on: --skip-bad")
        for line in bad:
            log(f"left out: {line}")
        dealt = deal_folds(found, pairs, "grouped", folds, seed)
        prints[name] = fingerprint(cases)["sha256"]
        parts.append((name, pairs, dealt))
        log(f"{folder}: {len(pairs.cases)} images, {int(pairs.masks.any(axis=(1, 2)).sum())} with a tumour")
    every = [(name, dealt, case) for name, pairs, dealt in parts for case in pairs.cases]
    maps = [pairs.saliency for _, pairs, _ in parts if pairs.saliency is not None]
    sets = tuple(name for name, _, _ in every)
    images = np.concatenate([pairs.images for _, pairs, _ in parts])
    groups = tuple(f"{name}/{dealt.groups[case.name]}" for name, dealt, case in every)
    pool = Pool(
        names=tuple(case.name for _, _, case in every),
        cases=tuple(case for _, _, case in every),
        sets=sets,
        labels=tuple(case.label or "" for _, _, case in every),
        groups=join_groups(groups, sets, images, log) if len(parts) > 1 else groups,
        fold=np.asarray([dealt.test[case.name] for _, dealt, case in every]),
        images=images,
        masks=np.concatenate([pairs.masks for _, pairs, _ in parts]),
        saliency=np.concatenate(maps) if len(maps) == len(parts) else None,
    )
    return pool, prints


def hold_to(pool: Pool, path: Path) -> None:
    """Keep who belongs together and is tested when, at first; afterwards see that it is still so.

    Patients and the rule for near-duplicates are not in the fingerprint of the images, and folds that were trained on
    are worth nothing once they are dealt anew.

    Args:
        pool: the images of a run.
        path: the run's file of folds.

    Raises:
        SalusError: it differs from what the file holds.
    """
    names = [f"{of}/{name}" for of, name in zip(pool.sets, pool.names, strict=True)]
    test, groups = (dict(zip(names, of, strict=True)) for of in (pool.fold.tolist(), pool.groups))
    dealt = {"test": test, "groups": groups}
    if not path.exists():
        write_json(path, dealt)
    elif read_json(path) != dealt:
        raise SalusError(
            f"{path}: patients or near-duplicates are not those with which the run was started; start a new run"
        )


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
