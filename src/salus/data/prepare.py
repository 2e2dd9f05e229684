"""Prepared pairs: the images, masks and saliency maps of a data set at the networks' size, in memory as bytes.

Preprocessing is as published: the whole image is resized to 256 x 256 whatever its shape (bilinear, antialiased). So is
the mask, which is then thresholded at one half. Grey values are kept as uint8, as in the files; a network gets them
divided by 255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from salus.data.case import Case
from salus.errors import SalusError
from salus.parallel import map_in_order
from salus.preprocess import letterbox, resize, to_uint8
from salus.read.mask_values import MaskDecision


@dataclass(frozen=True, eq=False)
class Pairs:
    """Prepared cases, in the order of `cases`.

    Attributes:
        cases: n cases.
        images: (n, size, size) uint8.
        masks: (n, size, size) bool, the lesions at the networks' size.
        saliency: (n, size, size) uint8 from the data set's files; None unless every case has a map.
        shapes: n (height, width) of the files.
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
    keep_aspect: bool = False,
    workers: int = 4,
    bad: list[str] | None = None,
    decisions: dict[str, MaskDecision] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Pairs:
    """Read and resize labelled cases, several at a time.

    Args:
        cases: labelled cases.
        size: height and width to make.
        keep_aspect: keep each image's aspect ratio by black bars (`salus.preprocess.letterbox`), in place of squashing.
        workers: number of reading threads.
        bad: gets one line for each case that cannot be read, and the case is left out; None raises at the first.
        decisions: gets how each mask file was read, by its path.
        progress: called with (done, total) after each case.

    Raises:
        SalusError: a case is unlabelled or unreadable; the message names the file.
    """
    if not cases:
        raise SalusError("no labelled case to prepare; salus data check FOLDER says what is in a folder")
    with_maps = all(case.saliency is not None for case in cases)
    images = np.empty((len(cases), size, size), np.uint8)
    masks = np.empty((len(cases), size, size), bool)
    saliency = np.empty((len(cases), size, size), np.uint8) if with_maps else None

    def fit(values: np.ndarray) -> np.ndarray:
        return letterbox(values, size) if keep_aspect else resize(values, (size, size))

    def prepare_case(index: int) -> tuple[int, int] | SalusError:
        case = cases[index]
        try:
            scan = case.read_image()
            images[index] = to_uint8(fit(scan.pixels))
            files = case.read_mask_files(scan.shape)
            mask = np.zeros(scan.shape, bool)
            for reading in files.values():
                mask |= reading.mask
            if decisions is not None:
                decisions.update({path: reading.decision for path, reading in files.items()})
            masks[index] = fit(mask) >= 0.5
            if saliency is not None:
                saliency[index] = to_uint8(fit(case.read_saliency().pixels))
        except SalusError as error:
            if bad is None:
                raise
            return error
        return scan.shape

    shapes: dict[int, tuple[int, int]] = {}
    errors: list[str] = []
    for index, result in enumerate(map_in_order(prepare_case, range(len(cases)), workers)):
        if isinstance(result, SalusError):
            errors.append(str(result))
        else:
            shapes[index] = result
        if progress:
            progress(index + 1, len(cases))
    if bad is not None:
        bad += errors
    if errors:  # else nothing is copied
        if not shapes:
            raise SalusError(f"none of {len(cases)} cases can be read, e.g. {errors[0]}")
        images, masks = images[list(shapes)], masks[list(shapes)]
        saliency = None if saliency is None else saliency[list(shapes)]
    return Pairs(tuple(cases[i] for i in shapes), images, masks, saliency, tuple(shapes.values()))
