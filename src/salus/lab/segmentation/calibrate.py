"""Calibrate a trained network on held-out predictions: temperature, limits of presence, limit of strangeness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar

from salus.metrics.saliency import measure_calibration
from salus.segmentation.network import NetworkSettings
from salus.segmentation.postprocess import apply_temperature

if TYPE_CHECKING:
    from salus.lab.segmentation.held_out import HeldOutPredictions

PIXEL_STEP = 4
"""Every so many rows and columns take part in the fit of the temperature."""

KEPT_PERCENT = {"balanced": 97, "strict": 90}
"""Per cent of the held-out images with a tumour that each restraint keeps; see `NetworkSettings.restraint`."""

USUAL_PERCENT = 95
"""Per cent of the held-out images of a source that are not flagged as strange, by that source's own limit."""


def calibrate(
    predictions: HeldOutPredictions, settings: NetworkSettings, masks: np.ndarray, sets: Sequence[str]
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
    """
    truth = masks[predictions.place]
    logits = predictions.logit[:, ::PIXEL_STEP, ::PIXEL_STEP].astype(np.float32)
    tumour = truth[:, ::PIXEL_STEP, ::PIXEL_STEP]

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
    return {name: round(float(np.percentile(presence, 100 - kept)), 3) for name, kept in KEPT_PERCENT.items()}


def reliability(
    predictions: HeldOutPredictions, masks: np.ndarray, temperature: float, bins: int = 10
) -> dict[str, Any]:
    """Compare stated probabilities of pixels with the share that is tumour, before and after the temperature.

    Args:
        predictions: the held-out predictions.
        masks: (n, s, s) bool, of all images of the run.
        temperature: fitted by `calibrate`.
        bins: number of bins of equal width.

    Returns:
        For "before" and "after": "stated", the mean probability of each bin; "seen", the share of its pixels that is
        tumour; both None where a bin is empty; "error", the expected calibration error.
    """
    truth = masks[predictions.place][:, ::PIXEL_STEP, ::PIXEL_STEP]
    logits = predictions.logit[:, ::PIXEL_STEP, ::PIXEL_STEP]
    tables: dict[str, Any] = {}
    for when, divisor in (("before", 1.0), ("after", temperature)):
        calibration = measure_calibration(apply_temperature(logits, divisor), truth, bins)
        tables[when] = {
            "stated": [round_or_none(value, 4) for value in calibration.stated],
            "seen": [round_or_none(value, 4) for value in calibration.observed],
            "error": round(calibration.error, 5),
        }
    return tables


def round_or_none(value: float, digits: int) -> float | None:
    """Round a number for JSON, where NaN becomes None (null)."""
    return None if np.isnan(value) else round(float(value), digits)
