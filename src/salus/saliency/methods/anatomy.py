"""Anatomy modelling (Xu et al. 2019, arXiv 1906.07760): a map that may also say that there is no tumour.

    min_s  s'(-ln F) + α (1-s)'(-ln B) + β s'(-ln C) + γ Σ_ij r_ij D_ij (s_i - s_j)² + ½ μ Σ_i (s_i - ½)²    0 <= s <= 1

    C_i  = exp(-|p_i - AC|² / σ1²)   nearness to the adaptive centre AC, the centroid of F² by area
    r_ij = exp(-|m_i - m_j| / σ2²)   similarity of the mean grey;   D_ij = exp(-|p_i - p_j|² / σ3²)  nearness

over superpixels i with mean grey m_i in [0, 1] and centroid p_i in shares of height and width: a box program with
P = 4γL + μI, L the Laplacian of r·D (every pair is counted twice), and q = -ln F + α ln B - β ln C - μ/2.

The constants and the exact F and B are not published. Here F is the probability of tumour by a logistic regression on
the region's cues (`salus.saliency.methods.cues`: darkness against its surroundings, connectedness to each border, depth
in layers) and on the log odds of tumours at its place; B = 1 - F. It is calibrated on all regions of all images, those
without a tumour too. The term in μ is an addition: without it almost every s_i lies at 0 or 1 and cannot be ranked.
Where nothing is clipped, μ (s - ½) is the smoothed log odds of F, so the map is the probability
σ(a μ (s - ½) + b), with a and b measured out of fold; it is never scaled to maximum 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from salus.errors import SalusError
from salus.preprocess import resize
from salus.saliency.logistic import fit_logistic
from salus.saliency.methods.cues import CUES, RegionCues, compute_cues
from salus.saliency.methods.energy import centre_cost, smoothness_matrix
from salus.saliency.methods.estimator import estimate_each
from salus.saliency.methods.quadratic_program import solve_box_qp
from salus.saliency.methods.superpixels import WORKING_SIZE, Regions
from salus.saliency.npz import open_npz


@dataclass(frozen=True)
class AnatomyParameters:
    """Weights and widths of the energy, chosen by `bench/saliency_constants.py`.

    Files of `salus.saliency.methods.regions` hold these numbers in this order.

    Attributes:
        alpha: α, weight of the background map.
        beta: β, weight of nearness to the centre.
        gamma: γ, weight of smoothness.
        mu: μ, curvature that keeps s off its bounds.
        centre_sigma: σ1, share of the height and width.
        grey_sigma: σ2, of grey in [0, 1].
        distance_sigma: σ3, share of the height and width.
        slope: a of the map's calibration.
        shift: b of the map's calibration.
    """

    alpha: float = 1.0
    beta: float = 0.12
    gamma: float = 5.0
    mu: float = 17.0
    centre_sigma: float = 0.37
    grey_sigma: float = 0.2
    distance_sigma: float = 0.1
    slope: float = 1.12
    shift: float = 0.68


BLUR = 0.03
"""Standard deviation of the location map's blur, a share of its height."""

MIN_PROBABILITY = 0.002
"""Probability of a tumour that is added everywhere to the location map."""

LESION_WEIGHT = 0.3
"""Weight of an image's tumour, of any size, beside that of its background in the regression."""

MAX_DEVIATION = 4.0
"""Standard deviations at which a standardised cue is clipped."""

RIDGE = 1e-5
"""Ridge penalty of the regression, a share of the sum of all weights."""


@dataclass(frozen=True, eq=False)
class Foreground:
    """A fitted foreground map F.

    Attributes:
        place: (128, 128) float32 log odds of tumours.
        mean: (17,) mean of each cue, `CUES` and then the place.
        scale: (17,) standard deviation of each.
        weights: (17,) weight of each standardised cue.
        bias: log odds where all cues are at their means.
    """

    place: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float

    def log_odds(self, region_cues: RegionCues) -> np.ndarray:
        """Compute ln F / (1 - F) of each region, (n,) float64."""
        cues = np.column_stack([region_cues.cues, region_cues.regions.average(self.place)])
        return _standardise(cues, self.mean, self.scale) @ self.weights + self.bias


