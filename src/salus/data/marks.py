"""Burned-in marks: calipers, text and colour that a reader or a machine drew into an image.

A network can learn the marks instead of the tumour (readers measure what they suspect), so an evaluation should look at
images without them too. Three signs are looked for, each by its shape alone:

- calipers: a small + or x, whose four arms are all brighter than what lies between them and beyond their ends;
- text: three or more small bright shapes side by side with the same top and the same bottom, as letters have;
- colour: pixels that are not grey (Doppler, coloured calipers or outlines).

Not looked for: two letters or fewer, dotted lines, boxes, scale bars, body pictograms, dark or inpainted marks.

Measured by eye on random images scaled to at most 384 pixels a side:
- BUSI, 159 of 624 flagged: of 30 with "calipers" 30 have some, of 30 with "text" 30; of 30 unflagged 3 have two letters
  or a pictogram.
- BUS-BRA, 1,346 of 1,509 flagged: of 30 with "calipers" 29 have some (26 of 30 of those with a contrast below 0.15), of
  30 with "text" 30; of 30 unflagged 5 have faint calipers or text, and 12 more a scale only.
So what is flagged is marked; what is not flagged is not proved clean. Noise that changes from pixel to pixel, unlike a
scanner's speckle, is taken for marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from PIL import Image
from scipy import ndimage

KINDS = ("calipers", "text", "colour")

CALIPER_CONTRAST = 0.11
"""Least contrast of a caliper's weakest arm over its surroundings, in grey of [0, 1]."""

LETTERS = 3
"""Least number of letters in a row."""

COLOURED = 32 / 255
"""Least difference between a pixel's largest and smallest channel to call it coloured, of [0, 1]."""

COLOURED_SHARE = 1e-4
"""Least share of coloured pixels."""

EVEN = 0.08
"""The most that the brightest grey of the letters of a row of three or four may differ: letters have one brightness."""

LONGEST = 448  # pixels; larger images are shrunk to it first
ARMS = (3, 4, 5, 6, 8)  # pixels, the lengths of a caliper's arm
STROKES = (0.22, 0.3, 0.4)  # contrasts at which letters are cut out of the image
STRAIGHT, DIAGONAL = ((0, 1), (0, -1), (1, 0), (-1, 0)), ((1, 1), (1, -1), (-1, 1), (-1, -1))

Row = tuple[int, int, int, int]  # top, bottom, left, right


@dataclass(frozen=True)
class Marks:
    """What was drawn into one image, as far as its shape tells.

    Attributes:
        kinds: any of `KINDS`.
        caliper_contrast: of the clearest + or x outside text, grey of [0, 1].
        letters: in the longest row.
        coloured_share: of the pixels, in [0, 1].
    """

    kinds: tuple[str, ...]
    caliper_contrast: float
    letters: int
    coloured_share: float


def find_marks(pixels: np.ndarray, colours: np.ndarray | None = None) -> Marks:
    """Look for burned-in marks in one image.

    Args:
        pixels: (height, width) grey in [0, 1].
        colours: (height, width, 3) uint8 where the file holds colour, see `salus.read.image.read_labels`.

    Example:
        >>> import numpy as np
        >>> image = np.full((120, 160), 0.2, np.float32)
        >>> image[50, 40:51] = image[45:56, 45] = 1
        >>> find_marks(image).kinds
        ('calipers',)
    """
    grey = np.ascontiguousarray(pixels, np.float32)
    scale = LONGEST / max(grey.shape)
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in grey.shape)
        grey = np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))
    strokes = grey - ndimage.grey_opening(grey, size=(7, 7))  # what is bright and narrower than 7 pixels
    rows = _rows_of_letters(grey, strokes)
    contrast = _caliper_contrast(grey, strokes, [box for _, box in rows])
    letters = max((count for count, _ in rows), default=0)
    share = coloured_share(colours) if colours is not None else 0.0
    found = {"calipers": contrast >= CALIPER_CONTRAST, "text": letters >= LETTERS, "colour": share >= COLOURED_SHARE}
    return Marks(tuple(kind for kind, there in found.items() if there), contrast, letters, share)


