"""TODO."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar

from salus.segmentation.network import NetworkSettings
from salus.segmentation.postprocess import cut, from_logit

if TYPE_CHECKING:
    from salus.lab.segmentation.held_out import Raw


THINNED = 4
"""Every so many rows and columns take part in the fit of the temperature."""


GRID = np.round(np.arange(0, 0.96, 0.01), 2)
"""Limits of presence that are tried."""


LEFT_EMPTY = 0.9
"""Part of the tumour-free held-out images that the limit of presence leaves empty."""


USUAL = 98
"""Per cent of held-out images that are not flagged as strange."""


def calibrate(raw: Raw, name: str, size: int, pool_masks: np.ndarray, tta: bool = False) -> NetworkSettings:
    """Fit temperature, presence and the limit of strangeness to held-out outputs.

    The temperature minimises the cross-entropy of the pixels (Guo et al. 2017). The limit of presence is the lowest
    that leaves `LEFT_EMPTY` of the tumour-free images empty, so that no more tumours are given up than that takes;
    without tumour-free images it is 0.

    Args:
        raw: the outputs.
        name: of the network.
        size: of its input.
        pool_masks: (n, s, s) bool, of all images of the pool.
        tta: whether the outputs are means of images and their mirrors.
    """
    truth = pool_masks[raw.place]
    z = raw.logit[:, ::THINNED, ::THINNED].astype(np.float32)
    y = truth[:, ::THINNED, ::THINNED]

    def entropy(t: float) -> float:
        return float(np.mean(np.logaddexp(0, z / t) - y * z / t))

    temperature = float(minimize_scalar(entropy, bounds=(0.3, 5.0), method="bounded").x)
    strange = round(float(np.percentile(raw.strangeness, USUAL)), 3)
    settings = NetworkSettings(name, size, temperature=round(temperature, 3), strange=strange, tta=tta)
    lesion = truth.any(axis=(1, 2))
    if lesion.all() or not lesion.any():
        return settings
    free = [from_logit(one.astype(np.float32) / temperature) for one in raw.logit[~lesion]]
    empty = np.array([not cut(one, settings.threshold, settings.smallest).any() for one in free])
    left = [np.mean(empty | (raw.presence[~lesion] < limit)) for limit in GRID]
    enough = np.flatnonzero(np.array(left) >= LEFT_EMPTY)
    return replace(settings, presence=float(GRID[enough[0]] if len(enough) else GRID[-1]))


def _known(value: float, digits: int) -> float | None:
    """Rounded; None, which is null in JSON, where there is nothing to tell of."""
    return None if np.isnan(value) else round(float(value), digits)


def reliability(raw: Raw, masks: np.ndarray, temperature: float, bins: int = 10) -> dict[str, Any]:
    """How often a pixel of a stated probability is tumour, before and after the temperature; and the error of each."""
    from salus.metrics.saliency import calibrate as bin_up

    truth = masks[raw.place][:, ::THINNED, ::THINNED]
    found: dict[str, Any] = {}
    for when, t in (("before", 1.0), ("after", temperature)):
        values = from_logit(raw.logit[:, ::THINNED, ::THINNED].astype(np.float32) / t)
        one = bin_up(values, truth, bins)
        found[when] = {
            "stated": [_known(v, 4) for v in one.said],
            "seen": [_known(v, 4) for v in one.seen],
            "error": round(one.error, 5),
        }
    return found
