"""Measurements of lesions against closed forms."""

import numpy as np
import pytest
from scipy.ndimage import label
from skimage.measure import perimeter_crofton

from salus.measure.geometry import convex_hull
from salus.measure.lesions import expected_dice, measure_lesions


def measure_only(mask, spacing=None):
    """Measure a mask that has one lesion."""
    (lesion,) = measure_lesions(mask, mask.astype(float), spacing)
    return lesion


def ellipse(shape, centre, a, b, angle=0.0, spacing=(1.0, 1.0)):
    """Pixels whose centres lie within half axes a, b (in the spacing's unit); a at `angle` degrees from the columns."""
    r, c = np.mgrid[: shape[0], : shape[1]]
    y, x = (r + 0.5 - centre[0]) * spacing[0], (c + 0.5 - centre[1]) * spacing[1]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return ((x * cos + y * sin) / a) ** 2 + ((y * cos - x * sin) / b) ** 2 <= 1


@pytest.mark.parametrize("spacing", [None, (0.2, 0.2), (0.1, 0.3)])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (12, 1), (9, 16), (40, 40)])
def test_sizes_of_rectangles(height, width, spacing):
    mask = np.zeros((60, 70), bool)
    mask[5 : 5 + height, 11 : 11 + width] = True
    lesion = measure_only(mask, spacing)
    dr, dc = spacing or (1.0, 1.0)
    h, w = height * dr, width * dc
    assert (lesion.area_px, lesion.box) == (height * width, (5, 11, height, width))
    assert lesion.area == pytest.approx(h * w)
    assert (lesion.height, lesion.width) == (pytest.approx(h), pytest.approx(w))
    assert lesion.longest == pytest.approx(np.hypot(h, w))
    assert lesion.across == pytest.approx(2 * h * w / np.hypot(h, w))  # of both other corners from the diagonal
    assert lesion.centroid == (pytest.approx(5 + height / 2), pytest.approx(11 + width / 2))
    assert lesion.unit == ("mm" if spacing else "px")


@pytest.mark.parametrize("radius", [10.0, 25.5, 60.0])
def test_sizes_of_discs(radius):
    lesion = measure_only(ellipse((160, 160), (80, 80), radius, radius))
    assert lesion.area == pytest.approx(np.pi * radius**2, rel=0.02)
    for length in (lesion.longest, lesion.across, lesion.width, lesion.height):
        assert length == pytest.approx(2 * radius, abs=1.5)
    assert lesion.centroid == (pytest.approx(80, abs=0.01), pytest.approx(80, abs=0.01))
    assert not lesion.at_border


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.5), (0.5, 0.8)])
@pytest.mark.parametrize("angle", [0, 17, 45, 90, 133])
def test_sizes_of_rotated_ellipses(angle, spacing):
    a, b = 60 * spacing[0], 25 * spacing[0]
    lesion = measure_only(ellipse((200, 200), (100, 100), a, b, angle, spacing), spacing)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    slack = 1.5 * max(spacing)
    assert lesion.area == pytest.approx(np.pi * a * b, rel=0.01)
    assert lesion.longest == pytest.approx(2 * a, abs=slack)
    assert lesion.across == pytest.approx(2 * b, abs=2 * slack)
    assert lesion.width == pytest.approx(2 * np.hypot(a * cos, b * sin), abs=slack)
    assert lesion.height == pytest.approx(2 * np.hypot(a * sin, b * cos), abs=slack)


def test_longest_is_the_greatest_distance_of_all_pairs_of_corners():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = np.zeros((14, 17), bool)
        mask[3:11, 4:13] = rng.random((8, 9)) < 0.85
        mask[6, 3:14] = True
        for lesion in measure_lesions(mask, mask.astype(float), (0.7, 1.3)):
            top, left, height, width = lesion.box
            part = np.argwhere(mask[top : top + height, left : left + width])
            if lesion.area_px != len(part):
                continue  # another lesion reaches into the box
            corners = np.concatenate([part + (r, c) for r in (0, 1) for c in (0, 1)]) * (0.7, 1.3)
            apart = np.linalg.norm(corners[:, None] - corners, axis=2)
            assert lesion.longest == pytest.approx(apart.max())


def test_lesions_are_ordered_by_size_and_join_at_corners():
    mask = np.zeros((30, 30), bool)
    mask[2:4, 2:4] = mask[4:6, 4:6] = True  # one, by a corner
    mask[10:20, 10:20] = True
    mask[25:30, 0:3] = True
    lesions = measure_lesions(mask, np.full(mask.shape, 0.8))
    assert [(lesion.number, lesion.area_px, lesion.at_border) for lesion in lesions] == [
        (1, 100, False),
        (2, 15, True),
        (3, 8, False),
    ]


