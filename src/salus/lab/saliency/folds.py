"""One method on one fold of a saliency benchmark: fitted on the training images, asked for maps of the test images."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.errors import SalusError
from salus.lab.saliency.source import FILES
from salus.lab.training.run_folder import write_by_rename
from salus.preprocess import resize, to_bytes

if TYPE_CHECKING:
    from salus.lab.saliency.config import Asked
    from salus.lab.training.cross_validation import Pool

TIMED = 256
"""Height and width of the images that a method is timed on."""

TIMINGS = 12
"""Images that it is timed on, the first two of them to warm up."""


@dataclass(frozen=True, eq=False)
class FoldMaps:
    """What a method made of a fold's n test images.

    Attributes:
        maps: (n, s, s) float16 in [0, 1]: eight bits would tie what is nearly dark, whose order AUC reads.
        confidence: (n,) in [0, 1], NaN where the method states none.
        ms: milliseconds that one image takes, NaN for maps from files.
    """

    maps: np.ndarray
    confidence: np.ndarray
    ms: float

    def save(self, path: Path) -> None:
        """Write as .npz, whole or not at all.

        Raises:
            SalusError: the file cannot be written.
        """

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez_compressed(
                    file, allow_pickle=False, maps=self.maps, confidence=self.confidence, ms=np.float64(self.ms)
                )

        write_by_rename(path, write)

    @classmethod
    def load(cls, path: Path, number: int) -> FoldMaps:
        """Read what `save` wrote, of `number` test images; maps kept as bytes, as runs once did, are value / 255.

        Raises:
            SalusError: damaged, or of other images.
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                maps, ms = content["maps"], float(content["ms"])
                confidence = content["confidence"] if "confidence" in content else np.full(len(maps), np.nan)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise SalusError(f"{path}: unreadable ({' '.join(str(error).split())}); remove it, then resume") from None
        if len(maps) != number:
            raise SalusError(f"{path}: holds {len(maps)} maps for {number} images; remove it, then resume")
        if maps.dtype == np.uint8:
            maps = (maps / 255).astype(np.float16)
        return cls(maps, confidence, ms)


def map_fold(asked: Asked, pool: Pool, method: str, test: np.ndarray, log: Callable[[str], None]) -> FoldMaps:
    """Fit a method without a fold's test images, and without any image of their patients or clusters, then map them.

    Args:
        asked: the run.
        pool: all images.
        method: what to fit.
        test: (n,) places of the test images in the pool.
        log: called with lines of progress.

    Raises:
        SalusError: nothing is left to fit on, or the method cannot be made.
    """
    from salus.lab.saliency.registry import make_estimator

    if method == FILES:
        assert pool.saliency is not None  # checked when the run started
        return FoldMaps((pool.saliency[test] / 255).astype(np.float16), np.full(len(test), np.nan), np.nan)
    maps = np.empty((len(test), *pool.images.shape[1:]), np.float16)
    confidence = np.full(len(test), np.nan)
    groups, sets = np.asarray(pool.groups), np.asarray(pool.sets)
    training = ~np.isin(groups, groups[test])
    used: Any = None
    for scope in dict.fromkeys(pool.sets) if asked.separate else [None]:
        inside = np.ones(len(sets), bool) if scope is None else sets == scope
        fit_on, wanted = training & inside, inside[test]
        if not wanted.any():
            continue
        if not fit_on.any():
            raise SalusError("every training image is a near-duplicate of a test image; use more images")
        estimator: Any = make_estimator(method)
        if hasattr(estimator, "log"):
            estimator.log = log
        estimator.fit(pool.images[fit_on], pool.masks[fit_on])
        asked_for = pool.images[test[wanted]]
        maps[wanted] = np.clip(estimator.estimate(asked_for), 0, 1)
        if callable(getattr(estimator, "confidence", None)):
            confidence[wanted] = estimator.confidence(asked_for)
        used = estimator
    return FoldMaps(maps, confidence, time_estimator(used, pool.images[test[:TIMINGS]]))


def time_estimator(estimator: Any, images: np.ndarray) -> float:
    """Median milliseconds of one image at `TIMED`, one at a time, after two to warm up.

    Only `estimate` is timed, of the estimator's form for use (`for_use()`) where it has another than for training. One
    that knows only the size it was fitted at, as a location prior does, is timed at that.
    """
    used = estimator.for_use() if hasattr(estimator, "for_use") else estimator
    large = np.stack([to_bytes(resize(image, (TIMED, TIMED)) / 255) for image in images])
    try:
        used.estimate(large[:1])
    except SalusError:
        large = images
    spent = []
    for image in large:
        began = time.perf_counter()
        used.estimate(image[None])
        spent.append(time.perf_counter() - began)
    return 1e3 * float(np.median(spent[2:] or spent))
