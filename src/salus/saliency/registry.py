"""The shipped saliency methods by name, each loaded once, when it is first needed, from its file of weights.

| method  | file          | what it is                                                      |
|---------|---------------|-----------------------------------------------------------------|
| prior   | prior.npz     | where tumours usually are: `salus.saliency.methods.prior`       |
| hybrid  |               | Xu et al. 2018: `salus.saliency.methods.hybrid`                 |
| anatomy | anatomy.npz   | Xu et al. 2019: `salus.saliency.methods.anatomy`                |
| regions | regions.npz   | a classifier of superpixels: `salus.saliency.methods.regions`   |
| learned | saliency.onnx | a small network: `salus.saliency.methods.learned`               |

`confidence-METHOD.npz` beside them holds the method's predictor of quality, where one is fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from salus.errors import SalusError
from salus.saliency.confidence import Confidence
from salus.saliency.methods.estimator import Method
from salus.saliency.methods.prior import PriorSaliency, ResizedPrior
from salus.weights import SHIPPED_WEIGHTS


def _load_prior() -> Method:
    return ResizedPrior(get_prior())


def _make_hybrid() -> Method:
    from salus.saliency.methods.hybrid import HybridSaliency

    return HybridSaliency()


def _load_anatomy() -> Method:
    from salus.saliency.methods.anatomy import AnatomySaliency

    return AnatomySaliency.load(find_weights("anatomy.npz"))


def _load_regions() -> Method:
    from salus.saliency.methods.regions import RegionSaliency

    return RegionSaliency.load(find_weights("regions.npz"))


def _load_learned(device: str = "cpu") -> Method:
    from salus.saliency.methods.learned import LearnedSaliency

    return LearnedSaliency(find_weights("saliency.onnx"), device=device)


METHODS: dict[str, Callable[[], Method]] = {
    "prior": _load_prior,
    "hybrid": _make_hybrid,
    "anatomy": _load_anatomy,
    "regions": _load_regions,
    "learned": _load_learned,
}
"""Functions that make the methods, by name."""


@cache
def get_method(name: str, device: str = "cpu") -> Method:
    """Return a shipped method; it is made once.

    Args:
        name: of `METHODS`.
        device: where the network of "learned" runs, see `salus.engine.open_network`; the others need the cpu.

    Raises:
        SalusError: the name is unknown, the method's file of weights is missing or damaged, or it cannot run there.
    """
    if name not in METHODS:
        raise SalusError(f"unknown saliency method {name!r}; choose one of {', '.join(METHODS)}, file")
    if device == "cpu":
        return METHODS[name]()
    if name != "learned":
        raise SalusError(f"the saliency method {name!r} runs on the processor alone; leave out the device {device}")
    return _load_learned(device)


@cache
def get_confidence(method: str) -> Confidence | None:
    """Return the shipped predictor of a method's quality, read once; None where none is fitted."""
    path = SHIPPED_WEIGHTS / f"confidence-{method}.npz"
    return Confidence.load(path) if path.is_file() else None


@cache
def get_prior() -> PriorSaliency:
    """Return the shipped location prior, read once.

    Raises:
        SalusError: its file is missing or damaged.
    """
    return PriorSaliency.load(find_weights("prior.npz"))


def find_weights(name: str) -> Path:
    """Return the path of a shipped file.

    Raises:
        SalusError: it is missing.
    """
    path = SHIPPED_WEIGHTS / name
    if not path.is_file():
        raise SalusError(f"{path}: this installation lacks the file; install Salus again, or use another --method")
    return path
