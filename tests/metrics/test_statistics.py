"""Intervals and tests against analytic values, SciPy and figures computed by hand."""

from math import isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import salus.metrics.statistics
from salus.errors import SalusError
from salus.metrics.statistics import bootstrap_interval, holm, paired_difference


class TestBootstrap:
    def test_agrees_with_the_normal_interval_on_independent_values(self):
        values = np.random.default_rng(1).normal(0.8, 0.1, 400)
        interval = bootstrap_interval(values, draws=8000)
        half = 1.959964 * values.std(ddof=1) / sqrt(400)
        assert interval.mean == pytest.approx(values.mean(), abs=1e-12)
        assert interval.low == pytest.approx(values.mean() - half, abs=0.06 * half)
        assert interval.high == pytest.approx(values.mean() + half, abs=0.06 * half)
        assert (interval.n, interval.clusters) == (400, 400)

    def test_level_narrows(self):
        values = np.random.default_rng(1).normal(0.8, 0.1, 400)
        wide, narrow = bootstrap_interval(values, draws=8000), bootstrap_interval(values, level=0.5, draws=8000)
        ratio = (narrow.high - narrow.low) / (wide.high - wide.low)
        assert ratio == pytest.approx(stats.norm.ppf(0.75) / stats.norm.ppf(0.975), rel=0.08)

    def test_covers_the_true_mean_as_often_as_it_says(self):
        rng = np.random.default_rng(7)
        covered = 0
        for _ in range(300):
            patients = rng.normal(0.8, 0.1, 40)
            labels = np.repeat(np.arange(40), 3)
            interval = bootstrap_interval(patients[labels] + rng.normal(0, 0.02, 120), labels, draws=400)
            covered += interval.low <= 0.8 <= interval.high
        assert 0.90 <= covered / 300 <= 0.98

    def test_duplicated_images_of_a_patient_add_no_certainty(self):
        values = np.random.default_rng(2).normal(0.8, 0.1, 60)
        four, patients = np.tile(values, 4), np.tile(np.arange(60), 4)
        once, clustered, naive = (
            bootstrap_interval(values),
            bootstrap_interval(four, patients),
            bootstrap_interval(four),
        )
        assert (clustered.low, clustered.high) == pytest.approx((once.low, once.high), abs=1e-12)
        assert (naive.high - naive.low) / (clustered.high - clustered.low) == pytest.approx(0.5, rel=0.1)
        assert (clustered.n, clustered.clusters) == (240, 60)

    def test_mean_is_over_images_not_over_patients(self):
        assert bootstrap_interval([1, 1, 1, 0], ["a", "a", "a", "b"]).mean == 0.75

    def test_patients_of_unequal_size_give_ratios_of_their_sums(self):
        """Two patients: a draw is (a, a), (a, b) or (b, b), of mean 1, 0.75 and 0, one time in 4, 2 and 4."""
        images, patients = [1, 1, 1, 0], ["a", "a", "a", "b"]
        for level, expected in ((0.4, (0.75, 0.75)), (0.6, (0.0, 1.0))):
            interval = bootstrap_interval(images, patients, level=level)
            assert (interval.low, interval.high) == expected

    def test_repeats_with_its_seed_and_in_blocks(self, monkeypatch):
        values = np.random.default_rng(3).random(50)
        assert bootstrap_interval(values, seed=4) == bootstrap_interval(values, seed=4)
        assert bootstrap_interval(values, seed=4) != bootstrap_interval(values, seed=5)
        whole = bootstrap_interval(values)
        monkeypatch.setattr(salus.metrics.statistics, "MAX_RANDOM_NUMBERS", 50 * 300)
        in_blocks = bootstrap_interval(values)
        assert (in_blocks.low, in_blocks.high) == pytest.approx((whole.low, whole.high), abs=0.01)

    def test_undefined_scores_are_left_out(self):
        interval = bootstrap_interval([0.5, nan, 0.7, nan], ["a", "b", "c", "c"])
        assert interval.mean == pytest.approx(0.6)
        assert (interval.n, interval.clusters) == (2, 2)

    def test_too_few_patients_have_no_interval(self):
        one = bootstrap_interval([0.5, 0.7], ["a", "a"])
        assert (one.mean, one.n, one.clusters) == (pytest.approx(0.6), 2, 1)
        assert isnan(one.low)
        assert isnan(one.high)
        none = bootstrap_interval([nan])
        assert isnan(none.mean)
        assert none.n == none.clusters == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([[0.5]],), r"\(1, 1\)"),
            (([0.5, 0.6], ["a"]), "2 values and 1 labels"),
            (([0.5, 0.6], ["a", None]), "label is missing"),
            (([0.5, 0.6], [1.0, nan]), "label is missing"),
            (([0.5, 0.6], None, 1.0), "level"),
            (([0.5, 0.6], None, 0.0), "level"),
        ],
    )
    def test_wrong_values_labels_and_levels_are_refused_with_the_reason(self, arguments, message):
        with pytest.raises(SalusError, match=message):
            bootstrap_interval(*arguments)


