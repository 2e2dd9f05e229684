"""The interface's answer for one image: `salus.Segmentation` as JSON, its arrays as PNG or left out."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from salus.measure.lesions import Lesion
from salus.preprocess import to_uint8
from salus.scan import Region
from salus.segmentation.postprocess import expected_confidence
from salus.segmentation.region_results import AT_BORDER, measure_mask
from salus.segmentation.result import FOUND, NONE, Segmentation, findings_of, restore_types
from salus.segmentation.review import HandCalibration
from salus.serve.acceptance import find_accepted, find_rejected
from salus.serve.notes import Notes, match_lesions
from salus.write.tables import Record

MAPS = ("mask", "probability", "saliency")


@dataclass(frozen=True)
class Answer:
    """The result of segmenting one image.

    Attributes:
        result: "tumour" or "no tumour found".
        height: height of the image in pixels.
        width: width of the image in pixels.
        presence: probability that the image shows a tumour at all.
        lesions: each connected component, the largest first.
        confidence: in [0, 1]: with lesions the expected Dice, without 1 - presence.
        strangeness: how far the image lies from those the network knows: 99.5% of its training images have at most 1.
        flags: what a reader must know, one line each.
        spacing: (row, column) size of a pixel in mm, null where the file does not say.
        regions: the parts of the image that were segmented; empty means all of it.
        frame: number of the frame in its file, from 1; null where the file holds one image.
        network: the name of the network.
        threshold: probability from which on a pixel is tumour.
        corrected: a reader saved this outline in place of the network's; confidence then says how far the network
            agrees with it.
        mask: base64 of an 8-bit PNG (255 tumour), where it was requested.
        probability: the same of the calibrated probability (255 is 1).
        saliency: the same of the saliency map, where a tumour is, coarsely.
    """

    result: str
    height: int
    width: int
    presence: float
    lesions: tuple[Lesion, ...]
    confidence: float
    strangeness: float
    flags: tuple[str, ...]
    spacing: tuple[float, float] | None
    regions: tuple[Region, ...]
    frame: int | None
    network: str
    threshold: float
    corrected: bool = False
    mask: str | None = None
    probability: str | None = None
    saliency: str | None = None

    @property
    def parts(self) -> tuple[Region, ...]:
        """The regions; one over the whole image where there are none."""
        return self.regions or (Region(0, 0, self.height, self.width, self.spacing),)


@dataclass(frozen=True)
class FrameAnswer(Answer):
    """The current answer of a frame of a session's image.

    Attributes:
        version: of the saved outline, to be sent as If-Match when another one is saved; "" where none is saved.
        reader: who saved it; "" where no name was given.
        saved: when, ISO 8601 in UTC; "" where none is saved.
        origin: of the saved outline: "approved" (the network's as it was), "corrected" or "drawn"; "" for none.
        prompts: what the reader pointed at to make it.
        derived_from: frame whose outline was propagated to this one; null where none was.
        network_threshold: threshold of the network's own outline.
        calibration: how a reader found the size of a pixel; null where the file states it, or nobody did.
        notes: what a reader noted of it, null for nothing.
        described: of each lesion its place in the lesions of `notes`, null for one that is not described.
        proposals: of each lesion shape and orientation in words of BI-RADS, from measurements, for the reader to take.
    """

    version: str = ""
    reader: str = ""
    saved: str = ""
    origin: str = ""
    prompts: tuple[Any, ...] = ()
    derived_from: int | None = None
    network_threshold: float | None = None
    calibration: HandCalibration | None = None
    notes: Notes | None = None
    described: tuple[int | None, ...] = ()
    proposals: tuple[dict[str, str], ...] = ()


def make_answer(segmentation: Segmentation, maps: tuple[str, ...] = ()) -> Answer:
    """Make the answer for a segmented image.

    Args:
        segmentation: of the image.
        maps: of `MAPS`, those to put in.

    Example:
        >>> from salus import make_phantom, segment
        >>> answer = make_answer(segment(make_phantom(3).image), ("mask",))
        >>> answer.result, answer.height, bool(answer.mask), answer.saliency
        ('tumour', 477, True, None)
    """
    height, width = segmentation.mask.shape
    pngs: dict[str, Any] = {name: base64.b64encode(encode_png(getattr(segmentation, name))).decode() for name in maps}
    return Answer(
        result=FOUND if segmentation.lesions else NONE,
        height=height,
        width=width,
        threshold=segmentation.threshold,
        **findings_of(segmentation),
        **pngs,
    )


def read_answer(content: Mapping[str, Any]) -> Answer:
    """Read an answer from the JSON of its `dataclasses.asdict`."""
    return Answer(**restore_types(content))


def read_frame_answer(content: Mapping[str, Any]) -> FrameAnswer:
    """Read the answer of a frame, or make it of that of an image; see `read_answer`."""
    return FrameAnswer(**restore_types(content))


def answer_record(answer: Answer, name: str, file: str = "") -> Record:
    """Make the record that `salus segment` writes for an answer, so that its files use the same words.

    Args:
        answer: of the image.
        name: of the case.
        file: the file's own name, "" where it is not known.
    """
    return Record(file or name, name, answer.result, height=answer.height, width=answer.width, **findings_of(answer))


def flag_calibration(answer: FrameAnswer) -> FrameAnswer:
    """Give an answer for a file, where a calibration by hand stands among the flags."""
    if answer.calibration is None:
        return answer
    return replace(answer, flags=(*answer.flags, answer.calibration.remark))


def add_review(image: dict[str, Any], answer: FrameAnswer) -> None:
    """Add to an image of lesions.json who saved its outline and from what; its confidence becomes the agreement.

    An image that a reader calibrated has `calibrated_by_hand`, which says who did so and how; one with a reader's notes
    has `notes`, `rejected`, the lesions that a reader rejected, who and when, and each of its lesions `descriptors` and
    `accepted`: who accepted this very outline of it, and when.

    Args:
        image: of the answer, in the words of `salus segment`.
        answer: of the image.
    """
    image |= {"corrected": answer.corrected, "threshold": answer.threshold}
    if answer.calibration:
        image["calibrated_by_hand"] = asdict(answer.calibration)
    if answer.notes:
        image["notes"] = {name: getattr(answer.notes, name) for name in ("mark", "comment", "reader", "saved")}
        for lesion, place in zip(image["lesions"], match_lesions(answer.notes, answer.lesions), strict=True):
            lesion["descriptors"] = None if place is None else answer.notes.lesions[place].words()
        for lesion, measured in zip(image["lesions"], answer.lesions, strict=True):
            one = find_accepted(answer.notes.accepted, measured)
            lesion["accepted"] = None if one is None else {"reader": one.reader, "saved": one.saved}
        image["rejected"] = [asdict(one) for one in find_rejected(answer.notes.rejected, answer.lesions)]
    if not answer.corrected:
        return
    image |= {
        "reader": answer.reader,
        "saved": answer.saved,
        "origin": answer.origin,
        "prompts": list(answer.prompts),
        "version": answer.version,
    }
    if answer.derived_from:
        image["derived_from_frame"] = answer.derived_from
    for part in (image, *image["lesions"]):
        part["agreement_with_network"], part["confidence"] = part["confidence"], None


def remeasure(answer: Answer, mask: np.ndarray, probability: np.ndarray, pixels: np.ndarray) -> dict[str, Any]:
    """Measure another mask of an image: the fields of its answer that change, to be replaced in it.

    Args:
        answer: of the image.
        mask: (height, width) bool, within the regions.
        probability: (height, width) in [0, 1].
        pixels: (height, width) in [0, 1], grey.

    Returns:
        Result, lesions, confidence, and flags with that of the border or without it.
    """
    lesions = measure_mask(answer.parts, mask, probability, pixels)
    flags = [flag for flag in answer.flags if flag != AT_BORDER]
    if any(lesion.at_border for lesion in lesions):
        flags.append(AT_BORDER)
    return {
        "result": FOUND if lesions else NONE,
        "lesions": lesions,
        "confidence": expected_confidence(mask, probability, answer.presence),
        "flags": tuple(flags),
    }


def encode_png(values: np.ndarray) -> bytes:
    """Encode a mask (bool), or a map in [0, 1], as 8-bit PNG."""
    content = BytesIO()
    grey = values.view(np.uint8) * np.uint8(255) if values.dtype == bool else to_uint8(values)
    Image.fromarray(grey).save(content, "PNG", compress_level=1)
    return content.getvalue()
