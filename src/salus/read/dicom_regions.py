"""B-mode regions of an ultrasound image, as DICOM tells of them (PS3.3 C.8.5.5, US Region Calibration).

A scanner's screen shows more than tissue in B-mode: Doppler spectra, M-mode, colour boxes. Each has a region with its
own calibration. Rectangles with tissue (data type 1) in two dimensions (spatial format 1) are looked at; others named.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from salus.scan import Region

TISSUE, TWO_DIMENSIONS, CENTIMETRES = 1, 1, 3

DATA_TYPES = {
    2: "colour flow", 3: "PW spectral Doppler", 4: "CW spectral Doppler", 5: "Doppler mean trace",
    6: "Doppler mode trace", 7: "Doppler maximum trace", 8: "volume trace", 9: "d(volume)/dt", 10: "ECG trace",
    11: "pulse trace", 12: "phonocardiogram trace", 13: "grey bar", 14: "colour bar", 15: "integrated backscatter",
    16: "area trace", 17: "d(area)/dt", 18: "other",
}  # fmt: skip
FORMATS = {2: "M-mode", 3: "spectral", 4: "wave form", 5: "graphics"}

LEAST = 8
"""Pixels a side; smaller regions are dropped."""

WITHIN = 0.9
"""A region of which this share lies within another is a part of it."""


def regions_of(dataset: Any, rows: int, columns: int) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    """The B-mode regions of an image, and what to say of the others.

    Args:
        dataset: a pydicom Dataset.
        rows: of the image; columns: likewise.

    Returns:
        Regions, clipped to the image, left to right and top to bottom; and notes, a line each. Without any region
        both are empty; with others alone a note says that all of the image is looked at.
    """
    found: list[Region] = []
    ignored: list[str] = []
    items = list(dataset.get("SequenceOfUltrasoundRegions") or ())
    for item in items:
        form, kind = (_integer(item, name) for name in ("RegionSpatialFormat", "RegionDataType"))
        if (form, kind) != (TWO_DIMENSIONS, TISSUE):
            named = FORMATS.get(form or 0) or DATA_TYPES.get(kind or 0) or "a region of unknown kind"
            ignored.append(named)
            continue
        region = _region(item, rows, columns)
        if region is None:
            ignored.append("a B-mode region without a sensible place")
        else:
            found.append(region)
    found.sort(key=lambda r: -r.height * r.width)
    kept: list[Region] = []
    for region in found:
        if not any(_shared(region, other) >= WITHIN * region.height * region.width for other in kept):
            kept.append(region)
    notes = [f"not looked at: {', '.join(dict.fromkeys(ignored))}"] if ignored else []
    if items and not kept:
        notes.append("no B-mode region is marked: the whole image was looked at")
    return tuple(sorted(kept, key=lambda r: (r.top // LEAST, r.left))), tuple(notes)


def _region(item: Any, rows: int, columns: int) -> Region | None:
    """One region, clipped to the image; its corners belong to it."""
    places = [_integer(item, f"RegionLocation{corner}") for corner in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
    if any(place is None for place in places):
        return None
    left, top, right, bottom = (place for place in places if place is not None)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, columns - 1), min(bottom, rows - 1)
    height, width = bottom - top + 1, right - left + 1
    return Region(top, left, height, width, _spacing(item)) if min(height, width) >= LEAST else None


def _spacing(item: Any) -> tuple[float, float] | None:
    """(row, column) size of a pixel in mm, from deltas in cm; None where it is told in another unit, or not at all."""
    units = [_integer(item, f"PhysicalUnits{axis}Direction") for axis in "XY"]
    try:
        across, down = (abs(float(item.get(f"PhysicalDelta{axis}"))) * 10 for axis in "XY")
    except (TypeError, ValueError):
        return None
    good = units == [CENTIMETRES] * 2 and all(isfinite(step) and step > 0 for step in (across, down))
    return (down, across) if good else None


def _integer(item: Any, name: str) -> int | None:
    try:
        return int(item.get(name))
    except (TypeError, ValueError):
        return None


def _shared(one: Region, other: Region) -> int:
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    return max(height, 0) * max(width, 0)
