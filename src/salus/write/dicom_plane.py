"""The plane in which an image's pixels lie: what a reader needs to place a segmentation on its source.

A sonogram of known pixel size has a plane, if a nominal one: other programs (ITK, Slicer, dcmqi) put an image without a
position at the origin with its rows and columns along x and y, in mm. A segmentation says the same, in a frame of
reference of its source's own. Where the source does state positions, as breast volume scanners do, these are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NOMINAL_THICKNESS = 1.0
"""Slice thickness in mm of a plane whose source states none; readers expect one, and no sonogram has any."""

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""Rows along x, columns along y."""

PLANE_TAGS = (
    "FrameOfReferenceUID", "PositionReferenceIndicator", "PixelSpacing", "SliceThickness", "ImagePositionPatient",
    "ImageOrientationPatient",
)  # fmt: skip
FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


@dataclass(frozen=True)
class Plane:
    """A plane of pixels.

    Attributes:
        frame_of_reference: UID of the space that positions are in.
        position: (x, y, z) of the middle of the upper left pixel, mm.
        orientation: direction cosines of the rows, then of the columns.
        spacing: (row, column) size of a pixel, mm.
        thickness: mm.
    """

    frame_of_reference: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]
    thickness: float


def find_plane(header: Any, frame: int, spacing: tuple[float, float] | None) -> Plane | None:
    """Find the plane of a frame; None where the pixel size is unknown.

    Args:
        header: of the source image, a pydicom Dataset.
        frame: its number, from 1.
        spacing: (row, column) size of a pixel in mm, or None.
    """
    from pydicom.uid import UID, generate_uid

    if spacing is None:
        return None
    position = _numbers(header, frame, 3, "ImagePositionPatient", "ImagePositionVolume")
    orientation = _numbers(header, frame, 6, "ImageOrientationPatient", "ImageOrientationVolume")
    thickness = _numbers(header, frame, 1, "SliceThickness")
    reference = str(header.get("FrameOfReferenceUID") or "")
    if position is None or not UID(reference).is_valid:
        reference = generate_uid(entropy_srcs=[str(header.SOPInstanceUID), "frame of reference"])
        position, orientation = (0.0, 0.0, 0.0), IDENTITY
    return Plane(
        frame_of_reference=reference,
        position=position,
        orientation=orientation if orientation is not None and _is_orthonormal(orientation) else IDENTITY,
        spacing=spacing,
        thickness=thickness[0] if thickness is not None and thickness[0] > 0 else NOMINAL_THICKNESS,
    )


def plane_attributes(plane: Plane) -> Any:
    """Return a plane as the attributes of an image in it, a pydicom Dataset, from which highdicom takes it."""
    from pydicom.dataset import Dataset
    from pydicom.valuerep import DSfloat

    attributes = Dataset()
    attributes.FrameOfReferenceUID, attributes.PositionReferenceIndicator = plane.frame_of_reference, ""
    attributes.PixelSpacing = [DSfloat(size, auto_format=True) for size in plane.spacing]
    attributes.SliceThickness = DSfloat(plane.thickness, auto_format=True)
    attributes.ImagePositionPatient = [DSfloat(x, auto_format=True) for x in plane.position]
    attributes.ImageOrientationPatient = [DSfloat(x, auto_format=True) for x in plane.orientation]
    return attributes


def _numbers(header: Any, frame: int, count: int, *names: str) -> tuple[float, ...] | None:
    """Read the numbers of the first of some tags, in the header or in its functional groups; None without them."""
    groups = [header]
    for name in FUNCTIONAL_GROUPS:
        items = list(header.get(name) or ())
        index = frame - 1 if name.startswith("PerFrame") else 0
        groups += [macro for element in items[index : index + 1] for sequence in element for macro in _items(sequence)]
    for name in names:
        for group in groups:
            try:
                value = group.get(name)
                numbers = tuple(float(number) for number in (value if count > 1 else [value]))
            except (TypeError, ValueError):
                continue
            if len(numbers) == count:
                return numbers
    return None


def _items(element: Any) -> list[Any]:
    return list(element.value) if element.VR == "SQ" else []


def _is_orthonormal(orientation: tuple[float, ...]) -> bool:
    rows, columns = orientation[:3], orientation[3:]
    lengths = [sum(x * x for x in vector) for vector in (rows, columns)]
    across = sum(x * y for x, y in zip(rows, columns, strict=True))
    return all(abs(length - 1) < 1e-3 for length in lengths) and abs(across) < 1e-3