@pytest.mark.parametrize("box", [np.s_[0:5, 4:9], np.s_[15:20, 4:9], np.s_[4:9, 0:5], np.s_[4:9, 25:30], np.s_[:, :]])
def test_a_lesion_at_any_border_is_marked_so(box):
    mask = np.zeros((20, 30), bool)
    mask[box] = True
    assert measure_only(mask).at_border


def test_an_empty_mask_has_no_lesion():
    assert measure_lesions(np.zeros((9, 9), bool), np.ones((9, 9))) == ()
    assert expected_dice(np.zeros((9, 9), bool), np.ones((9, 9))) == 0


def test_expected_dice_is_the_mean_dice_of_masks_drawn_from_the_probabilities():
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
    lesions = measure_lesions(mask, mask * 0.9)
    assert [lesion.confidence for lesion in lesions] == [pytest.approx(2 * 0.9 / 1.9)] * 2


ANGLES = range(0, 180, 7)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.6, 1.0), (0.1, 0.07)])
@pytest.mark.parametrize("radius", [12, 30, 70])
def test_perimeter_and_circularity_of_discs(radius, spacing):
    r = radius * max(spacing)
    shape = tuple(int(2 * r / step) + 9 for step in spacing)
    lesion = measure_only(ellipse(shape, (shape[0] / 2 + 0.3, shape[1] / 2), r, r, 0, spacing), spacing)
    assert lesion.perimeter == pytest.approx(2 * np.pi * r, rel=0.035)
    assert lesion.circularity > 0.93
    assert lesion.solidity > 0.93
    assert lesion.irregularity < 0.06


def test_the_perimeter_of_turned_squares_is_right_on_average_and_never_far_off():
    """Crofton's formula over four directions errs by up to 7% for straight sides, little on average."""
    side, errors = 80.0, []
    r, c = np.indices((140, 140)) - 69.5
    for angle in np.arange(0, 90, 1.5):
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        mask = (abs(c * cos + r * sin) <= side / 2) & (abs(r * cos - c * sin) <= side / 2)
        errors.append(measure_only(mask).perimeter / (4 * side) - 1)
    assert abs(np.mean(errors)) < 0.015
    assert np.abs(errors).max() < 0.075


def test_perimeter_equals_scikit_image_where_pixels_are_square():
    rng = np.random.default_rng(4)
    for _ in range(5):
        mask = np.zeros((60, 70), bool)
        mask[5:50, 8:60] = rng.random((45, 52)) < 0.98
        mask[20:40, 20:50] = True
        labels, _ = label(mask, np.ones((3, 3)))
        largest = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
        lesion = measure_lesions(mask, mask.astype(float))[0]
        assert lesion.perimeter == pytest.approx(perimeter_crofton(largest, directions=4), rel=1e-9)


def test_perimeter_of_an_ellipse_at_any_angle_and_spacing():
    a, b = 60.0, 25.0
    ramanujan = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))
    for spacing in ((1.0, 1.0), (0.7, 1.0)):
        for angle in ANGLES:
            lesion = measure_only(ellipse((200, 140), (200 / 2, 140 / 2), a, b, angle, spacing), spacing)
            assert lesion.perimeter == pytest.approx(ramanujan, rel=0.04)


def test_tilt_and_orientation_of_rotated_ellipses():
    for angle in ANGLES:
        lesion = measure_only(ellipse((200, 200), (100, 100), 60, 25, angle))
        assert lesion.tilt == pytest.approx(min(angle, 180 - angle), abs=3.5)
        assert lesion.parallel == (min(angle, 180 - angle) < 45)
    upright = ellipse((200, 200), (100, 100), 30, 40)  # taller than wide in pixels, not in mm
    assert not measure_only(upright).parallel
    assert measure_only(upright, (0.05, 0.1)).parallel


def test_solidity_and_irregularity_of_a_cross():
    mask = np.zeros((90, 90), bool)
    mask[30:60, 0:90][:, 5:85] = True
    mask[5:85, 30:60] = True
    lesion = measure_only(mask)
    area, hull_area = 2 * 80 * 30 - 30**2, 80**2 - 2 * 25**2
    hull_length = 4 * 30 + 4 * np.hypot(25, 25)
    assert lesion.solidity == pytest.approx(area / hull_area)
    assert lesion.irregularity == pytest.approx(1 - hull_length / lesion.perimeter)
    assert lesion.perimeter == pytest.approx(320, rel=0.07)


def test_a_hole_adds_to_the_outline():
    disc = ellipse((120, 120), (60, 60), 50, 50)
    ring = disc & ~ellipse((120, 120), (60, 60), 20, 20)
    assert measure_only(ring).perimeter - measure_only(disc).perimeter == pytest.approx(2 * np.pi * 20, rel=0.04)
    assert measure_only(ring).solidity == pytest.approx(1 - 0.16, abs=0.02)


