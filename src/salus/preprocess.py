"""Preprocess images for a network: resize, round to 8 bits, and describe both in network files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Preprocessing:
    """Description of how an image becomes a network's input; network files of Salus hold it under "preprocessing".

    Attributes:
        height: height of the input; the whole image is resized to it.
        width: width of the input.
        keep_aspect: whether the aspect ratio is kept, by black bars beside or above and below the image (`letterbox`).
        interpolation: how the image is resized; antialiased where it shrinks.
        levels: number of levels that grey values are rounded to after resizing.
        divide_by: number that the levels, 0 to levels - 1, are then divided by.
        layout: axes of the input array; its one channel is grey.
    """

    height: int
    width: int
    keep_aspect: bool = False
    interpolation: str = "bilinear, antialiased"
    levels: int = 256
    divide_by: int = 255
    layout: str = "NHWC"


def resize(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a map bilinearly, antialiased where it shrinks.

    Args:
        values: (height, width), any real dtype.
        shape: (height, width) of the result.

    Returns:
        (height, width) float32.

    Example:
        >>> import numpy as np
        >>> resize(np.ones((8, 4)), (2, 2)).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    if values.shape == tuple(shape):
        return values.astype(np.float32)
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def placed_box(shape: tuple[int, int], size: int) -> tuple[int, int, int, int]:
    """Compute where an image lies in a square when its aspect ratio is kept: (top, left, height, width), centred.

    Args:
        shape: (height, width) of the image.
        size: height and width of the square.

    Example:
        >>> placed_box((300, 600), 256)
        (64, 0, 128, 256)
    """
    scale = size / max(shape)
    height, width = (max(1, round(side * scale)) for side in shape)
    return (size - height) // 2, (size - width) // 2, height, width


def letterbox(values: np.ndarray, size: int) -> np.ndarray:
    """Resize a map to a square and keep its aspect ratio: the longest side fills the square, the rest is 0.

    Args:
        values: (height, width), any real dtype.
        size: height and width of the square.

    Returns:
        (size, size) float32.

    Example:
        >>> letterbox(np.ones((2, 4)), 4).astype(int).tolist()
        [[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]]
    """
    height, width = values.shape
    top, left, height, width = placed_box((height, width), size)
    square = np.zeros((size, size), np.float32)
    square[top : top + height, left : left + width] = resize(values, (height, width))
    return square


def remove_letterbox(square: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring a map of a square back to an image's shape: the inverse of `letterbox`.

    Args:
        square: (s, s), the map of a network whose input was made by `letterbox`; s need not be the input's size.
        shape: (height, width) of the image.

    Returns:
        (height, width) float32.

    Example:
        >>> remove_letterbox(letterbox(np.ones((2, 4)), 8), (2, 4)).tolist()
        [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """
    top, left, height, width = placed_box(shape, square.shape[0])
    return resize(square[top : top + height, left : left + width], shape)


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Scale values from [0, 1] to [0, 255] and round them to uint8; values outside are clipped."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
