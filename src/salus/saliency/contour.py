"""One contour: a saliency map of which only the strongest region is left, for the SA-U-Net-C.

Vakanski, Xian & Freer 2020 (UMB 46:2819) train that network on maps "with only one contour with the highest saliency
extracted in each map"; how it was extracted is not published. Here the contours of a map S are the 8-connected regions
where S >= `LEVEL` x max S, and a contour's strength m_k is the mean of S over its pixels. With m = max m_k:

    hard, as published:  S'(x) = S(x) in the contour with m_k = m, 0 elsewhere
    soft:                S'(x) = S(x) · m_k / m, k the contour that x lies in, or else the nearest to x

The hard form throws a tumour away wherever the strongest contour is another one, which is often; the soft form keeps
every contour, in proportion, and leaves the strongest and its surroundings as they are. Of the ways to rank contours
(mean, maximum, sum, norms between) the mean lost the fewest tumours on BUS-BRA and BUSI, the sum the most.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

LEVEL = 0.3
"""A contour is where the map is at least this share of its maximum."""


def keep_strongest_contour(saliency: np.ndarray) -> np.ndarray:
    """Set the map to 0 outside its strongest contour: the hard form, as published.

    Args:
        saliency: (height, width) in [0, 1].

    Returns:
        (height, width) float32 in [0, 1]. Of equally strong contours the first from the top is kept. A map of zeros
        is unchanged.

    Example:
        >>> import numpy as np
        >>> keep_strongest_contour(np.array([[1.0, 1.0, 0.0, 0.0, 0.5]])).tolist()
        [[1.0, 1.0, 0.0, 0.0, 0.0]]
    """
    values = np.asarray(saliency, np.float32)
    labels, strength = label_contours(values)
    if strength.size == 0:
        return values.copy()
    return np.where(labels == strength.argmax() + 1, values, np.float32(0))


def weigh_contours(saliency: np.ndarray) -> np.ndarray:
    """Scale each contour by its strength relative to the strongest: the soft form; else as `keep_strongest_contour`.

    Example:
        >>> import numpy as np
        >>> weigh_contours(np.array([[1.0, 1.0, 0.0, 0.0, 0.5]])).tolist()
        [[1.0, 1.0, 0.0, 0.0, 0.25]]
    """
    values = np.asarray(saliency, np.float32)
    labels, strength = label_contours(values)
    if strength.size < 2:
        return values.copy()
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    weights = (strength / strength.max()).astype(np.float32)
    return values * weights[labels[tuple(nearest)] - 1]


FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"hard": keep_strongest_contour, "soft": weigh_contours}
"""The two forms by name."""


def label_contours(saliency: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Label the contours of a map.

    Args:
        saliency: (height, width) in [0, 1].
        level: a contour is where the map is at least this share of its maximum.

    Returns:
        Labels (height, width) int32, 0 outside, contours from 1; and the strength of each, the mean saliency in it,
        (number,) float64. A map of zeros has no contours.
    """
    maximum = float(saliency.max(initial=0.0))
    if maximum <= 0:
        return np.zeros(saliency.shape, np.int32), np.zeros(0)
    labels, count = ndimage.label(saliency >= level * maximum, np.ones((3, 3), bool))
    sums = np.bincount(labels.ravel(), saliency.ravel(), count + 1)
    return labels, (sums / np.maximum(np.bincount(labels.ravel(), minlength=count + 1), 1))[1:]
