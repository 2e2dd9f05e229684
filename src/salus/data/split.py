"""Folds of a data set at hand: its independent groups, its strata, its official folds put to use."""

from __future__ import annotations

from pathlib import Path

from salus.data.case import DataSet
from salus.data.duplicates import group_of
from salus.data.folds import Folds, image_folds, load_folds, make_folds, official_folds, strata_of
from salus.data.prepare import Pairs


def deal_folds(
    data: DataSet, pairs: Pairs, rule: str = "grouped", k: int = 4, seed: int = 1, file: Path | None = None
) -> Folds:
    """Deal the prepared cases of a data set into folds.

    Args:
        data: the data set.
        pairs: its labelled cases, prepared.
        rule: "grouped", "by-image" or "official"; see `salus.data.folds`.
        k: how many folds.
        seed: of the shuffle.
        file: folds saved earlier, which then decide.

    Raises:
        SalusError: the folds cannot be made, or do not fit the data.
    """
    found = group_of(data)
    groups = {case.name: found[case.name] for case in pairs.cases}
    if file is not None:
        return load_folds(file, groups)
    if rule == "official":
        return official_folds({n: f for n, f in data.official_folds.items() if n in groups}, groups)
    if rule == "by-image":
        return image_folds(groups, k, seed)
    area = pairs.masks.mean(axis=(1, 2))
    strata = strata_of([c.name for c in pairs.cases], [c.label for c in pairs.cases], area.tolist())
    return make_folds(groups, strata, k, seed)
