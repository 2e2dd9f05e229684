"""TODO."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Augmentation:
    """How much is changed. Probabilities are of one image; ranges are drawn from uniformly.

    Attributes:
        mirror: probability of a left-right mirror: either breast, either direction of the probe.
        warp: probability of any change of the field below.
        zoom: (smallest, largest) magnification, as another depth setting gives; below 1 shows a border.
        aspect: largest logarithm of the change of aspect: squares are squashed from fields of every shape.
        turn: largest rotation in degrees: the probe is tilted.
        shear: largest shear, columns a row: beams steered to a side.
        shift: largest shift as a share of the side.
        border: probability that outside the field is black, and the field upright, instead of mirrored tissue.
        grey: probability of each change of grey: gain, gamma, time gain, dynamic range.
        speckle: probability of more speckle, or of less by smoothing.
        shadow: probability of an acoustic shadow from above.
        margin: probability of black margins or the corners of a sector; the mask ends where the field does.
        marks: probability of calipers, text, ticks or a grey bar, anywhere.
        erase: probability that bright thin strokes, such as marks are, are painted out.
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
"""For networks that must hold elsewhere."""
