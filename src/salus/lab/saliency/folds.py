"""One method on one fold of a saliency benchmark: fitted on the training images, then used to map the test images."""

from __future__ import annotations

import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.lab.saliency.source import FILES
from salus.lab.training.progress import Log
from salus.preprocess import resize, to_uint8

if TYPE_CHECKING:
    from salus.lab.training.cross_validation import CrossValidationData

TIMED_SIZE = 256
"""Height and width of the images on which a method is timed."""

TIMED_IMAGES = 12
"""Number of images on which a method is timed, the first two of them to warm up."""


@dataclass(frozen=True, eq=False)
class FoldMaps:
    """A method's maps of a fold's n test images.

    Attributes:
        maps: (n, s, s) float16 in [0, 1]: with eight bits nearly dark values would tie, whose order the AUC needs.
        confidence: (n,) in [0, 1], NaN where the method predicts none.
        ms: milliseconds per image, NaN for maps from files.
    """

    maps: np.ndarray
    confidence: np.ndarray
    ms: float

    def save(self, path: Path) -> None:
        """Write as .npz, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        content = {"maps": self.maps, "confidence": self.confidence, "ms": np.array(self.ms)}
        write_whole(path, lambda temporary: np.savez_compressed(temporary, allow_pickle=False, **content))

    @classmethod
    def load(cls, path: Path, number: int) -> FoldMaps:
        """Read a file of `save` with the maps of `number` images. Files of early versions hold bytes, value / 255.

        Raises:
            SalusError: the file is damaged, or holds another number of maps.
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


def fold_file(run: Path, method: str, fold: int) -> Path:
    """Return the path of a fold's file in the folder of a run."""
    return run / method.replace(":", ".") / f"fold-{fold}.npz"


def estimate_fold(method: str, data: CrossValidationData, fold: int, *, separate: bool, log: Log) -> FoldMaps:
    """Fit a method on the training images of a fold and map its test images.

    No image of a test image's patient or cluster of near-duplicates is fitted on.

    Args:
        method: name of the estimator, or "file".
        data: all images.
        fold: number of the fold.
        separate: fit on each data set alone instead of on all sets together.
        log: called with lines of progress.

    Raises:
        SalusError: no image is left to fit on, or the estimator cannot be made.
    """
    from salus.lab.saliency.registry import make_estimator

    test, training = data.test_indices(fold), data.training_indices(fold)
    if method == FILES:
        assert data.saliency is not None  # checked when the run started
        return FoldMaps((data.saliency[test] / 255).astype(np.float16), np.full(len(test), np.nan), np.nan)
    maps = np.empty((len(test), *data.images.shape[1:]), np.float16)
    confidence = np.full(len(test), np.nan)
    set_of, names = np.asarray(data.sets), tuple(dict.fromkeys(data.sets))
    estimator: Any = None
    for group in [(name,) for name in names] if separate else [names]:
        in_test = np.isin(set_of[test], group)
        fit_on = training[np.isin(set_of[training], group)]
        if not in_test.any():
            continue
        if not fit_on.size:
            raise SalusError("every training image is a near-duplicate of a test image; use more images")
        estimator = make_estimator(method)
        if hasattr(estimator, "log"):
            estimator.log = log
        estimator.fit(data.images[fit_on], data.masks[fit_on])
        images = data.images[test[in_test]]
        maps[in_test] = np.clip(estimator.estimate(images), 0, 1)
        if callable(getattr(estimator, "confidence", None)):
            confidence[in_test] = estimator.confidence(images)
    return FoldMaps(maps, confidence, time_estimator(estimator, data.images[test[:TIMED_IMAGES]]))


def time_estimator(estimator: Any, images: np.ndarray) -> float:
    """Measure the median milliseconds of one image at `TIMED_SIZE`, one at a time, after two to warm up.

    Only `estimate` is timed, of the form in which the estimator is shipped (`for_use()`) where it has one. An estimator
    that works only at the size it was fitted at, as a location prior does, is timed at that size.

    Args:
        estimator: fitted.
        images: (n, s, s) uint8.
    """
    method = estimator.for_use() if hasattr(estimator, "for_use") else estimator
    large = np.stack([to_uint8(resize(image, (TIMED_SIZE, TIMED_SIZE)) / 255) for image in images])
    try:
        method.estimate(large[:1])
    except SalusError:
        large = images
    seconds = []
    for image in large:
        start = time.perf_counter()
        method.estimate(image[None])
        seconds.append(time.perf_counter() - start)
    return 1e3 * float(np.median(seconds[2:] or seconds))
