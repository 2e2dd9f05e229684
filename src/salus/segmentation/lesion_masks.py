"""The pixels of each lesion of a segmentation: as labels, or as a mask for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import find_objects, label

from salus.measure.lesions import EIGHT_CONNECTED, Lesion
from salus.scan import Region, split_mask

if TYPE_CHECKING:
    from salus.segmentation.result import Segmentation


def lesion_labels(segmentation: Segmentation) -> np.ndarray:
    """Label each pixel with the number of its lesion: (h, w) uint8, 0 outside lesions, 255 for numbers above 255.

    Numbers are those of `segmentation.lesions`, which tracking may have changed.
    """
    components, labels = _find_components(segmentation)
    numbers = np.zeros(int(components.max()) + 1, np.uint8)
    for lesion, index in zip(segmentation.lesions, labels, strict=True):
        if index > 0:
            numbers[index] = min(lesion.number, 255)
    return np.asarray(numbers[components])


def lesion_masks(segmentation: Segmentation) -> Iterator[tuple[Lesion, np.ndarray]]:
    """Yield each lesion with its own mask, (h, w) bool."""
    components, labels = _find_components(segmentation)
    for lesion, index in zip(segmentation.lesions, labels, strict=True):
        yield lesion, components == index


def _find_components(segmentation: Segmentation) -> tuple[np.ndarray, list[int]]:
    """Label the mask's components, and find that of each lesion by its box and area; -1 for one that is not there.

    Components end at the border of their region, as they do where they are measured.
    """
    mask = segmentation.mask
    regions = segmentation.regions or (Region(0, 0, *mask.shape),)
    components = np.zeros(mask.shape, np.int32)
    count = 0
    for region, part in zip(regions, split_mask(mask, regions), strict=True):
        labels, found = label(part, EIGHT_CONNECTED)
        region.crop(components)[part] = labels[part] + count
        count += found
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    indices = {
        (rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start, int(sizes[index])): index
        for index, (rows, columns) in enumerate(find_objects(components), 1)
    }
    return components, [indices.get((*lesion.box, lesion.area_px), -1) for lesion in segmentation.lesions]
