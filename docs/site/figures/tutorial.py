"""The picture in the tutorial: what its second step shows."""

from __future__ import annotations

from pathlib import Path

from salus import make_phantom, segment
from salus.write.overlay import overlay

SEED = 3
"""Of the tutorial's phantom."""


def draw(folder: Path) -> None:
    """Draw it."""
    phantom = make_phantom(SEED)
    found = segment(phantom.image)
    picture = overlay(phantom.image / 255, found.mask)
    picture.quantize(128, dither=0).save(folder / "tutorial-outline.png", optimize=True)
