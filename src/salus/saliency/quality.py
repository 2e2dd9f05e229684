"""How good a saliency map is, against the truth mask.

Scores of one map S in [0, 1] with truth G; what asks for a tumour is NaN where there is none, and the reverse:

    auc         P(S at a random tumour pixel > S at a random other one), ties count half: 1 perfect, 0.5 chance
    mae         mean |S - G| over pixels
    f_measure   F-beta of (S >= 2 mean S) with beta² = 0.3 (Achanta et al. 2009)
    hit         share of the pixels of maximum saliency that lie in the tumour: 1 or 0 unless the maximum is tied
    best_dice   the largest Dice of (S >= t) and G over thresholds t
    maximum     of the map
    quiet       tumour-free images: 1 where the map stays below 0.5 everywhere, else 0
    lit         tumour-free images: share of the image at 0.5 or above
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salus.curves import roc_auc
from salus.saliency.confidence import best_dice

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
    maximum: float
    quiet: float
    lit: float


def score_map(saliency: np.ndarray, mask: np.ndarray) -> MapScores:
    """Score a map.

    Args:
        saliency: (h, w) in [0, 1].
        mask: (h, w) bool, the tumour.

    Example:
        >>> import numpy as np
        >>> mask = np.array([[True, False], [False, False]])
        >>> found = score_map(np.array([[0.9, 0.3], [0.1, 0.1]]), mask)
        >>> found.auc, found.hit, found.best_dice, round(found.mae, 2)
        (1.0, 1.0, 1.0, 0.15)
    """
    s = np.asarray(saliency, np.float64)
    mae, top = float(np.abs(s - mask).mean()), float(s.max())
    if not mask.any():
        lights = s >= LIGHTS
        return MapScores(np.nan, mae, np.nan, np.nan, np.nan, top, float(not lights.any()), float(lights.mean()))
    chosen = s >= min(2 * s.mean(), top)
    both = float((chosen & mask).sum())
    precision, recall = both / max(int(chosen.sum()), 1), both / int(mask.sum())
    weighed = BETA2 * precision + recall
    f_measure = (1 + BETA2) * precision * recall / weighed if weighed > 0 else 0.0
    hit = float(mask[s == top].mean())
    auc = 0.5 if mask.all() else roc_auc(mask, s)
    return MapScores(auc, mae, f_measure, hit, best_dice(s, mask), top, np.nan, np.nan)


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
    """The calibration of maps (n, h, w) in [0, 1] against masks (n, h, w) bool.

    Example:
        >>> import numpy as np
        >>> calibrate(np.full((1, 2, 2), 0.25), np.array([[[True, False], [False, False]]])).error
        0.0
    """
    place = np.minimum((maps * bins).astype(int), bins - 1).ravel()
    pixels = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        said = np.bincount(place, maps.ravel(), bins) / pixels
        seen = np.bincount(place, masks.ravel().astype(float), bins) / pixels
    error = float(np.nansum(np.abs(said - seen) * pixels) / pixels.sum())
    return Calibration(said, seen, pixels, error)
