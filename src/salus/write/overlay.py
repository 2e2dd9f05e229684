"""Overlays: the scan with the outline of the tumour, as JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from salus.atomic import write_picture
from salus.overlay import COLOUR, QUALITY, draw_overlay
from salus.scan import Region

__all__ = ["COLOUR", "QUALITY", "draw_overlay", "write_overlay"]


def write_overlay(path: Path, pixels: np.ndarray, mask: np.ndarray, regions: Sequence[Region] = ()) -> None:
    """Write an overlay as JPEG, its colours at full resolution; arguments as of `draw_overlay`.

    Raises:
        OSError: the file cannot be written.
    """
    write_picture(path, draw_overlay(pixels, mask, regions), "JPEG", quality=QUALITY, subsampling=0)
