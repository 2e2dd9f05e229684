"""Calibrate a trained network on held-out predictions: temperature, limits of presence, limit of strangeness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar

from salus.metrics.saliency import measure_calibration
from salus.preprocess import placed_box
from salus.segmentation.network import NetworkSettings
from salus.segmentation.postprocess import apply_temperature

if TYPE_CHECKING:
    from salus.lab.segmentation.held_out import HeldOutPredictions

PIXEL_STEP = 4
"""Every so many rows and columns take part in the fit of the temperature."""

KEPT_PERCENT = {"balanced": 97, "strict": 90}
"""Per cent of the held-out images with a tumour that each restraint keeps; see `NetworkSettings.restraint`."""

PRESENCE_DIGITS = 6
"""Decimals of presence and of its limits: for most tumours it is close to 1."""

USUAL_PERCENT = 95
"""Per cent of the held-out images of a source that are not flagged as strange, by that source's own limit."""


def calibrate(
    predictions: HeldOutPredictions,
    settings: NetworkSettings,
    masks: np.ndarray,
    sets: Sequence[str],
    shapes: Sequence[tuple[int, int]] = (),
) -> NetworkSettings:
    """Fit temperature, limits of presence and limit of strangeness to held-out predictions.

    The temperature minimises the cross-entropy of the pixels (Guo et al. 2017). Each limit of presence is the largest
    that keeps `KEPT_PERCENT` of the images with a tumour, among those whose network was trained with tumour-free images
    too: the others' networks have not learnt presence. Where there are none, no limit is fitted.

    Args:
        predictions: the held-out predictions.
        settings: of the network, before calibration.
        masks: (n, s, s) bool, of all images of the run.
        sets: (n,) the data set of each image of the run; the limit of strangeness is the mean of the limits of all.
        shapes: see `sample_pixels`.
    """
    logits, tumour = sample_pixels(predictions, settings, masks, shapes)

    def cross_entropy(temperature: float) -> float:
        return float(np.mean(np.logaddexp(0, logits / temperature) - tumour * logits / temperature))

    temperature = float(minimize_scalar(cross_entropy, bounds=(0.3, 5.0), method="bounded").x)
    where = np.asarray(sets)[predictions.place]
    usual = [np.percentile(predictions.strangeness[where == name], USUAL_PERCENT) for name in np.unique(where)]
    return replace(
        settings,
        temperature=round(temperature, 3),
        strange=round(float(np.mean(usual)), 3),
        restraint=_presence_limits(predictions, np.asarray(masks.any(axis=(1, 2)))),
    )


def _presence_limits(predictions: HeldOutPredictions, lesion: np.ndarray) -> dict[str, float]:
    """Fit the limits of presence; `lesion` (n,) says which images of the run show a tumour."""
    known = np.zeros(len(predictions.place), bool)
    for fold in np.unique(predictions.fold):
        held_out = predictions.fold == fold
        training = np.ones(len(lesion), bool)
        training[predictions.place[held_out]] = False
        if training.any() and not lesion[training].all():
            known |= held_out
    presence = predictions.presence[known & lesion[predictions.place]]
    if not len(presence):
        return {}
    return {name: round_down(float(np.percentile(presence, 100 - kept))) for name, kept in KEPT_PERCENT.items()}


def sample_pixels(
    predictions: HeldOutPredictions, settings: NetworkSettings, masks: np.ndarray, shapes: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Take the pixels by which probabilities are calibrated: those of the images, without the bars beside them.

    Args:
        predictions: the held-out predictions.
        settings: of the network; `keep_aspect` says whether its square holds black bars, which are no tumour to any
            network and would make the calibration look better than it is in the image.
        masks: (n, s, s) bool, of all images of the run.
        shapes: (height, width) of the files of all images of the run; needed with `keep_aspect` alone.

    Returns:
        (m,) float32, the logits of the pixels in every `PIXEL_STEP`-th row and column, and (m,) bool, the truth.
    """
    inside = np.ones(predictions.logit.shape, bool)
    if settings.keep_aspect:
        for square, place in zip(inside, predictions.place, strict=True):
            top, left, height, width = placed_box(shapes[place], square.shape[0])
            square[:top], square[top + height :] = False, False
            square[:, :left], square[:, left + width :] = False, False
    inside = inside[:, ::PIXEL_STEP, ::PIXEL_STEP]
    logits = predictions.logit[:, ::PIXEL_STEP, ::PIXEL_STEP][inside].astype(np.float32)
    return logits, masks[predictions.place][:, ::PIXEL_STEP, ::PIXEL_STEP][inside]


def reliability(
    predictions: HeldOutPredictions,
    settings: NetworkSettings,
    masks: np.ndarray,
    shapes: Sequence[tuple[int, int]] = (),
    bins: int = 10,
) -> dict[str, Any]:
    """Compare stated probabilities of pixels with the share that is tumour, before and after the temperature.

    Args:
        predictions: the held-out predictions.
        settings: of the network, with the temperature that `calibrate` fitted.
        masks: (n, s, s) bool, of all images of the run.
        shapes: see `sample_pixels`.
        bins: number of bins of equal width.

    Returns:
        For "before" and "after": "stated", the mean probability of each bin; "seen", the share of its pixels that is
        tumour; both None where a bin is empty; "error", the expected calibration error.
    """
    logits, truth = sample_pixels(predictions, settings, masks, shapes)
    tables: dict[str, Any] = {}
    for when, divisor in (("before", 1.0), ("after", settings.temperature)):
        calibration = measure_calibration(apply_temperature(logits, divisor)[None], truth[None], bins)
        tables[when] = {
            "stated": [round_or_none(value, 4) for value in calibration.stated],
            "seen": [round_or_none(value, 4) for value in calibration.observed],
            "error": round(calibration.error, 5),
        }
    return tables


def round_down(presence: float) -> float:
    """Round a presence, or a limit of it, down to `PRESENCE_DIGITS`: rounded up, a limit near 1 would be above all.

    Example:
        >>> round_down(0.9999998)
        0.999999
    """
    return math.floor(presence * 10**PRESENCE_DIGITS) / 10**PRESENCE_DIGITS


def round_or_none(value: float, digits: int) -> float | None:
    """Round a number for JSON, where NaN becomes None (null)."""
    return None if np.isnan(value) else round(float(value), digits)
