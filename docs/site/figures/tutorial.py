"""Draw the picture of the tutorial's second step."""

from __future__ import annotations

from pathlib import Path

from salus import make_phantom, segment
from salus.write.overlay import draw_overlay

SEED = 3
"""Seed of the tutorial's phantom."""


def draw(folder: Path) -> None:
    """Draw the phantom with its outline."""
    phantom = make_phantom(SEED)
    overlay = draw_overlay(phantom.image / 255, segment(phantom.image).mask)
    overlay.quantize(128, dither=0).save(folder / "tutorial-outline.png", optimize=True)
