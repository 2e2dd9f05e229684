"""Prepared pairs: a data set's images, masks and saliency maps at the networks' size, in memory as bytes.

Published preprocessing: the whole image is resized to 256 x 256 whatever its shape (bilinear, antialiased), and so is
the mask, which is cut at one half. Grey values are kept as uint8, as in the files; a network gets them divided by 255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from salus.data.case import Case
from salus.errors import SalusError
from salus.preprocess import resize, to_bytes


@dataclass(frozen=True, eq=False)
class Pairs:
    """Prepared cases, in the order of `cases`.

    Attributes:
        cases: n cases.
        images: (n, size, size) uint8.
        masks: (n, size, size) bool, the truth at the networks' size.
        saliency: (n, size, size) uint8 from the data set's files, None where it ships no maps.
        shapes: n native (height, width).
    """

    cases: tuple[Case, ...]
    images: np.ndarray
    masks: np.ndarray
    saliency: np.ndarray | None
    shapes: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Height and width of the prepared images."""
        return int(self.images.shape[1])


def prepare(
    cases: Sequence[Case],
    size: int = 256,
    *,
    workers: int = 4,
    bad: list[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Pairs:
    """Read and resize labelled cases, several at a time.

    Args:
        cases: labelled cases.
        size: height and width to make.
        workers: threads that read.
        bad: gets one line for each case that cannot be read, and the case is left out; None raises at the first.
        progress: called with (done, all) after each case.

    Raises:
        SalusError: a case is unlabelled or unreadable; the message names the file.
    """
    if not cases:
        raise SalusError("no labelled case to prepare; salus data check FOLDER says what is in a folder")
    with_maps = all(case.saliency is not None for case in cases)
    images = np.empty((len(cases), size, size), np.uint8)
    masks = np.empty((len(cases), size, size), bool)
    saliency = np.empty((len(cases), size, size), np.uint8) if with_maps else None

    def one(index: int) -> tuple[int, int] | SalusError:
        case = cases[index]
        try:
            scan = case.read_image()
            images[index] = to_bytes(resize(scan.pixels, (size, size)))
            masks[index] = resize(case.read_mask(scan.shape), (size, size)) >= 0.5
            if saliency is not None:
                saliency[index] = to_bytes(resize(case.read_saliency().pixels, (size, size)))
        except SalusError as error:
            return error
        return scan.shape

    found: list[tuple[int, int] | SalusError] = []
    with ThreadPoolExecutor(workers) as pool:
        for result in pool.map(one, range(len(cases))):
            if isinstance(result, SalusError) and bad is None:
                pool.shutdown(cancel_futures=True)
                raise result
            found.append(result)
            if progress:
                progress(len(found), len(cases))
    good = [i for i, result in enumerate(found) if not isinstance(result, SalusError)]
    if bad is not None:
        bad += [str(result) for result in found if isinstance(result, SalusError)]
    if len(good) < len(cases):  # the usual case copies nothing
        if not good:
            raise SalusError(f"none of {len(cases)} cases can be read, e.g. {found[0]}")
        images, masks = images[good], masks[good]
        saliency = None if saliency is None else saliency[good]
    shapes = tuple(result for result in found if not isinstance(result, SalusError))
    return Pairs(tuple(cases[i] for i in good), images, masks, saliency, shapes)
