"""Read the B-mode regions and the pixel size of an ultrasound image from its DICOM header.

Regions are those of US Region Calibration (PS3.3 C.8.5.5). An image without any has one pixel size, if any: Pixel
Spacing, or the Pixel Measures of an Enhanced US Volume (PS3.3 C.7.6.16.2.1).

A scanner's screen shows more than tissue in B-mode: Doppler spectra, M-mode, colour boxes. Each has a region with its
own calibration. Regions of tissue (data type 1) in two dimensions (spatial format 1) are used; a note names the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salus.scan import MIN_SIDE, Region, valid_spacing

TISSUE, TWO_DIMENSIONS, CENTIMETRES = 1, 1, 3

DATA_TYPES = {
    2: "colour flow", 3: "PW spectral Doppler", 4: "CW spectral Doppler", 5: "Doppler mean trace",
    6: "Doppler mode trace", 7: "Doppler maximum trace", 8: "volume trace", 9: "d(volume)/dt", 10: "ECG trace",
    11: "pulse trace", 12: "phonocardiogram trace", 13: "grey bar", 14: "colour bar", 15: "integrated backscatter",
    16: "area trace", 17: "d(area)/dt", 18: "other",
}  # fmt: skip
SPATIAL_FORMATS = {2: "M-mode", 3: "spectral", 4: "wave form", 5: "graphics"}

NESTED_SHARE = 0.9
"""Share of a region's area inside a larger one from which on it is dropped as a part of that."""

CALIBRATED_SHARE = 0.25
"""Share of an uncalibrated region's area from which on the calibrated ones in it are used in its place."""


def read_regions(dataset: Any, rows: int, columns: int) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    """Read the B-mode regions of an image, and make notes on the others.

    Regions are clipped to the image. Those smaller than `MIN_SIDE` on a side and those inside another are dropped; but
    where calibrated regions lie in one without calibration, they are used and it is dropped.

    Args:
        dataset: a pydicom Dataset.
        rows: height of the image.
        columns: width of the image.

    Returns:
        Regions, top to bottom and left to right; and notes, a line each. Both are empty for an image without any
        region. Where all regions are of other kinds, a note says that the whole image is used.
    """
    regions: list[Region] = []
    ignored: list[str] = []
    items = list(dataset.get("SequenceOfUltrasoundRegions") or ())
    for item in items:
        spatial_format, data_type = (_integer(item, name) for name in ("RegionSpatialFormat", "RegionDataType"))
        if (spatial_format, data_type) != (TWO_DIMENSIONS, TISSUE):
            kind = SPATIAL_FORMATS.get(spatial_format or 0) or DATA_TYPES.get(data_type or 0)
            ignored.append(kind or "a region of unknown kind")
            continue
        region = _read_region(item, rows, columns)
        if region is None:
            ignored.append("a B-mode region without a sensible place")
        else:
            regions.append(region)
    is_around = [_is_uncalibrated_around(region, regions) for region in regions]
    regions = [region for region, is_dropped in zip(regions, is_around, strict=True) if not is_dropped]
    regions.sort(key=lambda region: -region.height * region.width)
    kept: list[Region] = []
    for region in regions:
        limit = NESTED_SHARE * region.height * region.width
        if all(_shared_pixels(region, larger) < limit for larger in kept):
            kept.append(region)
    notes = [f"not looked at: {', '.join(dict.fromkeys(ignored))}"] if ignored else []
    if any(is_around):
        notes.append("looked at the calibrated B-mode region, not at the one without calibration around it")
    if items and not kept:
        notes.append("no B-mode region is marked: the whole image was looked at")
    return tuple(sorted(kept, key=lambda region: (region.top // MIN_SIDE, region.left))), tuple(notes)


NOT_SQUARE = "pixels are not square"
"""Beginning of the note on an image whose pixels have a ratio of sides but no size."""


def read_pixel_spacing(dataset: Any) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Read the pixel size of an image without regions, and make notes on what its header leaves open.

    Args:
        dataset: a pydicom Dataset.

    Returns:
        The (row, column) size of a pixel in mm, None where it is unknown or differs between frames; and notes, a line
        each.
    """
    sizes = _read_pixel_measures(dataset)
    if sizes == [] or sizes == [None]:
        sizes = [_read_pair(dataset, "PixelSpacing")]
    if len(sizes) > 1:
        return None, ("the pixel size differs between frames: lengths and areas are in pixels",)
    if sizes[0] is not None:
        return sizes[0], ()
    ratio = _read_pair(dataset, "PixelAspectRatio")
    if ratio is None or ratio[0] == ratio[1]:
        return None, ()
    height, width = ratio
    return None, (f"{NOT_SQUARE} ({height:g} high, {width:g} wide): lengths and areas in pixels are distorted",)


def _read_pixel_measures(dataset: Any) -> list[tuple[float, float] | None]:
    """Read the different pixel sizes in the functional groups of a multi-frame image; none where it has none."""
    groups = [
        group
        for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
        for group in dataset.get(name) or ()
    ]
    measures = [item for group in groups for item in group.get("PixelMeasuresSequence") or ()]
    return list(dict.fromkeys(_read_pair(item, "PixelSpacing") for item in measures))


def _read_pair(item: Any, name: str) -> tuple[float, float] | None:
    """Read two positive numbers, rows first; None where there are no such."""
    try:
        down, across = (float(number) for number in item.get(name))
    except (TypeError, ValueError):
        return None
    return valid_spacing(down, across)


def _is_uncalibrated_around(region: Region, regions: Sequence[Region]) -> bool:
    """Tell whether a region has no calibration, and calibrated ones in it are large enough to be used in its place."""
    if region.spacing is not None:
        return False
    inside = [
        other
        for other in regions
        if other.spacing is not None and _shared_pixels(other, region) >= NESTED_SHARE * other.height * other.width
    ]
    return sum(other.height * other.width for other in inside) >= CALIBRATED_SHARE * region.height * region.width


def _read_region(item: Any, rows: int, columns: int) -> Region | None:
    """Read a region and clip it to the image; None where it has no place or is too small.

    Its corners, (MinX0, MinY0) and (MaxX1, MaxY1), belong to it.
    """
    corners = [_integer(item, f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
    if any(coordinate is None for coordinate in corners):
        return None
    left, top, right, bottom = (coordinate for coordinate in corners if coordinate is not None)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, columns - 1), min(bottom, rows - 1)
    height, width = bottom - top + 1, right - left + 1
    return Region(top, left, height, width, _read_spacing(item)) if min(height, width) >= MIN_SIDE else None


def _read_spacing(item: Any) -> tuple[float, float] | None:
    """Read the (row, column) size of a pixel in mm; None where it is missing or not in cm."""
    if any(_integer(item, f"PhysicalUnits{axis}Direction") != CENTIMETRES for axis in "XY"):
        return None
    try:
        across, down = (abs(float(item.get(f"PhysicalDelta{axis}"))) * 10 for axis in "XY")
    except (TypeError, ValueError):
        return None
    return valid_spacing(down, across)


def _integer(item: Any, name: str) -> int | None:
    try:
        return int(item.get(name))
    except (TypeError, ValueError):
        return None


def _shared_pixels(region: Region, other: Region) -> int:
    """Count the pixels that two regions share."""
    height = min(region.top + region.height, other.top + other.height) - max(region.top, other.top)
    width = min(region.left + region.width, other.left + other.width) - max(region.left, other.left)
    return max(height, 0) * max(width, 0)
