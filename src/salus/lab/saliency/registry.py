"""Saliency estimators by name, unfitted: what a benchmark fits on the training part of each fold."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from salus.errors import SalusError
from salus.saliency.methods.estimator import ConstantSaliency, Estimator
from salus.saliency.methods.prior import PriorSaliency


def _hybrid() -> Estimator:
    from salus.saliency.methods.hybrid import HybridSaliency

    return HybridSaliency()


def _anatomy() -> Estimator:
    from salus.saliency.methods.anatomy import AnatomySaliency

    return AnatomySaliency()


def _regions() -> Estimator:
    from salus.lab.saliency.regions import RegionsEstimator

    return RegionsEstimator()


def _learned() -> Estimator:
    from salus.lab.saliency.learned import LearnedEstimator

    return LearnedEstimator()


ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "prior": PriorSaliency,
    "constant": ConstantSaliency,
    "hybrid": _hybrid,
    "anatomy": _anatomy,
    "regions": _regions,
    "learned": _learned,
}
"""Estimators by name; what they need is imported when one is made."""


def make_estimator(name: str) -> Estimator:
    """An unfitted estimator.

    Args:
        name: one of `ESTIMATORS`, or "package.module:factory" for one's own.

    Raises:
        SalusError: unknown or not importable.
    """
    if name in ESTIMATORS:
        return ESTIMATORS[name]()
    module, colon, function = name.partition(":")
    if not colon:
        raise SalusError(
            f"unknown saliency {name!r}; choose file (maps in the data set), {', '.join(ESTIMATORS)}, "
            "or name your own as package.module:factory"
        )
    try:
        return getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise SalusError(f"{name}: cannot be imported ({error}); is its folder on PYTHONPATH?") from None
