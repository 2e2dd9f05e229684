"""Masks and maps of frames as PNG files that the server writes and reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from salus.atomic import write_whole
from salus.serve.result_json import encode_png


def write_png(path: Path, values: np.ndarray) -> None:
    """Write a mask (bool), or a map in [0, 1], as 8-bit PNG; the file is replaced whole."""
    content = encode_png(values)
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def read_own_mask(path: Path) -> np.ndarray:
    """Read a mask that `write_png` wrote, (height, width) bool."""
    with Image.open(path) as image:
        return np.asarray(image) > 127


def read_own_map(path: Path) -> np.ndarray:
    """Read a map that `write_png` wrote, (height, width) float32 in [0, 1]."""
    with Image.open(path) as image:
        return np.asarray(image) / np.float32(255)
