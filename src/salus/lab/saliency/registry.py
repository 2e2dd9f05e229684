"""Saliency estimators by name, unfitted: a benchmark fits them on the training part of each fold."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from salus.errors import SalusError
from salus.saliency.methods.estimator import ConstantSaliency, Estimator
from salus.saliency.methods.prior import PriorSaliency


def _make_hybrid() -> Estimator:
    from salus.saliency.methods.hybrid import HybridSaliency

    return HybridSaliency()


def _make_anatomy() -> Estimator:
    from salus.saliency.methods.anatomy import AnatomySaliency

    return AnatomySaliency()


def _make_regions() -> Estimator:
    from salus.lab.saliency.regions import RegionsEstimator

    return RegionsEstimator()


def _make_learned() -> Estimator:
    from salus.lab.saliency.learned import LearnedEstimator

    return LearnedEstimator()


ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "prior": PriorSaliency,
    "constant": ConstantSaliency,
    "hybrid": _make_hybrid,
    "anatomy": _make_anatomy,
    "regions": _make_regions,
    "learned": _make_learned,
}
"""Functions that make the estimators, by name; each imports what its estimator needs."""


def make_estimator(name: str) -> Estimator:
    """Make an unfitted estimator.

    Args:
        name: one of `ESTIMATORS`, or "package.module:factory" for one's own.

    Raises:
        SalusError: the name is unknown, or the factory cannot be imported.
    """
    if name in ESTIMATORS:
        return ESTIMATORS[name]()
    module, colon, factory = name.partition(":")
    if not colon:
        raise SalusError(
            f"unknown saliency {name!r}; choose file (maps in the data set), {', '.join(ESTIMATORS)}, "
            "or name your own as package.module:factory"
        )
    try:
        return getattr(importlib.import_module(module), factory)()
    except (ImportError, AttributeError) as error:
        raise SalusError(f"{name}: cannot be imported ({error}); is its folder on PYTHONPATH?") from None
