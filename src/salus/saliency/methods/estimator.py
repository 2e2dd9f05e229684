"""What a saliency estimator is: fitted on training images alone, then asked for maps."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Estimator(Protocol):
    """Anything that makes saliency maps.

    An estimator that learns from single images, so that its maps of those it was fitted on look better than its maps
    of others, says so by an attribute `inner_folds` of 2 or more. A network that trains on its maps then gets them from
    that many folds inside its training part, each image's from an estimator that never saw it.
    """

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
