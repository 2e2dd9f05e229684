"""Folds for cross-validation: split a data set by patient, by image or as it ships, and find leakage.

A group is a patient or, where patients are unknown, a cluster of near-duplicate images. It never sits on both sides of
a grouped fold. Groups are spread so that every fold has its share of each stratum: label x lesion size (terciles of the
lesion's share of the image; tumour-free images are a stratum of their own).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_json
from salus.data.case import DataSet
from salus.data.duplicates import independent_groups
from salus.data.prepare import Pairs
from salus.errors import SalusError


@dataclass(frozen=True)
class Folds:
    """The folds of a cross-validation.

    Attributes:
        test: for each case, by name, the number of the fold (from 1) in which it is tested.
        groups: the group of each case by name.
        rule: how the folds were made: "grouped", "by-image" (as in the literature), "official" or "file".
        seed: of the split.
    """

    test: dict[str, int]
    groups: dict[str, str]
    rule: str
    seed: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the folds, ascending."""
        return tuple(sorted(set(self.test.values())))

    def split(self, number: int) -> tuple[list[str], list[str]]:
        """Return (training names, test names) of a fold, in the order of `test`."""
        return [n for n, f in self.test.items() if f != number], [n for n, f in self.test.items() if f == number]

    def leaks(self) -> dict[str, list[str]]:
        """Find the groups that sit in more than one fold: their cases by group; empty if nothing leaks."""
        members: dict[str, list[str]] = {}
        for name in self.test:
            members.setdefault(self.groups[name], []).append(name)
        return {g: names for g, names in members.items() if len({self.test[n] for n in names}) > 1}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], path: Path) -> Folds:
        """Make folds of the content of a file that `save` wrote.

        Args:
            content: the parsed JSON.
            path: the file, named in the error.

        Raises:
            SalusError: the content is damaged.
        """
        try:
            test = {name: int(fold) for name, fold in content["test"].items()}
            groups = {name: str(content["groups"][name]) for name in test}
            return cls(test, groups, str(content["rule"]), int(content["seed"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SalusError(f"{path}: damaged ({type(error).__name__}: {error}); copy the run again") from None

    def save(self, path: Path) -> None:
        """Write the folds as JSON.

        Raises:
            OSError: the file cannot be written.
        """
        content = {"rule": self.rule, "seed": self.seed, "test": self.test, "groups": self.groups}
        write_json(path, content)


def load_folds(path: Path | str, groups: Mapping[str, str]) -> Folds:
    """Read folds saved by `Folds.save`, or any JSON {"test": {case name: fold}}.

    Args:
        path: the file.
        groups: the group of each case of the data set. Leakage is judged by these, not by the groups in the file.

    Raises:
        SalusError: the file cannot be read, or its cases are not those of `groups`.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        test = {str(name): int(fold) for name, fold in content["test"].items()}
        seed = int(content.get("seed", 0))
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise SalusError(f'{path}: not a folds file; it needs {{"test": {{"case name": fold number, ...}}}}') from None
    missing, unknown = sorted(set(groups) - set(test)), sorted(set(test) - set(groups))
    if missing or unknown:
        raise SalusError(
            f"{path}: does not fit this data set ({len(missing)} cases have no fold, e.g. {missing[:2]}; "
            f"{len(unknown)} are not in the data, e.g. {unknown[:2]})"
        )
    if len(set(test.values())) < 2:
        raise SalusError(f"{path}: names one fold only; cross-validation needs two or more")
    return Folds(test, dict(groups), "file", seed)


def make_official_folds(test: Mapping[str, int], groups: Mapping[str, str]) -> Folds:
    """Make folds of those that a data set ships.

    Args:
        test: fold number by case name, see `salus.data.case.DataSet.official_folds`.
        groups: the group of each case by name.

    Raises:
        SalusError: the data set ships no folds, or not for every case.
    """
    if not test:
        raise SalusError("this data set ships no official folds; deal them by another rule")
    missing = sorted(set(groups) - set(test))
    if missing:
        raise SalusError(f"the official folds leave {len(missing)} cases out, e.g. {missing[:2]}")
    return Folds({name: test[name] for name in groups}, dict(groups), "official", 0)


def make_grouped_folds(groups: Mapping[str, str], strata: Mapping[str, str], k: int = 4, seed: int = 1) -> Folds:
    """Split the groups of a data set into k folds that are even in every stratum.

    Groups are shuffled and taken by size, the largest first. Each goes to the fold that leaves all folds most evenly
    filled: least sum, over folds and strata, of the squared share of the stratum; then fewest cases.

    Args:
        groups: the group of each case by name.
        strata: the stratum of each case by name, see `stratify`.
        k: number of folds.
        seed: of the shuffle.

    Raises:
        SalusError: fewer than 2 folds, or fewer groups than folds.

    Example:
        >>> folds = make_grouped_folds({"a1": "a", "a2": "a", "b": "b"}, {"a1": "x", "a2": "x", "b": "x"}, k=2)
        >>> folds.test["a1"] == folds.test["a2"] != folds.test["b"], folds.leaks()
        (True, {})
    """
    members: dict[str, list[str]] = {}
    for name in sorted(groups):
        members.setdefault(groups[name], []).append(name)
    _check_number(k, len(members))
    names = sorted(set(strata.values()))
    total = np.asarray([sum(strata[n] == s for n in groups) for s in names], float)

    shuffled = np.random.default_rng(seed).permutation(sorted(members))
    counts = np.zeros((k, len(names)))
    test: dict[str, int] = {}
    for group in sorted(shuffled, key=lambda group: -len(members[group])):  # stable: equal sizes stay shuffled
        added = np.asarray([sum(strata[n] == s for n in members[group]) for s in names])
        costs = []
        for fold in range(k):
            after = counts.copy()
            after[fold] += added
            costs.append((round(float(((after / total) ** 2).sum()), 9), after[fold].sum()))
        best = min(range(k), key=lambda fold: costs[fold])
        counts[best] += added
        test.update(dict.fromkeys(members[group], best + 1))
    return Folds({n: test[n] for n in sorted(groups)}, dict(groups), "grouped", seed)


def make_image_folds(groups: Mapping[str, str], k: int = 4, seed: int = 1) -> Folds:
    """Split single images as the authors do, by scikit-learn's `KFold(k, shuffle=True, random_state=seed)`.

    This leaks where a patient has several images, or images are nearly the same.

    Args:
        groups: the group of each case by name; names are sorted before the shuffle.
        k: number of folds.
        seed: of the shuffle.

    Raises:
        SalusError: fewer than 2 folds, or fewer images than folds.

    Example:
        >>> make_image_folds({name: name for name in "abcd"}, k=2).test
        {'a': 2, 'b': 2, 'c': 1, 'd': 1}
    """
    names = np.asarray(sorted(groups))
    _check_number(k, len(names))
    order = np.random.RandomState(seed).permutation(len(names))
    test = {str(name): fold for fold, part in enumerate(np.array_split(order, k), 1) for name in names[part]}
    return Folds({str(name): test[name] for name in names}, dict(groups), "by-image", seed)


def _check_number(k: int, independent: int) -> None:
    """Check that so many independent patients or images can make k folds."""
    if k < 2:
        raise SalusError(f"{k} folds: cross-validation needs two or more")
    if independent < k:
        raise SalusError(f"{independent} independent patients or images cannot make {k} folds; use fewer folds")


def stratify(names: Sequence[str], labels: Sequence[str | None], area: Sequence[float]) -> dict[str, str]:
    """Find the stratum of each case: its label and the tercile of its lesion's size.

    Args:
        names: n case names.
        labels: n labels or None.
        area: n lesion areas, shares of the image in [0, 1]; 0 is tumour-free.
    """
    share = np.asarray(area, float)
    terciles = np.quantile(share[share > 0], [1 / 3, 2 / 3]) if (share > 0).any() else np.zeros(2)
    sizes = np.where(share == 0, "none", np.asarray(["small", "medium", "large"])[np.searchsorted(terciles, share)])
    return {n: f"{label or 'unlabelled'}/{size}" for n, label, size in zip(names, labels, sizes, strict=True)}


def split_into_folds(
    data: DataSet, pairs: Pairs, rule: str = "grouped", k: int = 4, seed: int = 1, file: Path | None = None
) -> Folds:
    """Split the prepared cases of a data set into folds.

    Args:
        data: the data set.
        pairs: its labelled cases, prepared.
        rule: "grouped" (`make_grouped_folds`), "by-image" (`make_image_folds`) or "official" (`make_official_folds`).
        k: number of folds.
        seed: of the shuffle.
        file: a file of saved folds to use instead.

    Raises:
        SalusError: the folds cannot be made, or those of the file do not fit the data.
    """
    all_groups = independent_groups(data)
    groups = {case.name: all_groups[case.name] for case in pairs.cases}
    if file is not None:
        return load_folds(file, groups)
    if rule == "official":
        return make_official_folds({n: f for n, f in data.official_folds.items() if n in groups}, groups)
    if rule == "by-image":
        return make_image_folds(groups, k, seed)
    area = pairs.masks.mean(axis=(1, 2))
    strata = stratify([c.name for c in pairs.cases], [c.label for c in pairs.cases], area.tolist())
    return make_grouped_folds(groups, strata, k, seed)


def grouped_validation_split(
    names: Sequence[str], groups: Mapping[str, str], share: float = 0.15, seed: int | None = None
) -> tuple[list[str], list[str]]:
    """Split the training names of a fold into (fitting, validation), without splitting a group.

    Args:
        names: the training names, in order.
        groups: the group of each case.
        share: of the names that validate.
        seed: of a shuffle of the groups; None takes the last groups in the names' order.

    Raises:
        SalusError: all are of one group.
    """
    order = list(dict.fromkeys(groups[n] for n in names))
    if seed is not None:
        order = [str(g) for g in np.random.default_rng(seed).permutation(order)]
    if len(order) < 2:
        raise SalusError("a fold's training part is of one patient; give more patients, for some tell when to stop")
    sizes = Counter(groups[n] for n in names)
    target = max(1, round(share * len(names)))
    validating: set[str] = set()
    for group in order[:0:-1]:  # the first group always fits
        if sum(sizes[g] for g in validating) >= target:
            break
        validating.add(group)
    return [n for n in names if groups[n] not in validating], [n for n in names if groups[n] in validating]


def keras_validation_split(names: Sequence[str], share: float = 0.15) -> tuple[list[str], list[str]]:
    """Split the training names of a fold into (fitting, validation) as the authors do, by Keras's `validation_split`.

    Args:
        names: the training names, in order.
        share: of the names that validate: the last ones.

    Example:
        >>> keras_validation_split(["a", "b", "c"], 0.3)
        (['a', 'b'], ['c'])
    """
    fitting = int(len(names) * (1 - share))
    return list(names[:fitting]), list(names[fitting:])