class TestPairedDifference:
    @pytest.mark.parametrize("seed", range(4))
    def test_equals_scipy_on_few_patients(self, seed):
        """Nine patients: all 512 choices of signs, and Wilcoxon's exact distribution."""
        rng = np.random.default_rng(seed)
        a, b = rng.random(9), rng.random(9)
        result = paired_difference(a, b)
        theirs = stats.permutation_test(
            (a, b),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        )
        assert result.p_permutation == pytest.approx(theirs.pvalue, abs=1e-12)
        assert result.p_wilcoxon == pytest.approx(stats.wilcoxon(a, b).pvalue, abs=1e-12)
        assert result.mean == pytest.approx(np.mean(a - b), abs=1e-12)
        interval = bootstrap_interval(a - b)
        assert (result.low, result.high) == pytest.approx((interval.low, interval.high), abs=1e-9)

    def test_drawn_signs_agree_with_all_signs(self):
        rng = np.random.default_rng(5)
        a, b = rng.normal(0.3, 1, 12), np.zeros(12)
        exact, drawn = paired_difference(a, b), paired_difference(a, b, permutations=4000)
        assert drawn.p_permutation != exact.p_permutation
        assert drawn.p_permutation == pytest.approx(exact.p_permutation, abs=0.03)

    def test_drawn_signs_in_blocks_are_drawn_signs(self, monkeypatch):
        rng = np.random.default_rng(5)
        a, b = rng.normal(0.3, 1, 12), np.zeros(12)
        whole = paired_difference(a, b, permutations=4000)
        monkeypatch.setattr(salus.metrics.statistics, "MAX_RANDOM_NUMBERS", 12 * 300)
        assert paired_difference(a, b, permutations=4000).p_permutation == pytest.approx(whole.p_permutation, abs=0.03)

    def test_the_tests_weigh_every_patient_the_same(self):
        a, patients = [0.1, 0.5, 0.2, 0.4, -0.3, 0.1, 0.6], ["a", "a", "b", "c", "d", "e", "e"]
        result = paired_difference(a, [0.0] * 7, patients)
        by_patient = paired_difference([0.3, 0.2, 0.4, -0.3, 0.35], [0.0] * 5)
        assert result.p_permutation == by_patient.p_permutation
        assert result.p_wilcoxon == by_patient.p_wilcoxon
        assert result.effect == by_patient.effect
        assert result.mean == pytest.approx(np.mean(a))

    def test_drawn_signs_never_give_zero(self):
        result = paired_difference(np.linspace(0.6, 0.9, 60), np.linspace(0.1, 0.2, 60), permutations=999)
        assert result.p_permutation == 1 / 1000
        assert result.effect == 1.0

    def test_false_alarms_are_as_rare_as_the_level_says(self):
        rng = np.random.default_rng(8)
        p = [paired_difference(*rng.random((2, 8)), draws=2).p_permutation for _ in range(400)]
        assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.08

    def test_duplicated_images_do_not_lower_the_p_value(self):
        rng = np.random.default_rng(6)
        a, b = rng.random(10) + 0.1, rng.random(10)
        once = paired_difference(a, b)
        clustered = paired_difference(np.tile(a, 5), np.tile(b, 5), np.tile(np.arange(10), 5))
        naive = paired_difference(np.tile(a, 5), np.tile(b, 5))
        assert clustered.p_wilcoxon == pytest.approx(once.p_wilcoxon)
        assert clustered.p_permutation == pytest.approx(once.p_permutation)
        assert (clustered.n, clustered.clusters) == (50, 10)
        assert naive.p_wilcoxon < once.p_wilcoxon / 2

    def test_the_effect_is_the_rank_biserial_correlation(self):
        """Ranks of |3|, |1|, |2| are 3, 1, 2; the signs + - +, so (5 - 1) / 6."""
        assert paired_difference([3, 0, 2], [0, 1, 0]).effect == pytest.approx(4 / 6)
        assert paired_difference([0, 1, 0], [3, 0, 2]).effect == pytest.approx(-4 / 6)

    def test_equal_differences_tie_whatever_the_rounding(self):
        assert 0.3 - 0.2 != 0.2 - 0.1
        assert paired_difference([0.3, 0.1], [0.2, 0.2]).effect == 0.0

    @pytest.mark.filterwarnings("error")
    def test_the_same_network_twice_is_no_difference(self):
        result = paired_difference([0.5, 0.6, 0.7], [0.5, 0.6, 0.7])
        assert (result.mean, result.low, result.high, result.effect) == (0, 0, 0, 0)
        assert result.p_wilcoxon == result.p_permutation == 1.0

    @pytest.mark.filterwarnings("error")
    def test_undefined_pairs_are_left_out_and_counted(self):
        result = paired_difference([0.9, nan, 0.7, 0.8], [0.8, 0.5, nan, 0.6], ["a", "b", "c", "d"])
        assert (result.n, result.clusters, result.dropped) == (2, 2, 2)
        assert result.mean == pytest.approx(0.15)
        nothing = paired_difference([nan], [0.5])
        assert (nothing.n, nothing.dropped) == (0, 1)
        assert all(isnan(v) for v in (nothing.mean, nothing.p_wilcoxon, nothing.p_permutation, nothing.effect))

    @pytest.mark.filterwarnings("error")
    @settings(deadline=None)
    @given(st.lists(st.sampled_from([-0.2, -0.1, 0.0, 0.1, 0.3]), min_size=1, max_size=8))
    def test_any_few_differences_have_p_values_and_swapping_keeps_them(self, differences):
        zeros = [0.0] * len(differences)
        one, other = paired_difference(differences, zeros, draws=2), paired_difference(zeros, differences, draws=2)
        assert 0 < one.p_permutation <= 1
        assert 0 < one.p_wilcoxon <= 1
        assert one.p_permutation == other.p_permutation
        assert one.mean == -other.mean
        if len(differences) <= 5:
            assert one.p_permutation > 0.05

    def test_lists_of_different_images_are_refused(self):
        with pytest.raises(SalusError, match="3 and 2"):
            paired_difference([1, 2, 3], [1, 2])


