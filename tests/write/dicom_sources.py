"""DICOM images with a lesion of two parts, for the tests of objects that refer to them."""

import numpy as np
from tests.read.wrap import region
from tests.write.segmentations import l_and_ring, segmentation_of

from salus.write.polygons import lesion_masks

MASK, SPACING = l_and_ring(), (0.2, 0.1)
REGIONS = [region(0, 0, 40, 64, SPACING)]


def as_pixels(mask):
    return (200 - 180 * mask).astype(np.uint8)


def frames():
    masks = (MASK, MASK[::-1], np.roll(MASK, 3, axis=1))
    return [segmentation_of(mask, SPACING, number) for number, mask in enumerate(masks, 1)]


def planes(segmentation):
    return np.stack([mask for _, mask in lesion_masks(segmentation)], axis=-1)
