"""How good a saliency map is, against the truth mask.

Scores of one map S in [0, 1] with truth G; what asks for a tumour is NaN where there is none, and the reverse:

    auc         P(S at a random tumour pixel > S at a random other one), ties count half: 1 perfect, 0.5 chance;
                0.5 where the tumour fills the image, since nothing is left to rank
    mae         mean |S - G| over pixels
    f_measure   F-beta of (S >= 2 mean S) with beta² = 0.3 (Achanta et al. 2009); where 2 mean S lies above the map's
                maximum the threshold is the maximum
    hit         share of the pixels of maximum saliency that lie in the tumour: 1 or 0 unless the maximum is tied
    best_dice   the largest Dice of (S >= t) and G over thresholds t
    threshold   the largest t that reaches it
    maximum     of the map
    quiet       tumour-free images: 1 where the map stays below 0.5 everywhere, else 0
    lit         tumour-free images: share of the image at 0.5 or above
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salus.metrics.curves import as_mask, as_probability, roc_auc

BETA2 = 0.3
LIGHTS = 0.5
"""A map lights a tumour where it reaches this."""


@dataclass(frozen=True)
class MapScores:
    """The scores of one map; see this module."""

    auc: float
    mae: float
    f_measure: float
    hit: float
    best_dice: float
    threshold: float
    maximum: float
    quiet: float
    lit: float


def score_map(saliency: np.ndarray, mask: np.ndarray) -> MapScores:
    """Score a map.

    Args:
        saliency: (h, w) in [0, 1].
        mask: (h, w) bool, the tumour.

    Raises:
        SalusError: the shapes differ, or a value is NaN or outside [0, 1].

    Example:
        >>> import numpy as np
        >>> mask = np.array([[True, False], [False, False]])
        >>> found = score_map(np.array([[0.9, 0.3], [0.1, 0.1]]), mask)
        >>> found.auc, found.hit, found.best_dice, round(found.mae, 2)
        (1.0, 1.0, 1.0, 0.15)
    """
    mask = as_mask(mask, "the true mask")
    s = as_probability(saliency, mask).astype(np.float64)
    mae, top = float(np.abs(s - mask).mean()), float(s.max())
    if not mask.any():
        nan, lights = np.nan, s >= LIGHTS
        return MapScores(nan, mae, nan, nan, nan, nan, top, float(not lights.any()), float(lights.mean()))
    chosen = s >= min(2 * s.mean(), top)
    both = float((chosen & mask).sum())
    precision, recall = both / max(int(chosen.sum()), 1), both / int(mask.sum())
    weighed = BETA2 * precision + recall
    f_measure = (1 + BETA2) * precision * recall / weighed if weighed > 0 else 0.0
    hit = float(mask[s == top].mean())
    auc = 0.5 if mask.all() else roc_auc(mask, s)
    return MapScores(auc, mae, f_measure, hit, *best_cut(s, mask), top, np.nan, np.nan)


def best_cut(saliency: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """The best Dice of (S >= t) and a tumour over thresholds t, and the largest t that reaches it.

    Args:
        saliency: any shape.
        mask: the same shape, bool, not empty.

    Example:
        >>> import numpy as np
        >>> best_cut(np.array([0.9, 0.5, 0.1]), np.array([True, True, False]))
        (1.0, 0.5)
    """
    order = np.argsort(-saliency, axis=None, kind="stable")
    values, truth = saliency.ravel()[order], mask.ravel()[order]
    last = np.append(np.flatnonzero(np.diff(values)), values.size - 1)  # the last pixel of each threshold
    dice = 2 * np.cumsum(truth)[last] / (last + 1 + truth.sum())
    return float(dice.max()), float(values[last[dice.argmax()]])


@dataclass(frozen=True, eq=False)
class Calibration:
    """Whether map values are probabilities of tumour: pixels sorted into bins of equal width.

    Attributes:
        said: mean value in each bin, NaN where it is empty.
        seen: share of tumour among its pixels.
        pixels: how many it holds.
        error: expected calibration error, the mean of |said - seen| over pixels.
    """

    said: np.ndarray
    seen: np.ndarray
    pixels: np.ndarray
    error: float


def calibrate(maps: np.ndarray, masks: np.ndarray, bins: int = 10) -> Calibration:
    """Whether the values of maps are probabilities of tumour.

    Args:
        maps: (n, h, w) floats in [0, 1], or uint8 that stand for value / 255.
        masks: (n, h, w) bool.
        bins: how many, of equal width; 1 falls into the last.

    Example:
        >>> import numpy as np
        >>> calibrate(np.full((1, 2, 2), 0.25), np.array([[[True, False], [False, False]]])).error
        0.0
    """
    pixels, said, seen = np.zeros(bins, int), np.zeros(bins), np.zeros(bins)
    scale = 255 if maps.dtype == np.uint8 else 1
    for one, mask in zip(maps, masks, strict=True):  # one at a time, so that no large copy is made
        values = one.ravel().astype(np.float64) / scale
        place = np.minimum((values * bins).astype(int), bins - 1)
        pixels += np.bincount(place, minlength=bins)
        said += np.bincount(place, values, bins)
        seen += np.bincount(place, mask.ravel(), bins)
    with np.errstate(invalid="ignore"):
        said, seen = said / pixels, seen / pixels
    error = float(np.nansum(np.abs(said - seen) * pixels) / max(pixels.sum(), 1))
    return Calibration(said, seen, pixels, error)
