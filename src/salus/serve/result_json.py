"""What was found in one image, as the interface gives it: `salus.Segmentation` with its arrays as PNG, or left out."""

from __future__ import annotations

import base64
from dataclasses import dataclass, fields, is_dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from salus.measure.lesions import Lesion, by_size, expected_dice, measure, shifted
from salus.preprocess import to_bytes
from salus.scan import Region
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import AT_BORDER
from salus.write.tables import FOUND, NONE, Record

MAPS = ("mask", "probability", "saliency")


@dataclass(frozen=True)
class Answer:
    """What was found in one image.

    Attributes:
        result: "tumour" or "no tumour found".
        height: of the image, and width: likewise, pixels.
        presence: probability that the image shows a tumour at all.
        lesions: each connected part, the largest first.
        confidence: that the answer is right, in [0, 1]: with lesions the expected Dice, without 1 - presence.
        strangeness: how far the image lies from those the network knows, about 1 at the limit.
        flags: what a reader must know, one line each.
        spacing: (row, column) size of a pixel in mm, null where the file does not say.
        regions: the parts of the image that were looked at; empty means all of it.
        frame: number of the frame in its file, from 1; null where the file holds one image.
        network: its name.
        threshold: probability from which on a pixel is tumour.
        corrected: a reader saved the outline.
        mask: base64 of an 8-bit PNG (255 tumour), where it was asked for.
        probability: likewise (255 is 1), calibrated.
        saliency: likewise, where the network looked.
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


def answer_of(found: Segmentation, threshold: float, maps: tuple[str, ...] = ()) -> Answer:
    """The answer for what was found.

    Args:
        found: in the image.
        threshold: that its mask was cut at.
        maps: of `MAPS`, those to put in.

    Example:
        >>> from salus import make_phantom, segment
        >>> answer = answer_of(segment(make_phantom(3).image), 0.5, ("mask",))
        >>> answer.result, answer.height, bool(answer.mask), answer.saliency
        ('tumour', 477, True, None)
    """
    height, width = found.mask.shape
    pictures: dict[str, Any] = {name: base64.b64encode(png(getattr(found, name))).decode() for name in maps}
    return Answer(
        result=FOUND if found.lesions else NONE,
        height=height,
        width=width,
        presence=found.presence,
        lesions=found.lesions,
        confidence=found.confidence,
        strangeness=found.strangeness,
        flags=found.flags,
        spacing=found.spacing,
        regions=found.regions,
        frame=found.frame,
        network=found.network,
        threshold=threshold,
        **pictures,
    )


def answer_from(content: dict[str, Any]) -> Answer:
    """An answer of what `dataclasses.asdict` made of it and JSON kept."""
    lesions = tuple(Lesion(**{name: _tuples(value) for name, value in one.items()}) for one in content["lesions"])
    regions = tuple(Region(**{name: _tuples(value) for name, value in one.items()}) for one in content["regions"])
    told = {field.name: _tuples(content[field.name]) for field in fields(Answer)}
    return Answer(**{**told, "lesions": lesions, "regions": regions})


def record_of(answer: Answer, name: str) -> Record:
    """The record of `salus segment` for an answer, so that its files say the same in the same words."""
    shared = {field.name for field in fields(Record)} & {field.name for field in fields(Answer)}
    return Record(image=name, name=name, **{one: getattr(answer, one) for one in shared})


def remeasured(answer: Answer, mask: np.ndarray, probability: np.ndarray, pixels: np.ndarray) -> dict[str, Any]:
    """What changes in an answer when its mask does: result, lesions, confidence, the flag of the border.

    Args:
        answer: of the image.
        mask: (height, width) bool, within the regions.
        probability: the same shape, in [0, 1]; pixels: likewise, grey.
    """
    whole = Region(0, 0, answer.height, answer.width, answer.spacing)
    lesions = by_size(
        shifted(one, part.top, part.left)
        for part in answer.regions or (whole,)
        for one in measure(part.of(mask), part.of(probability), part.spacing, part.of(pixels))
    )
    flags = [flag for flag in answer.flags if flag != AT_BORDER]
    return {
        "result": FOUND if lesions else NONE,
        "lesions": lesions,
        "confidence": expected_dice(mask, probability) if lesions else 1 - answer.presence,
        "flags": tuple(flags + [AT_BORDER] * any(one.at_border for one in lesions)),
    }


def within_regions(answer: Answer, mask: np.ndarray) -> np.ndarray:
    """A mask less what lies outside the regions that show tissue."""
    if not answer.regions:
        return mask
    inside = np.zeros_like(mask)
    for part in answer.regions:
        part.of(inside)[:] = True
    return mask & inside


def png(values: np.ndarray) -> bytes:
    """A mask (bool), or a map in [0, 1], as 8-bit PNG."""
    content = BytesIO()
    shown = values.astype(np.uint8) * 255 if values.dtype == bool else to_bytes(values)
    Image.fromarray(shown).save(content, "PNG", compress_level=1)
    return content.getvalue()


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    if is_dataclass(value):
        return value
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
