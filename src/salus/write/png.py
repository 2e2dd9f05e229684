"""Masks, probabilities and saliency as 8-bit grey PNG files of the image's size, lightly compressed for speed."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from salus.atomic import write_picture
from salus.preprocess import to_uint8

COMPRESSION = 1
"""zlib's level. Level 6, Pillow's own, takes several times as long for files that are a fifth smaller."""


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write a mask: 255 tumour, 0 elsewhere.

    Args:
        path: of the new file.
        mask: (h, w) bool.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from salus.read.image import read_mask
        >>> path = Path(tempfile.mkdtemp()) / "mask.png"
        >>> write_mask(path, np.eye(3, dtype=bool))
        >>> read_mask(path).sum()
        np.int64(3)
    """
    _write(path, mask.astype(np.uint8) * 255)


def encode_mask(mask: np.ndarray) -> bytes:
    """Encode a mask as the bytes that `write_mask` writes."""
    content = BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(content, "PNG", compress_level=COMPRESSION)
    return content.getvalue()


def write_map(path: Path, values: np.ndarray) -> None:
    """Write a probability or saliency map: round(255 value).

    Args:
        path: of the new file.
        values: (h, w) in [0, 1].

    Raises:
        OSError: the file cannot be written.
    """
    _write(path, to_uint8(values))


def _write(path: Path, values: np.ndarray) -> None:
    write_picture(path, Image.fromarray(values), "PNG", compress_level=COMPRESSION)
