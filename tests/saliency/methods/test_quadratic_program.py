"""Quadratic programs against other solvers, brute force and the conditions of optimality."""

import itertools

import numpy as np
import pytest
from scipy.optimize import lsq_linear, minimize

from salus.errors import SalusError
from salus.saliency.methods import quadratic_program
from salus.saliency.methods.quadratic_program import solve_box_qp, solve_simplex_qp


def laplacian(rng, n, density=0.3):
    w = rng.random((n, n)) * (rng.random((n, n)) < density)
    w = np.triu(w, 1) + np.triu(w, 1).T
    return np.diag(w.sum(axis=1)) - w


def random_psd(rng, n, rank):
    a = rng.normal(size=(rank, n))
    return a.T @ a


def value(P, q, s):
    return 0.5 * s @ P @ s + q @ s


def assert_box_optimal(P, q, s, low, high, tolerance=1e-6):
    scale = max(np.abs(P).max(), np.abs(q).max())
    g = (P @ s + q) / scale
    assert (s >= low).all()
    assert (s <= high).all()
    assert np.abs(s - np.clip(s - g, low, high)).max() <= tolerance


def assert_simplex_optimal(P, q, s, tolerance=1e-6):
    scale = max(np.abs(P).max(), np.abs(q).max())
    g = (P @ s + q) / scale
    assert s.min() >= 0
    assert s.sum() == pytest.approx(1)
    assert g[s > 1e-9].max() - g.min() <= tolerance


@pytest.mark.parametrize("seed", range(8))
def test_box_agrees_with_bvls(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(25, 20)), rng.normal(size=25)
    found = solve_box_qp(a.T @ a, -a.T @ b, -0.1, 0.2)
    expected = lsq_linear(a, b, (-0.1, 0.2), method="bvls", tol=1e-14).x
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["laplacian", "low rank", "full", "dominant", "zero"])
def test_box_meets_the_conditions_of_optimality(kind, seed):
    rng = np.random.default_rng(seed)
    n = 60
    P = {
        "laplacian": lambda: 4 * laplacian(rng, n),
        "low rank": lambda: random_psd(rng, n, 7),
        "full": lambda: random_psd(rng, n, 2 * n),
        "dominant": lambda: 1e4 * laplacian(rng, n),
        "zero": lambda: np.zeros((n, n)),
    }[kind]()
    q = rng.normal(size=n) * 10.0 ** rng.integers(-2, 3)
    assert_box_optimal(P, q, solve_box_qp(P, q), 0, 1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["laplacian", "low rank", "full", "dominant", "zero"])
@pytest.mark.parametrize("iterations", [quadratic_program.MAX_ITERATIONS, 0])  # 0: the primal method from the start
def test_simplex_meets_the_conditions_of_optimality(iterations, kind, seed, monkeypatch):
    monkeypatch.setattr(quadratic_program, "MAX_ITERATIONS", iterations)
    rng = np.random.default_rng(seed)
    n = 40
    P = {
        "laplacian": lambda: 4 * laplacian(rng, n),
        "low rank": lambda: random_psd(rng, n, 7),
        "full": lambda: random_psd(rng, n, 2 * n),
        "dominant": lambda: 1e3 * laplacian(rng, n),
        "zero": lambda: np.zeros((n, n)),
    }[kind]()
    q = rng.normal(size=n)
    assert_simplex_optimal(P, q, solve_simplex_qp(P, q))


def brute_simplex(P, q):
    """The best of the minimisers on every face."""
    n, best = len(q), None
    for size in range(1, n + 1):
        for face in itertools.combinations(range(n), size):
            k = np.array(face)
            system = np.block([[P[np.ix_(k, k)], -np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]])
            x = np.linalg.lstsq(system, np.append(-q[k], 1), rcond=None)[0][:-1]
            if x.min() >= -1e-12 and (best is None or value(P[np.ix_(k, k)], q[k], x) < best):
                best = value(P[np.ix_(k, k)], q[k], x)
    return best


@pytest.mark.parametrize("seed", range(10))
def test_simplex_agrees_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    P = random_psd(rng, 6, 6) if seed % 2 else laplacian(rng, 6, 0.9)
    q = rng.normal(size=6)
    s = solve_simplex_qp(P, q)
    assert value(P, q, s) == pytest.approx(brute_simplex(P, q), abs=1e-7)


def test_simplex_agrees_with_slsqp():
    rng = np.random.default_rng(1)
    P, q = random_psd(rng, 15, 15), rng.normal(size=15)
    found = minimize(
        lambda s: value(P, q, s),
        np.full(15, 1 / 15),
        jac=lambda s: P @ s + q,
        bounds=[(0, 1)] * 15,
        constraints={"type": "eq", "fun": lambda s: s.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert np.abs(solve_simplex_qp(P, q) - found.x).max() < 1e-5


def test_one_unknown_has_its_closed_form():
    assert solve_box_qp(np.array([[2.0]]), np.array([-1.0])) == pytest.approx([0.5])
    assert solve_simplex_qp(np.array([[0.0]]), np.array([3.0])) == pytest.approx([1.0])


def test_programs_of_full_size_are_exact():
    rng = np.random.default_rng(5)
    P, q = 4 * laplacian(rng, 250, 0.03), rng.normal(size=250)
    assert_box_optimal(P, q, solve_box_qp(P, q), 0, 1)
    assert_simplex_optimal(50 * P, q, solve_simplex_qp(50 * P, q))


@pytest.mark.parametrize("solve", [solve_box_qp, solve_simplex_qp])
def test_bad_numbers_are_refused(solve):
    with pytest.raises(SalusError, match="not finite"):
        solve(np.eye(2), np.array([np.nan, 0]))
    with pytest.raises(SalusError, match="positive semidefinite"):
        solve(-np.eye(3), np.array([0.1, -0.2, 0.3]))
