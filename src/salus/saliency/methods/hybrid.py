"""Hybrid framework (Xu et al. 2018, arXiv 1806.10696): connectedness, layers and an adaptive centre. Learns nothing.

    min_s  s'(-ln T) + α s'(-ln C) + β Σ_ij r_ij D_ij (s_i - s_j)² + ½ μ n Σ_i s_i²   s >= 0, Σ s = 1

    T_i  = (1 - NC_i) · layer weight · darkness^δ      C_i = exp(-|p_i - AC|² / σ1²), AC the centroid of T by area
    r_ij = exp(-|m_i - m_j| / σ2²)                     D_ij = exp(-|p_i - p_j|² / σ3²)

over superpixels i with mean grey m_i and centroid p_i, a simplex program with P = 4βL + μnI, L the Laplacian of r·D.
Four departures: the term in μ, without which most s_i are 0 and cannot be ranked (published: μ = 0); 1 - NC is
Π_k (1 - ω_k NC_ik) over the borders k, top, bottom and the nearer side, because a shadow joins a tumour to the bottom
and a shallow one touches the top; darkness, the share of the image that is brighter, weighs on T (published: δ = 0);
and the map is ((s - min s) / (max s - min s))^κ (published: s / max s), since with μ no s_i is near 0. The constants
are not published. As Σ s = 1, something is always lit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salus.preprocess import resize
from salus.saliency.methods.cues import CUES, Seen, look
from salus.saliency.methods.layers import layer_weight
from salus.saliency.methods.quadratic_program import simplex_qp


@dataclass(frozen=True)
class Constants:
    """Weights and widths of the program, chosen by `bench/saliency_constants.py`.

    Attributes:
        alpha: weight of nearness to the centre.
        beta: weight of smoothness.
        mu: curvature that spreads the saliency over more regions.
        top: ω of the top border, in [0, 1].
        bottom: ω of the bottom border.
        side: ω of the nearer side.
        dark: δ, power of darkness.
        centre: σ1, share of the height and width.
        likeness: σ2, of grey in [0, 1].
        nearness: σ3, share of the height and width.
        contrast: κ, which changes no order; chosen for the soft Dice 2 Σ s y / (Σ s² + Σ y).
    """

    alpha: float = 1.7
    beta: float = 28.0
    mu: float = 9.7
    top: float = 0.41
    bottom: float = 0.15
    side: float = 0.86
    dark: float = 0.93
    centre: float = 0.47
    likeness: float = 0.32
    nearness: float = 0.16
    contrast: float = 10.0


LEAST = 1e-3
"""T is no less than this, so that its logarithm is finite."""


class HybridSaliency:
    """The hybrid framework, the same for every image.

    Args:
        constants: weights and widths.
    """

    def __init__(self, constants: Constants = Constants()) -> None:
        self.constants = constants

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Do nothing: there is nothing to learn.

        Args:
            images: (n, s, s) uint8, not used.
            masks: (n, s, s) bool, not used.
        """

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """A map for each image.

        Args:
            images: (n, s, s) uint8, any s.

        Returns:
            (n, s, s) float32 in [0, 1], before the resize of maximum 1.
        """
        maps = np.empty(images.shape, np.float32)
        for index, image in enumerate(images):
            seen = look(image)
            maps[index] = resize(seen.regions.paint(solve(seen, self.constants)), image.shape)
        return np.clip(maps, 0, 1, out=maps)


def solve(seen: Seen, constants: Constants) -> np.ndarray:
    """Saliency of each region of one image, (n,) float64 in [0, 1], maximum 1."""
    s = program(seen, constants)
    low, high = s.min(), s.max()
    return np.asarray(((s - low) / (high - low)) ** constants.contrast) if high > low else np.ones(len(s))


def program(seen: Seen, constants: Constants) -> np.ndarray:
    """The minimiser s, (n,) float64, 0 or above, of sum 1."""
    c, regions = constants, seen.regions
    cue = dict(zip(CUES, seen.cues.T.astype(np.float64), strict=True))
    loose = (1 - c.top * cue["top"]) * (1 - c.bottom * cue["bottom"]) * (1 - c.side * cue["nearer side"])
    T = np.maximum(loose * layer_weight(cue["layer"]) * (1 - cue["rank"]) ** c.dark, LEAST)
    m, p, weights = regions.mean, regions.centre, T * regions.area
    off = ((p - weights @ p / weights.sum()) ** 2).sum(axis=1) / c.centre**2  # -ln C
    near = ((p[:, None] - p) ** 2).sum(axis=2) / c.nearness**2
    joined = np.exp(-np.abs(m[:, None] - m) / c.likeness**2 - near)
    P = -4 * c.beta * joined
    np.fill_diagonal(P, 0)
    np.fill_diagonal(P, c.mu * len(m) - P.sum(axis=1))
    return simplex_qp(P, -np.log(T) + c.alpha * off)
