"""Anatomy modelling (Xu et al. 2019, arXiv 1906.07760): a map that may also say that there is no tumour.

    min_s  s'(-ln F) + α (1-s)'(-ln B) + β s'(-ln C) + γ Σ_ij r_ij D_ij (s_i - s_j)² + ½ μ Σ_i (s_i - ½)²    0 <= s <= 1

    C_i  = exp(-|p_i - AC|² / σ1²)   nearness to the adaptive centre AC, the centroid of F² by area
    r_ij = exp(-|m_i - m_j| / σ2²)   likeness of the mean grey;   D_ij = exp(-|p_i - p_j|² / σ3²)  nearness

over superpixels i with mean grey m_i in [0, 1] and centroid p_i in shares of height and width: a box program with
P = 4γL + μI, L the Laplacian of r·D (every pair is counted twice), and q = -ln F + α ln B - β ln C - μ/2.

Published constants and the exact F and B are not known. Here F is the probability of tumour of a logistic regression on
the region's cues (`salus.saliency.methods.cues`: darkness beside its surroundings, connectedness to each border, depth in
layers) and on the log odds of tumours at its place; B = 1 - F. It is calibrated on all regions of all images, those
without a tumour too. The term in μ is an addition: without it almost every s_i lies at 0 or 1 and cannot be ranked.
Where nothing is clipped μ (s - ½) is then the smoothed log odds of F, so the map is the probability
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
from salus.saliency.methods.cues import CUES, Seen, look
from salus.saliency.methods.quadratic_program import box_qp
from salus.saliency.methods.superpixels import WORKING, Regions


@dataclass(frozen=True)
class Constants:
    """Weights and widths of the program, chosen by `bench/saliency_constants.py`.

    Attributes:
        alpha: weight of the background map.
        beta: weight of nearness to the centre.
        gamma: weight of smoothness.
        mu: curvature that keeps s off its bounds.
        centre: σ1, share of the height and width.
        likeness: σ2, of grey in [0, 1].
        nearness: σ3, share of the height and width.
        slope: a of the map's calibration.
        shift: b of the map's calibration.
    """

    alpha: float = 1.0
    beta: float = 0.12
    gamma: float = 5.0
    mu: float = 17.0
    centre: float = 0.37
    likeness: float = 0.2
    nearness: float = 0.1
    slope: float = 1.12
    shift: float = 0.68


BLUR = 0.03
"""Standard deviation of the location map's blur, a share of its height."""

FLOOR = 0.002
"""Probability of a tumour that is added everywhere to the location map."""

SHARE = 0.3
"""Weight of an image's tumour, of any size, beside that of its background in the regression."""

FAR = 4.0
"""Standard deviations at which a cue is cut."""


@dataclass(frozen=True, eq=False)
class Foreground:
    """A fitted F.

    Attributes:
        place: (128, 128) float32 log odds of tumours.
        mean: (17,) of each cue, `CUES` and then the place.
        scale: (17,) standard deviation of each.
        weights: (17,) of each standardised cue.
        bias: log odds where all are at their means.
    """

    place: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float

    def log_odds(self, seen: Seen) -> np.ndarray:
        """ln F / (1 - F) of each region, (n,) float64."""
        cues = np.column_stack([seen.cues, seen.regions.average(self.place)])
        return np.clip((cues - self.mean) / self.scale, -FAR, FAR) @ self.weights + self.bias


