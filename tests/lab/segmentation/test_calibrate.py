"""Calibration: the temperature and the limit of presence that are fitted to held-out predictions."""

import numpy as np
import pytest
from scipy.special import expit
from tests.lab.segmentation.small_training import discs

from salus.lab.segmentation.calibrate import calibrate
from salus.lab.segmentation.held_out import HeldOutPredictions
from salus.segmentation.network import NetworkSettings


def predictions(logit, presence):
    n = len(logit)
    return HeldOutPredictions(np.arange(n), np.ones(n, int), logit.astype(np.float16), presence, np.zeros(n))


def test_the_temperature_is_the_one_that_was_put_in():
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, (40, 64, 64))
    masks = rng.random(logit.shape) < expit(logit)
    settings = calibrate(predictions(2.5 * logit, np.ones(40)), NetworkSettings("x", 64), masks)
    assert settings.temperature == pytest.approx(2.5, rel=0.05)
    assert settings.presence == 0


def test_the_limit_of_presence_separates_what_can_be_separated():
    _, masks = discs(20, free=8)
    logit = np.where(masks, 4.0, -4.0)
    logit[:8, 20:40, 20:40] = 4.0  # something is outlined in every tumour-free image
    presence = np.where(masks.any(axis=(1, 2)), 0.8, 0.3)
    assert 0.3 < calibrate(predictions(logit, presence), NetworkSettings("x", 64), masks).presence <= 0.8


@pytest.mark.parametrize("outlined", [20, 5, 2])
def test_the_limit_of_presence_is_the_lowest_that_leaves_nine_in_ten_empty(outlined):
    """Of twenty tumour-free images eighteen; their presences are .025, .075 and so on to .975."""
    masks = np.zeros((21, 64, 64), bool)
    masks[20, 20:40, 20:40] = True
    logit = np.full(masks.shape, -4.0)
    logit[20 - outlined :, 20:40, 20:40] = 4.0
    presence = np.append((np.arange(20) + 0.5) / 20, 0.1)  # what becomes of the tumour does not count
    assert calibrate(predictions(logit, presence), NetworkSettings("x", 64), masks).presence == (
        0.88 if outlined > 2 else 0.0
    )
    assert calibrate(predictions(logit, np.ones(21)), NetworkSettings("x", 64), masks).presence == (
        0.95 if outlined > 2 else 0.0
    )