def coloured_share(colours: np.ndarray) -> float:
    """The share of pixels that are not grey.

    Args:
        colours: (height, width, 3) uint8; anything else holds no colour.
    """
    if colours.ndim != 3 or colours.shape[2] < 3 or not colours.size:
        return 0.0
    red, green, blue = (colours[..., channel] for channel in range(3))
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return float((spread >= COLOURED * 255).mean())


def _caliper_contrast(grey: np.ndarray, strokes: np.ndarray, text: list[Row]) -> float:
    """The contrast of the clearest + or x: its weakest arm over the brightest of its surroundings."""
    apart = strokes < CALIPER_CONTRAST
    for top, bottom, left, right in text:
        apart[max(top - 3, 0) : bottom + 3, max(left - 3, 0) : right + 3] = True
    room = ARMS[-1] + 3
    width = grey.shape[1] + 2 * room
    dark, bright = np.pad(grey, room).ravel(), np.pad(grey, room, constant_values=1).ravel()  # outside never helps
    rows, columns = np.nonzero(~apart)
    at = (rows + room) * width + columns + room
    along = {}  # the sum of the first pixels of an arm, by its direction
    for y, x in STRAIGHT + DIAGONAL:
        steps = (dark[at + (y * width + x) * step] for step in range(1, ARMS[-1] + 1))
        along[y, x] = list(accumulate(steps))
    blurred = {n: np.pad(ndimage.uniform_filter(grey, n), room, constant_values=1).ravel() for n in (1, 2, 3)}
    best = 0.0
    for arm in ARMS if len(at) else ():
        between = blurred[min(3, arm - 2)]
        gap = max(2, round(0.7 * arm))
        for arms, others in ((STRAIGHT, DIAGONAL), (DIAGONAL, STRAIGHT)):
            whole = [along[way][arm - 1] / arm for way in arms]
            ends = [
                (along[way][arm - 1] - along[way][arm - 3]) / 2 for way in arms
            ]  # a round spot fades, an arm does not
            weakest = np.min([dark[at], *whole, *ends], axis=0)
            beside = [between[at + (y * width + x) * gap] for y, x in others]
            beyond = [bright[at + (y * width + x) * (arm + 3)] for y, x in arms]
            best = max(best, float((weakest - np.max(beside + beyond, axis=0)).max()))
    return best


def _rows_of_letters(grey: np.ndarray, strokes: np.ndarray) -> list[tuple[int, Row]]:
    """Rows of `LETTERS` letters and more: (how many, where)."""
    rows = []
    for contrast in STROKES:
        labels, _ = ndimage.label(strokes > contrast, structure=np.ones((3, 3)))
        boxes = [(y.start, y.stop, x.start, x.stop) for y, x in ndimage.find_objects(labels)]
        letters = np.asarray([box for box in sorted(boxes, key=lambda box: box[2]) if _is_letter(box)], int)
        for row in _chains(letters.reshape(-1, 4)):
            peaks = [grey[top:bottom, left:right].max() for top, bottom, left, right in letters[row]]
            tops, bottoms, lefts, rights = letters[row].T
            if len(row) >= 5 or (max(peaks) - min(peaks) <= EVEN and (bottoms - tops).min() >= 6):
                rows.append((len(row), (int(tops.min()), int(bottoms.max()), int(lefts.min()), int(rights.max()))))
    return rows


def _is_letter(box: Row) -> bool:
    height, width = box[1] - box[0], box[3] - box[2]
    return 4 <= height <= 24 and width <= 1.6 * height + 1


def _chains(letters: np.ndarray) -> list[list[int]]:
    """Rows of (k, 4) boxes, sorted by their left edge: tops and bottoms agree within a pixel, gaps are small."""
    chains, used = [], np.zeros(len(letters), bool)
    for first in range(len(letters)):
        row = [first]
        while not used[first]:
            top, bottom, _, right = letters[row[-1]]
            rest = letters[row[-1] + 1 :]
            gap = rest[:, 2] - right
            same = (np.abs(rest[:, :2] - (top, bottom)) <= 1).all(axis=1) & ~used[row[-1] + 1 :]
            following = np.flatnonzero(same & (gap >= -1) & (gap <= max(3, 0.9 * (bottom - top))))
            if not len(following):
                break
            row.append(row[-1] + 1 + int(following[0]))
        if len(row) >= LETTERS:
            used[row] = True
            chains.append(row)
    return chains
