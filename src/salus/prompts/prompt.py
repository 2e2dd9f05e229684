"""A prompt: what a person points at in one image, in pixels of that image.

Coordinates are (x, y) from the image's upper left corner, x to the right and y down, as in LabelMe: the first pixel
covers 0 to 1, so that its centre is (0.5, 0.5). A click on pixel (213, 140) may be given as just that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.prompts.heat_map import check_heat_map, read_heat_map
from salus.scan import Region, Scan

Point = tuple[float, float]
"""(x, y), see the head of this file."""

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1), its upper left and its lower right corner."""

MAX_PLACES = 2000
"""Largest number of points, boxes and places along scribbles in one prompt."""

Numbers = Sequence[Any] | np.ndarray
"""Coordinates as users pass them: one group of numbers, or several."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """What a person points at in one image. Without any part it is false, and stands for no prompt.

    Attributes:
        points: places (x, y) inside the lesion, in pixels from the image's upper left corner.
        not_points: places (x, y) outside it.
        boxes: rectangles (x0, y0, x1, y1) around it, upper left and lower right corner.
        scribbles: lines drawn inside it, each a sequence of places (x, y).
        map: (height, width) float32 in [0, 1], high where the lesion is, such as a map of where a reader looked.

    Example:
        >>> prompt = Prompt(points=((213, 140),)) + Prompt(not_points=((20, 30),))
        >>> prompt.points, prompt.not_points, bool(Prompt())
        (((213, 140),), ((20, 30),), False)
    """

    points: tuple[Point, ...] = ()
    not_points: tuple[Point, ...] = ()
    boxes: tuple[Box, ...] = ()
    scribbles: tuple[tuple[Point, ...], ...] = ()
    map: np.ndarray | None = None

    def __bool__(self) -> bool:
        """Tell whether anything is pointed at."""
        return bool(self.points or self.not_points or self.boxes or self.scribbles) or self.map is not None

    def __add__(self, other: Prompt) -> Prompt:
        """Join two prompts for the same image; of two maps the larger value holds.

        Raises:
            SalusError: both have a map, and the maps differ in size.
        """
        maps = [prompt.map for prompt in (self, other) if prompt.map is not None]
        if len({values.shape for values in maps}) > 1:
            raise SalusError("two prompt maps for one image differ in size; each must have the image's")
        return Prompt(
            self.points + other.points,
            self.not_points + other.not_points,
            self.boxes + other.boxes,
            self.scribbles + other.scribbles,
            np.maximum.reduce(maps) if maps else None,
        )


NO_PROMPT = Prompt()
"""Nothing is pointed at."""


@dataclass(frozen=True, eq=False)
class ImagePrompt:
    """A prompt, and the image that it is for.

    Attributes:
        image: the image's file, its name, or its name without suffix, as it was given; None where the file names none,
            which then is for the only image there is.
        prompt: in pixels of the image.
        frame: of a cine, from 1; None for every frame.
    """

    image: str | None
    prompt: Prompt
    frame: int | None = None


def make_prompt(
    points: Numbers = (),
    not_points: Numbers = (),
    box: Numbers | None = None,
    scribble: Numbers | None = None,
    prompt_map: np.ndarray | Path | str | None = None,
) -> Prompt:
    """Make a prompt of what users pass: one of a kind, or several.

    Args:
        points: places (x, y) inside the lesion, in pixels from the image's upper left corner; or one place.
        not_points: places (x, y) outside it; or one place.
        box: (x0, y0, x1, y1) around it, or several such.
        scribble: places (x, y) along a line drawn inside it, or several such lines.
        prompt_map: (height, width) in [0, 1] or uint8, or the image file of one; see `read_heat_map`.

    Raises:
        SalusError: coordinates are no finite numbers or too many, a box has no area, or the map cannot be read.

    Example:
        >>> make_prompt(points=(213, 140), box=(180, 100, 250, 190)).boxes
        ((180.0, 100.0, 250.0, 190.0),)
    """
    lines = () if scribble is None else (scribble if _depth(scribble) == 3 else (scribble,))
    if isinstance(prompt_map, str | Path):
        prompt_map = read_heat_map(prompt_map)
    elif prompt_map is not None:
        prompt_map = check_heat_map(prompt_map, "the prompt map")
    boxes = _groups("box", () if box is None else box, "x0, y0, x1, y1")
    for x0, y0, x1, y1 in boxes:
        if not (x0 < x1 and y0 < y1):
            raise SalusError(
                f"box {x0:g},{y0:g},{x1:g},{y1:g}: give its upper left and then its lower right corner, x0,y0,x1,y1"
            )
    prompt = Prompt(
        _groups("point", points, "x, y"),
        _groups("point outside", not_points, "x, y"),
        boxes,
        tuple(group for line in lines if (group := _groups("scribble", line, "x, y"))),
        prompt_map,
    )
    places = len(prompt.points) + len(prompt.not_points) + len(boxes) + sum(map(len, prompt.scribbles))
    if places > MAX_PLACES:
        raise SalusError(f"a prompt of {places:,} places; give {MAX_PLACES:,} at most, or a map of them")
    return prompt


def check_prompt(prompt: Prompt, scan: Scan) -> None:
    """Check that a prompt belongs to an image.

    Points must lie in the image and, where it has regions, in one of them. Scribbles and boxes must touch the image and
    a region; what sticks out of them is ignored. The map must have the image's size.

    Raises:
        SalusError: it does not.
    """
    height, width = scan.shape
    whole = Region(0, 0, height, width)
    size = f"the image of {width} x {height} pixels; give x,y in pixels from its upper left corner"
    for x, y in (*prompt.points, *prompt.not_points):
        if not contains(whole, x, y):
            raise SalusError(f"{scan.source}: the point {x:g},{y:g} lies outside {size}")
        if not any(contains(region, x, y) for region in scan.parts):
            raise SalusError(f"{scan.source}: the point {x:g},{y:g} lies outside the image's ultrasound regions")
    for line in prompt.scribbles:
        if not any(contains(region, x, y) for x, y in line for region in scan.parts):
            raise SalusError(f"{scan.source}: the scribble from {line[0][0]:g},{line[0][1]:g} lies outside {size}")
    for box in prompt.boxes:
        if not any(overlaps(region, box) for region in scan.parts):
            raise SalusError(f"{scan.source}: the box {','.join(f'{side:g}' for side in box)} lies outside {size}")
    if prompt.map is not None and prompt.map.shape != (height, width):
        raise SalusError(
            f"{scan.source}: its prompt map has {prompt.map.shape[1]} x {prompt.map.shape[0]} pixels, the image "
            f"{width} x {height}; resize the map to the image's size"
        )


def contains(region: Region, x: float, y: float) -> bool:
    """Tell whether a place (x, y) of an image lies in a region."""
    return region.left <= x < region.left + region.width and region.top <= y < region.top + region.height


def overlaps(region: Region, box: Box) -> bool:
    """Tell whether a box covers a part of a region."""
    x0, y0, x1, y1 = box
    across = x0 < region.left + region.width and x1 > region.left
    return across and y0 < region.top + region.height and y1 > region.top


def points_into(prompt: Prompt, region: Region) -> bool:
    """Tell whether a prompt points at a lesion in a region: a point, a box, a scribble, or a map that is not 0 there.

    Example:
        >>> [points_into(prompt, Region(0, 0, 9, 9)) for prompt in (Prompt(((1, 2),)), Prompt(not_points=((1, 2),)))]
        [True, False]
    """
    places = (*prompt.points, *(place for line in prompt.scribbles for place in line))
    return (
        any(contains(region, *place) for place in places)
        or any(overlaps(region, box) for box in prompt.boxes)
        or (prompt.map is not None and bool(region.crop(prompt.map).any()))
    )


def describe_prompt(prompt: Prompt | None) -> dict[str, Any] | None:
    """Describe a prompt for JSON, the parts it has alone; of the map its SHA-256. None stands for no prompt.

    Example:
        >>> describe_prompt(Prompt(points=((213, 140.5),))), describe_prompt(Prompt())
        ({'points': [[213.0, 140.5]]}, None)
    """
    if not prompt:
        return None
    lists: dict[str, Any] = {
        "points": [list(map(float, point)) for point in prompt.points],
        "not_points": [list(map(float, point)) for point in prompt.not_points],
        "boxes": [list(map(float, box)) for box in prompt.boxes],
        "scribbles": [[list(map(float, point)) for point in line] for line in prompt.scribbles],
    }
    if prompt.map is not None:
        height, width = prompt.map.shape
        content = f"{height} {width} ".encode() + np.ascontiguousarray(prompt.map, "<f4").tobytes()
        lists["map_sha256"] = hashlib.sha256(content).hexdigest()
    return {name: value for name, value in lists.items() if value}


def _depth(values: Numbers) -> int:
    """Count how deep numbers are nested: 1 for (x, y), 2 for a line, 3 for several lines."""
    depth: Any = values
    count = 0
    while isinstance(depth, list | tuple | np.ndarray) and len(depth):
        depth, count = depth[0], count + 1
    return count


def _groups(name: str, values: Numbers, layout: str) -> tuple[Any, ...]:
    """Turn one group of coordinates, or several, into tuples of finite floats."""
    length = layout.count(",") + 1
    try:
        if not len(values):
            return ()
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):  # as a number in place of groups, text, or 10**400
        array = np.empty(0)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != length or not np.isfinite(array).all():
        raise SalusError(f"{name} {str(values)[:60]}: give {length} numbers ({layout}), or several such groups")
    return tuple(map(tuple, array.tolist()))
