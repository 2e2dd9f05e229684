"""The grey values: another gain, dynamic range, speckle and shadow, and strokes painted out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from salus.lab.training.augment.settings import Augmentation

DARKEST, BRIGHTEST, WHITE = 0.1, 0.58, 0.03
"""Least and largest mean and largest share of white that changes may lead to: about what 99 of 100 real images have."""


def change_grey(image: np.ndarray, rng: np.random.Generator, settings: Augmentation) -> np.ndarray:
    """Change the grey values of an image (h, w) uint8; black stays black. See `salus.lab.training.augment.settings.Augmentation`."""
    before = image.astype(np.float32) / 255
    values = before
    if rng.random() < settings.speckle:
        values = _speckled(values, rng) if rng.random() < 0.6 else _smoothed(values, rng)
    if rng.random() < settings.grey:
        values = np.power(values, np.float32(np.exp(rng.uniform(-0.45, 0.45))))
    if rng.random() < settings.grey:
        lift, gain = np.float32(rng.uniform(-0.08, 0.08)), np.float32(rng.uniform(0.6, 1.5))
        values = np.maximum(values * gain + (lift * (values > 0.01) if lift > 0 else lift), 0)
    if rng.random() < settings.grey:
        values = values * _curve(rng, len(values), 0.35)[:, None]
    if rng.random() < settings.grey / 2:  # a narrower dynamic range: what is dark turns black
        low = np.float32(rng.uniform(0, 0.15))
        values = np.maximum(values - low, 0) / (1 - low)
    if rng.random() < settings.shadow:
        values = values * _shadow(rng, values.shape)
    return image if values is before else _bytes(values, before)


def erase_strokes(image: np.ndarray, size: int) -> np.ndarray:
    """Paint out bright strokes thinner than `size` pixels with the mean of what surrounds them.

    A stroke is what an opening lowers much: by more than 50 grey levels and by five times what it lowers around.

    Args:
        image: (h, w) uint8.
        size: side of the square that opens, pixels.
    """
    opened = ndimage.grey_opening(image, size=(size, size))
    lowered = image - opened
    common = ndimage.uniform_filter(lowered, 8 * size).astype(np.float32)
    strokes = (lowered > 50) & (lowered > 5 * common)
    if not strokes.any():
        return image
    strokes = ndimage.maximum_filter(strokes, 3)  # with their soft edges
    keep = (~strokes).astype(np.float32)
    window = 2 * size + 1
    weight = ndimage.uniform_filter(keep, window)
    around = ndimage.uniform_filter(image * keep, window) / np.maximum(weight, 1e-6)
    return np.where(strokes & (weight > 0.1), np.rint(np.clip(around, 0, 255)), image).astype(np.uint8)


def _bytes(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    """To uint8, scaled back where an unlucky run of changes made it darker or whiter than scanners and `before` are."""
    old, mean = float(before.mean()), max(float(values.mean()), 1e-3)
    scale = min(max(1.0, min(DARKEST, old) / mean), max(BRIGHTEST, old) / mean)
    if np.count_nonzero(values * np.float32(scale) > 1) > WHITE * values.size:
        rank = int((1 - WHITE) * values.size)
        scale = 1 / float(np.partition(values, rank, axis=None)[rank])
    return np.rint(np.clip(values * np.float32(scale), 0, 1) * 255).astype(np.uint8)


def _noise(rng: np.random.Generator, shape: tuple[int, int], grain: float, flat: float) -> np.ndarray:
    """Smooth noise: normal values on a grid of `grain` by `grain * flat` pixels, enlarged."""
    cells = max(2, int(shape[0] / grain)), max(2, int(shape[1] / grain / flat))
    coarse = rng.standard_normal(cells, np.float32)
    return np.asarray(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def _speckled(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiply by noise of two lengths of correlation, wider across than along the beam as speckle is."""
    shape, unit = (values.shape[0], values.shape[1]), values.shape[0] / 128
    strength, flat = np.float32(rng.uniform(0.05, 0.2)), rng.uniform(1, 2.2)
    fine = _noise(rng, shape, rng.uniform(1.0, 2.2) * unit, flat)
    coarse = _noise(rng, shape, rng.uniform(3.0, 8.0) * unit, flat)
    return values * np.exp(strength * (fine + np.float32(rng.uniform(0, 0.8)) * coarse))


def _smoothed(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A scanner that smooths, or one that sharpens."""
    soft = ndimage.gaussian_filter(values, rng.uniform(0.4, 1.0) * values.shape[0] / 128, truncate=3)
    sharp = values + np.float32(rng.uniform(0.3, 1.0)) * (values - soft)
    return soft if rng.random() < 0.6 else np.maximum(sharp, 0)


def _curve(rng: np.random.Generator, length: int, strength: float) -> np.ndarray:
    """Gain by depth: a smooth curve through five random values, as the sliders of time gain give."""
    knots = np.exp(rng.uniform(-strength, strength, 5))
    return np.interp(np.linspace(0, 4, length), np.arange(5), knots).astype(np.float32)


def _shadow(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A dark band from some depth downwards, soft at its sides."""
    height, width = shape
    centre, half, soft = rng.uniform(0, width), rng.uniform(0.04, 0.14) * width, rng.uniform(0.02, 0.06) * width
    side = 1 / (1 + np.exp(np.clip((np.abs(np.arange(width) - centre) - half) / soft, -30, 30)))
    top, fade = rng.uniform(0, 0.7) * height, 0.06 * height
    down = 1 / (1 + np.exp(np.clip(-(np.arange(height) - top) / fade, -30, 30)))
    return 1 - (rng.uniform(0.4, 0.9) * down).astype(np.float32)[:, None] * side.astype(np.float32)
