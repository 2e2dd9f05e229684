"""Scores of a saliency map against the truth mask, and the calibration of its values.

Scores of one map S in [0, 1] with truth G. Scores of a tumour are NaN where there is none, those of tumour-free images
are NaN where there is one:

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

BETA_SQUARED = 0.3
"""Weight of recall in the F measure (Achanta et al. 2009)."""

LIT = 0.5
"""A map is lit where it reaches this."""


@dataclass(frozen=True)
class MapScores:
    """The scores of one map; the module's docstring defines each."""

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
    """Score a saliency map against the true mask.

    Args:
        saliency: (h, w) in [0, 1].
        mask: (h, w) bool, the tumour.

    Raises:
        SalusError: the shapes differ, or a value is NaN or outside [0, 1].

    Example:
        >>> import numpy as np
        >>> mask = np.array([[True, False], [False, False]])
        >>> scores = score_map(np.array([[0.9, 0.3], [0.1, 0.1]]), mask)
        >>> scores.auc, scores.hit, scores.best_dice, round(scores.mae, 2)
        (1.0, 1.0, 1.0, 0.15)
    """
    mask = as_mask(mask, "the true mask")
    s = as_probability(saliency, mask).astype(np.float64)
    mae, top = float(np.abs(s - mask).mean()), float(s.max())
    if not mask.any():
        nan, lit = np.nan, s >= LIT
        return MapScores(nan, mae, nan, nan, nan, nan, top, float(not lit.any()), float(lit.mean()))
    predicted = s >= min(2 * s.mean(), top)
    shared = float((predicted & mask).sum())
    precision, recall = shared / max(int(predicted.sum()), 1), shared / int(mask.sum())
    weighted = BETA_SQUARED * precision + recall
    f_measure = (1 + BETA_SQUARED) * precision * recall / weighted if weighted > 0 else 0.0
    hit = float(mask[s == top].mean())
    auc = 0.5 if mask.all() else roc_auc(mask, s)
    return MapScores(auc, mae, f_measure, hit, *best_dice_threshold(s, mask), top, np.nan, np.nan)


def best_dice_threshold(saliency: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Find the best Dice of (S >= t) and a tumour over thresholds t, and the largest t that reaches it.

    Args:
        saliency: any shape.
        mask: the same shape, bool, not empty.

    Example:
        >>> import numpy as np
        >>> best_dice_threshold(np.array([0.9, 0.5, 0.1]), np.array([True, True, False]))
        (1.0, 0.5)
    """
    order = np.argsort(-saliency, axis=None, kind="stable")
    values, truth = saliency.ravel()[order], mask.ravel()[order]
    last = np.append(np.flatnonzero(np.diff(values)), values.size - 1)  # the last pixel of each threshold
    dice = 2 * np.cumsum(truth)[last] / (last + 1 + truth.sum())
    return float(dice.max()), float(values[last[dice.argmax()]])


@dataclass(frozen=True, eq=False)
class Calibration:
    """How well map values agree with the frequency of tumour: pixels sorted into bins of equal width.

    Attributes:
        stated: (bins,) mean value of the pixels in each bin, NaN where it is empty.
        observed: (bins,) share of tumour among them, NaN where it is empty.
        pixels: (bins,) number of pixels in each bin.
        error: expected calibration error, the mean of |stated - observed| over pixels.
    """

    stated: np.ndarray
    observed: np.ndarray
    pixels: np.ndarray
    error: float


def measure_calibration(maps: np.ndarray, masks: np.ndarray, bins: int = 10) -> Calibration:
    """Compare the values of maps with the frequency of tumour among the pixels that have them.

    Args:
        maps: (n, h, w) floats in [0, 1], or uint8 that stand for value / 255.
        masks: (n, h, w) bool.
        bins: number of bins of equal width; a value of 1 falls into the last.

    Example:
        >>> import numpy as np
        >>> measure_calibration(np.full((1, 2, 2), 0.25), np.array([[[True, False], [False, False]]])).error
        0.0
    """
    pixels, stated, observed = np.zeros(bins, int), np.zeros(bins), np.zeros(bins)
    scale = 255 if maps.dtype == np.uint8 else 1
    for saliency, mask in zip(maps, masks, strict=True):  # one at a time, so that no large copy is made
        values = saliency.ravel().astype(np.float64) / scale
        index = np.minimum((values * bins).astype(int), bins - 1)
        pixels += np.bincount(index, minlength=bins)
        stated += np.bincount(index, values, bins)
        observed += np.bincount(index, mask.ravel(), bins)
    with np.errstate(invalid="ignore"):
        stated, observed = stated / pixels, observed / pixels
    error = float(np.nansum(np.abs(stated - observed) * pixels) / max(pixels.sum(), 1))
    return Calibration(stated, observed, pixels, error)
