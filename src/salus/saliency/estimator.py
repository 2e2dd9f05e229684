"""What a saliency estimator is to training: fitted on training images alone, then asked for maps."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol

import numpy as np

from salus.errors import SalusError
from salus.saliency.prior import PriorSaliency

FILES = "file"
"""The name for maps that the data set ships, which nothing estimates."""

AUTO = "auto"
"""The data set's maps where it ships one for every image, else the location prior."""


class Estimator(Protocol):
    """Anything that makes saliency maps."""

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Learn from training images (n, s, s) uint8 and their masks (n, s, s) bool; may do nothing."""

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Maps (n, s, s) float32 in [0, 1] for images (n, s, s) uint8."""


class ConstantSaliency:
    """1 everywhere: attention without information, the control of a fair test."""

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Nothing to learn."""

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """(n, s, s) float32 of ones."""
        return np.ones(images.shape, np.float32)


ESTIMATORS: dict[str, Callable[[], Estimator]] = {"prior": PriorSaliency, "constant": ConstantSaliency}
"""Estimators by name."""


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
            f"unknown saliency {name!r}; choose {FILES} (maps in the data set), {', '.join(ESTIMATORS)}, "
            "or name your own as package.module:factory"
        )
    try:
        return getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise SalusError(f"{name}: cannot be imported ({error}); is its folder on PYTHONPATH?") from None
