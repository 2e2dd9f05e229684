"""Who saved an outline, when, and from what: the record beside a saved mask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import ceil, dist
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_text
from salus.errors import SalusError
from salus.prompts.json_file import read_prompt
from salus.prompts.prompt import Point


@dataclass(frozen=True)
class OutlineRecord:
    """The record of a saved outline.

    Attributes:
        version: of the outline; another one as soon as a pixel of it differs.
        reader: who saved it, as typed; "" where no name was given.
        saved: when, ISO 8601 in UTC.
        threshold: of the probability, at which the reader's corrections began.
        origin: "approved" (the network's outline as it was), "corrected", or "drawn" (nothing of the network's in it).
        prompts: what the reader pointed at, as the page sent it.
        derived_from: frame whose outline was propagated to this one, from 1; None where none was.
        network: name of the network.
        replaced: version of the saved outline that it took the place of; "" where there was none.
    """

    version: str = ""
    reader: str = ""
    saved: str = ""
    threshold: float = 0.5
    origin: str = "corrected"
    prompts: tuple[Any, ...] = ()
    derived_from: int | None = None
    network: str = ""
    replaced: str = ""

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        write_text(path, json.dumps(asdict(self)))


def read_record(path: Path) -> OutlineRecord | None:
    """Read a record; None where there is none or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return OutlineRecord(**content | {"prompts": tuple(content["prompts"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def touches(prompts: Sequence[Any], mask: np.ndarray) -> bool:
    """Tell whether a place inside the lesion, a box or a scribble of prompts lies on a mask.

    Args:
        prompts: as the page sends them; what is no prompt is passed over.
        mask: (height, width) bool.

    Example:
        >>> mask = np.eye(4) > 0
        >>> touches([{"points": [[2.5, 2.5]]}], mask), touches([{"box": [2, 0, 4, 1]}], mask)
        (True, False)
        >>> [touches([{"scribble": line}], mask) for line in ([[0.5, 2.5], [3.5, 2.5]], [[2.5, 0.5], [3.5, 1.5]])]
        [True, False]
    """
    for content in prompts:
        try:
            prompt = read_prompt(content, "the prompt")
        except SalusError:
            continue
        height, width = mask.shape
        places = [*prompt.points, *(place for line in prompt.scribbles for place in _along(line))]
        inside = [(int(x), int(y)) for x, y in places if 0 <= x < width and 0 <= y < height]
        boxes = [[max(0, round(side)) for side in box] for box in prompt.boxes]
        if any(mask[y, x] for x, y in inside) or any(mask[y0:y1, x0:x1].any() for x0, y0, x1, y1 in boxes):
            return True
    return False


def _along(line: Sequence[Point]) -> Iterator[Point]:
    """List places along a scribble, half a pixel apart or less."""
    yield line[0]
    for (x0, y0), (x1, y1) in pairwise(line):
        steps = ceil(2 * dist((x0, y0), (x1, y1)))
        yield from ((x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps) for i in range(1, steps + 1))
