"""Augment training images by what differs between scanners, sonographers and patients.

Networks must work on scanners that are in no training set. So field, depth, gain, dynamic range, speckle and borders
are changed, and what is written over an image (calipers, text, ticks); nothing else. No image is turned upside down,
because skin is at the top and shadows fall downwards.
"""

from __future__ import annotations

import numpy as np

from salus.lab.training.augment.annotations import draw_random_marks
from salus.lab.training.augment.geometry import draw_field, warp
from salus.lab.training.augment.grey import change_grey, erase_strokes
from salus.lab.training.augment.settings import STRONG, Augmentation


def augment(
    image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, settings: Augmentation = STRONG
) -> tuple[np.ndarray, np.ndarray]:
    """Augment one image, and its mask where the field changes.

    Args:
        image: (h, w) uint8.
        mask: (h, w) bool.
        rng: source of all random choices.
        settings: what is changed, and how much.

    Returns:
        (h, w) uint8 and (h, w) bool, new arrays.

    Example:
        >>> import numpy as np
        >>> image, mask = np.full((64, 64), 90, np.uint8), np.zeros((64, 64), bool)
        >>> changed, same = augment(image, mask, np.random.default_rng(0))
        >>> changed.shape, changed.dtype, bool(same.any())
        ((64, 64), dtype('uint8'), False)
    """
    image, mask = image.copy(), mask.copy()
    if rng.random() < settings.mirror:
        image, mask = image[:, ::-1], mask[:, ::-1]
    if rng.random() < settings.warp:
        image, mask = warp(image, mask, rng, settings)
    if rng.random() < settings.erase:
        image = erase_strokes(image, max(3, round(rng.uniform(4, 6) * len(image) / 128)))
    draws_marks, before_grey = rng.random(2) < (settings.marks, 0.5)
    if draws_marks and before_grey:  # so that drawn marks have the grey values of those in the files
        image = draw_random_marks(image, rng)
    image = change_grey(image, rng, settings)
    if rng.random() < settings.margin:
        field = draw_field(image.shape, rng)
        image, mask = image * field, mask & field
    if draws_marks and not before_grey:
        image = draw_random_marks(image, rng)
    return np.ascontiguousarray(image), np.ascontiguousarray(mask)


def augment_batch(
    images: np.ndarray, masks: np.ndarray, rng: np.random.Generator, settings: Augmentation = STRONG
) -> tuple[np.ndarray, np.ndarray]:
    """Augment images (n, h, w) uint8 and masks (n, h, w) bool, one by one."""
    pairs = [augment(image, mask, rng, settings) for image, mask in zip(images, masks, strict=True)]
    return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])
