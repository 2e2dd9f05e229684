"""Exact solvers of two small quadratic programs, by which the classical methods spread saliency over regions.

    box:      min ½ s'Ps + q's   low <= s <= high      projected Newton (Bertsekas 1982, SIAM J. Control Optim. 20:221)
    simplex:  min ½ s'Ps + q's   s >= 0, Σ s = 1       primal-dual active set (Hintermüller, Ito & Kunisch 2002), and
                                                       a primal active-set method where that cycles

P is symmetric, positive semidefinite and dense. A multiple of the identity is added (`REGULARISATION` times the largest
number in P and q), so that a singular P, such as a graph's Laplacian, has one solution; the gradient is off by no more
than that.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from salus.errors import SalusError

REGULARISATION = 1e-9
"""What is added to P's diagonal, as a share of the largest number in P and q."""

TOLERANCE = 1e-9
"""Largest violation of the conditions of optimality, as a share of the largest number in P and q."""

MAX_ITERATIONS = 200
"""Iterations after which projected Newton ends, and after which the primal-dual method gives way to the primal one."""


def solve_box_qp(P: np.ndarray, q: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Minimise ½ s'Ps + q's in a box.

    Args:
        P: (n, n) symmetric, positive semidefinite.
        q: (n,).
        low: lower bound of each element.
        high: upper bound of each element, finite.

    Returns:
        (n,) float64.

    Raises:
        SalusError: P is not positive semidefinite, or a number is not finite.

    Example:
        >>> import numpy as np
        >>> solve_box_qp(np.eye(3), np.array([-2.0, -0.5, 1.0])).round(6).tolist()
        [1.0, 0.5, 0.0]
    """
    P, q, scale = _regularise(P, q)
    s = np.clip(np.full(q.size, (low + high) / 2), low, high)
    gradient = P @ s + q
    for _ in range(MAX_ITERATIONS):
        violation = float(np.abs(s - np.clip(s - gradient / scale, low, high)).max(initial=0.0))
        if violation <= TOLERANCE:
            break
        margin = min(1e-6 * (high - low), violation)
        at_bound = ((s <= low + margin) & (gradient > 0)) | ((s >= high - margin) & (gradient < 0))
        free = ~at_bound
        direction = -gradient / scale  # elements at a bound move to that bound
        direction[free] = -_solve(P[np.ix_(free, free)], gradient[free])
        step = 1.0
        while True:  # Armijo's rule along the projected path
            candidate = np.clip(s + step * direction, low, high)
            move = candidate - s
            change = gradient @ move + 0.5 * move @ (P @ move)
            predicted = step * (gradient[free] @ direction[free]) + gradient[at_bound] @ move[at_bound]
            if change <= 1e-4 * predicted or step < 1e-10:
                break
            step /= 2
        s = candidate
        gradient = P @ s + q
    return s


def solve_simplex_qp(P: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Minimise ½ s'Ps + q's over s >= 0 with Σ s = 1.

    Args:
        P: (n, n) symmetric, positive semidefinite.
        q: (n,), n > 0.

    Returns:
        (n,) float64.

    Raises:
        SalusError: P is not positive semidefinite, or a number is not finite.

    Example:
        >>> import numpy as np
        >>> solve_simplex_qp(np.eye(3), np.array([0.0, 0.0, 9.0])).round(6).tolist()
        [0.5, 0.5, 0.0]
    """
    P, q, scale = _regularise(P, q)
    free = np.ones(q.size, bool)
    tried: set[bytes] = set()
    for _ in range(MAX_ITERATIONS):
        s, multiplier = _minimise_with_zeros(P, q, free)
        dual = P @ s + q - multiplier
        next_free = np.where(free, s > 0, dual < -TOLERANCE * scale)
        if (next_free == free).all():
            return s
        if not next_free.any() or next_free.tobytes() in tried:
            break
        tried.add(next_free.tobytes())
        free = next_free
    return _primal_active_set(P, q, scale)


def _primal_active_set(P: np.ndarray, q: np.ndarray, scale: float) -> np.ndarray:
    """Solve the simplex program by one change of the active set at a time.

    It cannot cycle, since each change lowers the objective.
    """
    s = np.zeros(q.size)
    s[int(np.argmin(q + np.diag(P) / 2))] = 1.0
    free = s > 0
    for _ in range(50 * q.size + 100):
        candidate, multiplier = _minimise_with_zeros(P, q, free)
        if candidate.min() >= 0:
            s = candidate
            dual = np.where(free, 0.0, P @ s + q - multiplier)
            if dual.min() >= -TOLERANCE * scale:
                break
            free[int(dual.argmin())] = True
            continue
        falling = np.flatnonzero(free & (candidate < 0))
        shares = s[falling] / (s[falling] - candidate[falling])  # of the way to the candidate, until each is 0
        first = int(shares.argmin())
        s = np.maximum(s + shares[first] * (candidate - s), 0.0)
        s[falling[first]] = 0.0
        free[falling[first]] = False
    return s


def _minimise_with_zeros(P: np.ndarray, q: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    """Find the minimiser with Σ s = 1 that is 0 where not free, whatever its signs; and the multiplier of the sum."""
    right = np.stack([q[free], np.ones(np.count_nonzero(free))], axis=1)
    x, y = _solve(P[np.ix_(free, free)], right).T
    multiplier = (1 + x.sum()) / y.sum()
    s = np.zeros(q.size)
    s[free] = multiplier * y - x
    return s, float(multiplier)


def _solve(P: np.ndarray, right: np.ndarray) -> np.ndarray:
    if not right.size:
        return right.copy()
    try:
        return np.asarray(cho_solve(cho_factor(P, check_finite=False), right, check_finite=False))
    except np.linalg.LinAlgError:
        raise SalusError("a quadratic program's matrix is not positive semidefinite; check its weights") from None


def _regularise(P: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Check P and q; return P with its multiple of the identity, q, and the largest number in them."""
    P, q = np.asarray(P, np.float64), np.asarray(q, np.float64)
    if not (np.isfinite(P).all() and np.isfinite(q).all()):
        raise SalusError("a quadratic program has figures that are not finite; check its weights")
    scale = max(float(np.abs(P).max(initial=0.0)), float(np.abs(q).max(initial=0.0))) or 1.0
    return P + REGULARISATION * scale * np.eye(q.size), q, scale
