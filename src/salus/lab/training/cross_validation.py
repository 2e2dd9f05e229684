"""Read several data sets and split them into folds that never separate a patient or a cluster of near-duplicates.

Each set is split by itself. Where images of two sets show the same scan, they count as one patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from salus.data.case import Case
from salus.data.duplicates import cluster_hashes, perceptual_hash
from salus.data.fingerprint import fingerprint
from salus.data.folds import Folds, split_into_folds
from salus.data.layouts import read_data_set
from salus.data.prepare import Pairs, prepare
from salus.errors import SalusError
from salus.lab.training.progress import Log
from salus.lab.training.unlabelled import UnlabelledImages
from salus.read.mask_values import AUTO, MaskDecision, summarise_decisions


@dataclass(frozen=True, eq=False)
class CrossValidationData:
    """The n images of all data sets, with the fold of each.

    Attributes:
        names: of the images.
        cases: the files of each image.
        sets: the data set of each image.
        labels: of each image, "" where unknown.
        groups: the patient or cluster of near-duplicates of each image, over all sets.
        fold: (n,) the fold in which an image is tested, from 1.
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        saliency: (n, s, s) uint8; None unless every set ships maps.
        shapes: (height, width) of each image's file.
        unlabelled: images without a mask beside them; None without any.
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
    shapes: tuple[tuple[int, int], ...] = ()
    unlabelled: UnlabelledImages | None = None

    def with_sources_as_folds(self) -> CrossValidationData:
        """Return the same data with one fold for each data set, in their order: leave one source out.

        Raises:
            SalusError: there is one data set only.
        """
        names = list(dict.fromkeys(self.sets))
        if len(names) < 2:
            raise SalusError(f"{names[0]} is the only data set; to leave one source out in turn, name two or more")
        return replace(self, fold=np.asarray([names.index(name) + 1 for name in self.sets]))

    def test_indices(self, fold: int) -> np.ndarray:
        """Return the indices of the images that a fold is tested on."""
        return np.flatnonzero(self.fold == fold)

    def training_indices(self, fold: int) -> np.ndarray:
        """Return the indices of the images that share no patient or cluster with the test images of a fold."""
        groups = np.asarray(self.groups)
        return np.flatnonzero(~np.isin(groups, groups[self.fold == fold]))

    def fold_assignment(self) -> dict[str, Any]:
        """Return fold and group of each image as plain values; see `salus.lab.training.run_folder.hold_folds`."""
        names = [f"{data_set}/{name}" for data_set, name in zip(self.sets, self.names, strict=True)]
        return {
            "test": dict(zip(names, self.fold.tolist(), strict=True)),
            "groups": dict(zip(names, self.groups, strict=True)),
        }


