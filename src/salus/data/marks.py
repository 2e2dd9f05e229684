"""Burned-in marks: calipers, text and colour that a reader or a machine drew into an image.

A network can learn the marks instead of the tumour (readers measure what they suspect), so an evaluation should also be
made on images without them. Three kinds are found, each by its shape alone:

- calipers: a small + or x, whose four arms are all brighter than what lies between them and beyond their ends;
- text: three or more small bright shapes side by side with the same top and the same bottom, as letters have;
- colour: pixels that are not grey (Doppler, coloured calipers or outlines).

Not looked for: two letters or fewer, dotted lines, boxes, scale bars, body pictograms, dark or inpainted marks.

Measured by eye on random images scaled to at most 384 pixels a side:
- BUSI, 159 of 624 flagged: of 30 with "calipers" 30 have some, of 30 with "text" 30; of 30 unflagged 3 have two letters
  or a pictogram.
- BUS-BRA, 1,346 of 1,509 flagged: of 30 with "calipers" 29 have some (26 of 30 of those with a contrast below 0.15), of
  30 with "text" 30; of 30 unflagged 5 have faint calipers or text, and 12 more a scale only.
So a flagged image has marks; an unflagged one is not proved clean. Noise that changes from pixel to pixel, unlike a
scanner's speckle, is taken for marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, compress

import numpy as np
from PIL import Image
from scipy import ndimage

KINDS = ("calipers", "text", "colour")

MIN_CALIPER_CONTRAST = 0.11
"""Least contrast of a caliper's weakest arm over its surroundings, in grey of [0, 1]."""

MIN_LETTERS = 3
"""Least number of letters in a row of text."""

MIN_CHANNEL_DIFFERENCE = 32 / 255
"""Least difference between a pixel's largest and smallest channel to call it coloured, of [0, 1]."""

MIN_COLOURED_SHARE = 1e-4
"""Least share of coloured pixels."""

MAX_BRIGHTNESS_DIFFERENCE = 0.08
"""Largest difference in brightness between the letters of a row of three or four, in grey of [0, 1]."""

MAX_SIDE = 448  # pixels; larger images are shrunk to it first
ARM_LENGTHS = (3, 4, 5, 6, 8)  # pixels
STROKE_CONTRASTS = (0.22, 0.3, 0.4)  # grey of [0, 1]; letters are looked for at each of these thresholds
STRAIGHT, DIAGONAL = ((0, 1), (0, -1), (1, 0), (-1, 0)), ((1, 1), (1, -1), (-1, 1), (-1, -1))

Box = tuple[int, int, int, int]  # top, bottom, left, right


@dataclass(frozen=True)
class Marks:
    """Suspected marks in one image.

    Attributes:
        kinds: any of `KINDS`.
        caliper_contrast: contrast of the clearest + or x outside text, in grey of [0, 1].
        letters: number of letters in the longest row.
        coloured_share: share of pixels that are not grey, in [0, 1].
    """

    kinds: tuple[str, ...]
    caliper_contrast: float
    letters: int
    coloured_share: float


def find_marks(pixels: np.ndarray, colours: np.ndarray | None = None) -> Marks:
    """Find burned-in marks in one image.

    Args:
        pixels: (height, width) grey in [0, 1].
        colours: (height, width, 3) uint8 if the file holds colour, see `salus.read.image.read_values`.

    Example:
        >>> import numpy as np
        >>> image = np.full((120, 160), 0.2, np.float32)
        >>> image[50, 40:51] = image[45:56, 45] = 1
        >>> find_marks(image).kinds
        ('calipers',)
    """
    grey = np.ascontiguousarray(pixels, np.float32)
    scale = MAX_SIDE / max(grey.shape)
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in grey.shape)
        grey = np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))
    strokes = grey - ndimage.grey_opening(grey, size=(7, 7))  # keeps what is bright and narrower than 7 pixels
    rows = _find_text(grey, strokes)
    contrast = _caliper_contrast(grey, strokes, [box for _, box in rows])
    letters = max((count for count, _ in rows), default=0)
    share = coloured_share(colours) if colours is not None else 0.0
    suspected = (contrast >= MIN_CALIPER_CONTRAST, letters >= MIN_LETTERS, share >= MIN_COLOURED_SHARE)
    return Marks(tuple(compress(KINDS, suspected)), contrast, letters, share)


def coloured_share(colours: np.ndarray) -> float:
    """Measure the share of pixels that are not grey.

    Args:
        colours: (height, width, 3) uint8; any other shape holds no colour.
    """
    if colours.ndim != 3 or colours.shape[2] < 3 or not colours.size:
        return 0.0
    difference = np.ptp(colours[..., :3], axis=2)
    return float((difference >= MIN_CHANNEL_DIFFERENCE * 255).mean())


