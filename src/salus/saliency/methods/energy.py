"""Two terms that the energies of hybrid saliency and of anatomy modelling share, over the regions i of an image.

    -ln C_i = |p_i - AC|² / σ1²                                  distance to the adaptive centre AC
    Σ_ij r_ij D_ij (s_i - s_j)²                                  smoothness
    r_ij = exp(-|m_i - m_j| / σ2²)                               similarity of the mean grey m
    D_ij = exp(-|p_i - p_j|² / σ3²)                              nearness of the centroids p

Grey is in [0, 1] and centroids are shares of the height and width (Xu et al. 2018 and 2019, arXiv 1806.10696 and
1906.07760). In a quadratic program ½ s'Ps + q's the smoothness term of weight γ is P = 4γL, L the graph Laplacian of
r·D: 4 since the sum counts every pair twice.
"""

from __future__ import annotations

import numpy as np

from salus.saliency.methods.superpixels import Regions


def centre_cost(regions: Regions, weights: np.ndarray, sigma: float) -> np.ndarray:
    """Compute -ln C, the cost of lying off the adaptive centre.

    Args:
        regions: n regions.
        weights: (n,) weight of each region in the adaptive centre, their weighted centroid.
        sigma: σ1.

    Returns:
        (n,) float64.
    """
    p = regions.centre
    return ((p - weights @ p / weights.sum()) ** 2).sum(axis=1) / sigma**2


def smoothness_matrix(
    regions: Regions, weight: float, grey_sigma: float, distance_sigma: float, curvature: float
) -> np.ndarray:
    """Compute the matrix P = 4 weight L + curvature I of a smooth energy.

    Args:
        regions: n regions.
        weight: of the smoothness term.
        grey_sigma: σ2.
        distance_sigma: σ3.
        curvature: what is added to the diagonal.

    Returns:
        (n, n) float64.
    """
    m, p = regions.mean, regions.centre
    distance = ((p[:, None] - p) ** 2).sum(axis=2) / distance_sigma**2
    P = -4 * weight * np.exp(-np.abs(m[:, None] - m) / grey_sigma**2 - distance)
    np.fill_diagonal(P, 0)
    np.fill_diagonal(P, curvature - P.sum(axis=1))
    return P
