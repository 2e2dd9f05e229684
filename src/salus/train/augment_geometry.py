"""The field: another depth, aspect, tilt and place of the probe, in one resampling of image and mask."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image


def warp(
    image: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
    zoom: tuple[float, float],
    aspect: float,
    turn: float,
    shift: float,
    border: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Map both by one random affine transform about the centre; see `salus.train.augment.Augmentation`.

    Args:
        image: (h, w) uint8, resampled bilinearly.
        mask: (h, w) bool, resampled bilinearly and cut at one half.
        rng: the source of every choice.
        zoom: range of magnification.
        aspect: largest logarithm of the change of aspect.
        turn: largest rotation, degrees.
        shift: largest shift, share of the side.
        border: probability that outside is black; else the image is mirrored there.

    Returns:
        (h, w) uint8 and (h, w) bool.
    """
    height, width = image.shape
    scale = math.exp(rng.uniform(math.log(zoom[0]), math.log(zoom[1])))
    stretch = math.exp(rng.uniform(-aspect, aspect) / 2)
    angle = math.radians(rng.uniform(-turn, turn))
    dx, dy = rng.uniform(-shift, shift) * width, rng.uniform(-shift, shift) * height
    along, down = 1 / (scale * stretch), stretch / scale
    # From a pixel of the result to one of the source, as Pillow wants it, within the image mirrored all round.
    a, b, d, e = along * math.cos(angle), down * math.sin(angle), -along * math.sin(angle), down * math.cos(angle)
    pad = 0 if rng.random() < border else min(height, width) // 2
    cx, cy = width / 2, height / 2
    data = (a, b, cx + dx - a * cx - b * cy + pad, d, e, cy + dy - d * cx - e * cy + pad)

    def transform(values: np.ndarray) -> np.ndarray:
        source = Image.fromarray(np.pad(values, pad, mode="reflect") if pad else values)
        return np.asarray(
            source.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR), np.uint8
        )

    return transform(image), transform(mask.astype(np.uint8) * 255) >= 128
