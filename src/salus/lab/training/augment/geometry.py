"""Change the field of view: depth, aspect, tilt and place of the probe by one affine transform; black margins."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from salus.lab.training.augment.settings import Augmentation

MARGIN = 0.1
"""Distance that a tumour's centre keeps from the edges, as a share of the side, unless it was nearer before."""


def warp(
    image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, settings: Augmentation
) -> tuple[np.ndarray, np.ndarray]:
    """Transform image and mask by one random affine transform about the centre.

    The area outside the field becomes black, as in a scanner's window that is larger than the field (which is then
    upright), or it becomes tissue mirrored to the sides and below; nothing is mirrored above the skin.

    Args:
        image: (h, w) uint8, resampled bilinearly.
        mask: (h, w) bool, resampled bilinearly and thresholded at one half.
        rng: source of all random choices; as many values are drawn with a mask as without.
        settings: ranges of the transform.

    Returns:
        (h, w) uint8 and (h, w) bool.
    """
    height, width = image.shape
    zoom = math.exp(rng.uniform(*np.log(settings.zoom)))
    stretch = math.exp(rng.uniform(-settings.aspect, settings.aspect) / 2)
    angle = math.radians(rng.uniform(-settings.turn, settings.turn))
    shear = rng.uniform(-settings.shear, settings.shear)
    shift = rng.uniform(-settings.shift, settings.shift, 2) * (width, height)
    black = rng.random() < settings.border
    if black:
        angle = shear = 0.0
    # The matrix maps a pixel (x, y) of the result to one of the source, as Pillow expects it.
    rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    matrix = np.diag([1 / (zoom * stretch), stretch / zoom]) @ rotation @ np.array([[1, shear], [0, 1]])
    size = np.array([width, height])
    offset = size / 2 + shift - matrix @ (size / 2)
    if not black:
        offset[1] = max(offset[1], -min(0.0, matrix[1, 0] * width))
    if mask.any():
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        centre = np.array([columns[0] + columns[-1] + 1, rows[0] + rows[-1] + 1]) / 2
        low, high = np.minimum(MARGIN * size, centre), np.maximum((1 - MARGIN) * size, centre)
        new_centre = np.linalg.solve(matrix, centre - offset)
        offset += matrix @ (new_centre - np.clip(new_centre, low, high))
    corners = offset[:, None] + matrix @ np.array([[0, 0, width, width], [0, height, 0, height]])
    outside = bool((corners < 0).any() or (corners > size[:, None]).any())
    pad = min(height, width) // 2 if outside and not black else 0
    (a, b), (d, e) = matrix
    data = (a, b, offset[0] + pad, d, e, offset[1] + pad)

    def transform(values: np.ndarray) -> np.ndarray:
        source = Image.fromarray(np.pad(values, pad, mode="symmetric") if pad else values)
        return np.asarray(
            source.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR), np.uint8
        )

    return transform(image), transform(mask.astype(np.uint8) * 255) >= 128 if mask.any() else mask


def draw_field(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw where a scanner shows tissue: (h, w) bool, a rectangle or the sector of a curved probe."""
    height, width = shape
    if rng.random() < 0.6:
        top, bottom, left, right = rng.uniform(0, 0.12, 4) * (rng.random(4) < 0.6) * (height, height, width, width)
        field = np.zeros(shape, bool)
        field[int(top) : height - int(bottom), int(left) : width - int(right)] = True
        return field
    apex = rng.uniform(0.2, 1.5) * height  # pixels from the image up to the sector's point
    slope = rng.uniform(0.25, 0.45) * width / apex
    down, across = np.arange(height)[:, None] + apex, np.arange(width)[None] - (width - 1) / 2
    field = np.abs(across) <= slope * down
    flat_top, round_bottom = rng.random(2) < 0.5  # as of a steered linear probe; as of one depth along every beam
    distance = down**2 + across**2
    if not flat_top:
        field &= distance >= (apex + rng.uniform(0, 0.05) * height) ** 2
    if round_bottom:
        field &= distance <= (apex + height) ** 2
    return field
