"""Two exact small quadratic programs, with which the classical methods spread saliency over regions.

    box:      min ½ s'Ps + q's   low <= s <= high      projected Newton (Bertsekas 1982, SIAM J. Control Optim. 20:221)
    simplex:  min ½ s'Ps + q's   s >= 0, Σ s = 1       primal-dual active set (Hintermüller, Ito & Kunisch 2002), and
                                                       a primal active-set method where that cycles

P is symmetric, positive semidefinite and dense. A trace of the identity (`TRACE` of the largest figure in P and q) is
added, so that a singular P, such as a graph's Laplacian, has one answer; the gradient is off by no more than that.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from salus.errors import SalusError

TRACE = 1e-9
"""Share of the largest figure that is added to P's diagonal."""

EXACT = 1e-9
"""Largest violation of the conditions of optimality, as a share of the largest figure."""

ROUNDS = 200
"""Rounds after which the box program is given up, and the simplex program's first method."""


def box_qp(P: np.ndarray, q: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
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
        >>> box_qp(np.eye(3), np.array([-2.0, -0.5, 1.0])).round(6).tolist()
        [1.0, 0.5, 0.0]
    """
    P, q, scale = _checked(P, q)
    s = np.clip(np.full(q.size, (low + high) / 2), low, high)
    g = P @ s + q
    step = 1.0
    for _ in range(ROUNDS):
        if np.abs(s - np.clip(s - g / scale, low, high)).max(initial=0.0) <= EXACT:
            break
        near = min(1e-6 * (high - low), float(np.abs(s - np.clip(s - g / scale, low, high)).max()))
        held = ((s <= low + near) & (g > 0)) | ((s >= high - near) & (g < 0))
        free = ~held
        d = -g / scale  # those held go straight to their bound
        d[free] = -_solve(P[np.ix_(free, free)], g[free])
        step = 1.0
        while True:
            t = np.clip(s + step * d, low, high)
            move = t - s
            change = g @ move + 0.5 * move @ (P @ move)
            promised = step * (g[free] @ d[free]) + g[held] @ move[held]
            if change <= 1e-4 * promised or step < 1e-10:
                break
            step /= 2
        s = t
        g = P @ s + q
    return s


def simplex_qp(P: np.ndarray, q: np.ndarray) -> np.ndarray:
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
        >>> simplex_qp(np.eye(3), np.array([0.0, 0.0, 9.0])).round(6).tolist()
        [0.5, 0.5, 0.0]
    """
    P, q, scale = _checked(P, q)
    free = np.ones(q.size, bool)
    seen: set[bytes] = set()
    for _ in range(ROUNDS):
        s, level = _on(P, q, free)
        z = P @ s + q - level
        wanted = np.where(free, s > 0, z < -EXACT * scale)
        if (wanted == free).all():
            return s
        if not wanted.any() or wanted.tobytes() in seen:
            break
        seen.add(wanted.tobytes())
        free = wanted
    return _primal(P, q, scale)


def _primal(P: np.ndarray, q: np.ndarray, scale: float) -> np.ndarray:
    """The simplex program by one change of the active set at a time, which cannot cycle: each lowers the objective."""
    s = np.zeros(q.size)
    s[int(np.argmin(q + np.diag(P) / 2))] = 1.0
    free = s > 0
    for _ in range(50 * q.size + 100):
        t, level = _on(P, q, free)
        if t.min() >= 0:
            s = t
            z = np.where(free, 0.0, P @ s + q - level)
            if z.min() >= -EXACT * scale:
                break
            free[int(z.argmin())] = True
            continue
        falls = np.flatnonzero(free & (t < 0))
        shares = s[falls] / (s[falls] - t[falls])
        first = int(shares.argmin())
        s = np.maximum(s + shares[first] * (t - s), 0.0)
        s[falls[first]] = 0.0
        free[falls[first]] = False
    return s


def _on(P: np.ndarray, q: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    """Minimiser with Σ s = 1 and zeros where not free, signs ignored; and the multiplier of the sum."""
    both = np.stack([q[free], np.ones(np.count_nonzero(free))], axis=1)
    x, y = _solve(P[np.ix_(free, free)], both).T
    level = (1 + x.sum()) / y.sum()
    s = np.zeros(q.size)
    s[free] = level * y - x
    return s, float(level)


def _solve(P: np.ndarray, right: np.ndarray) -> np.ndarray:
    if not right.size:
        return right.copy()
    try:
        return np.asarray(cho_solve(cho_factor(P, check_finite=False), right, check_finite=False))
    except np.linalg.LinAlgError:
        raise SalusError("a quadratic program's matrix is not positive semidefinite; check its weights") from None


def _checked(P: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """P with its trace of identity, q, and the largest figure."""
    P, q = np.asarray(P, np.float64), np.asarray(q, np.float64)
    if not (np.isfinite(P).all() and np.isfinite(q).all()):
        raise SalusError("a quadratic program has figures that are not finite; check its weights")
    scale = max(float(np.abs(P).max(initial=0.0)), float(np.abs(q).max(initial=0.0))) or 1.0
    return P + TRACE * scale * np.eye(q.size), q, scale