class TestHolm:
    def test_adjusted_values_by_hand(self):
        """Sorted .01 .02 .03 .04 .05 times 5 4 3 2 1: .05 .08 .09 .08 .05, made monotone: .05 .08 .09 .09 .09."""
        assert holm([0.03, 0.01, 0.05, 0.02, 0.04]) == pytest.approx([0.09, 0.05, 0.09, 0.08, 0.09])

    def test_stops_at_one_and_skips_what_was_not_tested(self):
        assert holm([0.6, nan, 0.7]) == pytest.approx([1.0, nan, 1.0], nan_ok=True)
        assert holm([nan, 0.02, 0.5])[1] == pytest.approx(0.04)
        assert holm([]).size == 0

    @settings(deadline=None)
    @given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
    def test_lies_between_the_raw_value_and_bonferroni_and_keeps_the_order(self, p):
        adjusted = holm(p)
        assert np.all(adjusted >= p)
        assert np.all(adjusted <= np.minimum(np.array(p) * len(p), 1) + 1e-12)
        assert np.all(np.diff(adjusted[np.argsort(p)]) >= 0)

    @pytest.mark.parametrize("p", [-0.1, 1.1])
    def test_values_outside_0_to_1_are_refused(self, p):
        with pytest.raises(SalusError, match=str(p)):
            holm([0.5, p])
