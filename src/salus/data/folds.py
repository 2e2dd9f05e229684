"""Folds for cross-validation: who is tested when, and a guard against leakage.

A group (a patient; where patients are unknown a cluster of near-duplicate images) never sits on both sides of a fold.
Groups are dealt so that every fold has its share of each stratum: label x lesion size (terciles of the lesion's share
of the image; tumour-free images are a stratum of their own).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError


@dataclass(frozen=True)
class Folds:
    """A cross-validation: which case is tested in which fold.

    Attributes:
        test: the number of the fold (from 1) in which each case, by name, is tested.
        groups: the group of each case by name.
        rule: how the folds were made: "grouped", "by-image" (the literature's), "official" or "file".
        seed: what seeded the deal.
    """

    test: dict[str, int]
    groups: dict[str, str]
    rule: str
    seed: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """The folds' numbers, ascending."""
        return tuple(sorted(set(self.test.values())))

    def split(self, number: int) -> tuple[list[str], list[str]]:
        """(training names, test names) of a fold, in the order of `test`."""
        return [n for n, f in self.test.items() if f != number], [n for n, f in self.test.items() if f == number]

    def leaks(self) -> dict[str, list[str]]:
        """Groups that sit in more than one fold, with their cases; empty where nothing leaks."""
        members: dict[str, list[str]] = {}
        for name in self.test:
            members.setdefault(self.groups[name], []).append(name)
        return {g: names for g, names in members.items() if len({self.test[n] for n in names}) > 1}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], path: Path) -> Folds:
        """What `save` wrote.

        Args:
            content: of the file.
            path: for the message.

        Raises:
            SalusError: it is damaged.
        """
        try:
            test = {name: int(fold) for name, fold in content["test"].items()}
            groups = {name: str(content["groups"][name]) for name in test}
            return cls(test, groups, str(content["rule"]), int(content["seed"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SalusError(f"{path}: damaged ({type(error).__name__}: {error}); copy the run again") from None

    def save(self, path: Path) -> None:
        """Write as JSON.

        Raises:
            SalusError: the file cannot be written.
        """
        content = {"rule": self.rule, "seed": self.seed, "test": self.test, "groups": self.groups}
        try:
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise SalusError(f"{path}: cannot be written ({error.strerror or error})") from None


def load_folds(path: Path | str, groups: Mapping[str, str]) -> Folds:
    """Read folds saved by `Folds.save`, or any JSON {"test": {case name: fold}}.

    Args:
        path: the file.
        groups: the group of each case of the data set at hand: leakage is judged on these, not on the file's word.

    Raises:
        SalusError: unreadable, or its cases are not those of `groups`.
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


def official_folds(test: Mapping[str, int], groups: Mapping[str, str]) -> Folds:
    """The folds that a data set ships.

    Raises:
        SalusError: it ships none, or not for every case.
    """
    if not test:
        raise SalusError("this data set ships no official folds; deal them by another rule")
    missing = sorted(set(groups) - set(test))
    if missing:
        raise SalusError(f"the official folds leave {len(missing)} cases out, e.g. {missing[:2]}")
    return Folds({name: test[name] for name in groups}, dict(groups), "official", 0)


def make_folds(groups: Mapping[str, str], strata: Mapping[str, str], k: int = 4, seed: int = 1) -> Folds:
    """Deal the groups of a data set into k folds.

    Groups are shuffled, then dealt the largest first, each to the fold that is left most evenly filled: least sum over
    strata of the squared share of the stratum, then fewest cases.

    Args:
        groups: the group of each case by name.
        strata: the stratum of each case by name, see `strata_of`.
        k: how many folds.
        seed: of the shuffle.

    Raises:
        SalusError: fewer than 2 folds, or fewer groups than folds.

    Example:
        >>> folds = make_folds({"a1": "a", "a2": "a", "b": "b"}, {"a1": "x", "a2": "x", "b": "x"}, k=2)
        >>> folds.test["a1"] == folds.test["a2"] != folds.test["b"], folds.leaks()
        (True, {})
    """
    members: dict[str, list[str]] = {}
    for name in sorted(groups):
        members.setdefault(groups[name], []).append(name)
    _check_number(k, len(members))
    names = sorted(set(strata.values()))
    total = np.asarray([sum(strata[n] == s for n in groups) for s in names], float)

    order = np.random.default_rng(seed).permutation(sorted(members))
    deal = sorted(order, key=lambda group: -len(members[group]))  # stable: equal sizes stay shuffled
    counts = np.zeros((k, len(names)))
    test: dict[str, int] = {}
    for group in deal:
        adds = np.asarray([sum(strata[n] == s for n in members[group]) for s in names])
        costs = []
        for fold in range(k):
            after = counts.copy()
            after[fold] += adds
            costs.append((round(float(((after / total) ** 2).sum()), 9), after[fold].sum()))
        best = min(range(k), key=lambda fold: costs[fold])
        counts[best] += adds
        test.update(dict.fromkeys(members[group], best + 1))
    return Folds({n: test[n] for n in sorted(groups)}, dict(groups), "grouped", seed)


def image_folds(groups: Mapping[str, str], k: int = 4, seed: int = 1) -> Folds:
    """Deal single images as the authors do, by scikit-learn's `KFold(k, shuffle=True, random_state=seed)`.

    It leaks where a patient has several images, or images are nearly the same.

    Args:
        groups: the group of each case by name; the names' order is that of the alphabet.
        k: how many folds.
        seed: of the shuffle.

    Raises:
        SalusError: fewer than 2 folds, or fewer images than folds.

    Example:
        >>> image_folds({name: name for name in "abcd"}, k=2).test
        {'a': 2, 'b': 2, 'c': 1, 'd': 1}
    """
    names = np.asarray(sorted(groups))
    _check_number(k, len(names))
    order = np.random.RandomState(seed).permutation(len(names))
    test = {str(name): fold for fold, part in enumerate(np.array_split(order, k), 1) for name in names[part]}
    return Folds({str(name): test[name] for name in names}, dict(groups), "by-image", seed)


def _check_number(k: int, independent: int) -> None:
    if k < 2:
        raise SalusError(f"{k} folds: cross-validation needs two or more")
    if independent < k:
        raise SalusError(f"{independent} independent patients or images cannot make {k} folds; use fewer folds")


def strata_of(names: Sequence[str], labels: Sequence[str | None], area: Sequence[float]) -> dict[str, str]:
    """The stratum of each case: its label and the tercile of its lesion's size.

    Args:
        names: n case names.
        labels: n labels or None.
        area: n lesion shares of the image in [0, 1]; 0 is tumour-free.
    """
    share = np.asarray(area, float)
    cuts = np.quantile(share[share > 0], [1 / 3, 2 / 3]) if (share > 0).any() else np.zeros(2)
    sizes = np.where(share == 0, "none", np.asarray(["small", "medium", "large"])[np.searchsorted(cuts, share)])
    return {n: f"{label or 'unlabelled'}/{size}" for n, label, size in zip(names, labels, sizes, strict=True)}


def validation_part(
    names: Sequence[str], groups: Mapping[str, str], share: float = 0.15, seed: int | None = None
) -> tuple[list[str], list[str]]:
    """Part the training names of a fold into (fitting, validation), whole groups on either side.

    Args:
        names: the training names, in order.
        groups: the group of each case.
        share: what part validates.
        seed: shuffle the groups first; None takes the last ones as they stand.

    Raises:
        SalusError: all are of one group.
    """
    order = list(dict.fromkeys(groups[n] for n in names))
    if seed is not None:
        order = [str(g) for g in np.random.default_rng(seed).permutation(order)]
    if len(order) < 2:
        raise SalusError("a fold's training part is of one patient; give more patients, for some tell when to stop")
    size = {g: sum(groups[n] == g for n in names) for g in order}
    wanted, taken = max(1, round(share * len(names))), 0
    held: set[str] = set()
    for group in reversed(order):
        if taken >= wanted or len(held) == len(order) - 1:
            break
        held.add(group)
        taken += size[group]
    return [n for n in names if groups[n] not in held], [n for n in names if groups[n] in held]


def last_part(names: Sequence[str], share: float = 0.15) -> tuple[list[str], list[str]]:
    """Part the training names of a fold into (fitting, validation) as the authors do, by Keras's `validation_split`.

    Args:
        names: the training names, in order.
        share: what part validates: the last.

    Example:
        >>> last_part(["a", "b", "c"], 0.3)
        (['a', 'b'], ['c'])
    """
    kept = int(len(names) * (1 - share))
    return list(names[:kept]), list(names[kept:])
