"""A classifier of superpixels: each region by its features, then by its context, then a smooth map.

    a  = trees_1(features)                                log odds of tumour, region by region
    a' = slope · trees_2(features, context of a) + bias   calibrated log odds that also see the other regions' a
    F  = σ(a'),  B = 1 - F                                then the box program of `salus.saliency.methods.anatomy`

Boosted trees (Friedman 2001) on features of regions; a second classifier that sees the first one's outputs around it is
auto-context (Tu & Bai 2010, "Auto-context and its application to high-level vision tasks", PAMI 32:1744). F is a
probability over all regions of all images, those without a tumour too, and nothing is scaled to maximum 1, so that
the map of an image without a tumour stays low. The map is blurred by less than a region's width.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from salus.errors import SalusError
from salus.saliency.methods.anatomy import AnatomyParameters, compute_probabilities
from salus.saliency.methods.cues import to_working_size
from salus.saliency.methods.estimator import estimate_each
from salus.saliency.methods.region_features import compute_features
from salus.saliency.methods.superpixels import Regions, compute_superpixels
from salus.saliency.methods.trees import Trees
from salus.saliency.npz import open_npz

PARAMETERS = AnatomyParameters(
    alpha=1.0, beta=0.2, gamma=2.0, mu=16.0, centre_sigma=0.4, grey_sigma=0.35, distance_sigma=0.07
)
"""Weights and widths of the box program."""

BLUR = 2.0
"""Standard deviation of the map's blur, pixels at the working size."""

CONTEXT_SIGMAS = (0.05, 0.1, 0.2)
"""Widths of the neighbourhoods in which log odds are averaged, shares of the height and width."""


@dataclass(frozen=True, eq=False)
class RegionModel:
    """A fitted model.

    Attributes:
        names: names of the features of a region.
        first: trees on the features.
        second: trees on the features and the context.
        slope: of the calibration of the second trees' log odds.
        bias: of the calibration.
        parameters: of the box program.
    """

    names: tuple[str, ...]
    first: Trees
    second: Trees
    slope: float
    bias: float
    parameters: AnatomyParameters = PARAMETERS

    def log_odds(self, features: np.ndarray, regions: Regions) -> np.ndarray:
        """Compute calibrated log odds of tumour: (n, k) features of n regions to (n,) float64."""
        context = compute_context(self.first.log_odds(features), regions)
        return self.slope * self.second.log_odds(np.concatenate([features, context], axis=1)) + self.bias


class RegionSaliency:
    """Maps of a fitted model.

    Args:
        model: fitted by `salus.lab.saliency.regions`.
    """

    def __init__(self, model: RegionModel) -> None:
        self.model = model

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Estimate the map of each image.

        Args:
            images: (n, s, s) uint8, any s.

        Returns:
            (n, s, s) float32 in [0, 1], the probability of tumour, low everywhere where none is seen.

        Raises:
            SalusError: the model was fitted on other features.
        """
        return estimate_each(images, self._estimate_one)

    def _estimate_one(self, image: np.ndarray) -> np.ndarray:
        image = to_working_size(image)
        regions = compute_superpixels(image)
        features, names = compute_features(image, regions)
        if names != self.model.names:
            raise SalusError("the regions model was fitted by another version of Salus; fit it again")
        return make_map(self.model.log_odds(features, regions), regions, self.model.parameters)

    def save(self, path: Path | str) -> None:
        """Write the model as .npz."""
        model = self.model
        np.savez_compressed(
            path,
            allow_pickle=False,
            names=np.array(model.names),
            calibration=np.array([model.slope, model.bias]),
            constants=np.array(astuple(model.parameters)),
            **model.first.arrays("first_"),
            **model.second.arrays("second_"),
        )

    @classmethod
    def load(cls, path: Path | str) -> RegionSaliency:
        """Read a file of `save`.

        Raises:
            SalusError: the file is missing or damaged.
        """
        with open_npz(path, "a regions model") as file:
            names = tuple(file["names"].tolist())
            slope, bias = file["calibration"].tolist()
            parameters = AnatomyParameters(*file["constants"].tolist())
            first, second = Trees.from_arrays(file, "first_"), Trees.from_arrays(file, "second_")
        return cls(RegionModel(names, first, second, slope, bias, parameters))


def make_map(log_odds: np.ndarray, regions: Regions, parameters: AnatomyParameters) -> np.ndarray:
    """Solve the box program and blur the map: (n,) log odds to (h, w) in [0, 1]."""
    values = regions.to_map(compute_probabilities(log_odds, regions, parameters).astype(np.float32))
    return np.asarray(gaussian_filter(values, BLUR, mode="nearest", truncate=3.0))


def compute_context(log_odds: np.ndarray, regions: Regions) -> np.ndarray:
    """Compute features of each region from the first trees' log odds of all regions.

    Args:
        log_odds: (n,) of tumour.
        regions: n regions.

    Returns:
        (n, 20) float32.
    """
    n, p = len(log_odds), regions.centre
    f = expit(log_odds)
    ring = regions.average_neighbours(log_odds)
    region, neighbour = regions.directed_edges()
    lowest, highest = np.full(n, 30.0), np.full(n, -30.0)
    np.minimum.at(lowest, region, log_odds[neighbour])
    np.maximum.at(highest, region, log_odds[neighbour])
    distance = ((p[:, None] - p) ** 2).sum(axis=2)
    grey_difference = np.abs(regions.mean[:, None] - regions.mean) / 0.1
    area = regions.area / regions.area.sum()
    weights = f * f * area
    centre = weights @ p / weights.sum()
    off_centre = np.hypot(*(p - centre).T)
    narrow, medium, wide = (-distance / (2 * sigma**2) for sigma in CONTEXT_SIGMAS)

    def average(exponent: np.ndarray, values: np.ndarray) -> np.ndarray:
        kernel = np.exp(exponent) * area
        return np.asarray(kernel @ values / kernel.sum(axis=1))

    columns = [
        log_odds,
        f.argsort().argsort() / n,
        np.full(n, log_odds.max()),
        log_odds.max() - log_odds,
        ring,
        regions.average_neighbours(ring),
        regions.average_neighbours(f),
        lowest,
        highest,
        average(narrow, log_odds),
        average(medium, log_odds),
        average(wide, log_odds),
        average(medium, f),
        average(medium - grey_difference, log_odds),
        p[:, 0] - centre[0],
        off_centre,
        np.full(n, np.sqrt(weights @ off_centre**2 / weights.sum())),
        off_centre / np.sqrt(f @ area / np.pi + 1e-4),
        np.full(n, f @ area),
        np.full(n, np.sort(log_odds)[-min(n, 6)]),
    ]
    return np.stack(columns, axis=1).astype(np.float32)
