"""The shipped methods by name, ready to use: each is made once, when it is first asked for, from a file of weights.

| method  | file          | what                                                                        |
|---------|---------------|-----------------------------------------------------------------------------|
| prior   | prior.npz     | where tumours usually are: `salus.saliency.methods.prior`                           |
| hybrid  |               | Xu et al. 2018: `salus.saliency.methods.hybrid`                                     |
| anatomy | anatomy.npz   | Xu et al. 2019: `salus.saliency.methods.anatomy`                                    |
| regions | regions.npz   | a classifier of superpixels: `salus.saliency.methods.regions`                       |
| learned | saliency.onnx | a small network: `salus.saliency.methods.learned`                                   |

`confidence-METHOD.npz` beside them holds the method's predictor of quality, where one is fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from salus.errors import SalusError
from salus.preprocess import resize
from salus.saliency.confidence import Confidence
from salus.saliency.methods.prior import PriorSaliency
from salus.weights import SHIPPED_WEIGHTS


class Method(Protocol):
    """A fitted estimator: images in, maps out."""

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Maps (n, s, s) float32 in [0, 1] for images (n, s, s) uint8."""


class AnySize:
    """A fitted location prior that fits itself to any size."""

    def __init__(self, prior: PriorSaliency) -> None:
        self.prior = prior

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """The prior's map, resized, for each image (n, h, w); float32 in [0, 1]."""
        return np.broadcast_to(prior_map(self.prior, images.shape[1:]), images.shape).copy()


def prior_map(prior: PriorSaliency, shape: tuple[int, ...]) -> np.ndarray:
    """A fitted prior's map at a size: (height, width) float32 in [0, 1].

    Raises:
        SalusError: the prior is not fitted.
    """
    if prior.map is None:
        raise SalusError("the location prior is not fitted; call fit with training masks first")
    return np.clip(resize(prior.map, (shape[0], shape[1])), 0, 1)


def save_prior(prior: PriorSaliency, path: Path | str) -> None:
    """Write a fitted prior's map as .npz."""
    if prior.map is None:
        raise SalusError("the location prior is not fitted; call fit with training masks first")
    np.savez_compressed(path, map=prior.map)


def load_prior(path: Path | str) -> PriorSaliency:
    """Read what `save_prior` wrote.

    Raises:
        SalusError: missing, damaged, or no map in it.
    """
    prior = PriorSaliency()
    try:
        with np.load(path, allow_pickle=False) as file:
            prior.map = np.asarray(file["map"], np.float32)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise SalusError(f"{path}: cannot be read as a location prior ({' '.join(str(error).split())})") from None
    if prior.map.ndim != 2 or not prior.map.size:
        raise SalusError(f"{path}: holds no location prior but an array of shape {prior.map.shape}")
    return prior


def _prior() -> Method:
    return AnySize(load_prior(weights_file("prior.npz")))


def _hybrid() -> Method:
    from salus.saliency.methods.hybrid import HybridSaliency

    return HybridSaliency()


def _anatomy() -> Method:
    from salus.saliency.methods.anatomy import AnatomySaliency

    return AnatomySaliency.load(weights_file("anatomy.npz"))


def _regions() -> Method:
    from salus.saliency.methods.regions import RegionSaliency

    return RegionSaliency.load(weights_file("regions.npz"))


def _learned() -> Method:
    from salus.saliency.methods.learned import LearnedSaliency

    return LearnedSaliency(weights_file("saliency.onnx"))


METHODS: dict[str, Callable[[], Method]] = {
    "prior": _prior,
    "hybrid": _hybrid,
    "anatomy": _anatomy,
    "regions": _regions,
    "learned": _learned,
}
"""What makes each method."""


@cache
def get_method(name: str) -> Method:
    """A shipped method, made once.

    Raises:
        SalusError: unknown, or its file of weights is missing or damaged.
    """
    if name not in METHODS:
        raise SalusError(f"unknown saliency method {name!r}; choose one of {', '.join(METHODS)}, file")
    return METHODS[name]()


@cache
def get_confidence(method: str) -> Confidence | None:
    """The shipped predictor of a method's quality, read once; None where none is fitted."""
    path = SHIPPED_WEIGHTS / f"confidence-{method}.npz"
    return Confidence.load(path) if path.is_file() else None


@cache
def get_prior() -> PriorSaliency:
    """The shipped location prior, read once.

    Raises:
        SalusError: its file is missing or damaged.
    """
    return load_prior(weights_file("prior.npz"))


def weights_file(name: str) -> Path:
    """The path of a shipped file.

    Raises:
        SalusError: it is missing.
    """
    path = SHIPPED_WEIGHTS / name
    if not path.is_file():
        raise SalusError(f"{path}: this installation lacks the file; install Salus again, or use another --method")
    return path
