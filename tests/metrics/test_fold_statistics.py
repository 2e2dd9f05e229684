"""Means over folds and the corrected t test, against published figures and SciPy."""

from math import inf, isnan, nan, sqrt
from statistics import stdev

import pytest
from scipy import stats

from salus.errors import SalusError
from salus.metrics.fold_statistics import corrected_fold_ttest, mean_over_folds

# Dice of the five folds as stored in the authors' released notebooks (Vakanski, Xian & Freer 2020).
PUBLISHED_UNET = [0.899342, 0.891857, 0.908945, 0.902268, 0.867470]
PUBLISHED_SALIENT = [0.917233, 0.890384, 0.896670, 0.911694, 0.887016]


def test_reproduces_the_published_mean_and_spread():
    result = mean_over_folds(PUBLISHED_UNET, [1, 2, 3, 4, 5])
    assert (result.mean, as_published(result.sd)) == pytest.approx((0.893976, 0.014344), abs=1.5e-6)
    result = mean_over_folds(PUBLISHED_SALIENT, [1, 2, 3, 4, 5])
    assert (result.mean, as_published(result.sd)) == pytest.approx((0.900599, 0.011866), abs=1.5e-6)
    assert result.sd == pytest.approx(stdev(PUBLISHED_SALIENT))


def as_published(sd):
    """Turn a standard deviation of five folds with divisor k - 1 into one with divisor k."""
    return sd * sqrt(4 / 5)


def test_folds_count_the_same_whatever_their_size():
    result = mean_over_folds([1.0, 0.0, 0.0, 0.0, nan], ["a", "b", "b", "b", "a"])
    assert result.folds == ("a", "b")
    assert result.means == (1.0, 0.0)
    assert (result.mean, result.sd) == (0.5, pytest.approx(sqrt(0.5)))


def test_a_fold_without_values_is_left_out():
    result = mean_over_folds([0.5, 0.7, nan], [0, 1, 2])
    assert isnan(result.means[2])
    assert result.mean == pytest.approx(0.6)
    assert isnan(mean_over_folds([nan], [0]).mean)
    assert isnan(mean_over_folds([0.5], [0]).sd)  # one fold tells nothing of others


def test_every_value_needs_the_label_of_its_fold():
    with pytest.raises(SalusError, match="2 values and 1 labels"):
        mean_over_folds([0.5, 0.6], [1])


def test_the_published_difference_is_not_significant():
    """The plain paired t test gives p = 0.33; with the correction it is larger still."""
    plain = corrected_fold_ttest(PUBLISHED_SALIENT, PUBLISHED_UNET, ratio=0)
    theirs = stats.ttest_rel(PUBLISHED_SALIENT, PUBLISHED_UNET)
    assert (plain.t, plain.p) == pytest.approx((theirs.statistic, theirs.pvalue), abs=1e-9)
    assert round(plain.p, 2) == 0.33
    corrected = corrected_fold_ttest(PUBLISHED_SALIENT, PUBLISHED_UNET)
    assert corrected.t == pytest.approx(plain.t * sqrt((1 / 5) / (1 / 5 + 1 / 4)))
    assert corrected.p == pytest.approx(2 * stats.t.sf(corrected.t, 4))
    assert corrected.mean == pytest.approx(0.006623)


@pytest.mark.filterwarnings("error")
def test_equal_and_constant_differences_have_p_of_one_and_zero():
    assert corrected_fold_ttest([0.5, 0.6], [0.5, 0.6]).p == 1.0
    constant = corrected_fold_ttest([0.5, 0.6], [0.6, 0.7])
    assert (constant.t, constant.p) == (-inf, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5], [0.6]), "1 and 1"),
        (([0.5, 0.6], [0.6, 0.5, 0.7]), "2 and 3"),
        (([0.5, nan], [0.6, 0.5]), "not defined"),
        (([0.5, 0.6], [0.6, 0.5], -1), "ratio"),
    ],
)
def test_wrong_fold_means_are_refused_with_the_reason(arguments, message):
    with pytest.raises(SalusError, match=message):
        corrected_fold_ttest(*arguments)