class AnatomySaliency:
    """Anatomy modelling with a fitted foreground.

    Args:
        parameters: weights and widths of the energy.
        foreground: a fitted one; None where `fit` is called later.
    """

    def __init__(
        self, parameters: AnatomyParameters = AnatomyParameters(), foreground: Foreground | None = None
    ) -> None:
        self.parameters = parameters
        self.foreground = foreground

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Fit the foreground.

        Args:
            images: (n, s, s) uint8.
            masks: (n, s, s) bool; images without a tumour are welcome.

        Raises:
            SalusError: no mask has a tumour.
        """
        self.foreground = fit_foreground([compute_cues(image) for image in images], masks)

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Estimate the map of each image.

        Args:
            images: (n, s, s) uint8, any s.

        Returns:
            (n, s, s) float32 in [0, 1], the probability of tumour, low everywhere where none is seen.

        Raises:
            SalusError: the model is not fitted.
        """
        return estimate_each(images, self._estimate_one)

    def _estimate_one(self, image: np.ndarray) -> np.ndarray:
        if self.foreground is None:
            raise SalusError("the anatomy model is not fitted; call fit with training masks, or load a fitted one")
        cues = compute_cues(image)
        return cues.regions.to_map(compute_probabilities(self.foreground.log_odds(cues), cues.regions, self.parameters))

    def save(self, path: Path | str) -> None:
        """Write the foreground as .npz.

        Raises:
            SalusError: the model is not fitted.
        """
        if (f := self.foreground) is None:
            raise SalusError("the anatomy model is not fitted; call fit with training masks first")
        bias = np.float64(f.bias)
        np.savez_compressed(
            path, cues=CUES, place=f.place, mean=f.mean, scale=f.scale, weights=f.weights, bias=bias
        )  # fmt: skip

    @classmethod
    def load(cls, path: Path | str, parameters: AnatomyParameters = AnatomyParameters()) -> AnatomySaliency:
        """Read a file of `save`.

        Raises:
            SalusError: the file is missing or damaged, or was fitted on other cues.
        """
        with open_npz(path, "an anatomy model") as file:
            cues, bias = tuple(str(cue) for cue in file["cues"]), float(file["bias"])
            place, mean, scale, weights = (file[key] for key in ("place", "mean", "scale", "weights"))
        sizes = {values.shape for values in (mean, scale, weights)}
        if cues != CUES or place.shape != (WORKING_SIZE, WORKING_SIZE) or sizes != {(len(CUES) + 1,)}:
            raise SalusError(f"{path}: fitted by another version of Salus; fit the anatomy model again")
        return cls(parameters, Foreground(place, mean, scale, weights, bias))


def compute_probabilities(log_odds: np.ndarray, regions: Regions, parameters: AnatomyParameters) -> np.ndarray:
    """Minimise the energy of a foreground map and calibrate the minimiser.

    Args:
        log_odds: (n,) ln F / (1 - F) of each region.
        regions: n regions.
        parameters: weights and widths of the energy.

    Returns:
        (n,) float64 probability of tumour of each region.
    """
    c = parameters
    F = expit(log_odds)
    q = -np.log(F) + c.alpha * np.log1p(-F)
    q = q + c.beta * centre_cost(regions, F * F * regions.area, c.centre_sigma) - c.mu / 2
    P = smoothness_matrix(regions, c.gamma, c.grey_sigma, c.distance_sigma, c.mu)
    return np.asarray(expit(c.slope * c.mu * (solve_box_qp(P, q) - 0.5) + c.shift))


def fit_foreground(images: Sequence[RegionCues], masks: np.ndarray) -> Foreground:
    """Fit F: a logistic regression in which every image and its tumour weigh alike, and then a calibration.

    Args:
        images: cues of n images.
        masks: (n, s, s) bool.

    Raises:
        SalusError: no mask has a tumour.
    """
    if not masks.any():
        raise SalusError("no training mask shows a tumour; the anatomy model needs some that do")
    shares = [resize(mask, (WORKING_SIZE, WORKING_SIZE)).astype(np.float64) for mask in masks]
    frequency = gaussian_filter(np.mean(shares, axis=0), BLUR * WORKING_SIZE)
    frequency = (frequency + frequency[:, ::-1]) / 2 + MIN_PROBABILITY  # tumours lie left as often as right
    place = np.log(frequency / (1 - frequency)).astype(np.float32)
    cues = np.concatenate([np.column_stack([image.cues, image.regions.average(place)]) for image in images])
    tumour_shares = [image.regions.average(share) for image, share in zip(images, shares, strict=True)]
    area = np.concatenate([image.regions.area for image in images]) / WORKING_SIZE**2
    tumour = area * np.concatenate(tumour_shares)
    lesion_size = np.repeat([max(share.mean(), 0.01) for share in shares], [len(t) for t in tumour_shares])
    mean, scale = cues.mean(axis=0), cues.std(axis=0) + 1e-6
    beta = _regress(_standardise(cues, mean, scale), LESION_WEIGHT * tumour / lesion_size, area - tumour)
    scores = _standardise(cues, mean, scale) @ beta[:-1] + beta[-1]
    slope, bias = calibrate(scores, tumour, area - tumour)
    return Foreground(place, mean, scale, slope * beta[:-1], float(slope * beta[-1] + bias))


def calibrate(log_odds: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Fit the slope and the bias, (2,), that make log odds (n,) probabilities (Platt's method).

    Args:
        log_odds: (n,) to be calibrated.
        positive: (n,) area of tumour in each region.
        negative: (n,) area outside tumours in each region.
    """
    return _regress(log_odds[:, None], positive, negative)


def _standardise(cues: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip((cues - mean) / scale, -MAX_DEVIATION, MAX_DEVIATION)


def _regress(variables: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Fit a logistic regression; the intercept is the last coefficient."""
    design = np.column_stack([variables, np.ones(len(variables))])
    ridge = np.full(design.shape[1], RIDGE * float((positive + negative).sum()))
    return fit_logistic(design, positive, negative, ridge)
