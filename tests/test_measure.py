"""Lesions against closed forms."""

import numpy as np
import pytest

from salus.measure import expected_dice, measure


def one(mask, spacing=None):
    (found,) = measure(mask, mask.astype(float), spacing)
    return found


def ellipse(shape, centre, a, b, angle=0.0, spacing=(1.0, 1.0)):
    """Pixels whose centres lie within half axes a, b (in the spacing's unit); a at `angle` degrees from the columns."""
    r, c = np.mgrid[: shape[0], : shape[1]]
    y, x = (r + 0.5 - centre[0]) * spacing[0], (c + 0.5 - centre[1]) * spacing[1]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return ((x * cos + y * sin) / a) ** 2 + ((y * cos - x * sin) / b) ** 2 <= 1


@pytest.mark.parametrize("spacing", [None, (0.2, 0.2), (0.1, 0.3)])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (12, 1), (9, 16), (40, 40)])
def test_rectangles(height, width, spacing):
    mask = np.zeros((60, 70), bool)
    mask[5 : 5 + height, 11 : 11 + width] = True
    found = one(mask, spacing)
    dr, dc = spacing or (1.0, 1.0)
    h, w = height * dr, width * dc
    assert (found.area_px, found.box) == (height * width, (5, 11, height, width))
    assert found.area == pytest.approx(h * w)
    assert (found.height, found.width) == (pytest.approx(h), pytest.approx(w))
    assert found.longest == pytest.approx(np.hypot(h, w))
    assert found.across == pytest.approx(2 * h * w / np.hypot(h, w))  # of both other corners from the diagonal
    assert found.centroid == (pytest.approx(5 + height / 2), pytest.approx(11 + width / 2))
    assert found.unit == ("mm" if spacing else "px")


@pytest.mark.parametrize("radius", [10.0, 25.5, 60.0])
def test_discs(radius):
    found = one(ellipse((160, 160), (80, 80), radius, radius))
    assert found.area == pytest.approx(np.pi * radius**2, rel=0.02)
    for length in (found.longest, found.across, found.width, found.height):
        assert length == pytest.approx(2 * radius, abs=1.5)
    assert found.centroid == (pytest.approx(80, abs=0.01), pytest.approx(80, abs=0.01))
    assert not found.at_border


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.5), (0.5, 0.8)])
@pytest.mark.parametrize("angle", [0, 17, 45, 90, 133])
def test_rotated_ellipses(angle, spacing):
    a, b = 60 * spacing[0], 25 * spacing[0]
    found = one(ellipse((200, 200), (100, 100), a, b, angle, spacing), spacing)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    slack = 1.5 * max(spacing)
    assert found.area == pytest.approx(np.pi * a * b, rel=0.01)
    assert found.longest == pytest.approx(2 * a, abs=slack)
    assert found.across == pytest.approx(2 * b, abs=2 * slack)
    assert found.width == pytest.approx(2 * np.hypot(a * cos, b * sin), abs=slack)
    assert found.height == pytest.approx(2 * np.hypot(a * sin, b * cos), abs=slack)


def test_the_longest_is_that_of_all_pairs_of_corners():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = np.zeros((14, 17), bool)
        mask[3:11, 4:13] = rng.random((8, 9)) < 0.85
        mask[6, 3:14] = True
        for found in measure(mask, mask.astype(float), (0.7, 1.3)):
            top, left, height, width = found.box
            part = np.argwhere(mask[top : top + height, left : left + width])
            if found.area_px != len(part):
                continue  # another lesion reaches into the box
            corners = np.concatenate([part + (r, c) for r in (0, 1) for c in (0, 1)]) * (0.7, 1.3)
            apart = np.linalg.norm(corners[:, None] - corners, axis=2)
            assert found.longest == pytest.approx(apart.max())


def test_lesions_are_ordered_and_touch_at_corners():
    mask = np.zeros((30, 30), bool)
    mask[2:4, 2:4] = mask[4:6, 4:6] = True  # one, by a corner
    mask[10:20, 10:20] = True
    mask[25:30, 0:3] = True
    found = measure(mask, np.full(mask.shape, 0.8))
    assert [(f.number, f.area_px, f.at_border) for f in found] == [(1, 100, False), (2, 15, True), (3, 8, False)]


@pytest.mark.parametrize("box", [np.s_[0:5, 4:9], np.s_[15:20, 4:9], np.s_[4:9, 0:5], np.s_[4:9, 25:30], np.s_[:, :]])
def test_each_border_counts(box):
    mask = np.zeros((20, 30), bool)
    mask[box] = True
    assert one(mask).at_border


def test_nothing_is_no_lesion():
    assert measure(np.zeros((9, 9), bool), np.ones((9, 9))) == ()
    assert expected_dice(np.zeros((9, 9), bool), np.ones((9, 9))) == 0


def test_expected_dice_is_that_of_frequencies():
    mask = np.zeros((10, 10), bool)
    mask[:5] = True
    assert expected_dice(mask, np.where(mask, 0.8, 0.1)) == pytest.approx(2 * 40 / (50 + 45))
    rng = np.random.default_rng(1)
    p = rng.random((60, 60)) ** 2
    mask = p >= 0.5
    drawn = [rng.random(p.shape) < p for _ in range(200)]
    seen = np.mean([2 * (mask & t).sum() / (mask.sum() + t.sum()) for t in drawn])
    assert expected_dice(mask, p) == pytest.approx(seen, abs=0.003)


def test_another_lesion_in_the_box_does_not_lower_the_confidence():
    mask = np.zeros((30, 30), bool)
    mask[5:25, 5:8] = mask[22:25, 5:25] = True  # an L
    mask[8:14, 15:21] = True  # within its box
    found = measure(mask, mask * 0.9)
    assert [f.confidence for f in found] == [pytest.approx(2 * 0.9 / 1.9)] * 2
