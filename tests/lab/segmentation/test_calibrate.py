"""Calibration: temperature, limits of presence and of strangeness that are fitted to held-out predictions."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from salus.lab.segmentation.calibrate import calibrate, reliability, round_down
from salus.lab.segmentation.held_out import HeldOutPredictions
from salus.lab.segmentation.judge import restraint_costs
from salus.preprocess import placed_box
from salus.segmentation.network import NetworkSettings


def predictions(logit, presence):
    n = len(logit)
    return HeldOutPredictions(np.arange(n), np.ones(n, int), logit.astype(np.float16), presence, np.zeros(n))


def test_the_temperature_is_the_one_that_was_put_in():
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, (40, 64, 64))
    masks = rng.random(logit.shape) < expit(logit)
    settings = calibrate(predictions(2.5 * logit, np.ones(40)), NetworkSettings("x", 64), masks, ["a"] * 40)
    assert settings.temperature == pytest.approx(2.5, rel=0.05)
    assert settings.presence == 0


def test_the_bars_beside_an_image_are_no_pixels_of_it():
    """The calibration of letterboxed squares is that of the images in them."""
    rng = np.random.default_rng(0)
    top, left, height, width = placed_box((450, 600), 64)
    assert (top, left) == (8, 0)
    logit, masks = np.full((40, 64, 64), -13.8), np.zeros((40, 64, 64), bool)
    z = rng.normal(-2, 2, (40, height, width))
    logit[:, top : top + height], masks[:, top : top + height] = 2 * z, rng.random(z.shape) < expit(z)
    results = []
    for rows, keep_aspect in ((slice(None), True), (slice(top, top + height), False)):
        held_out = predictions(logit[:, rows], np.ones(40))
        settings = NetworkSettings("x", 64, keep_aspect=keep_aspect)
        settings = calibrate(held_out, settings, masks[:, rows], ["a"] * 40, [(450, 600)] * 40)
        results.append((settings.temperature, reliability(held_out, settings, masks[:, rows], [(450, 600)] * 40)))
    assert results[0] == results[1]
    assert results[0][0] == pytest.approx(2, rel=0.05)


def two_folds(presence, free):
    """Images of two sources, each held out from a network that was trained on the other; outlines as the truth."""
    n = len(presence)
    masks = np.zeros((n, 16, 16), bool)
    masks[:, 4:9, 4:9] = ~np.asarray(free)[:, None, None]
    fold = np.where(np.arange(n) < n // 2, 1, 2)
    logit = np.where(masks, 4.0, -4.0).astype(np.float16)
    held_out = HeldOutPredictions(np.arange(n), fold, logit, np.asarray(presence), np.zeros(n))
    return held_out, masks, ["a" if which == 1 else "b" for which in fold]


def test_the_limits_of_presence_keep_97_and_90_of_100_tumours():
    presence = np.concatenate([(np.arange(100) + 0.5) / 100, np.ones(100)])
    free = np.arange(200) >= 190  # in the second source, on which the first one's network was trained
    held_out, masks, sets = two_folds(presence, free)
    limits = calibrate(held_out, NetworkSettings("x", 16), masks, sets).restraint
    kept = {name: int((presence[:100] >= limit).sum()) for name, limit in limits.items()}
    assert kept == {"balanced": 97, "strict": 90}


def test_limits_of_presence_close_to_one_keep_as_many():
    """A limit that is rounded up would be above every presence, and every image would be left empty."""
    presence = np.concatenate([1 - 3e-4 * (np.arange(100) + 0.5) / 100, np.ones(100)])
    held_out, masks, sets = two_folds(presence, np.arange(200) >= 190)
    settings = calibrate(held_out, NetworkSettings("x", 16), masks, sets)
    kept = {name: int((presence[:100] >= limit).sum()) for name, limit in settings.restraint.items()}
    assert kept == {"balanced": 97, "strict": 90}
    rows = [{"presence": round_down(value), "tumour": 1, "empty": 0} for value in presence[:100]]
    costs = restraint_costs(rows, settings)
    assert {name: cost["lost"] for name, cost in costs.items()} == {"none": 0, "balanced": 0.03, "strict": 0.1}


def test_a_network_trained_without_tumour_free_images_gets_no_limit_of_presence():
    held_out, masks, sets = two_folds(np.ones(20), np.zeros(20, bool))
    settings = calibrate(held_out, NetworkSettings("x", 16), masks, sets)
    assert (settings.restraint, settings.presence) == ({}, 0)


def test_the_limit_of_strangeness_is_the_mean_of_the_sources_95th_percentiles():
    held_out, masks, sets = two_folds(np.ones(400), np.zeros(400, bool))
    strangeness = np.concatenate([np.linspace(0, 1, 200), np.linspace(0, 2, 200)])
    limit = calibrate(replace(held_out, strangeness=strangeness), NetworkSettings("x", 16), masks, sets).strange
    assert limit == pytest.approx((0.95 + 1.9) / 2, abs=1e-3)
