"""Scores of saliency maps against scikit-learn, brute force and closed forms."""

import numpy as np
import pytest
from sklearn.metrics import fbeta_score, roc_auc_score

from salus.errors import SalusError
from salus.metrics.saliency import best_dice_threshold, measure_calibration, score_map
from salus.saliency.confidence import best_dice


@pytest.fixture
def case():
    rng = np.random.default_rng(4)
    mask = np.zeros((20, 24), bool)
    mask[5:12, 8:16] = True
    return np.clip(rng.random((20, 24)) * 0.6 + 0.4 * mask, 0, 1).round(2), mask  # rounded: with ties


def test_auc_and_f_measure_are_those_of_scikit_learn(case):
    s, mask = case
    scores = score_map(s, mask)
    assert scores.auc == pytest.approx(roc_auc_score(mask.ravel(), s.ravel()))
    chosen = (s >= 2 * s.mean()).ravel()
    assert scores.f_measure == pytest.approx(fbeta_score(mask.ravel(), chosen, beta=np.sqrt(0.3)))
    assert scores.mae == pytest.approx(np.mean([abs(a - b) for a, b in zip(s.ravel(), mask.ravel(), strict=True)]))


def test_best_dice_is_the_best_over_every_threshold(case):
    s, mask = case
    cuts = np.unique(s)
    dice = np.array([2 * (mask & (s >= t)).sum() / (mask.sum() + (s >= t).sum()) for t in cuts])
    scores = score_map(s, mask)
    assert scores.best_dice == pytest.approx(dice.max())
    assert scores.threshold == cuts[np.isclose(dice, dice.max())].max()
    assert scores.best_dice == best_dice(s, mask)  # what confidence is fitted to


def test_of_two_thresholds_that_are_as_good_the_larger_counts():
    s, mask = np.array([0.8, 0.6, 0.6, 0.4]), np.array([True, False, False, True])
    assert best_dice_threshold(s, mask) == (pytest.approx(2 / 3), 0.8)  # (2 x 1 / 3) and, at 0.4, (2 x 2 / 6)


def test_hit_counts_tied_maxima_by_their_share():
    mask = np.zeros((4, 4), bool)
    mask[0, :2] = True
    s = np.zeros((4, 4))
    s[0, 0] = s[3, 3] = 0.9
    assert score_map(s, mask).hit == 0.5
    s[3, 3] = 0.8
    assert score_map(s, mask).hit == 1


def test_a_map_of_the_truth_is_perfect_and_a_constant_one_is_chance(case):
    _, mask = case
    truth = score_map(mask.astype(float), mask)
    assert (truth.auc, truth.hit, truth.best_dice, truth.f_measure, truth.mae) == (1, 1, 1, 1, 0)
    flat = score_map(np.full(mask.shape, 0.3), mask)
    assert flat.auc == 0.5
    assert flat.hit == pytest.approx(mask.mean())
    both, all_of = mask.mean(), 1.0  # a flat map's threshold is its maximum, so everything is chosen
    assert flat.f_measure == pytest.approx(1.3 * both * all_of / (0.3 * both + all_of))
    assert score_map(np.zeros(mask.shape), mask).mae == pytest.approx(mask.mean())


def test_a_tumour_that_fills_the_image_leaves_nothing_to_rank():
    scores = score_map(np.linspace(0, 1, 16).reshape(4, 4), np.ones((4, 4), bool))
    assert (scores.auc, scores.hit, scores.best_dice, scores.threshold) == (0.5, 1, 1, 0)


def test_values_outside_0_to_1_nan_and_another_shape_are_refused():
    mask = np.zeros((4, 4), bool)
    for s in (np.full((4, 4), 1.5), np.full((4, 4), np.nan), np.zeros((4, 1))):
        with pytest.raises(SalusError):
            score_map(s, mask)


def test_tumour_free_images_have_scores_of_their_own():
    empty = np.zeros((10, 10), bool)
    s = np.full((10, 10), 0.2)
    scores = score_map(s, empty)
    assert np.isnan([scores.auc, scores.hit, scores.best_dice, scores.threshold, scores.f_measure]).all()
    assert (scores.quiet, scores.lit, scores.maximum) == (1, 0, 0.2)
    s[:2, :5] = 0.5
    scores = score_map(s, empty)
    assert (scores.quiet, scores.lit) == (0, pytest.approx(0.1))
    assert np.isnan(score_map(s, ~empty).quiet)


def test_calibration_error_is_small_for_true_probabilities_and_the_mean_value_without_tumour():
    rng = np.random.default_rng(0)
    maps = rng.random((20, 40, 40))
    honest = measure_calibration(maps, rng.random(maps.shape) < maps)
    assert honest.error < 0.02
    assert honest.pixels.sum() == maps.size
    np.testing.assert_allclose(honest.stated, honest.observed, atol=0.05)
    assert measure_calibration(maps, np.zeros(maps.shape, bool)).error == pytest.approx(maps.mean())
    assert np.isnan(measure_calibration(np.zeros((1, 2, 2)), np.zeros((1, 2, 2), bool)).stated[1:]).all()


def test_bytes_are_calibrated_as_what_they_stand_for():
    rng = np.random.default_rng(1)
    levels, masks = rng.integers(0, 256, (3, 9, 9), np.uint8), rng.random((3, 9, 9)) < 0.3
    one, other = measure_calibration(levels, masks), measure_calibration(levels / 255, masks)
    assert one.error == pytest.approx(other.error)
    np.testing.assert_array_equal(one.pixels, other.pixels)
    place = np.minimum(levels.astype(int) * 10 // 255, 9)
    assert one.pixels.tolist() == [(place == i).sum() for i in range(10)]
