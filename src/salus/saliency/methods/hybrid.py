"""Hybrid framework (Xu et al. 2018, arXiv 1806.10696): connectedness, layers and an adaptive centre. Learns nothing.

    min_s  s'(-ln T) + α s'(-ln C) + β Σ_ij r_ij D_ij (s_i - s_j)² + ½ μ n Σ_i s_i²   s >= 0, Σ s = 1

    T_i  = (1 - NC_i) · layer weight · darkness^δ      C_i = exp(-|p_i - AC|² / σ1²), AC the centroid of T by area
    r_ij = exp(-|m_i - m_j| / σ2²)                     D_ij = exp(-|p_i - p_j|² / σ3²)

over superpixels i with mean grey m_i and centroid p_i: a simplex program with P = 4βL + μnI, L the Laplacian of r·D.
It departs from the paper in four ways:

- the term in μ, without which most s_i are 0 and cannot be ranked (published: μ = 0);
- 1 - NC is Π_k (1 - ω_k NC_ik) over the borders k, top, bottom and the nearer side, because a shadow joins a tumour to
  the bottom and a shallow one touches the top;
- darkness, the share of the image that is brighter, weighs on T (published: δ = 0);
- the map is ((s - min s) / (max s - min s))^κ (published: s / max s), since with μ no s_i is near 0.

The constants are not published. As Σ s = 1, every image gets a bright region.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salus.saliency.methods.cues import CUES, RegionCues, compute_cues
from salus.saliency.methods.energy import centre_cost, smoothness_matrix
from salus.saliency.methods.estimator import estimate_each
from salus.saliency.methods.layers import layer_weight
from salus.saliency.methods.quadratic_program import solve_simplex_qp


@dataclass(frozen=True)
class HybridParameters:
    """Weights and widths of the energy, chosen by `bench/saliency_constants.py`.

    Attributes:
        alpha: α, weight of nearness to the centre.
        beta: β, weight of smoothness.
        mu: μ, curvature that spreads the saliency over more regions.
        top: ω of the top border, in [0, 1].
        bottom: ω of the bottom border.
        side: ω of the nearer side.
        darkness_power: δ.
        centre_sigma: σ1, share of the height and width.
        grey_sigma: σ2, of grey in [0, 1].
        distance_sigma: σ3, share of the height and width.
        contrast: κ, which changes no order; chosen for the soft Dice 2 Σ s y / (Σ s² + Σ y).
    """

    alpha: float = 1.7
    beta: float = 28.0
    mu: float = 9.7
    top: float = 0.41
    bottom: float = 0.15
    side: float = 0.86
    darkness_power: float = 0.93
    centre_sigma: float = 0.47
    grey_sigma: float = 0.32
    distance_sigma: float = 0.16
    contrast: float = 10.0


MIN_T = 1e-3
"""Smallest T, so that its logarithm is finite."""


class HybridSaliency:
    """The hybrid framework, the same for every image.

    Args:
        parameters: weights and widths of the energy.
    """

    def __init__(self, parameters: HybridParameters = HybridParameters()) -> None:
        self.parameters = parameters

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Do nothing: there is nothing to learn.

        Args:
            images: (n, s, s) uint8, not used.
            masks: (n, s, s) bool, not used.
        """

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Estimate the map of each image.

        Args:
            images: (n, s, s) uint8, any s.

        Returns:
            (n, s, s) float32 in [0, 1]; the maximum is 1 before the resize.
        """
        return estimate_each(images, self._estimate_one)

    def _estimate_one(self, image: np.ndarray) -> np.ndarray:
        cues = compute_cues(image)
        return cues.regions.to_map(compute_saliency(cues, self.parameters))


def compute_saliency(region_cues: RegionCues, parameters: HybridParameters) -> np.ndarray:
    """Compute the saliency of each region of an image, (n,) float64 in [0, 1], maximum 1."""
    s = minimise_energy(region_cues, parameters)
    low, high = s.min(), s.max()
    return np.asarray(((s - low) / (high - low)) ** parameters.contrast) if high > low else np.ones(len(s))


def minimise_energy(region_cues: RegionCues, parameters: HybridParameters) -> np.ndarray:
    """Find the minimiser s of the energy, (n,) float64, 0 or above, of sum 1."""
    regions = region_cues.regions
    cue = dict(zip(CUES, region_cues.cues.T.astype(np.float64), strict=True))
    unconnected = (
        (1 - parameters.top * cue["top"])
        * (1 - parameters.bottom * cue["bottom"])
        * (1 - parameters.side * cue["nearer side"])
    )
    darkness = (1 - cue["rank"]) ** parameters.darkness_power
    T = np.maximum(unconnected * layer_weight(cue["layer"]) * darkness, MIN_T)
    q = -np.log(T) + parameters.alpha * centre_cost(regions, T * regions.area, parameters.centre_sigma)
    curvature = parameters.mu * len(T)
    P = smoothness_matrix(regions, parameters.beta, parameters.grey_sigma, parameters.distance_sigma, curvature)
    return solve_simplex_qp(P, q)
