"""The result of segmenting one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salus.measure.lesions import Lesion
from salus.scan import Region


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What was found in one image.

    Attributes:
        mask: (height, width) bool, the tumour, at the image's size; all False where none was found.
        probability: (height, width) float32 in [0, 1], calibrated.
        saliency: (height, width) float32 in [0, 1], where the network looked.
        presence: probability that the image shows a tumour at all.
        lesions: each connected part, the largest first.
        confidence: in [0, 1]: with lesions the Dice to expect; without, 1 - presence, which is no frequency.
        strangeness: how far the image lies from those the network knows, about 1 at the limit.
        flags: what a reader must know, one line each.
        spacing: (row, column) size of a pixel in mm, None where the source does not say.
        source: the image's file, or what made it.
        network: the name of the network.
        regions: the parts of the image that were looked at; empty means all of it.
        frame: number of the frame in its file, from 1; None where the file holds one image.

    Example:
        >>> from salus import make_phantom, segment
        >>> found = segment(make_phantom(3).image)
        >>> found.mask.shape == found.probability.shape, 0 <= found.confidence <= 1
        (True, True)
    """

    mask: np.ndarray
    probability: np.ndarray
    saliency: np.ndarray
    presence: float
    lesions: tuple[Lesion, ...]
    confidence: float
    strangeness: float
    flags: tuple[str, ...]
    spacing: tuple[float, float] | None
    source: str
    network: str
    regions: tuple[Region, ...] = ()
    frame: int | None = None

    @property
    def found(self) -> bool:
        """Whether there is a lesion."""
        return bool(self.lesions)
