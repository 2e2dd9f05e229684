"""TODO."""

from __future__ import annotations

from dataclasses import dataclass


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
