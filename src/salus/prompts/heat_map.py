"""Heat maps as prompts: of eye tracking, of another method, of any source; grey, of the image's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.read.frames import detect_format, read_scan
from salus.read.image import may_hold_colour, read_values

MAX_GREY_DIFFERENCE = 2
"""Largest difference between the channels of a grey pixel that was stored as 8-bit colour."""


def read_heat_map(path: Path | str) -> np.ndarray:
    """Read a heat map: an image file in grey, where white is 1, or a .npy file of numbers in [0, 1].

    Values of more than 8 bits are divided by their own maximum, as those of images are.

    Returns:
        (height, width) float32 in [0, 1].

    Raises:
        SalusError: it cannot be read, or is in colours, which say nothing of a scale.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "gaze.npy"
        >>> np.save(path, np.array([[0.0, 0.5], [1.0, 0.0]]))
        >>> read_heat_map(path).tolist()
        [[0.0, 0.5], [1.0, 0.0]]
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        try:
            values = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            raise SalusError(f"{path}: no such file") from None
        except (OSError, ValueError, EOFError) as error:
            raise SalusError(f"{path}: cannot be read as an array ({' '.join(str(error).split())[:120]})") from None
        return check_heat_map(values, str(path))
    if detect_format(path) == "image" and may_hold_colour(path):
        colours = read_values(path)
        if colours.ndim == 3 and np.ptp(colours.astype(np.int32), axis=2).max() > MAX_GREY_DIFFERENCE:
            raise SalusError(f"{path}: is in colours; give the heat map in grey, white where its value is 1")
    return read_scan(path).pixels


def check_heat_map(values: np.ndarray, source: str) -> np.ndarray:
    """Check the values of a heat map.

    Args:
        values: (height, width), uint8, bool, or floating point in [0, 1].
        source: the map's name in errors.

    Returns:
        (height, width) float32 in [0, 1].

    Raises:
        SalusError: it has another shape, type or range.
    """
    values = np.asarray(values)
    if values.ndim != 2 or not values.size:
        raise SalusError(f"{source}: has the shape {values.shape}; give one map (height, width)")
    if values.dtype == np.uint8:
        return values / np.float32(255)
    if values.dtype.kind not in "bf" or not (values.min() >= 0 and values.max() <= 1):  # false for NaN too
        raise SalusError(f"{source}: the values of a prompt map must be uint8, or floating point in 0..1")
    return values.astype(np.float32)
