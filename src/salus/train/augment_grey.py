"""The grey values: another gain, dynamic range, speckle, shadow and border."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage


def change_grey(
    image: np.ndarray,
    rng: np.random.Generator,
    grey: float,
    speckle: float,
    shadow: float,
    margin: float,
    erase: float,
) -> np.ndarray:
    """Change the grey values of an image (h, w) uint8; the probabilities are those of `Augmentation`."""
    if rng.random() < erase:
        image = erase_strokes(image, int(rng.integers(4, 7)))
    values = image.astype(np.float32) / 255
    if rng.random() < speckle:
        values = _speckled(values, rng) if rng.random() < 0.6 else _smoothed(values, rng)
    if rng.random() < grey:
        values = np.power(values, np.float32(np.exp(rng.uniform(-0.45, 0.45))))
    if rng.random() < grey:
        lift = np.float32(rng.uniform(-0.08, 0.08)) * (values > 0.01)  # black borders stay black
        values = np.maximum(values * np.float32(rng.uniform(0.6, 1.5)) + lift, 0)
    if rng.random() < grey:
        values = values * _curve(rng, len(values), 0.35)[:, None]
    if rng.random() < grey / 2:  # a narrower dynamic range: what is dark turns black
        low = np.float32(rng.uniform(0, 0.15))
        values = (values - low) / (1 - low)
    if rng.random() < shadow:
        values = values * _shadow(rng, values.shape)
    if rng.random() < margin:
        values = values * _margins(rng, values.shape)
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def erase_strokes(image: np.ndarray, size: int) -> np.ndarray:
    """Replace bright strokes thinner than `size` pixels by their surroundings: an opening, where it lowers much.

    Args:
        image: (h, w) uint8.
        size: side of the square that opens, pixels.
    """
    opened = ndimage.grey_opening(image, size=(size, size))
    strokes = (image > 150) & (image.astype(np.int16) - opened > 70)
    return np.where(strokes, ndimage.uniform_filter(opened, 5), image)


def _low(rng: np.random.Generator, shape: tuple[int, ...], cells: tuple[int, int]) -> np.ndarray:
    """Smooth noise: normal values on a coarse grid, enlarged."""
    coarse = rng.standard_normal((max(2, cells[0]), max(2, cells[1]))).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def _speckled(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiply by noise of one length of correlation, wider across than along the beam as speckle is."""
    height, width = values.shape
    grain = rng.uniform(1.0, 3.0)
    noise = _low(rng, values.shape, (int(height / grain), int(width / grain / rng.uniform(1, 2))))
    return values * np.exp(np.float32(rng.uniform(0.05, 0.22)) * noise)


def _smoothed(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A scanner that smooths, or one that sharpens."""
    soft = ndimage.gaussian_filter(values, rng.uniform(0.4, 1.2) * values.shape[0] / 128)
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
    return (1 - rng.uniform(0.4, 0.9) * down[:, None] * side[None]).astype(np.float32)


def _margins(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Black margins, or the black corners beside the field of a curved probe."""
    height, width = shape
    field = np.ones(shape, np.float32)
    if rng.random() < 0.6:
        top, bottom, left, right = (
            rng.uniform(0, 0.12, 4) * (rng.random(4) < 0.6) * (height, height, width, width)
        ).astype(int)
        field[:top] = 0
        field[height - bottom :] = 0
        field[:, :left] = 0
        field[:, width - right :] = 0
        return field
    reach, slope = rng.uniform(0.05, 0.3) * width, rng.uniform(0.5, 2.5)
    rows, columns = np.mgrid[:height, :width]
    corner = reach - rows / slope
    field[(columns < corner) | (columns > width - 1 - corner)] = 0
    return field
