"""One frame of a case: its image, maps and answer, kept as files beside the source, so that memory stays flat."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_text
from salus.errors import SalusError
from salus.measure.lesions import Lesion
from salus.scan import Scan
from salus.segmentation.lesion_masks import lesion_masks
from salus.segmentation.postprocess import threshold_and_clean
from salus.segmentation.result import Segmentation, findings_of
from salus.segmentation.review import Review
from salus.segmentation.segmenter import Segmenter
from salus.serve.drawing import decode_drawing
from salus.serve.hand_calibration import calibrate_answer, read_calibration
from salus.serve.notes import describe_lesions, match_lesions, propose_descriptors, read_notes
from salus.serve.outline_record import OutlineRecord, read_record, touches
from salus.serve.picture_files import read_own_map, read_own_mask, write_png
from salus.serve.result_json import (
    FrameAnswer,
    flag_calibration,
    make_answer,
    read_frame_answer,
    remeasure,
)

SEGMENTED_BY = "segmented_by"
"""Key in the file of the network's answer: which network made it, with which settings."""

SAME_THRESHOLD = 1e-6
"""Thresholds that differ by less are the same: the network's own gives the network's outline."""


class FrameFiles:
    """The files of one frame.

    Args:
        folder: of the case.
        number: of the frame, from 1.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number

    def picture_path(self, part: str) -> Path:
        """Give the path of a picture: "image", "mask", "probability", "saliency" or "corrected" (the saved mask)."""
        return self.folder / f"{self.number:05}-{part}.png"

    @property
    def mask_path(self) -> Path:
        """Path of the current mask: the reader's, or the network's."""
        return self.picture_path("corrected" if self.is_corrected else "mask")

    @property
    def _answer_path(self) -> Path:
        return self.folder / f"{self.number:05}.json"

    @property
    def _corrected_path(self) -> Path:
        return self.folder / f"{self.number:05}-corrected.json"

    @property
    def _record_path(self) -> Path:
        return self.folder / f"{self.number:05}-record.json"

    @property
    def is_segmented(self) -> bool:
        """Whether the network's answer is there."""
        return self._answer_path.is_file()

    def is_segmented_by(self, segmenter: str) -> bool:
        """Tell whether the network's answer is there and of this network with these settings; see `store`."""
        return self.is_segmented and self._read_answer().get(SEGMENTED_BY) == segmenter

    @property
    def is_corrected(self) -> bool:
        """Whether a reader saved an outline."""
        return self.picture_path("corrected").is_file()

    def store(self, scan: Scan, segmentation: Segmentation, segmenter: str = "") -> None:
        """Write a frame's pixels and its segmentation; an outline that a reader saved stays, and is measured anew.

        Args:
            scan: the frame.
            segmentation: of it.
            segmenter: name of the network with its settings, by which it is known when the answer is of another one.
        """
        self._corrected_path.unlink(missing_ok=True)
        write_png(self.picture_path("image"), scan.pixels)
        for part in ("mask", "probability", "saliency"):
            write_png(self.picture_path(part), getattr(segmentation, part))
        write_text(self._answer_path, json.dumps(asdict(make_answer(segmentation)) | {SEGMENTED_BY: segmenter}))

    @property
    def calibration_path(self) -> Path:
        """Path of the reader's calibration, which is that of all frames."""
        return self.folder / "calibration.json"

    @property
    def notes_path(self) -> Path:
        """Path of the reader's notes."""
        return self.folder / f"{self.number:05}-notes.json"

    def _complete(self, answer: FrameAnswer) -> FrameAnswer:
        """Add what readers noted to an answer, and give it in mm where one calibrated it."""
        calibrated = calibrate_answer(answer, read_calibration(self.calibration_path))
        notes, proposals = read_notes(self.notes_path), tuple(map(propose_descriptors, calibrated.lesions))
        return replace(calibrated, notes=notes, described=match_lesions(notes, calibrated.lesions), proposals=proposals)

    def network_answer(self) -> FrameAnswer:
        """Read the network's answer, in mm only where the file states its scale.

        Raises:
            SalusError: the frame is not segmented yet.
        """
        if not self.is_segmented:
            raise SalusError("this frame is not segmented yet")
        content = self._read_answer()
        content.pop(SEGMENTED_BY, None)
        answer = read_frame_answer(content)
        return replace(answer, network_threshold=answer.threshold)

    def _read_answer(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._answer_path.read_text(encoding="utf-8"))
        return content

    def record(self) -> OutlineRecord | None:
        """Read the record of the reader's outline; None where there is none."""
        return read_record(self._record_path) if self.is_corrected else None

    def answer(self) -> FrameAnswer:
        """Give the current answer: of the reader's outline, measured, or else the network's."""
        return self._complete(self._current_answer())

    def _current_answer(self) -> FrameAnswer:
        answer = self.network_answer()
        if not self.is_corrected:
            return answer
        if self._corrected_path.is_file():
            corrected = read_frame_answer(json.loads(self._corrected_path.read_text(encoding="utf-8")))
            return replace(corrected, network_threshold=answer.threshold)
        return self._corrected(answer, self.mask(), self.record())

    def answer_at(self, threshold: float, segmenter: Segmenter) -> FrameAnswer:
        """Measure the probabilities at another threshold, also where the network believes in no tumour at all.

        At the network's own threshold it is the network's outline.

        Args:
            threshold: probability from which on a pixel is tumour.
            segmenter: for the size below which a part is dropped.
        """
        answer, probability = self.network_answer(), self.probability()
        if abs(threshold - answer.threshold) < SAME_THRESHOLD:
            return self._complete(replace(answer, **self._measure(answer, read_own_mask(self.picture_path("mask")))))
        level = np.ceil(threshold * 255 - 1e-6) / 255  # the browser thresholds the same bytes
        mask = np.zeros(probability.shape, bool)
        for part in answer.parts:
            place = part.crop(mask)
            place |= threshold_and_clean(part.crop(probability), float(level) - 1e-6, segmenter.settings.smallest)
        return self._complete(replace(answer, threshold=threshold, **self._measure(answer, mask)))

    def measure_drawing(self, content: bytes) -> FrameAnswer:
        """Measure a drawn outline without saving it.

        Args:
            content: PNG of the frame's size, white is tumour.

        Raises:
            SalusError: it is no mask of this frame.
        """
        return self._complete(self._corrected(*self.decode_drawing(content)))

    def decode_drawing(self, content: bytes) -> tuple[FrameAnswer, np.ndarray]:
        """Decode a drawn mask, cleared outside the ultrasound regions.

        Returns:
            The network's answer, with a flag where something was cleared, and the mask, (height, width) bool.

        Raises:
            SalusError: it is no mask of this frame.
        """
        return decode_drawing(content, self.network_answer())

    def origin(self, mask: np.ndarray, prompts: tuple[Any, ...] = ()) -> str:
        """Tell how an outline came about; see `OutlineRecord.origin`.

        Args:
            mask: the outline, (height, width) bool.
            prompts: what the reader pointed at, from which the network made it or a part of it.
        """
        network = read_own_mask(self.picture_path("mask"))
        if np.array_equal(network, mask):
            return "approved"
        by_network = (network & mask).any() or touches(prompts, mask)
        return "corrected" if by_network or not mask.any() else "drawn"

    def save_mask(self, mask: np.ndarray, record: OutlineRecord, answer: FrameAnswer | None = None) -> FrameAnswer:
        """Save a reader's outline and its record, and measure it.

        Args:
            mask: (height, width) bool, within the regions.
            record: of the outline.
            answer: the network's, with further flags; None takes it as it is.
        """
        measured = self._corrected(answer or self.network_answer(), mask, record)
        self._corrected_path.unlink(missing_ok=True)  # until all is written, the answer is measured anew
        write_png(self.picture_path("corrected"), mask)
        record.write(self._record_path)
        write_text(self._corrected_path, json.dumps(asdict(measured)))
        return self._complete(measured)

    def name_reader(self, reader: str) -> None:
        """Write a reader's name into a record that has none."""
        record = self.record()
        if record is not None and not record.reader:
            replace(record, reader=reader).write(self._record_path)
            self._corrected_path.unlink(missing_ok=True)

    def revert(self) -> FrameAnswer:
        """Go back to the network's outline."""
        for path in (self._corrected_path, self._record_path, self.picture_path("corrected")):
            path.unlink(missing_ok=True)
        return self.answer()

    def mask(self) -> np.ndarray:
        """Read the current mask, (height, width) bool."""
        return read_own_mask(self.mask_path)

    def pixels(self) -> np.ndarray:
        """Read the image, (height, width) in [0, 1], to 1/255."""
        return read_own_map(self.picture_path("image"))

    def probability(self) -> np.ndarray:
        """Read the probability of tumour, (height, width) in [0, 1], to 1/255."""
        return read_own_map(self.picture_path("probability"))

    def segmentation(self, source: str, lesions: tuple[Lesion, ...] | None = None) -> Segmentation:
        """Make the library's `Segmentation` of the current answer, for its writers.

        Args:
            source: the file.
            lesions: in place of the answer's, numbered through a cine.
        """
        answer = flag_calibration(self.answer())
        segmentation = Segmentation(
            mask=self.mask(),
            probability=self.probability(),
            saliency=read_own_map(self.picture_path("saliency")),
            source=source,
            calibration=answer.calibration,
            description=describe_lesions(answer.notes, answer.lesions),
            **findings_of(answer if lesions is None else replace(answer, lesions=lesions)),
        )
        record = self.record()
        return segmentation if record is None else replace(segmentation, review=self._review(segmentation, record))

    def _review(self, segmentation: Segmentation, record: OutlineRecord) -> Review:
        """Say who saved the outline, and of each lesion how it came about."""
        network = read_own_mask(self.picture_path("mask"))
        methods = tuple(
            "AUTOMATIC"
            if record.origin == "approved"
            else "SEMIAUTOMATIC"
            if (network & mask).any() or touches(record.prompts, mask)
            else "MANUAL"
            for _, mask in lesion_masks(segmentation)
        )
        return Review(record.reader, record.saved, methods)

    def _corrected(self, answer: FrameAnswer, mask: np.ndarray, record: OutlineRecord | None = None) -> FrameAnswer:
        if record is not None:
            answer = replace(
                answer,
                version=record.version,
                reader=record.reader,
                saved=record.saved,
                threshold=record.threshold,
                origin=record.origin,
                prompts=record.prompts,
                derived_from=record.derived_from,
            )
        return replace(answer, corrected=True, **self._measure(answer, mask))

    def _measure(self, answer: FrameAnswer, mask: np.ndarray) -> dict[str, Any]:
        return remeasure(answer, mask, self.probability(), self.pixels())