def test_depth_and_border_in_millimetres():
    mask = np.zeros((100, 80), bool)
    mask[20:40, 50:60] = True
    lesion = measure_only(mask, (0.1, 0.2))
    assert lesion.depth == pytest.approx(2.0)
    assert lesion.border == pytest.approx(2.0)  # 20 rows above; 20 columns to the right are 4 mm
    mask[20:40, 60:80] = True
    assert measure_only(mask, (0.1, 0.2)).border == 0


def test_contrast_to_the_ring_leaves_out_other_lesions():
    pixels = np.full((100, 120), 0.6)
    mask = np.zeros((100, 120), bool)
    mask[40:60, 40:60] = True
    pixels[mask] = 0.2
    other = np.zeros_like(mask)
    other[40:60, 63:70] = True
    pixels[other] = 0.0
    lesions = measure_lesions(mask | other, np.ones((100, 120)), None, pixels)
    assert lesions[0].contrast == pytest.approx(-0.4)
    pixels[:20] = 1.0  # beyond the ring
    assert measure_lesions(mask | other, np.ones((100, 120)), None, pixels)[0].contrast == pytest.approx(-0.4)
    assert measure_only(mask).contrast is None
    assert measure_lesions(np.ones((9, 9), bool), np.ones((9, 9)), None, np.ones((9, 9)))[0].contrast is None


def test_mirrored_and_turned_shapes_measure_the_same():
    rng = np.random.default_rng(2)
    for _ in range(10):
        mask = np.zeros((50, 50), bool)
        mask[8:40, 12:44] = rng.random((32, 32)) < 0.9
        mask[20:30, 10:45] = True
        figures = []
        for turned in (mask, mask[:, ::-1], mask[::-1], mask.T, np.rot90(mask)):
            lesion = measure_lesions(turned, turned.astype(float))[0]
            figures.append(
                [
                    lesion.area,
                    lesion.longest,
                    lesion.perimeter,
                    lesion.circularity,
                    lesion.solidity,
                    lesion.irregularity,
                ]
            )
        np.testing.assert_allclose(figures, [figures[0]] * 5, rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 7), (30, 20)])
def test_the_convex_hull_holds_every_pixel_and_turns_at_corners_of_pixels(shape):
    rng = np.random.default_rng(3)
    for density in (0.05, 0.3, 0.9):
        mask = rng.random(shape) < density
        mask[0, 0] = True
        corners = np.concatenate([np.argwhere(mask) + (r, c) for r in (0, 1) for c in (0, 1)])
        hull = convex_hull(mask, (1.0, 1.0))
        assert {tuple(corner) for corner in hull} <= {tuple(corner) for corner in corners}
        edges = np.roll(hull, -1, axis=0) - hull
        turns = edges[:, 0] * np.roll(edges[:, 1], -1) - edges[:, 1] * np.roll(edges[:, 0], -1)
        assert (turns > 0).all()
        for (down, right), start in zip(edges, hull, strict=True):
            assert (down * (corners[:, 1] - start[1]) - right * (corners[:, 0] - start[0]) >= 0).all()
        np.testing.assert_array_equal(convex_hull(mask, (0.5, 0.8)), hull * (0.5, 0.8))


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.1, 0.07)])
@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90])
def test_rotated_rectangles(angle, spacing):
    """A shape whose longest axis, the diagonal, is at an angle of its own."""
    long, short = 120 * max(spacing), 50 * max(spacing)
    shape = tuple(int(140 * max(spacing) / step) for step in spacing)
    r, c = np.mgrid[: shape[0], : shape[1]]
    y, x = (r + 0.5 - shape[0] / 2) * spacing[0], (c + 0.5 - shape[1] / 2) * spacing[1]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    lesion = measure_only((abs(x * cos + y * sin) <= long / 2) & (abs(y * cos - x * sin) <= short / 2), spacing)
    diagonal, slack = np.hypot(long, short), 2 * max(spacing)
    assert lesion.area == pytest.approx(long * short, rel=0.03)
    assert lesion.longest == pytest.approx(diagonal, abs=slack)
    assert lesion.across == pytest.approx(2 * long * short / diagonal, abs=2 * slack)
    assert lesion.width == pytest.approx(long * cos + short * sin, abs=slack)
    assert lesion.height == pytest.approx(long * sin + short * cos, abs=slack)
    assert lesion.perimeter == pytest.approx(2 * (long + short), rel=0.075)
    assert lesion.circularity == pytest.approx(np.pi * long * short / (long + short) ** 2, rel=0.16)
    assert lesion.solidity > 0.96
    assert lesion.depth == pytest.approx((shape[0] * spacing[0] - lesion.height) / 2, abs=slack)
