"""Apply the tags of a TIFF file that say what its values mean, where Pillow does not (TIFF 6.0, sections 8 and 19)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import TiffImagePlugin

from salus.errors import SalusError

BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT, SUBFILE_TYPE, COLOUR_MAP = 258, 262, 339, 254, 320
"""Tags."""

MIN_IS_WHITE, SIGNED, UNSIGNED = 0, 2, 1

# Pillow reads 16-bit MinIsWhite in little endian alone.
TiffImagePlugin.OPEN_INFO.setdefault((TiffImagePlugin.MM, MIN_IS_WHITE, (1,), 1, (16,), ()), ("I;16B", "I;16B"))

THUMBNAIL, TRANSPARENCY = 1, 4
"""Bits of `SUBFILE_TYPE`: a smaller copy of another page, and a mask of one."""


def is_frame(tags: Mapping[int, Any]) -> bool:
    """Tell whether a page is an image of its own: no smaller copy of another, and no transparency mask."""
    kind = tags.get(SUBFILE_TYPE, 0)
    return not (isinstance(kind, int) and kind & (THUMBNAIL | TRANSPARENCY))


def apply_tiff_tags(values: np.ndarray, tags: Mapping[int, Any]) -> np.ndarray:
    """Return the values that a file means.

    Pillow inverts MinIsWhite up to 8 bits and not above, and reads signed values of 8 bits, and unsigned ones of 32, as
    if they were of the other kind.

    Args:
        values: as Pillow decodes them.
        tags: of the page.

    Raises:
        SalusError: it cannot be told what is white; the message names no file.

    Example:
        >>> apply_tiff_tags(np.array([[0, 65535]], np.uint16), {262: 0, 258: (16,)}).tolist()
        [[65535, 0]]
        >>> apply_tiff_tags(np.array([[127, 128]], np.uint8), {262: 1, 258: (8,), 339: (2,)}).tolist()
        [[127, -128]]
    """
    if values.ndim != 2:
        return values
    bits, kind = (_first(tags.get(tag), default) for tag, default in ((BITS_PER_SAMPLE, 1), (SAMPLE_FORMAT, UNSIGNED)))
    if kind == SIGNED and bits == 8 and values.dtype == np.uint8:
        values = values.view(np.int8)
    if kind == UNSIGNED and bits == 32 and values.dtype == np.int32:
        values = values.view(np.uint32)
    if tags.get(PHOTOMETRIC) == MIN_IS_WHITE:
        if kind != UNSIGNED or bits > 16:
            raise SalusError("holds signed or real values of which the least is white; save it as 8-bit grey")
        if bits > 8:
            values = np.uint16(2**bits - 1) - values
    return values


def eight_bit_palette(tags: Mapping[int, Any]) -> list[int] | None:
    """Return a palette of red, green and blue in turn where its entries are of 8 bits; None where they are of 16.

    The standard has 16 bits, of which Pillow takes the upper 8; libtiff takes entries below 256 for 8 bits as well.

    Args:
        tags: of the page.

    Example:
        >>> eight_bit_palette({320: (0, 9, 0, 9, 0, 8)}), eight_bit_palette({320: (0, 65535, 0, 9, 0, 8)})
        ([0, 0, 0, 9, 9, 8], None)
    """
    entries = tags.get(COLOUR_MAP, ())
    if not isinstance(entries, tuple) or not entries or len(entries) % 3 or max(entries) > 255:
        return None
    return [int(value) for value in np.reshape(entries, (3, -1)).T.flat]


def shift_signed_bytes(values: np.ndarray) -> np.ndarray:
    """Return signed 8-bit values as unsigned ones: -128 is black and 127 white; others as they are.

    Example:
        >>> shift_signed_bytes(np.array([-128, 0, 127], np.int8)).tolist()
        [0, 128, 255]
    """
    return values.view(np.uint8) ^ np.uint8(128) if values.dtype == np.int8 else values


def _first(value: Any, default: int) -> int:
    """Return the first number of a tag."""
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else default
