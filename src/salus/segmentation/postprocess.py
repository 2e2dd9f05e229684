"""From probabilities to an outline, and to logits and back."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label

from salus.measure.lesions import EIGHT


def cut(probability: np.ndarray, threshold: float, smallest: float) -> np.ndarray:
    """A mask of a probability: (h, w) bool where it reaches the threshold, less parts below a share of the image.

    Example:
        >>> import numpy as np
        >>> cut(np.array([[0.9, 0.1, 0.1], [0.8, 0.1, 0.7]]), 0.5, 0.3).astype(int).tolist()
        [[1, 0, 0], [1, 0, 0]]
    """
    mask = probability >= threshold
    parts, count = label(mask, EIGHT)
    if count:
        areas = np.bincount(parts.ravel())
        small = areas < smallest * mask.size
        small[0] = False
        mask &= ~small[parts]
    return mask


def to_logit(probability: np.ndarray) -> np.ndarray:
    """ln(p / (1 - p)), p held within 1e-6 of 0 and 1."""
    p = np.clip(np.asarray(probability, np.float32), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def from_logit(logit: np.ndarray) -> np.ndarray:
    """The sigmoid."""
    return 1 / (1 + np.exp(-logit))
