"""An image that is held between clicks: each click, box or scribble gives the new outline, and can be undone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from salus.prompts.prompt import NO_PROMPT, Numbers, Prompt, check_prompt, make_prompt
from salus.segmentation.result import Segmentation

if TYPE_CHECKING:
    from salus.segmentation.region_results import PreparedScan
    from salus.segmentation.segmenter import Segmenter


class PromptSession:
    """An image whose lesions a person points at; get one by `Segmenter.open`. Coordinates are pixels of the image.

    Every method that points at something returns the outline for all that was pointed at so far. One that raises an
    error leaves the session as it was.

    Args:
        segmenter: of a network that takes prompts.
        prepared: the image.
    """

    def __init__(self, segmenter: Segmenter, prepared: PreparedScan) -> None:
        self._segmenter, self._prepared = segmenter, prepared
        self._steps: list[tuple[Prompt, Segmentation | None]] = [(NO_PROMPT, None)]

    @property
    def prompt(self) -> Prompt:
        """All that was pointed at so far."""
        return self._steps[-1][0]

    @property
    def segmentation(self) -> Segmentation:
        """The outline for that; before the first click, the network's own."""
        prompt, segmentation = self._steps[-1]
        if segmentation is None:
            segmentation = self._segmenter.segment_prepared(self._prepared, prompt)
            self._steps[-1] = prompt, segmentation
        return segmentation

    def click(self, x: float, y: float, inside: bool = True) -> Segmentation:
        """Point at a place in the lesion, or with inside=False at one outside it.

        Args:
            x: pixels from the image's left edge.
            y: pixels from its upper edge.
            inside: whether the place is in the lesion.

        Raises:
            SalusError: it lies outside the image.
        """
        return self.add(make_prompt(points=[(x, y)]) if inside else make_prompt(not_points=[(x, y)]))

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Segmentation:
        """Draw a box around the lesion, from its upper left to its lower right corner.

        Raises:
            SalusError: it has no area, or lies outside the image.
        """
        return self.add(make_prompt(box=(x0, y0, x1, y1)))

    def scribble(self, points: Numbers) -> Segmentation:
        """Draw a line inside the lesion, through places (x, y).

        Raises:
            SalusError: it lies outside the image.
        """
        return self.add(make_prompt(scribble=points))

    def map(self, values: np.ndarray | Path | str) -> Segmentation:
        """Lay a map over the image, (height, width) in [0, 1], high where the lesion is; or name the image file of one.

        Raises:
            SalusError: it cannot be read, or has not the image's size.
        """
        return self.add(make_prompt(prompt_map=values))

    def add(self, prompt: Prompt) -> Segmentation:
        """Add any prompt to what was pointed at so far.

        Raises:
            SalusError: it does not suit the image.
        """
        check_prompt(prompt, self._prepared.scan)
        joined = self.prompt + prompt
        segmentation = self._segmenter.segment_prepared(self._prepared, joined)
        self._steps.append((joined, segmentation))
        return segmentation

    def undo(self) -> Segmentation:
        """Take the last step back; before the first, nothing changes."""
        if len(self._steps) > 1:
            self._steps.pop()
        return self.segmentation

    def clear(self) -> Segmentation:
        """Take back all steps."""
        del self._steps[1:]
        return self.segmentation
