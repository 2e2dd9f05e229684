"""Scores of segmentations against scikit-learn, brute force and closed forms."""

from dataclasses import asdict, fields
from math import hypot, isnan, nan, sqrt

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from salus.errors import SalusError
from salus.metrics.segmentation import SCORES, Scores, score

masks = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def square(height, width, top, left, side):
    mask = np.zeros((height, width), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def disc(size, centre, radius):
    rows, columns = np.mgrid[:size, :size]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def random_case(seed, shape=(40, 50)):
    """A lesion, a prediction of it with false pixels, and coarse probabilities with many ties."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(shape, dtype=bool)
    truth[8:25, 10:35] = True
    probability = np.round(np.clip(truth * 0.4 + rng.random(shape) * 0.6, 0, 1), 1)
    return truth, probability > 0.5, probability


def brute_boundary(mask):
    """Coordinates of the pixels of which one of the four neighbours is outside, one pixel at a time."""
    points = []
    for i, j in np.argwhere(mask):
        around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
        if not all(0 <= a < mask.shape[0] and 0 <= b < mask.shape[1] and mask[a, b] for a, b in around):
            points.append((i, j))
    return np.array(points, dtype=float)


def brute_distances(truth, prediction, spacing=(1.0, 1.0)):
    between = cdist(brute_boundary(truth) * spacing, brute_boundary(prediction) * spacing)
    return between.min(axis=1), between.min(axis=0)


def brute_components(mask):
    """8-connected components as sets of pixels, by flooding."""
    left, components = {tuple(p) for p in np.argwhere(mask)}, []
    while left:
        todo = [left.pop()]
        component = set(todo)
        while todo:
            i, j = todo.pop()
            near = {(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            component |= near
            todo += near
        components.append(component)
    return components


class TestOverlap:
    @pytest.mark.parametrize("seed", range(5))
    def test_equals_scikit_learn(self, seed):
        truth, prediction, probability = random_case(seed)
        scores = score(truth, prediction, probability)
        flat = truth.ravel(), prediction.ravel()
        assert scores.dice == pytest.approx(sk.f1_score(*flat), abs=1e-12)
        assert scores.jaccard == pytest.approx(sk.jaccard_score(*flat), abs=1e-12)
        assert scores.tpr == pytest.approx(sk.recall_score(*flat), abs=1e-12)
        assert scores.precision == pytest.approx(sk.precision_score(*flat), abs=1e-12)
        assert scores.accuracy == pytest.approx(sk.accuracy_score(*flat), abs=1e-12)
        assert scores.auc == pytest.approx(sk.roc_auc_score(truth.ravel(), probability.ravel()), abs=1e-12)
        assert (scores.area_true, scores.area_predicted) == (truth.sum(), prediction.sum())

    def test_shifted_square(self):
        scores = score(square(60, 60, 10, 10, 40), square(60, 60, 10, 14, 40))
        assert scores.dice == pytest.approx(36 / 40)
        assert scores.jaccard == pytest.approx(36 / 44)
        assert scores.fpr == pytest.approx(4 / 40)
        assert scores.accuracy == pytest.approx(1 - 2 * 160 / 3600)

    def test_false_positive_rate_is_relative_to_the_lesion_and_may_exceed_one(self):
        scores = score(square(20, 20, 5, 5, 2), square(20, 20, 5, 5, 10))
        assert scores.fpr == pytest.approx((100 - 4) / 4)

    @settings(deadline=None)
    @given(masks)
    def test_dice_and_jaccard_are_symmetric_and_one_only_for_equal_masks(self, pair):
        truth, prediction = pair
        scores, swapped = score(truth, prediction), score(prediction, truth)
        assert scores.dice == pytest.approx(2 * scores.jaccard / (1 + scores.jaccard), abs=1e-12)
        assert scores.dice == swapped.dice
        assert scores.accuracy == swapped.accuracy
        if truth.any() and prediction.any():
            assert scores.tpr == swapped.precision
        assert (scores.dice == 1) == np.array_equal(truth, prediction)

    def test_zeros_and_ones_are_masks_too(self):
        truth, prediction, _ = random_case(0)
        assert repr(score(truth, prediction)) == repr(score(truth.astype(np.uint8), prediction.astype(float)))


class TestAuc:
    def test_the_published_auc_is_the_mean_of_ppv_and_npv_and_not_this_one(self):
        truth, prediction, probability = random_case(3)
        published = sk.roc_auc_score(prediction.ravel(), truth.ravel().astype(float))
        (tn, fp), (fn, tp) = sk.confusion_matrix(truth.ravel(), prediction.ravel())
        assert published == pytest.approx((tp / (tp + fp) + tn / (tn + fn)) / 2, abs=1e-12)
        ours = score(truth, prediction, probability).auc
        assert ours == pytest.approx(sk.roc_auc_score(truth.ravel(), probability.ravel()), abs=1e-12)
        assert abs(ours - published) > 0.01

    def test_is_undefined_with_one_class_or_without_probability(self):
        half = np.full((4, 4), 0.5)
        assert isnan(score(np.ones((4, 4)), np.ones((4, 4)), half).auc)
        assert isnan(score(np.zeros((4, 4)), np.zeros((4, 4)), half).auc)
        assert isnan(score(square(4, 4, 0, 0, 2), np.ones((4, 4))).auc)


class TestDistances:
    @given(masks, st.sampled_from([(1.0, 1.0), (0.1, 0.25)]), st.sampled_from([0.0, 1.0, 2.0]))
    @settings(max_examples=200, deadline=None)
    def test_equal_brute_force(self, pair, spacing, tolerance):
        truth, prediction = pair
        assume(truth.any() and prediction.any())
        there, back = brute_distances(truth, prediction, spacing)
        both = np.concatenate([there, back])
        scores = score(truth, prediction, spacing=spacing, tolerance=tolerance)
        assert scores.hd95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-9)
        assert scores.assd == pytest.approx(both.mean(), abs=1e-9)
        assert scores.nsd == pytest.approx(np.mean(both <= tolerance + 1e-9), abs=1e-12)
        assert scores.assd <= both.max() + 1e-9
        assert scores.hd95 <= both.max() + 1e-9
        assert both.max() < hypot(spacing[0] * truth.shape[0], spacing[1] * truth.shape[1])

    def test_squares_shifted_by_four(self):
        scores = score(square(60, 60, 10, 10, 40), square(60, 60, 10, 14, 40))
        assert scores.hd95 == 4.0

    def test_concentric_circles(self):
        scores = score(disc(129, (64, 64), 50), disc(129, (64, 64), 40))
        assert scores.hd95 == pytest.approx(10, abs=0.7)
        assert scores.assd == pytest.approx(10, abs=0.3)

    def test_distances_of_two_single_pixels_are_closed_forms(self):
        truth, prediction = square(9, 9, 1, 1, 1), square(9, 9, 4, 5, 1)
        assert score(truth, prediction).hd95 == score(truth, prediction).assd == 5.0
        assert score(truth, prediction, tolerance=5).nsd == 1.0
        assert score(truth, prediction, tolerance=4.9).nsd == 0.0
        assert score(truth, prediction, spacing=(0.1, 0.2)).assd == pytest.approx(sqrt(0.3**2 + 0.8**2))

    def test_directions_are_not_pooled(self):
        """A far stray pixel beside an exact outline: its own direction alone carries it beyond the 95th percentile."""
        truth = square(200, 200, 10, 10, 40)
        prediction = truth | square(200, 200, 150, 150, 4)
        there, back = brute_distances(truth, prediction)
        assert score(truth, prediction).hd95 == np.percentile(back, 95) > 100
        assert np.percentile(np.concatenate([there, back]), 95) == 0

    def test_the_border_of_the_image_is_outside(self):
        """The boundary of a full image is its frame: 40 pixels at 1 from the square within, 4 at sqrt(2)."""
        scores = score(np.ones((12, 12)), square(12, 12, 1, 1, 10))
        assert scores.assd == pytest.approx((40 + 4 * sqrt(2) + 36) / 80)
        assert scores.hd95 == pytest.approx(sqrt(2))

    def test_a_tolerance_on_the_grid_counts_whatever_the_rounding(self):
        truth, prediction = square(40, 40, 1, 1, 1), square(40, 40, 1, 4, 1)
        assert 3 * 0.1 > 0.3  # In floating point.
        assert score(truth, prediction, spacing=(0.1, 0.1), tolerance=0.3).nsd == 1.0


class TestLesions:
    @settings(deadline=None)
    @given(masks)
    def test_equals_brute_force(self, pair):
        truth, prediction = pair
        lesions, components = brute_components(truth), brute_components(prediction)
        good = [[len(a & b) / len(a | b) >= 0.1 for b in components] for a in lesions]
        scores = score(truth, prediction)
        assert (scores.lesions_true, scores.lesions_predicted) == (len(lesions), len(components))
        assert scores.lesions_found == sum(any(row) for row in good)
        assert scores.false_lesions == sum(not any(row[k] for row in good) for k in range(len(components)))

    def test_one_found_one_missed_one_false(self):
        truth = square(50, 50, 2, 2, 10) | square(50, 50, 30, 30, 8)
        prediction = square(50, 50, 3, 3, 10) | square(50, 50, 5, 40, 4)
        scores = score(truth, prediction)
        assert (scores.lesions_true, scores.lesions_predicted) == (2, 2)
        assert (scores.lesions_found, scores.false_lesions) == (1, 1)

    @pytest.mark.parametrize(("length", "found"), [(10, 1), (11, 0)])
    def test_an_overlap_of_exactly_a_tenth_is_enough(self, length, found):
        truth = np.zeros((3, 20))
        truth[1, :length] = 1
        scores = score(truth, square(3, 20, 1, 0, 1))
        assert (scores.lesions_found, scores.false_lesions) == (found, 1 - found)

    def test_corners_connect(self):
        assert score(np.eye(5), np.eye(5)[::-1]).lesions_true == 1


class TestEmptyMasks:
    TRUTH = square(30, 40, 5, 5, 10)
    EMPTY = np.zeros((30, 40), dtype=bool)

    @pytest.mark.parametrize(
        ("truth", "prediction", "expected"),
        [
            (
                TRUTH,
                EMPTY,
                {"dice": 0, "jaccard": 0, "tpr": 0, "fpr": 0, "precision": 0, "hd95": 50, "assd": 50, "nsd": 0},
            ),
            (EMPTY, TRUTH, {"dice": 0, "jaccard": 0, "tpr": nan, "fpr": nan, "precision": nan, "hd95": 50, "nsd": 0}),
            (EMPTY, EMPTY, {"dice": 1, "jaccard": 1, "tpr": nan, "fpr": nan, "precision": nan, "hd95": 0, "nsd": 1}),
        ],
        ids=["missed", "false alarm", "rightly empty"],
    )
    def test_scores_of_an_empty_mask_follow_the_convention(self, truth, prediction, expected):
        scores = asdict(score(truth, prediction))
        assert {name: scores[name] for name in expected} == pytest.approx(expected, nan_ok=True)
        assert scores["lesions_found"] == 0
        assert scores["false_lesions"] == scores["lesions_predicted"] == int(prediction.any())

    def test_a_miss_costs_the_diagonal_in_mm_too(self):
        assert score(self.TRUTH, self.EMPTY, spacing=(0.1, 0.1)).hd95 == pytest.approx(5.0)

    def test_the_probabilities_of_a_missed_lesion_still_have_an_auc(self):
        assert score(self.TRUTH, self.EMPTY, self.TRUTH * 0.4).auc == 1.0

    @settings(deadline=None)
    @given(masks, st.booleans())
    def test_an_image_with_a_tumour_has_every_score(self, pair, empty):
        truth, prediction = pair
        assume(truth.any())
        scores = asdict(score(truth, prediction & empty))
        assert [name for name, value in scores.items() if isnan(value)] == ["auc"]


class TestInput:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((np.zeros((4, 5)), np.zeros((5, 4))), r"\(5, 4\).*\(4, 5\)"),
            ((np.zeros((4, 5)), np.zeros((4, 5)), np.zeros((4, 6))), r"\(4, 6\).*\(4, 5\)"),
            ((np.zeros((1, 4, 5)), np.zeros((1, 4, 5))), r"\(height, width\).*\(1, 4, 5\)"),
            ((np.zeros((0, 5)), np.zeros((0, 5))), r"\(0, 5\)"),
            ((np.full((4, 5), 255), np.zeros((4, 5))), "true mask.*255.*mask > 0"),
            ((np.zeros((4, 5)), np.full((4, 5), 0.3)), "predicted mask.*0.3"),
            ((np.zeros((4, 5)), np.full((4, 5), nan)), "predicted mask.*nan"),
            ((np.zeros((4, 5)), np.zeros((4, 5)), np.full((4, 5), nan)), "0..1.*nan"),
            ((np.zeros((4, 5)), np.zeros((4, 5)), np.full((4, 5), 1.5)), "0..1.*1.5"),
            ((np.zeros((4, 5)), np.zeros((4, 5)), np.full((4, 5), -3.0)), "0..1.*-3"),
        ],
    )
    def test_wrong_shapes_and_values_are_refused_with_the_reason(self, arguments, message):
        with pytest.raises(SalusError, match=message):
            score(*arguments)

    @pytest.mark.parametrize("spacing", [(0.0, 1.0), (1.0, -1.0), (nan, 1.0), (1.0, float("inf"))])
    def test_spacing_must_be_lengths(self, spacing):
        with pytest.raises(SalusError, match="spacing"):
            score(np.ones((2, 2)), np.ones((2, 2)), spacing=spacing)

    @pytest.mark.parametrize("tolerance", [-1.0, nan])
    def test_tolerance_must_be_a_length(self, tolerance):
        with pytest.raises(SalusError, match="tolerance"):
            score(np.ones((2, 2)), np.ones((2, 2)), tolerance=tolerance)

    def test_rounding_errors_beyond_one_are_accepted(self):
        assert score([[0, 1]], [[0, 1]], np.array([[0.0, 1 + 1e-7]])).auc == 1.0

    def test_every_score_is_described_in_order(self):
        assert list(SCORES) == [field.name for field in fields(Scores)]
        assert not SCORES["hd95"].higher_is_better
        assert SCORES["dice"].higher_is_better
