"""One frame of a case: its image, maps and answer, kept as files beside the source, so that memory stays flat."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.measure.lesions import Lesion
from salus.read.frames import read_scan
from salus.read.image import read_mask
from salus.scan import Scan
from salus.segmentation.postprocess import cut
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter
from salus.serve.result_json import Answer, answer_from, answer_of, png, remeasured, within_regions

PARTS = ("image", "mask", "probability", "saliency")
"""A frame's pictures; the mask is the one in force, corrected or not."""

LEFT_OUT = "what was drawn outside the ultrasound image was left out"


class FrameFiles:
    """The files of one frame.

    Args:
        folder: of the case.
        number: of the frame, from 1.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number

    def place(self, part: str) -> Path:
        """Where a picture lies, one of `PARTS`, or "corrected"."""
        return self.folder / f"{self.number:05}-{part}.png"

    @property
    def _answer(self) -> Path:
        return self.folder / f"{self.number:05}.json"

    @property
    def made(self) -> bool:
        """Whether the frame was segmented."""
        return self._answer.is_file()

    @property
    def corrected(self) -> bool:
        """Whether a reader saved an outline."""
        return self.place("corrected").is_file()

    def keep(self, scan: Scan, found: Segmentation, threshold: float) -> Answer:
        """Write what was found."""
        _write(self.place("image"), png(scan.pixels))
        for part in PARTS[1:]:
            _write(self.place(part), png(getattr(found, part)))
        answer = answer_of(found, threshold)
        _write(self._answer, json.dumps(asdict(answer)).encode())
        return answer

    def original(self) -> Answer:
        """What the network found.

        Raises:
            SalusError: it was not asked yet.
        """
        if not self.made:
            raise SalusError("this frame is not segmented yet")
        return answer_from(json.loads(self._answer.read_text(encoding="utf-8")))

    def answer(self) -> Answer:
        """What is in force: the reader's outline, measured, or the network's."""
        answer = self.original()
        if not self.corrected:
            return answer
        return replace(answer, corrected=True, **self._remeasured(answer, self.mask()))

    def at(self, threshold: float, segmenter: Segmenter) -> Answer:
        """What the probabilities say at another threshold, whether or not the network believes in a tumour at all."""
        answer, probability = self.original(), self.probability()
        level = np.ceil(threshold * 255 - 1e-6) / 255  # the browser cuts the same bytes
        parts = [part.height * part.width for part in answer.regions] or [probability.size]
        least = segmenter.settings.smallest * min(parts) / probability.size
        mask = within_regions(answer, cut(probability, float(level) - 1e-6, least))
        return replace(answer, threshold=threshold, **self._remeasured(answer, mask))

    def measured(self, content: bytes) -> Answer:
        """What a drawn outline measures, without keeping it.

        Raises:
            SalusError: it is no mask of this frame.
        """
        answer, mask = self._drawn(content)
        return replace(answer, corrected=True, **self._remeasured(answer, mask))

    def save(self, content: bytes) -> Answer:
        """Keep a drawn outline.

        Raises:
            SalusError: it is no mask of this frame.
        """
        _, mask = self._drawn(content)
        _write(self.place("corrected"), png(mask))
        return self.answer()

    def revert(self) -> Answer:
        """Go back to the network's outline."""
        self.place("corrected").unlink(missing_ok=True)
        return self.answer()

    def mask(self) -> np.ndarray:
        """The mask in force, (height, width) bool."""
        return read_mask(self.place("corrected" if self.corrected else "mask"))

    def pixels(self) -> np.ndarray:
        """(height, width) in [0, 1], to 1/255."""
        return read_scan(self.place("image")).pixels

    def probability(self) -> np.ndarray:
        """(height, width) in [0, 1], to 1/255."""
        return read_scan(self.place("probability")).pixels

    def segmentation(self, source: str, lesions: tuple[Lesion, ...] | None = None) -> Segmentation:
        """What is in force as the library's `Segmentation`, for its writers.

        Args:
            source: the file.
            lesions: in place of the answer's, numbered through a cine.
        """
        answer = self.answer()
        return Segmentation(
            mask=self.mask(),
            probability=self.probability(),
            saliency=read_scan(self.place("saliency")).pixels,
            presence=answer.presence,
            lesions=answer.lesions if lesions is None else lesions,
            confidence=answer.confidence,
            strangeness=answer.strangeness,
            flags=answer.flags,
            spacing=answer.spacing,
            source=source,
            network=answer.network,
            regions=answer.regions,
            frame=answer.frame,
        )

    def _remeasured(self, answer: Answer, mask: np.ndarray) -> dict[str, Any]:
        return remeasured(answer, mask, self.probability(), self.pixels())

    def _drawn(self, content: bytes) -> tuple[Answer, np.ndarray]:
        answer = self.original()
        try:
            with Image.open(BytesIO(content), formats=("PNG",)) as image:
                if image.size != (answer.width, answer.height):
                    raise SalusError(f"the mask must be {answer.width} x {answer.height}, this one is {image.size}")
                drawn = np.asarray(image.convert("RGB")).max(axis=2) > 127
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise SalusError("the mask is no PNG") from None
        mask = within_regions(answer, drawn)
        if (mask != drawn).any():
            answer = replace(answer, flags=(*answer.flags, LEFT_OUT))
        return answer, mask


def _write(path: Path, content: bytes) -> None:
    write_whole(path, lambda temporary: temporary.write_bytes(content))
