"""Draw a prompt as the map that a network takes beside the image.

    click inside      a Gaussian of standard deviation S/32 with peak 1; of several clicks the maximum
    scribble          1 along it, blurred as a click: the maximum of clicks all along it
    box               1 inside, 0 outside
    map               as it is
    click outside     the same Gaussian, with peak -1

S is the side of the network's square, to which image and prompt are resized alike. Clicks and scribbles inside add to
those outside. What was marked as an area, by a box or a map, is first removed around clicks outside, so that a click
outside is -1 within a box too:

    prompt = max(inside, area (1 - outside)) - outside

All of it is 0 where there is no prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from salus.preprocess import letterbox, placed_box, resize
from salus.prompts.prompt import Point, Prompt, check_prompt, contains, overlaps
from salus.scan import Region, Scan

CLICK_SIZE = 1 / 32
"""Standard deviation of a click, as a share of the square's side."""

REACH = 6
"""Standard deviations from a click beyond which its Gaussian, below 2e-8 there, is taken as 0."""


def render_prompt(prompt: Prompt, region: Region, size: int, keep_aspect: bool = False) -> np.ndarray:
    """Draw a prompt for one region of an image.

    Args:
        prompt: in pixels of the image; what lies outside the region is left out.
        region: the part of the image that the network sees; of an image without regions, all of it.
        size: S, height and width of the network's input, pixels.
        keep_aspect: the image is put into the square with its aspect ratio kept (`salus.preprocess.letterbox`).

    Returns:
        (S, S, 1) float32 in [-1, 1].

    Example:
        >>> drawn = render_prompt(Prompt(points=((32.5, 16.5),)), Region(0, 0, 64, 64), 64)
        >>> drawn.shape, drawn[16, 32, 0], round(float(drawn[16, 34, 0]), 4)
        ((64, 64, 1), np.float32(1.0), 0.6065)
    """
    shape = (region.height, region.width)
    top, left, height, width = placed_box(shape, size) if keep_aspect else (0, 0, size, size)
    scale = np.array([width / region.width, height / region.height])
    start = np.array([left, top]) - scale * (region.left, region.top)

    def to_square(points: Sequence[Point]) -> np.ndarray:
        kept = [point for point in points if contains(region, *point)]
        return np.array(kept, np.float64).reshape(-1, 2) * scale + start

    lines = [to_square([point]) for point in prompt.points] + [to_square(line) for line in prompt.scribbles]
    inside = _draw_lines(lines, size)
    outside = _draw_lines([to_square([point]) for point in prompt.not_points], size)
    area = np.zeros((size, size), np.float32)
    if prompt.map is not None:
        values = region.crop(prompt.map)
        square = letterbox(values, size) if keep_aspect else resize(values, (size, size))
        area = np.clip(square, 0, 1)
    for box in prompt.boxes:
        if overlaps(region, box):
            corners = np.array(box).reshape(2, 2) * scale + start
            low, high = np.clip(corners, (left, top), (left + width, top + height))
            columns, rows = (_covered(*ends, size) for ends in zip(low.tolist(), high.tolist(), strict=True))
            area[rows, columns] = 1
    drawn: np.ndarray = np.maximum(inside, area * (1 - outside)) - outside
    return drawn[..., None]


def render_prompts(
    prompts: Sequence[Prompt], scans: Sequence[Scan], size: int, keep_aspect: bool = False
) -> np.ndarray:
    """Check the prompts of scans, and draw them for every region of every scan; see `render_prompt`.

    Args:
        prompts: one for each scan.
        scans: as many.
        size: S.
        keep_aspect: see `render_prompt`.

    Returns:
        (n, S, S, 1) float32 in [-1, 1], n the number of regions of all scans.

    Raises:
        SalusError: a prompt lies outside its scan.
    """
    for prompt, scan in zip(prompts, scans, strict=True):
        check_prompt(prompt, scan)
    parts = [(prompt, region) for prompt, scan in zip(prompts, scans, strict=True) for region in scan.parts]
    return np.stack([render_prompt(prompt, region, size, keep_aspect) for prompt, region in parts])


def _covered(low: float, high: float, size: int) -> slice:
    """Return the pixels whose centres lie from `low` to `high`; where there are none, the pixel in the middle."""
    first, last = int(np.ceil(low - 0.5)), int(np.ceil(high - 0.5))
    if first >= last:
        first = min(int((low + high) / 2), size - 1)
        last = first + 1
    return slice(first, last)


def _draw_lines(lines: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Draw lines, each blurred as a click: exp(-d^2 / (2 sigma^2)) of the distance d to the nearest one.

    Args:
        lines: (k, 2) each, places (x, y) in the square; of one place, a click; of none, nothing.
        size: height and width of the square.

    Returns:
        (size, size) float32 in [0, 1].
    """
    sigma = size * CLICK_SIZE
    nearest = np.full((size, size), np.inf)
    for line in lines:
        ends = pairwise(line) if len(line) > 1 else zip(line, line, strict=True)
        for a, b in ends:
            (x0, y0), (x1, y1) = np.minimum(a, b), np.maximum(a, b)
            columns, rows = (
                slice(max(0, int(low - REACH * sigma)), min(size, int(high + REACH * sigma) + 1))
                for low, high in ((x0, x1), (y0, y1))
            )
            x, y = np.arange(size)[columns] + 0.5 - a[0], np.arange(size)[rows, None] + 0.5 - a[1]
            dx, dy = b - a
            length = dx**2 + dy**2
            along = np.clip((x * dx + y * dy) / length, 0, 1) if length else 0.0
            squared = (x - along * dx) ** 2 + (y - along * dy) ** 2
            np.minimum(nearest[rows, columns], squared, out=nearest[rows, columns])
    return np.exp(-nearest / (2 * sigma**2)).astype(np.float32)
