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
        keep_aspect: whether the aspect ratio is kept; it is not.
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


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Scale values from [0, 1] to [0, 255] and round them to uint8; values outside are clipped."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