def _caliper_contrast(grey: np.ndarray, strokes: np.ndarray, text: list[Box]) -> float:
    """Find the contrast of the clearest + or x: its weakest arm minus the brightest of its surroundings.

    The surroundings are points between the arms, and points beyond their ends. All pixels that may be a centre are
    tried at once, in flat copies of the image with a margin for the longest arm.
    """
    excluded = strokes < MIN_CALIPER_CONTRAST
    for top, bottom, left, right in text:
        excluded[max(top - 3, 0) : bottom + 3, max(left - 3, 0) : right + 3] = True
    margin = ARM_LENGTHS[-1] + 3
    width = grey.shape[1] + 2 * margin
    # Beyond the border an arm is dark and its surroundings are bright, so the border never adds contrast.
    dark, bright = np.pad(grey, margin).ravel(), np.pad(grey, margin, constant_values=1).ravel()
    blurred = {n: np.pad(ndimage.uniform_filter(grey, n), margin, constant_values=1).ravel() for n in (1, 2, 3)}
    rows, columns = np.nonzero(~excluded)
    if not len(rows):
        return 0.0
    centres = (rows + margin) * width + columns + margin
    sums = {}  # by direction: the sums of the first 1, 2, ... pixels of an arm
    for y, x in STRAIGHT + DIAGONAL:
        steps = (dark[centres + (y * width + x) * step] for step in range(1, ARM_LENGTHS[-1] + 1))
        sums[y, x] = list(accumulate(steps))
    best = 0.0
    for length in ARM_LENGTHS:
        blur = blurred[min(3, length - 2)]
        gap = max(2, round(0.7 * length))
        for directions, others in ((STRAIGHT, DIAGONAL), (DIAGONAL, STRAIGHT)):
            arms = [sums[d][length - 1] / length for d in directions]
            # The last two pixels: a round spot fades toward its border, an arm does not.
            ends = [(sums[d][length - 1] - sums[d][length - 3]) / 2 for d in directions]
            weakest = np.min([dark[centres], *arms, *ends], axis=0)
            between = [blur[centres + (y * width + x) * gap] for y, x in others]
            beyond = [bright[centres + (y * width + x) * (length + 3)] for y, x in directions]
            best = max(best, float((weakest - np.max(between + beyond, axis=0)).max()))
    return best


def _find_text(grey: np.ndarray, strokes: np.ndarray) -> list[tuple[int, Box]]:
    """Find rows of `MIN_LETTERS` letters or more: the number of letters and the box of each."""
    rows = []
    for contrast in STROKE_CONTRASTS:
        labels, _ = ndimage.label(strokes > contrast, structure=np.ones((3, 3)))
        boxes = [(y.start, y.stop, x.start, x.stop) for y, x in ndimage.find_objects(labels)]
        letters = np.asarray([box for box in sorted(boxes, key=lambda box: box[2]) if _has_letter_size(box)], int)
        for row in _find_rows(letters.reshape(-1, 4)):
            peaks = [grey[top:bottom, left:right].max() for top, bottom, left, right in letters[row]]
            tops, bottoms, lefts, rights = letters[row].T
            if len(row) >= 5 or (max(peaks) - min(peaks) <= MAX_BRIGHTNESS_DIFFERENCE and (bottoms - tops).min() >= 6):
                rows.append((len(row), (int(tops.min()), int(bottoms.max()), int(lefts.min()), int(rights.max()))))
    return rows


def _has_letter_size(box: Box) -> bool:
    """Tell whether a shape of this size may be a letter."""
    height, width = box[1] - box[0], box[3] - box[2]
    return 4 <= height <= 24 and width <= 1.6 * height + 1


def _find_rows(letters: np.ndarray) -> list[list[int]]:
    """Find rows of boxes whose tops and bottoms agree within a pixel, with small gaps.

    Args:
        letters: (k, 4) boxes, sorted by their left edges.

    Returns:
        For each row the indices of its boxes, from left to right.
    """
    rows, used = [], np.zeros(len(letters), bool)
    for first in range(len(letters)):
        row = [first]
        while not used[first]:
            top, bottom, _, right = letters[row[-1]]
            rest = letters[row[-1] + 1 :]
            gap = rest[:, 2] - right
            aligned = (np.abs(rest[:, :2] - (top, bottom)) <= 1).all(axis=1) & ~used[row[-1] + 1 :]
            following = np.flatnonzero(aligned & (gap >= -1) & (gap <= max(3, 0.9 * (bottom - top))))
            if not len(following):
                break
            row.append(row[-1] + 1 + int(following[0]))
        if len(row) >= MIN_LETTERS:
            used[row] = True
            rows.append(row)
    return rows
