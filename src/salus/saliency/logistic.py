"""Logistic regression with soft targets and a ridge penalty, by Newton's method."""

from __future__ import annotations

import numpy as np
from scipy.special import expit


def fit_logistic(design: np.ndarray, positive: np.ndarray, negative: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    """Fit the coefficients of a logistic regression.

        max_beta  Σ_i [positive_i ln p_i + negative_i ln(1 - p_i)] - Σ_k ridge_k beta_k² / 2        p = σ(design beta)

    The problem is convex. Each Newton step is shortened to change no coefficient by more than 2, so that it cannot
    overshoot.

    Args:
        design: (n, k) explanatory variables, with a column of ones for an intercept.
        positive: (n,) weight of the outcome 1 of each sample.
        negative: (n,) weight of the outcome 0 of each sample.
        ridge: (k,) penalty of each coefficient, above 0.

    Returns:
        (k,) float64 coefficients.

    Example:
        >>> import numpy as np
        >>> beta = fit_logistic(np.ones((1, 1)), np.array([3.0]), np.array([1.0]), np.array([1e-9]))
        >>> round(float(beta[0]), 6) == round(float(np.log(3)), 6)
        True
    """
    total, beta = positive + negative, np.zeros(design.shape[1])
    for _ in range(100):
        p = expit(design @ beta)
        gradient = design.T @ (total * p - positive) + ridge * beta
        hessian = design.T @ (design * (total * p * (1 - p))[:, None]) + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        largest = float(np.abs(step).max())
        beta -= step * min(1.0, 2.0 / max(largest, 1e-12))
        if largest < 1e-9:
            break
    return beta
