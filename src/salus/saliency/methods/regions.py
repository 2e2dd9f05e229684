"""A classifier of superpixels: what each region is by its features, then what its surroundings say, then smoothness.

    a  = trees_1(features)                                log odds of tumour, region by region
    a' = slope · trees_2(features, context of a) + bias   calibrated log odds that also see the other regions' a
    F  = σ(a'),  B = 1 - F                                then the box program of `salus.saliency.methods.anatomy`

Boosted trees (Friedman 2001) on features of regions; a second classifier that looks at the first one's answers around
is auto-context (Tu & Bai 2010, "Auto-context and its application to high-level vision tasks", PAMI 32:1744). F is a
probability over all regions of all images, those without a tumour too, and nothing is scaled to maximum 1, so that
the map of an image without a tumour stays low. The painted map is blurred by less than a region's width.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array
from scipy.special import expit

from salus.errors import SalusError
from salus.preprocess import resize
from salus.saliency.methods.anatomy import Constants, solve
from salus.saliency.methods.cues import at_working_size
from salus.saliency.methods.region_features import features
from salus.saliency.methods.superpixels import Regions, superpixels
from salus.saliency.methods.trees import Trees

CONSTANTS = Constants(alpha=1.0, beta=0.2, gamma=2.0, mu=16.0, centre=0.4, likeness=0.35, nearness=0.07)
"""Of the box program."""

BLUR = 2.0
"""Standard deviation of the painted map's blur, pixels at the working size."""

NEAR = (0.05, 0.1, 0.2)
"""Widths of the neighbourhoods whose answers are averaged, shares of the height and width."""


@dataclass(frozen=True, eq=False)
class RegionModel:
    """What was fitted.

    Attributes:
        names: of the features of a region.
        first: trees on them.
        second: trees on them and the context.
        slope, bias: calibration of the second's log odds.
        constants: of the box program.
    """

    names: tuple[str, ...]
    first: Trees
    second: Trees
    slope: float
    bias: float
    constants: Constants = CONSTANTS

    def log_odds(self, table: np.ndarray, regions: Regions) -> np.ndarray:
        """Calibrated log odds of tumour: (n, k) features of n regions to (n,) float64."""
        more = context(self.first.log_odds(table), regions)
        return self.slope * self.second.log_odds(np.concatenate([table, more], axis=1)) + self.bias


class RegionSaliency:
    """Maps of a fitted model.

    Args:
        model: what `salus.lab.saliency.regions` fitted.
    """

    def __init__(self, model: RegionModel) -> None:
        self.model = model

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """A map for each image.

        Args:
            images: (n, s, s) uint8, any s.

        Returns:
            (n, s, s) float32 in [0, 1], the probability of tumour, low everywhere where none is seen.

        Raises:
            SalusError: the model was fitted on other features.
        """
        maps = np.empty(images.shape, np.float32)
        for index, image in enumerate(images):
            image = at_working_size(image)
            regions = superpixels(image)
            table, names = features(image, regions)
            if names != self.model.names:
                raise SalusError("the regions model was fitted by another version of Salus; fit it again")
            found = finish(self.model.log_odds(table, regions), regions, self.model.constants)
            maps[index] = resize(found, (images.shape[1], images.shape[2]))
        return np.clip(maps, 0, 1, out=maps)

    def save(self, path: Path | str) -> None:
        """Write the model as .npz."""
        model = self.model
        np.savez_compressed(
            path,
            allow_pickle=False,
            names=np.array(model.names),
            calibration=np.array([model.slope, model.bias]),
            constants=np.array(list(asdict(model.constants).values())),
            **model.first.arrays("first_"),
            **model.second.arrays("second_"),
        )

    @classmethod
    def load(cls, path: Path | str) -> RegionSaliency:
        """Read what `save` wrote.

        Raises:
            SalusError: missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                slope, bias = file["calibration"].tolist()
                constants = Constants(*file["constants"].tolist())
                first, second = Trees.from_arrays(file, "first_"), Trees.from_arrays(file, "second_")
                return cls(RegionModel(tuple(file["names"].tolist()), first, second, slope, bias, constants))
        except (OSError, ValueError, KeyError, TypeError, EOFError, SalusError) as error:
            raise SalusError(f"{path}: cannot be read as a regions model ({' '.join(str(error).split())})") from None


def finish(log_odds: np.ndarray, regions: Regions, constants: Constants) -> np.ndarray:
    """The box program, painted and blurred: (n,) log odds to an (h, w) map in [0, 1]."""
    painted = regions.paint(solve(log_odds, regions, constants).astype(np.float32))
    return np.asarray(gaussian_filter(painted, BLUR, mode="nearest", truncate=3.0))


def context(log_odds: np.ndarray, regions: Regions) -> np.ndarray:
    """What the answers for all regions say about each.

    Args:
        log_odds: (n,) of tumour.
        regions: n regions.

    Returns:
        (n, 20) float32.
    """
    n, p = len(log_odds), regions.centre
    f = expit(log_odds)
    i, j = regions.edges.T
    both, other = np.concatenate([i, j]), np.concatenate([j, i])
    weight = np.concatenate([regions.shared, regions.shared]).astype(float)
    joined = csr_array((weight, (both, other)), shape=(n, n))
    total = np.maximum(np.bincount(both, weight, n), 1)

    def ring(values: np.ndarray) -> np.ndarray:
        return np.asarray(joined @ values / total)

    one = ring(log_odds)
    lowest, highest = np.full(n, 30.0), np.full(n, -30.0)
    np.minimum.at(lowest, both, log_odds[other])
    np.maximum.at(highest, both, log_odds[other])
    near = ((p[:, None] - p) ** 2).sum(axis=2)
    alike = -np.abs(regions.mean[:, None] - regions.mean) / 0.1
    area = regions.area / regions.area.sum()
    weights = f * f * area
    centre = weights @ p / weights.sum()
    away = np.hypot(*(p - centre).T)
    found = [
        log_odds,
        f.argsort().argsort() / n,
        np.full(n, log_odds.max()),
        log_odds.max() - log_odds,
        one,
        ring(one),
        ring(f),
        lowest,
        highest,
        *(_average(np.exp(-near / (2 * width**2)) * area, log_odds) for width in NEAR),
        _average(np.exp(-near / (2 * NEAR[1] ** 2)) * area, f),
        _average(np.exp(alike - near / (2 * NEAR[1] ** 2)) * area, log_odds),
        p[:, 0] - centre[0],
        away,
        np.full(n, np.sqrt(weights @ away**2 / weights.sum())),
        away / np.sqrt(f @ area / np.pi + 1e-4),
        np.full(n, f @ area),
        np.full(n, np.sort(log_odds)[-min(n, 6)]),
    ]
    return np.stack(found, axis=1).astype(np.float32)


def _average(kernel: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray(kernel @ values / kernel.sum(axis=1))
