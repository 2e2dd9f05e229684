"""From logits to probabilities, masks and lesions."""

from dataclasses import replace

import numpy as np
import pytest

from salus.measure.lesions import measure_lesions
from salus.scan import Region
from salus.segmentation.network import NetworkSettings
from salus.segmentation.postprocess import (
    apply_temperature,
    best_threshold,
    clipped_logit,
    expected_confidence,
    image_threshold,
    measure_regions,
    outline,
    remove_unsure,
    threshold_and_clean,
)


def test_small_components_are_removed_and_the_threshold_belongs_to_the_mask():
    p = np.array([[0.5, 0.0, 0.9], [0.49, 0.0, 0.9]])
    assert threshold_and_clean(p, 0.5, 0.3).tolist() == [[False, False, True], [False, False, True]]
    assert threshold_and_clean(p, 0.5, 0.0)[0, 0]
    assert not threshold_and_clean(np.zeros((3, 3)), 0.5, 0.0).any()


def test_pixels_that_touch_at_a_corner_are_one_component():
    assert threshold_and_clean(np.eye(4), 0.5, 0.25).sum() == 4


def test_logit_and_sigmoid_are_inverse_and_finite_at_zero_and_one():
    p = np.linspace(0, 1, 101, dtype=np.float32)
    logits = clipped_logit(p)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits[1:-1], np.log(p[1:-1] / (1 - p[1:-1])), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(apply_temperature(logits, 1.0), p, atol=2e-6)


def test_a_temperature_divides_the_log_odds_also_of_logits_stored_in_half_precision():
    z = np.array([-6, -1.5, 0, 2, 60000], np.float16)
    p = apply_temperature(z, 2.0)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-z.astype(np.float64) / 2)), atol=1e-6)


@pytest.mark.parametrize(("presence", "threshold", "left"), [(0.6, None, True), (0.4, None, False), (0.6, 0.9, False)])
def test_an_outline_is_empty_below_the_presence_limit_and_above_the_threshold(presence, threshold, left):
    settings = NetworkSettings("net", 8, temperature=2.0, presence=0.5)
    probability, mask = outline(np.full((8, 8), 2.0), presence, (30, 20), settings, threshold)
    assert probability.shape == mask.shape == (30, 20)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-1)), atol=1e-6)
    assert mask.all() == mask.any() == left


def two_places(sure, unsure):
    """A probability map of two discs, the larger one unsure, and the mask of each."""
    rows, columns = np.mgrid[:64, :64]
    small, large = (rows - 16) ** 2 + (columns - 16) ** 2 < 36, (rows - 40) ** 2 + (columns - 40) ** 2 < 300
    return np.where(small, sure, np.where(large, unsure, 0.01)), small, large


def test_places_of_which_the_network_is_much_less_sure_than_of_the_surest_are_left_out():
    p, small, large = two_places(0.95, 0.7)
    settings = NetworkSettings("net", 64, threshold=None, unsure=0.9)
    np.testing.assert_array_equal(outline(clipped_logit(p), 1.0, p.shape, settings)[1], small)
    everything = replace(settings, unsure=0.7)
    np.testing.assert_array_equal(outline(clipped_logit(p), 1.0, p.shape, everything)[1], small | large)


def test_a_given_threshold_is_taken_as_it_is():
    p, small, large = two_places(0.95, 0.7)
    settings = NetworkSettings("net", 64, threshold=None, unsure=0.9)
    np.testing.assert_array_equal(outline(clipped_logit(p), 1.0, p.shape, settings, 0.5)[1], small | large)
    fixed = replace(settings, threshold=0.5)
    np.testing.assert_array_equal(outline(clipped_logit(p), 1.0, p.shape, fixed)[1], small | large)


def test_the_surest_place_is_sought_in_all_regions_of_an_image():
    p, small, large = two_places(0.95, 0.7)
    empty = np.zeros_like(small)
    kept = remove_unsure([large, small, empty], [p, p, p], 0.9)
    np.testing.assert_array_equal(kept, [empty, small, empty])
    assert all(one.dtype == bool for one in kept)
    np.testing.assert_array_equal(remove_unsure([large, empty], [p, p], 0.9), [large, empty])
    assert remove_unsure([], [], 0.9) == []


