"""One contour, hard and soft, on maps whose answer is known."""

import numpy as np
import pytest
from scipy import ndimage

from salus.saliency.contour import LEVEL, keep_strongest_contour, label_contours, weigh_contours


def two_squares() -> np.ndarray:
    """A square of 4 x 4 at 1, one of 3 x 3 at 0.8, one of 5 x 5 at 0.2, below the level."""
    s = np.full((20, 30), 0.02, np.float32)
    s[2:6, 2:6] = 1
    s[10:13, 20:23] = 0.8
    s[14:19, 4:9] = 0.2
    return s


def test_hard_keeps_the_strongest_contour_and_nothing_else():
    s = two_squares()
    expected = np.zeros_like(s)
    expected[2:6, 2:6] = 1
    np.testing.assert_array_equal(keep_strongest_contour(s), expected)


def test_the_mean_decides_not_the_brightest_pixel_nor_the_size():
    s = two_squares()
    s[2:6, 2:6] = 0.5
    s[2, 2] = 1  # mean (15 x 0.5 + 1) / 16 = 0.53 with the brightest pixel, against 0.8 with 9 pixels
    result = keep_strongest_contour(s)
    assert result.max() == pytest.approx(0.8)
    assert (result > 0).sum() == 9


def test_soft_weighs_each_contour_and_what_is_nearest_to_it():
    s, soft = two_squares(), weigh_contours(two_squares())
    np.testing.assert_array_equal(soft[2:6, 2:6], 1)
    np.testing.assert_allclose(soft[10:13, 20:23], 0.8 * 0.8, rtol=1e-6)
    assert soft[0, 0] == s[0, 0]
    assert soft[19, 29] == pytest.approx(0.02 * 0.8)
    assert soft[16, 5] == pytest.approx(0.2)  # below the level and nearer to the strongest


def test_soft_agrees_with_brute_force():
    s = ndimage.gaussian_filter(np.random.default_rng(3).random((24, 31)), 1).astype(np.float32)
    s = ((s - s.min()) / (s.max() - s.min())) ** 3
    labels, strength = label_contours(s)
    assert strength.size > 2
    inside = np.argwhere(labels > 0)
    soft = weigh_contours(s)
    for row, column in np.argwhere(s >= 0):
        distance = ((inside - (row, column)) ** 2).sum(axis=1)
        nearest = {int(labels[tuple(p)]) for p in inside[distance == distance.min()]}  # several where equally near
        expected = [s[row, column] * strength[k - 1] / strength.max() for k in nearest]
        assert min(abs(soft[row, column] - value) for value in expected) < 1e-6


@pytest.mark.parametrize("form", [keep_strongest_contour, weigh_contours])
def test_forms_lie_between_zero_and_the_map_and_do_not_change_it(form):
    s = two_squares()
    before = s.copy()
    result = form(s)
    np.testing.assert_array_equal(s, before)
    assert result.dtype == np.float32
    assert (result >= 0).all()
    assert (result <= s).all()
    for unchanged in (np.zeros((5, 5), np.float32), np.full((5, 5), 0.3, np.float32)):
        np.testing.assert_array_equal(form(unchanged), unchanged)


@pytest.mark.parametrize("form", [keep_strongest_contour, weigh_contours])
def test_scaling_a_map_scales_the_answer(form):
    np.testing.assert_allclose(form(two_squares() / 4), form(two_squares()) / 4, rtol=1e-6)


def test_diagonal_pixels_are_one_contour_and_the_level_counts_in():
    s = np.array([[1, 0, 0], [0, LEVEL, 0], [0, 0, LEVEL - 0.01]])
    labels, strength = label_contours(s)
    assert strength.tolist() == [(1 + LEVEL) / 2]
    assert labels.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
