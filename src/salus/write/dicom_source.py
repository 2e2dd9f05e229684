"""What DICOM outputs take from the image they were made from, and what they say of Salus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from salus import __version__
from salus.errors import SalusError

MANUFACTURER, MODEL = "Salus", "Salus (research software)"
SERIES = {"seg": 9101, "sr": 9102, "sc": 9103}
"""Series numbers of the outputs; high, so that they follow a scanner's own."""

US_IMAGE, US_CINE = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"
"""SOP classes."""

EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "ContentDate", "ContentTime",
)  # fmt: skip
"""Tags that must be there, and may be empty (type 2)."""


def need_highdicom() -> Any:
    """The module highdicom.

    Raises:
        SalusError: it is not installed.
    """
    try:
        import highdicom
        import highdicom.sr
    except ImportError:
        raise SalusError('DICOM outputs need highdicom; pip install "salus[dicom]"') from None
    return highdicom


def read_source(path: Path) -> Any:
    """The header of a DICOM image as a pydicom Dataset; tags that outputs need and it lacks are empty, or made.

    Raises:
        SalusError: it is no DICOM image; see `salus.read.dicom.open_dicom`.
    """
    from pydicom.uid import UID, generate_uid

    from salus.read.dicom import open_dicom

    source = open_dicom(path).header
    for name in EMPTY:
        if name not in source:
            setattr(source, name, "")
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        if not UID(str(source.get(name, ""))).is_valid:
            setattr(source, name, generate_uid(entropy_srcs=[name, str(path.resolve()), str(path.stat().st_size)]))
    if not source.get("SOPClassUID"):
        several = int(source.get("NumberOfFrames") or 1) > 1
        source.SOPClassUID = US_CINE if several else US_IMAGE
    if not source.get("Modality"):
        source.Modality = "US"
    return source


def maker(kind: str, frame: int | None = None) -> dict[str, Any]:
    """Keyword arguments of highdicom's objects that say who made them, in which series.

    Args:
        kind: of `SERIES`.
        frame: that the object is of.
    """
    from pydicom.uid import generate_uid

    found = {
        "series_instance_uid": generate_uid(),
        "series_number": SERIES[kind],
        "sop_instance_uid": generate_uid(),
        "instance_number": frame or 1,
        "manufacturer": MANUFACTURER,
    }
    if kind == "seg":
        found |= {"manufacturer_model_name": MODEL, "software_versions": __version__, "device_serial_number": "0"}
    return found