def test_lesions_of_regions_lie_at_their_places_each_with_its_own_spacing():
    mask = np.zeros((20, 40), bool)
    mask[2:6, 3:9] = mask[10:18, 25:33] = True
    p = mask * 0.9
    regions = [Region(0, 0, 20, 20, (0.5, 0.5)), Region(0, 20, 20, 20)]
    large, small = measure_regions((r, r.crop(mask), r.crop(p), r.crop(p)) for r in regions)
    assert [(one.number, one.box, one.unit) for one in (large, small)] == [
        (1, (10, 25, 8, 8), "px"),
        (2, (2, 3, 4, 6), "mm"),
    ]
    assert small.area == pytest.approx(24 * 0.25)
    (alone,) = measure_lesions(mask[:, 20:], p[:, 20:], None, p[:, 20:])
    assert large.centroid == (alone.centroid[0], alone.centroid[1] + 20)


def test_confidence_is_the_expected_dice_and_of_an_empty_mask_the_absence():
    p = np.array([[0.8, 0.1]])
    assert expected_confidence(p > 0.5, p, 0.7) == pytest.approx(2 * 0.8 / (1 + 0.9))
    assert expected_confidence(p > 0.9, p, 0.7) == pytest.approx(0.3)


def test_the_best_threshold_is_that_of_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(20):
        probability = rng.beta(0.4, 1.5, (6, 7))
        masks = [probability >= threshold for threshold in np.unique(probability)]
        dice = [2 * probability[mask].sum() / (mask.sum() + probability.sum()) for mask in masks]
        threshold, expected = best_threshold(probability)
        assert expected == pytest.approx(max(dice))
        assert ((probability >= threshold) == masks[int(np.argmax(dice))]).all()


def test_the_best_threshold_has_the_largest_dice_where_truth_is_drawn_from_the_probabilities():
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:64, :64]
    probability = 0.6 / (1 + np.exp((np.hypot(rows - 32, columns - 32) - 14) / 3))  # never above 0.6
    truths = rng.random((60, 64, 64)) < probability

    def mean_dice(threshold):
        mask = probability >= threshold
        return np.mean([2 * (mask & truth).sum() / (mask.sum() + truth.sum()) for truth in truths])

    threshold, expected = best_threshold(probability)
    assert mean_dice(threshold) == pytest.approx(expected, abs=0.01)
    assert mean_dice(threshold) > mean_dice(0.5)
    assert mean_dice(threshold) >= max(mean_dice(t) for t in np.arange(0.05, 0.6, 0.05)) - 0.005


def test_a_map_of_zeros_has_no_best_threshold():
    assert best_threshold(np.zeros((4, 4))) == (0.0, 0.0)


def test_an_image_has_the_threshold_of_the_largest_expected_dice_unless_the_network_has_its_own():
    rng = np.random.default_rng(3)
    for _ in range(20):
        logits = rng.normal(-2, 2, (16, 16))
        settings = NetworkSettings("net", 16, threshold=None, temperature=1.5)
        probability = apply_temperature(logits, 1.5)
        threshold = image_threshold([logits], settings)
        bytes_ = np.rint(probability * 255)
        assert ((probability >= threshold) == (bytes_ >= np.ceil(threshold * 255))).all()  # a PNG gives the same mask
        before = apply_temperature(logits, 1.0)
        best = expected_dice_of(before, before >= best_threshold(before)[0])
        assert expected_dice_of(before, probability >= threshold) > best - 0.01
    assert image_threshold([logits], NetworkSettings("net", 16)) == 0.5


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.5])
def test_the_temperature_changes_the_probabilities_of_an_outline_and_not_the_outline(temperature):
    y, x = np.mgrid[:32, :32]
    logits = 4 - np.hypot(y - 15, x - 12) / 1.5
    settings = NetworkSettings("net", 32, threshold=None, temperature=temperature, smallest=0)
    probability, mask = outline(logits, 1.0, (32, 32), settings)
    _, first = outline(logits, 1.0, (32, 32), replace(settings, temperature=1.0))
    radius, expected = (np.sqrt(outlined.sum() / np.pi) for outlined in (mask, first))
    assert abs(radius - expected) < 0.5  # pixels: the threshold is rounded to a grey value
    assert probability.max() == pytest.approx(1 / (1 + np.exp(-logits.max() / temperature)), abs=1e-6)


def expected_dice_of(probability, mask):
    return 2 * probability[mask].sum() / (mask.sum() + probability.sum())


def test_nothing_is_outlined_where_no_pixel_is_likely():
    settings = NetworkSettings("net", 8, threshold=None, smallest=0)
    for p, expected in ((0.03, False), (0.3, True)):
        logits = np.full((8, 8), -9.0)
        logits[2:5, 2:5] = np.log(p / (1 - p))
        assert outline(logits, 1.0, (8, 8), settings)[1].any() == expected