def read_cross_validation_data(
    folders: Sequence[str],
    *,
    folds: int = 5,
    size: int = 128,
    keep_aspect: bool = False,
    mask_values: str = AUTO,
    seed: int = 1,
    limit: int | None = None,
    skip_bad: bool = False,
    log: Log = print,
) -> tuple[CrossValidationData, dict[str, str]]:
    """Read every data set and split it into folds.

    Args:
        folders: of the data sets.
        folds: number of folds; patients and near-duplicates are never separated.
        size: height and width of the images, pixels.
        keep_aspect: keep each image's aspect ratio by black bars, in place of squashing it.
        mask_values: how the values of masks are read; see `salus.read.mask_values`.
        seed: of the split.
        limit: largest number of images of each set, spread evenly over it; None takes all.
        skip_bad: leave out cases that cannot be read, instead of stopping.
        log: called with lines of progress.

    Returns:
        The data, and the SHA-256 of each set by name.

    Raises:
        SalusError: two folders have the same name, or a set cannot be read or holds no image with a mask.
    """
    names = [Path(folder).resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise SalusError(f"data sets are told apart by their folders' names, and these are {', '.join(names)}; rename")
    sets: list[tuple[str, Pairs, Folds]] = []
    fingerprints: dict[str, str] = {}
    for name, folder in zip(names, folders, strict=True):
        data_set = read_data_set(folder, mask_values=mask_values)
        for remark in data_set.remarks:
            log(f"note: {remark}")
        cases = data_set.labelled
        if not cases:
            raise SalusError(
                f"{folder}: no image has a mask; name folders of images with masks (salus train takes others beside "
                "them, after --unlabelled)"
            )
        if limit and len(cases) > limit:
            cases = tuple(cases[int(i)] for i in np.linspace(0, len(cases) - 1, limit).round())
        bad: list[str] = []
        decisions: dict[str, MaskDecision] = {}
        pairs = prepare(cases, size, keep_aspect=keep_aspect, bad=bad, decisions=decisions)
        for line in summarise_decisions(f"{folder}: masks", decisions):
            log(line)
        if bad and not skip_bad:
            raise SalusError(f"{len(bad)} cases cannot be used, e.g. {bad[0]}; mend them, or go on: --skip-bad")
        for line in bad:
            log(f"left out: {line}")
        sets.append((name, pairs, split_into_folds(data_set, pairs, "grouped", folds, seed)))
        fingerprints[name] = fingerprint(cases)["sha256"]
        log(f"{folder}: {len(pairs.cases)} images, {int(pairs.masks.any(axis=(1, 2)).sum())} with a tumour")
    return _concatenate(sets, log), fingerprints


def _concatenate(sets: Sequence[tuple[str, Pairs, Folds]], log: Log) -> CrossValidationData:
    """Put the images of all data sets, each a name with prepared images and folds, one after the other."""
    rows = [(name, folds, case) for name, pairs, folds in sets for case in pairs.cases]
    set_of = tuple(name for name, _, _ in rows)
    images = np.concatenate([pairs.images for _, pairs, _ in sets])
    maps = [pairs.saliency for _, pairs, _ in sets if pairs.saliency is not None]
    groups = tuple(f"{name}/{folds.groups[case.name]}" for name, folds, case in rows)
    return CrossValidationData(
        names=tuple(case.name for _, _, case in rows),
        cases=tuple(case for _, _, case in rows),
        sets=set_of,
        labels=tuple(case.label or "" for _, _, case in rows),
        groups=join_groups(groups, set_of, images, log) if len(sets) > 1 else groups,
        fold=np.asarray([folds.test[case.name] for _, folds, case in rows]),
        images=images,
        masks=np.concatenate([pairs.masks for _, pairs, _ in sets]),
        saliency=np.concatenate(maps) if len(maps) == len(sets) else None,
        shapes=tuple(shape for _, pairs, _ in sets for shape in pairs.shapes),
    )


def join_groups(groups: Sequence[str], sets: Sequence[str], images: np.ndarray, log: Log = print) -> tuple[str, ...]:
    """Join the groups of images of different data sets that show the same scan.

    Args:
        groups: the patient or cluster of each of n images within its set.
        sets: the data set of each image.
        images: (n, s, s) uint8.
        log: called with a line where groups were joined.

    Returns:
        n groups; a joined one has the first of its names.
    """
    duplicates = cluster_hashes({str(i): perceptual_hash(image / np.float32(255)) for i, image in enumerate(images)})
    joined_name = {group: group for group in groups}
    count = 0
    for members in ([int(name) for name in cluster] for cluster in duplicates.clusters):
        if len({sets[i] for i in members}) == 1:
            continue  # near-duplicates within a set were found at full size
        count += len(members)
        together = {joined_name[groups[i]] for i in members}
        first = min(together)
        joined_name = {group: first if name in together else name for group, name in joined_name.items()}
    if count:
        log(f"{count} images have a near-duplicate in another set; none is fitted on while its like is tested")
    return tuple(joined_name[group] for group in groups)
