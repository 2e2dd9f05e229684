"""Track the lesions of a cine, so that a lesion keeps its number from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from salus.measure.lesions import Lesion

Box = tuple[int, int, int, int]

MIN_IOU = 0.1
"""Smallest overlap of two boxes (intersection over union) that show the same lesion."""

MAX_GAP = 10
"""Largest number of the cine's frames in a row that may miss a lesion, or fail, without it losing its number."""


def assign_track_numbers(
    frames: Sequence[Sequence[Lesion]], max_gap: int = MAX_GAP, frame_numbers: Sequence[int] | None = None
) -> list[tuple[Lesion, ...]]:
    """Number the lesions of consecutive frames so that one lesion has one number, counted by first appearance.

    A lesion takes the number of the one whose box, where it was last seen, overlaps its own most. The greatest overlaps
    come first, and each number is assigned at most once a frame.

    Args:
        frames: the lesions of each frame.
        max_gap: see `MAX_GAP`.
        frame_numbers: in the cine, rising; None where the frames follow each other. However far apart two neighbours
            are, a lesion keeps its number from the one to the other.

    Returns:
        The same lesions, in the same order, renumbered.
    """
    positions = range(len(frames)) if frame_numbers is None else frame_numbers
    previous = 0
    last_seen: dict[int, tuple[int, Box]] = {}  # number -> position of the frame, and the box in it
    numbered: list[tuple[Lesion, ...]] = []
    highest = 0
    for frame, lesions in zip(positions, frames, strict=True):
        oldest = min(frame - max_gap - 1, previous)
        boxes = {number: box for number, (seen, box) in last_seen.items() if seen >= oldest}
        candidates = sorted(
            (
                (box_iou(box, lesion.box), -number, index)
                for number, box in boxes.items()
                for index, lesion in enumerate(lesions)
            ),
            reverse=True,
        )
        numbers: dict[int, int] = {}  # index of a lesion in the frame -> number
        for iou, negative, index in candidates:
            if iou >= MIN_IOU and index not in numbers and -negative not in numbers.values():
                numbers[index] = -negative
        for index in range(len(lesions)):
            if index not in numbers:
                highest += 1
                numbers[index] = highest
        numbered.append(tuple(replace(lesion, number=numbers[index]) for index, lesion in enumerate(lesions)))
        last_seen |= {lesion.number: (frame, lesion.box) for lesion in numbered[-1]}
        previous = frame
    return numbered


def box_iou(box: Box, other: Box) -> float:
    """Compute the intersection over union of two boxes (top, left, height, width).

    Example:
        >>> box_iou((0, 0, 2, 4), (0, 2, 2, 4))
        0.3333333333333333
    """
    rows = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    columns = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    intersection = max(rows, 0) * max(columns, 0)
    return intersection / (box[2] * box[3] + other[2] * other[3] - intersection)