class AnatomySaliency:
    """Anatomy modelling with a fitted foreground.

    Args:
        constants: weights and widths.
        foreground: what `fit` found earlier.
    """

    def __init__(self, constants: Constants = Constants(), foreground: Foreground | None = None) -> None:
        self.constants = constants
        self.foreground = foreground

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Fit the foreground.

        Args:
            images: (n, s, s) uint8.
            masks: (n, s, s) bool; images without a tumour are welcome.

        Raises:
            SalusError: no mask has a tumour.
        """
        self.foreground = fit_foreground([look(image) for image in images], masks)

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """A map for each image.

        Args:
            images: (n, s, s) uint8, any s.

        Returns:
            (n, s, s) float32 in [0, 1], the probability of tumour, low everywhere where none is seen.

        Raises:
            SalusError: not fitted.
        """
        maps = np.empty(images.shape, np.float32)
        for index, image in enumerate(images):
            seen = look(image)
            maps[index] = resize(seen.regions.paint(self.solve(seen)), image.shape)
        return np.clip(maps, 0, 1, out=maps)

    def solve(self, seen: Seen) -> np.ndarray:
        """Probability of tumour of each region of one image, (n,) float64.

        Raises:
            SalusError: not fitted.
        """
        if self.foreground is None:
            raise SalusError("the anatomy model is not fitted; call fit with training masks, or load a fitted one")
        return solve(self.foreground.log_odds(seen), seen.regions, self.constants)

    def save(self, path: Path | str) -> None:
        """Write what was fitted as .npz."""
        if (f := self.foreground) is None:
            raise SalusError("the anatomy model is not fitted; call fit with training masks first")
        bias = np.float64(f.bias)
        np.savez_compressed(
            path, cues=CUES, place=f.place, mean=f.mean, scale=f.scale, weights=f.weights, bias=bias
        )  # fmt: skip

    @classmethod
    def load(cls, path: Path | str, constants: Constants = Constants()) -> AnatomySaliency:
        """Read what `save` wrote.

        Raises:
            SalusError: missing, damaged, or fitted on other cues.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                cues, bias = tuple(str(cue) for cue in file["cues"]), float(file["bias"])
                place, mean, scale, weights = (file[key] for key in ("place", "mean", "scale", "weights"))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise SalusError(f"{path}: cannot be read as an anatomy model ({' '.join(str(error).split())})") from None
        size = (len(CUES) + 1,)
        if cues != CUES or place.shape != (WORKING, WORKING) or any(v.shape != size for v in (mean, scale, weights)):
            raise SalusError(f"{path}: fitted by another version of Salus; fit the anatomy model again")
        return cls(constants, Foreground(place, mean, scale, weights, bias))


def solve(log_odds: np.ndarray, regions: Regions, constants: Constants) -> np.ndarray:
    """The map of a foreground: (n,) log odds of each region to its probability after the box program."""
    c, m, p = constants, regions.mean, regions.centre
    f = expit(log_odds)
    weights = f * f * regions.area
    off = ((p - weights @ p / weights.sum()) ** 2).sum(axis=1) / c.centre**2  # -ln C
    near = ((p[:, None] - p) ** 2).sum(axis=2) / c.nearness**2
    joined = np.exp(-np.abs(m[:, None] - m) / c.likeness**2 - near)
    P = -4 * c.gamma * joined
    np.fill_diagonal(P, 0)
    np.fill_diagonal(P, c.mu - P.sum(axis=1))
    q = -np.log(f) + c.alpha * np.log1p(-f) + c.beta * off - c.mu / 2
    return np.asarray(expit(c.slope * c.mu * (box_qp(P, q) - 0.5) + c.shift))


def fit_foreground(seen: Sequence[Seen], masks: np.ndarray) -> Foreground:
    """Fit F: a logistic regression that ranks regions, each image and its tumour alike in weight, then calibrated.

    Args:
        seen: n images.
        masks: (n, s, s) bool.

    Raises:
        SalusError: no mask has a tumour.
    """
    if not masks.any():
        raise SalusError("no training mask shows a tumour; the anatomy model needs some that do")
    shares = [resize(mask, (WORKING, WORKING)).astype(np.float64) for mask in masks]
    mean = gaussian_filter(np.mean(shares, axis=0), BLUR * WORKING)
    mean = (mean + mean[:, ::-1]) / 2 + FLOOR  # tumours lie left as often as right
    place = np.log(mean / (1 - mean)).astype(np.float32)
    cues = np.concatenate([np.column_stack([one.cues, one.regions.average(place)]) for one in seen])
    truth = [one.regions.average(share) for one, share in zip(seen, shares, strict=True)]
    tumour = np.concatenate([one.regions.area * t for one, t in zip(seen, truth, strict=True)]) / WORKING**2
    area = np.concatenate([one.regions.area for one in seen]) / WORKING**2
    extent = np.repeat([max(share.mean(), 0.01) for share in shares], [len(t) for t in truth])
    centre, scale = cues.mean(axis=0), cues.std(axis=0) + 1e-6
    design = np.column_stack([np.clip((cues - centre) / scale, -FAR, FAR), np.ones(len(cues))])
    beta = _logistic(design, SHARE * tumour / extent, area - tumour)
    slope, bias = _logistic(np.column_stack([design @ beta, np.ones(len(cues))]), tumour, area - tumour)
    return Foreground(place, centre, scale, slope * beta[:-1], float(slope * beta[-1] + bias))


def _logistic(design: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Weights that maximise Σ positive ln p + negative ln(1 - p), with a trace of a ridge, by Newton's method."""
    both = positive + negative
    total, beta = both.sum(), np.zeros(design.shape[1])
    for _ in range(50):
        p = expit(design @ beta)
        slope = design.T @ (both * p - positive) / total + 1e-5 * beta
        curve = (design * (both * p * (1 - p))[:, None]).T @ design / total + 1e-5 * np.eye(beta.size)
        step = np.linalg.solve(curve, slope)
        beta -= step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-7:
            break
    return beta
