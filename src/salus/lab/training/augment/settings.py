"""Settings of the augmentation: what is changed in a training image, and how much."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Augmentation:
    """Probability and range of each change. Probabilities are for each image; values are uniform in their ranges.

    Attributes:
        mirror: probability of a left-right mirror: either breast, either direction of the probe.
        warp: probability of an affine transform of the field, by the next six settings.
        zoom: (smallest, largest) magnification, as by another depth setting; below 1 shows a border.
        aspect: largest logarithm of the change of aspect ratio: the square images come from fields of every shape.
        turn: largest rotation in degrees, as by a tilted probe.
        shear: largest shear, columns per row, as by steered beams.
        shift: largest shift as a share of the side.
        border: probability that the area outside the field is black, and the field upright; else tissue is mirrored.
        grey: probability of each change of grey values: gain, gamma, time gain, dynamic range.
        speckle: probability of more speckle, or of less by smoothing.
        shadow: probability of an acoustic shadow from above.
        margin: probability of black margins or the corners of a sector; the mask ends where the field does.
        marks: probability of calipers, text, ticks or a grey bar, at any place.
        erase: probability that bright thin strokes, such as marks, are painted out.
    """

    mirror: float = 0.5
    warp: float = 0.9
    zoom: tuple[float, float] = (0.75, 1.5)
    aspect: float = 0.25
    turn: float = 6.0
    shear: float = 0.1
    shift: float = 0.12
    border: float = 0.5
    grey: float = 0.6
    speckle: float = 0.5
    shadow: float = 0.15
    margin: float = 0.2
    marks: float = 0.4
    erase: float = 0.3


STRONG = Augmentation()
"""Large changes of geometry and grey values."""

LIGHT = Augmentation(
    zoom=(0.9, 1.15),
    aspect=0.1,
    turn=4.0,
    shear=0.05,
    shift=0.06,
    grey=0.3,
    speckle=0.2,
    shadow=0.05,
    margin=0.05,
    marks=0.1,
    erase=0.1,
)
"""Small changes of geometry and grey values; the default of `salus train`."""
