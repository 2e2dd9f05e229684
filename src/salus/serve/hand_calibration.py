"""Sizes in mm by a reader's calibration, of an image whose file does not say how large its pixels are."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from math import isfinite
from pathlib import Path

from salus.atomic import write_text
from salus.errors import SalusError
from salus.measure.lesions import Lesion
from salus.read.dicom_regions import NOT_SQUARE
from salus.segmentation.review import HandCalibration
from salus.serve.result_json import FrameAnswer

LENGTHS = ("longest", "across", "width", "height", "perimeter", "depth", "border")
"""Measurements of a lesion that are lengths."""

MIN_MM, MAX_MM = 0.001, 5.0
"""Sides of a pixel in mm that a breast ultrasound image may have, with ample room; others are slips."""


def check_millimetres(mm_per_pixel: float) -> None:
    """Check the size of a pixel.

    Raises:
        SalusError: it is none that an ultrasound image has.
    """
    if not (isfinite(mm_per_pixel) and MIN_MM <= mm_per_pixel <= MAX_MM):
        raise SalusError(
            f"a pixel of {mm_per_pixel:.3g} mm: in ultrasound it is between {MIN_MM} and {MAX_MM:g} mm; "
            "check the known length, which is in mm"
        )


def read_calibration(path: Path) -> HandCalibration | None:
    """Read a calibration; None where there is none or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        line = content.get("line")
        return HandCalibration(**content | {"line": tuple(line) if line else None})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_calibration(path: Path, calibration: HandCalibration) -> None:
    """Write a calibration as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(calibration)))


def calibrate_answer(answer: FrameAnswer, calibration: HandCalibration | None) -> FrameAnswer:
    """Give an answer whose sizes in pixels are in mm; parts of which the file states the scale stay.

    Args:
        answer: as measured.
        calibration: None leaves the answer as it is.
    """
    if calibration is None or not lacks_scale(answer):
        return answer
    mm = calibration.mm_per_pixel
    regions = tuple(replace(region, spacing=region.spacing or (mm, mm)) for region in answer.regions)
    is_unknown = answer.spacing is None and all(region.spacing is None for region in answer.regions)
    return replace(
        answer,
        spacing=(mm, mm) if is_unknown else answer.spacing,
        regions=regions,
        lesions=tuple(_in_millimetres(lesion, mm) for lesion in answer.lesions),
        calibration=calibration,
    )


def lacks_scale(answer: FrameAnswer) -> bool:
    """Tell whether the file does not state the scale of an answer's image, or of a region of it."""
    return any((part.spacing or answer.spacing) is None for part in answer.parts)


def has_square_pixels(answer: FrameAnswer) -> bool:
    """Tell whether one number gives the size of a pixel; the file may say that its pixels are not square."""
    return not any(flag.startswith(NOT_SQUARE) for flag in answer.flags)


def _in_millimetres(lesion: Lesion, mm: float) -> Lesion:
    """Convert the lengths and the area of a lesion that was measured in pixels."""
    if lesion.unit == "mm":
        return lesion
    lengths = {name: getattr(lesion, name) * mm for name in LENGTHS}
    return replace(lesion, unit="mm", area=lesion.area * mm**2, **lengths)
