"""Location prior: the blurred mean of the training masks. It is the baseline that every other map must beat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from salus.errors import SalusError
from salus.preprocess import resize
from salus.saliency.npz import open_npz

BLUR = 0.03
"""Standard deviation of the blur as a share of the map's height."""


class PriorSaliency:
    """The same map for every image: where tumours lie in the masks given to `fit`."""

    def __init__(self) -> None:
        self.map: np.ndarray | None = None
        """(h, w) float32 in [0, 1]; None before `fit`."""

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Average the masks of training images, blur the mean, and scale it to maximum 1.

        Args:
            images: (n, s, s) uint8, not used.
            masks: (n, s, s) bool.
        """
        mean = gaussian_filter(masks.mean(axis=0, dtype=np.float64), BLUR * masks.shape[1])
        self.map = (mean / mean.max() if mean.max() > 0 else mean).astype(np.float32)

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Return the map for each image.

        Args:
            images: (n, s, s) uint8, of the size that the prior was fitted at.

        Returns:
            (n, s, s) float32 in [0, 1].

        Raises:
            SalusError: the prior is not fitted, or the images have another size.
        """
        fitted = self._fitted_map()
        if images.shape[1:] != fitted.shape:
            raise SalusError(f"the location prior was fitted at {fitted.shape}, the images are {images.shape[1:]}")
        return np.broadcast_to(fitted, images.shape).copy()

    def resized(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the map at the size (height, width); float32 in [0, 1].

        Raises:
            SalusError: the prior is not fitted.
        """
        return np.clip(resize(self._fitted_map(), (shape[0], shape[1])), 0, 1)

    def save(self, path: Path | str) -> None:
        """Write the map as .npz.

        Raises:
            SalusError: the prior is not fitted.
        """
        np.savez_compressed(path, map=self._fitted_map())

    @classmethod
    def load(cls, path: Path | str) -> PriorSaliency:
        """Read a file of `save`.

        Raises:
            SalusError: the file is missing or damaged, or holds no map.
        """
        prior = cls()
        with open_npz(path, "a location prior") as file:
            prior.map = np.asarray(file["map"], np.float32)
        if prior.map.ndim != 2 or not prior.map.size:
            raise SalusError(f"{path}: holds no location prior but an array of shape {prior.map.shape}")
        return prior

    def _fitted_map(self) -> np.ndarray:
        if self.map is None:
            raise SalusError("the location prior is not fitted; call fit with training masks first")
        return self.map


class ResizedPrior:
    """A fitted location prior for images of any size."""

    def __init__(self, prior: PriorSaliency) -> None:
        self.prior = prior

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Return the prior's map at the size of the images (n, h, w), once for each; float32 in [0, 1]."""
        return np.broadcast_to(self.prior.resized(images.shape[1:]), images.shape).copy()
