"""Augmentation: what another scanner, sonographer or patient would have changed in the same image.

Networks are to hold on scanners that are in no training set, so an image is changed in what differs between scanners
(field, depth, gain, dynamic range, speckle, borders) and in what is written over it (calipers, text, ticks), and is
otherwise left alone: never upside down, for skin is at the top and shadows fall downwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salus.train.augment_geometry import draw_field, warp
from salus.train.augment_grey import change_grey, erase_strokes
from salus.train.augment_marks import draw_random_marks


@dataclass(frozen=True)
class Augmentation:
    """How much is changed. Probabilities are of one image; ranges are drawn from uniformly.

    Attributes:
        mirror: probability of a left-right mirror: either breast, either direction of the probe.
        warp: probability of any change of the field below.
        zoom: (smallest, largest) magnification, as another depth setting gives; below 1 shows a border.
        aspect: largest logarithm of the change of aspect: squares are squashed from fields of every shape.
        turn: largest rotation in degrees: the probe is tilted.
        shear: largest shear, columns a row: beams steered to a side.
        shift: largest shift as a share of the side.
        border: probability that outside the field is black, and the field upright, instead of mirrored tissue.
        grey: probability of each change of grey: gain, gamma, time gain, dynamic range.
        speckle: probability of more speckle, or of less by smoothing.
        shadow: probability of an acoustic shadow from above.
        margin: probability of black margins or the corners of a sector; the mask ends where the field does.
        marks: probability of calipers, text, ticks or a grey bar, anywhere.
        erase: probability that bright thin strokes, such as marks are, are painted out.
    """

    mirror: float = 0.5
    warp: float = 0.9
    zoom: tuple[float, float] = (0.75, 1.5)
    aspect: float = 0.25
    turn: float = 6.0
    shear: float = 0.1
    shift: float = 0.12
    border: float = 0.5
    grey: float = 0.6
    speckle: float = 0.5
    shadow: float = 0.15
    margin: float = 0.2
    marks: float = 0.4
    erase: float = 0.3


STRONG = Augmentation()
"""For networks that must hold elsewhere."""

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
