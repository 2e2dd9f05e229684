"""The logistic regression, at the optimum of its penalised likelihood."""

import numpy as np
import pytest
from scipy.special import expit

from salus.saliency.logistic import fit_logistic


def test_the_gradient_vanishes_at_the_fit():
    rng = np.random.default_rng(0)
    design = np.column_stack([rng.normal(size=(400, 3)), np.ones(400)])
    positive, negative, ridge = rng.random(400), rng.random(400), np.array([0.1, 1, 10, 1e-3])
    beta = fit_logistic(design, positive, negative, ridge)
    gradient = design.T @ ((positive + negative) * expit(design @ beta) - positive) + ridge * beta
    assert np.abs(gradient).max() < 1e-8


def test_known_log_odds_are_recovered():
    x = np.linspace(-3, 3, 50)
    p = expit(2 * x - 1)
    beta = fit_logistic(np.column_stack([x, np.ones(50)]), p, 1 - p, np.full(2, 1e-9))
    assert beta == pytest.approx([2, -1], abs=1e-6)


def test_separable_outcomes_stay_finite_by_the_penalty():
    x = np.array([-1.0, 1.0])
    beta = fit_logistic(x[:, None], x > 0, 1.0 * (x < 0), np.array([1e-3]))
    assert 3 < beta[0] < 20
