"""A saliency map: where in one image a tumour is likely, by which method, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class SaliencyMap:
    """The saliency of one image.

    Attributes:
        values: (height, width) float32 in [0, 1], at the image's size.
        method: name of the method that made it; "file" for a map that was read.
        confidence: predicted quality in [0, 1] (`salus.saliency.confidence`), None where the method has none fitted.
        source: the image's file, or what made it.

    Example:
        >>> import numpy as np
        >>> SaliencyMap(np.zeros((3, 5), np.float32), "prior", None, "a.png").shape
        (3, 5)
    """

    values: np.ndarray
    method: str
    confidence: float | None
    source: str

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.values.shape
        return height, width
