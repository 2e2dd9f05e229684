"""The area under the ROC curve, and ROC and precision-recall curves, against scikit-learn and closed forms."""

from math import isnan

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import rankdata

from salus.errors import SalusError
from salus.metrics.curves import BINS, THRESHOLDS, CurveCounts, pr_curve, roc_auc, roc_curve


class TestArea:
    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 0.5000001, 1.0])), min_size=2, max_size=60)
    )
    def test_equals_scikit_learn_and_average_ranks_with_ties(self, pixels):
        truth, values = (np.array(column) for column in zip(*pixels, strict=True))
        assume(truth.any() and not truth.all())
        area = roc_auc(truth, values)
        assert area == pytest.approx(sk.roc_auc_score(truth, values), abs=1e-12)
        positives, negatives = truth.sum(), (~truth).sum()
        rank_sum = rankdata(values)[truth].sum() - positives * (positives + 1) / 2
        assert area == pytest.approx(rank_sum / (positives * negatives), abs=1e-12)

    def test_single_precision_keeps_the_order_of_near_values(self):
        values = np.nextafter(np.float32(0.5), np.float32([0, 1]))
        assert roc_auc([0, 1], values) == 1.0


class TestCurves:
    def saturated(self, seed=0):
        """Truth and the probabilities of a very confident network, (60, 60) each."""
        rng = np.random.default_rng(seed)
        truth = np.hypot(*(np.mgrid[:60, :60] - [[[30]], [[28]]])) <= 14
        return truth, expit(rng.normal(size=truth.shape) * 5 + np.where(truth, -3, -14))

    def test_points_are_exact_at_their_thresholds(self):
        truth, probability = self.saturated()
        counts = CurveCounts()
        counts.add(truth, probability)
        roc, pr = counts.roc(), counts.pr()
        assert roc.thresholds.size == pr.thresholds.size == BINS + 1
        for k in (0, 1, 200, 512, 513, 800, BINS):
            predicted = probability >= roc.thresholds[k]
            assert roc.tpr[k] == (predicted & truth).sum() / truth.sum()
            assert roc.fpr[k] == (predicted & ~truth).sum() / (~truth).sum()
            assert pr.recall[k] == roc.tpr[k]
            assert pr.precision[k] == ((predicted & truth).sum() / predicted.sum() if predicted.any() else 1.0)
        assert (roc.fpr[0], roc.tpr[0], roc.fpr[-1], roc.tpr[-1]) == (0, 0, 1, 1)

    def test_one_half_is_a_threshold(self):
        assert 0.5 in THRESHOLDS
        truth, probability = [[0, 1]], np.array([[np.nextafter(0.5, 0), 0.5]])
        at = roc_curve(truth, probability).thresholds == 0.5
        assert roc_curve(truth, probability).tpr[at] == 1
        assert roc_curve(truth, probability).fpr[at] == 0

    def test_areas_equal_scikit_learn_on_the_binned_probabilities(self):
        truth, probability = self.saturated()
        counts = CurveCounts()
        counts.add(truth, probability)
        binned = np.searchsorted(THRESHOLDS, probability.ravel(), side="right")
        assert counts.auc() == pytest.approx(sk.roc_auc_score(truth.ravel(), binned), abs=1e-12)
        assert counts.average_precision() == pytest.approx(sk.average_precision_score(truth.ravel(), binned), abs=1e-12)

    def test_a_saturated_network_keeps_its_area_where_even_bins_lose_it(self):
        truth, probability = self.saturated()
        exact = roc_auc(truth, probability)
        counts = CurveCounts()
        counts.add(truth, probability)
        assert counts.auc() == pytest.approx(exact, abs=0.002)
        assert abs(roc_auc(truth, np.floor(probability * BINS) / BINS) - exact) > 0.02

    def test_images_add_up_and_parts_merge(self):
        cases = [self.saturated(seed) for seed in range(3)]
        one, first, rest = CurveCounts(), CurveCounts(), CurveCounts()
        one.add(*(np.stack(arrays) for arrays in zip(*cases, strict=True)))
        first.add(*cases[0])
        before = first.positives.copy()
        for case in cases[1:]:
            rest.add(*case)
        merged = first.merge(rest)
        assert np.array_equal(merged.positives, one.positives)
        assert np.array_equal(merged.negatives, one.negatives)
        assert np.array_equal(first.positives, before)
        assert merged.positives.sum() == sum(case[0].sum() for case in cases)

    def test_fewer_points_keep_the_ends_the_middle_and_the_shape(self):
        truth, probability = self.saturated()
        few, dense = roc_curve(truth, probability, points=50), roc_curve(truth, probability, points=100_000)
        assert few.fpr.size <= 52
        assert {np.inf, 0.5, 0.0} <= set(few.thresholds.tolist())
        area = np.sum(np.diff(few.fpr) * (few.tpr[1:] + few.tpr[:-1])) / 2
        assert area == pytest.approx(np.sum(np.diff(dense.fpr) * (dense.tpr[1:] + dense.tpr[:-1])) / 2, abs=0.005)
        assert pr_curve(truth, probability, points=50).recall.size <= 52

    def test_a_missing_class_is_named_or_undefined(self):
        counts = CurveCounts()
        counts.add(np.zeros((3, 3)), np.full((3, 3), 0.2))
        assert isnan(counts.auc())
        assert isnan(counts.average_precision())
        with pytest.raises(SalusError, match="background"):
            counts.roc()
        with pytest.raises(SalusError, match="tumour"):
            counts.pr()
        with pytest.raises(SalusError, match="2 points"):
            roc_curve([[0, 1]], [[0.1, 0.9]], points=1)
        with pytest.raises(SalusError, match="shape"):
            counts.add(np.zeros((3, 3)), np.zeros((3, 4)))
