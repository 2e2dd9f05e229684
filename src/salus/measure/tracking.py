"""Lesions of a cine keep their number from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from salus.measure.lesions import Lesion

Box = tuple[int, int, int, int]

LEAST = 0.1
"""Overlap of two boxes (intersection over union) from which on they show the same lesion."""

GAP = 10
"""Frames that a lesion may be missed in and keep its number."""


def track(frames: Sequence[Sequence[Lesion]], gap: int = GAP) -> list[tuple[Lesion, ...]]:
    """Number the lesions of consecutive frames so that one lesion has one number; numbers count up by first appearance.

    A lesion takes the number of the one whose box, where it was last seen, overlaps its own most; each number is given
    once a frame, the greatest overlaps first.

    Args:
        frames: the lesions of each frame.
        gap: frames that a lesion may be missed in.

    Returns:
        The same lesions, in the same order, renumbered.
    """
    last: dict[int, tuple[int, Box]] = {}  # number -> the frame it was last seen in, and its box there
    numbered, born = [], 0
    for at, lesions in enumerate(frames):
        near = {number: box for number, (seen, box) in last.items() if at - seen <= gap + 1}
        pairs = sorted(
            (
                (overlap(box, one.box), -number, index)
                for number, box in near.items()
                for index, one in enumerate(lesions)
            ),
            reverse=True,
        )
        taken: dict[int, int] = {}  # index of a lesion -> number
        for share, minus, index in pairs:
            if share >= LEAST and index not in taken and -minus not in taken.values():
                taken[index] = -minus
        for index in range(len(lesions)):
            if index not in taken:
                born += 1
                taken[index] = born
        numbered.append(tuple(replace(one, number=taken[index]) for index, one in enumerate(lesions)))
        last |= {one.number: (at, one.box) for one in numbered[-1]}
    return numbered


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes (top, left, height, width).

    Example:
        >>> overlap((0, 0, 2, 4), (0, 2, 2, 4))
        0.3333333333333333
    """
    rows = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    columns = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(rows, 0) * max(columns, 0)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
