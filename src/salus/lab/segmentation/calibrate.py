"""Calibrate a trained network on held-out predictions: temperature, presence limit, limit of strangeness."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar

from salus.metrics.saliency import measure_calibration
from salus.segmentation.network import NetworkSettings
from salus.segmentation.postprocess import apply_temperature, threshold_and_clean

if TYPE_CHECKING:
    from salus.lab.segmentation.held_out import HeldOutPredictions

PIXEL_STEP = 4
"""Every so many rows and columns take part in the fit of the temperature."""

PRESENCE_LIMITS = np.round(np.arange(0, 0.96, 0.01), 2)
"""Limits of presence that are tried."""

LEFT_EMPTY = 0.9
"""Share of the tumour-free held-out images that the limit of presence leaves empty."""

USUAL_PERCENT = 98
"""Per cent of held-out images that are not flagged as strange."""


def calibrate(predictions: HeldOutPredictions, settings: NetworkSettings, masks: np.ndarray) -> NetworkSettings:
    """Fit temperature, limit of presence and limit of strangeness to held-out predictions.

    The temperature minimises the cross-entropy of the pixels (Guo et al. 2017). The limit of presence is the lowest
    that leaves `LEFT_EMPTY` of the tumour-free images empty, so that no more tumours are missed than that takes;
    without tumour-free images it is 0.

    Args:
        predictions: the held-out predictions.
        settings: of the network, before calibration.
        masks: (n, s, s) bool, of all images of the run.
    """
    truth = masks[predictions.place]
    logits = predictions.logit[:, ::PIXEL_STEP, ::PIXEL_STEP].astype(np.float32)
    tumour = truth[:, ::PIXEL_STEP, ::PIXEL_STEP]

    def cross_entropy(temperature: float) -> float:
        return float(np.mean(np.logaddexp(0, logits / temperature) - tumour * logits / temperature))

    temperature = float(minimize_scalar(cross_entropy, bounds=(0.3, 5.0), method="bounded").x)
    strange = round(float(np.percentile(predictions.strangeness, USUAL_PERCENT)), 3)
    settings = replace(settings, temperature=round(temperature, 3), strange=strange)
    free = ~truth.any(axis=(1, 2))
    if free.all() or not free.any():
        return settings
    probabilities = (apply_temperature(logit, temperature) for logit in predictions.logit[free])
    empty = np.array(
        [not threshold_and_clean(map_, settings.threshold, settings.smallest).any() for map_ in probabilities]
    )
    left_empty = np.array([np.mean(empty | (predictions.presence[free] < limit)) for limit in PRESENCE_LIMITS])
    enough = PRESENCE_LIMITS[left_empty >= LEFT_EMPTY]
    return replace(settings, presence=float(enough[0] if len(enough) else PRESENCE_LIMITS[-1]))


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
