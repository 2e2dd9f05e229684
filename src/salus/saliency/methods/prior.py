"""Location prior: the blurred mean of the truth masks it was fitted on. The baseline every other map must beat."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from salus.errors import SalusError

BLUR = 0.03
"""Standard deviation of the blur as a share of the map's height."""


class PriorSaliency:
    """The same map for every image: where tumours were in the masks given to `fit`."""

    def __init__(self) -> None:
        self.map: np.ndarray | None = None

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Average the masks of training images, blur, and scale to maximum 1.

        Args:
            images: (n, s, s) uint8, not used.
            masks: (n, s, s) bool.
        """
        mean = gaussian_filter(masks.mean(axis=0, dtype=np.float64), BLUR * masks.shape[1])
        self.map = (mean / mean.max() if mean.max() > 0 else mean).astype(np.float32)

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """The map for each image.

        Args:
            images: (n, s, s) uint8, of the size it was fitted on.

        Returns:
            (n, s, s) float32 in [0, 1].

        Raises:
            SalusError: not fitted, or of another size.
        """
        if self.map is None:
            raise SalusError("the location prior is not fitted; call fit with training masks first")
        if images.shape[1:] != self.map.shape:
            raise SalusError(f"the location prior was fitted at {self.map.shape}, the images are {images.shape[1:]}")
        return np.broadcast_to(self.map, images.shape).copy()
