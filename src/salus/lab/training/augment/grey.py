"""Change grey values: gain, dynamic range, speckle and shadow; paint strokes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.special import expit

if TYPE_CHECKING:
    from salus.lab.training.augment.settings import Augmentation

MIN_MEAN, MAX_MEAN, MAX_WHITE = 0.1, 0.58, 0.03
"""Limits of the mean grey and of the share of white pixels after all changes: 99 of 100 real images are within."""


def change_grey(image: np.ndarray, rng: np.random.Generator, settings: Augmentation) -> np.ndarray:
    """Change the grey values of an image (h, w) uint8, with the probabilities of `settings`; black stays black."""
    before = image.astype(np.float32) / 255
    values = before
    if rng.random() < settings.speckle:
        values = _add_speckle(values, rng) if rng.random() < 0.6 else _smooth_or_sharpen(values, rng)
    if rng.random() < settings.grey:
        values = np.power(values, np.float32(np.exp(rng.uniform(-0.45, 0.45))))
    if rng.random() < settings.grey:
        lift, gain = np.float32(rng.uniform(-0.08, 0.08)), np.float32(rng.uniform(0.6, 1.5))
        values = np.maximum(values * gain + (lift * (values > 0.01) if lift > 0 else lift), 0)
    if rng.random() < settings.grey:
        values = values * _depth_gain(rng, len(values), 0.35)[:, None]
    if rng.random() < settings.grey / 2:  # a narrower dynamic range: dark pixels turn black
        low = np.float32(rng.uniform(0, 0.15))
        values = np.maximum(values - low, 0) / (1 - low)
    if rng.random() < settings.shadow:
        values = values * _shadow(rng, values.shape)
    return image if values is before else _to_limited_uint8(values, before)


def erase_strokes(image: np.ndarray, size: int) -> np.ndarray:
    """Paint bright strokes thinner than `size` pixels out, with the mean grey around them.

    A pixel belongs to a stroke if a morphological opening lowers it by more than 50 grey levels, and by more than five
    times the mean of its surroundings.

    Args:
        image: (h, w) uint8.
        size: side of the square structuring element, pixels.
    """
    opened = ndimage.grey_opening(image, size=(size, size))
    lowered = image - opened
    surroundings = ndimage.uniform_filter(lowered, 8 * size).astype(np.float32)
    strokes = (lowered > 50) & (lowered > 5 * surroundings)
    if not strokes.any():
        return image
    strokes = ndimage.maximum_filter(strokes, 3)  # with their soft edges
    keep = (~strokes).astype(np.float32)
    window = 2 * size + 1
    weight = ndimage.uniform_filter(keep, window)
    around = ndimage.uniform_filter(image * keep, window) / np.maximum(weight, 1e-6)
    return np.where(strokes & (weight > 0.1), np.rint(np.clip(around, 0, 255)), image).astype(np.uint8)


def _to_limited_uint8(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Convert to uint8, scaled to the limits that neither scanners nor the image before its changes exceed."""
    old, mean = float(before.mean()), max(float(values.mean()), 1e-3)
    scale = min(max(1.0, min(MIN_MEAN, old) / mean), max(MAX_MEAN, old) / mean)
    if np.count_nonzero(values * np.float32(scale) > 1) > MAX_WHITE * values.size:
        rank = int((1 - MAX_WHITE) * values.size)
        scale = 1 / float(np.partition(values, rank, axis=None)[rank])
    return np.rint(np.clip(values * np.float32(scale), 0, 1) * 255).astype(np.uint8)


def _noise(rng: np.random.Generator, shape: tuple[int, int], grain: float, flat: float) -> np.ndarray:
    """Make smooth noise: normal values on a grid of `grain` by `grain * flat` pixels, enlarged."""
    cells = max(2, int(shape[0] / grain)), max(2, int(shape[1] / grain / flat))
    coarse = rng.standard_normal(cells, np.float32)
    return np.asarray(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def _add_speckle(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiply by noise of two correlation lengths, wider across the beam than along it, as speckle is."""
    shape, unit = (values.shape[0], values.shape[1]), values.shape[0] / 128
    strength, flat = np.float32(rng.uniform(0.05, 0.2)), rng.uniform(1, 2.2)
    fine = _noise(rng, shape, rng.uniform(1.0, 2.2) * unit, flat)
    coarse = _noise(rng, shape, rng.uniform(3.0, 8.0) * unit, flat)
    return values * np.exp(strength * (fine + np.float32(rng.uniform(0, 0.8)) * coarse))


def _smooth_or_sharpen(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth or sharpen, as scanners do."""
    soft = ndimage.gaussian_filter(values, rng.uniform(0.4, 1.0) * values.shape[0] / 128, truncate=3)
    sharp = values + np.float32(rng.uniform(0.3, 1.0)) * (values - soft)
    return soft if rng.random() < 0.6 else np.maximum(sharp, 0)


def _depth_gain(rng: np.random.Generator, length: int, strength: float) -> np.ndarray:
    """Make a gain for each depth through five random values, as the sliders of time gain compensation do."""
    knots = np.exp(rng.uniform(-strength, strength, 5))
    return np.interp(np.linspace(0, 4, length), np.arange(5), knots).astype(np.float32)


def _shadow(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Make a dark band from some depth downwards, soft at its sides."""
    height, width = shape
    centre, half, soft = rng.uniform(0, width), rng.uniform(0.04, 0.14) * width, rng.uniform(0.02, 0.06) * width
    side = expit((half - np.abs(np.arange(width) - centre)) / soft)
    top, fade = rng.uniform(0, 0.7) * height, 0.06 * height
    down = expit((np.arange(height) - top) / fade)
    return 1 - (rng.uniform(0.4, 0.9) * down).astype(np.float32)[:, None] * side.astype(np.float32)
