"""Preprocessing of images for a network: resizing, rounding to 8 bits, and the record of it in network files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a network's input; every network file that Salus writes says so under "preprocessing".

    Attributes:
        height: of the input, to which the whole image is resized.
        width: of the input.
        keep_aspect: whether the image keeps its shape; it does not.
        interpolation: of the resizing; antialiased where it shrinks.
        levels: to which grey values are rounded after it.
        divide_by: what grey values 0 to levels - 1 are then divided by.
        layout: of the array; its one channel is grey.
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
        shape: the wanted (height, width).

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


def to_bytes(values: np.ndarray) -> np.ndarray:
    """[0, 1] to uint8, rounded."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
