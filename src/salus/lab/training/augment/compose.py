"""Augmentation: what another scanner, sonographer or patient would have changed in the same image.

Networks are to hold on scanners that are in no training set, so an image is changed in what differs between scanners
(field, depth, gain, dynamic range, speckle, borders) and in what is written over it (calipers, text, ticks), and is
otherwise left alone: never upside down, for skin is at the top and shadows fall downwards.
"""

from __future__ import annotations

import numpy as np

from salus.lab.training.augment.annotations import draw_random_marks
from salus.lab.training.augment.geometry import draw_field, warp
from salus.lab.training.augment.grey import change_grey, erase_strokes
from salus.lab.training.augment.settings import STRONG, Augmentation

LIGHT = Augmentation(
    zoom=(0.9, 1.15),
    aspect=0.1,
    turn=4.0,
    shear=0.05,
    shift=0.06,
    grey=0.3,
    speckle=0.2,
    shadow=0.05,
    margin=0.05,
    marks=0.1,
    erase=0.1,
)
"""For scanners like those in the training set."""

NONE = Augmentation(
    mirror=0,
    warp=0,
    zoom=(1, 1),
    aspect=0,
    turn=0,
    shear=0,
    shift=0,
    border=0,
    grey=0,
    speckle=0,
    shadow=0,
    margin=0,
    marks=0,
    erase=0,
)
"""Nothing is changed."""


def augment(
    image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, settings: Augmentation = STRONG
) -> tuple[np.ndarray, np.ndarray]:
    """Change one image, and its mask where the field changes.

    Args:
        image: (h, w) uint8.
        mask: (h, w) bool.
        rng: the source of every choice.
        settings: what is changed and how much.

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
    marked, early = rng.random(2) < (settings.marks, 0.5)
    if marked and early:  # so that grey alone does not tell these from the marks that are in the files
        image = draw_random_marks(image, rng)
    image = change_grey(image, rng, settings)
    if rng.random() < settings.margin:
        field = draw_field(image.shape, rng)
        image, mask = image * field, mask & field
    if marked and not early:
        image = draw_random_marks(image, rng)
    return np.ascontiguousarray(image), np.ascontiguousarray(mask)


def augment_batch(
    images: np.ndarray, masks: np.ndarray, rng: np.random.Generator, settings: Augmentation = STRONG
) -> tuple[np.ndarray, np.ndarray]:
    """`augment` for (n, h, w) uint8 images and (n, h, w) bool masks."""
    pairs = [augment(image, mask, rng, settings) for image, mask in zip(images, masks, strict=True)]
    return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])
