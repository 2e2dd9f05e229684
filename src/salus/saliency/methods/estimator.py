"""The interface of saliency methods: fitted on training images alone, then called to estimate maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from salus.preprocess import resize


class Method(Protocol):
    """A saliency method that is ready to use."""

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Estimate maps (n, s, s) float32 in [0, 1] of images (n, s, s) uint8."""


class Estimator(Method, Protocol):
    """A saliency method that can be fitted.

    An estimator that learns from single images makes better maps of the images it was fitted on than of others. It
    declares this by an attribute `inner_folds` of 2 or more. A network that trains on its maps then gets them from that
    many folds inside the training part: each image's map comes from an estimator that never saw the image.
    """

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Learn from training images (n, s, s) uint8 and their masks (n, s, s) bool; may do nothing."""


class ConstantSaliency:
    """A map that is 1 everywhere: attention without information, the control of a fair comparison."""

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Do nothing: there is nothing to learn."""

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Return ones, (n, s, s) float32, for images (n, s, s)."""
        return np.ones(images.shape, np.float32)


def estimate_each(images: np.ndarray, estimate_one: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Estimate the map of each image by itself and resize it to the image's size.

    Args:
        images: (n, h, w) uint8.
        estimate_one: returns the map, of any size, of an image (h, w).

    Returns:
        (n, h, w) float32 in [0, 1].
    """
    maps = np.empty(images.shape, np.float32)
    for index, image in enumerate(images):
        maps[index] = resize(estimate_one(image), image.shape)
    return np.clip(maps, 0, 1, out=maps)
