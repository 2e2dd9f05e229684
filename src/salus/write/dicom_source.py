"""What DICOM outputs take from the image they were made from, and what they say of Salus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
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
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""Tags that must be there, and may be empty (type 2)."""

RUN = token_hex(16)
"""Of this run of Salus; what it makes of one image, of one kind, is one series."""


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
        if source.get(name) is None:
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


@contextmanager
def making(source: Path) -> Iterator[None]:
    """Within, what a source's header spoils is told in one line, without the header's text.

    Raises:
        SalusError: an object cannot be made.
    """
    try:
        yield
    except (SalusError, OSError, MemoryError):
        raise
    except Exception as error:  # highdicom and pydicom raise many kinds; their words may quote the file
        raise SalusError(f"{source}: no DICOM object can be made with its header ({type(error).__name__})") from None


def maker(kind: str, source: Any, frame: int | None = None) -> dict[str, Any]:
    """Keyword arguments of highdicom's objects that say who made them, in which series.

    Args:
        kind: of `SERIES`.
        source: the header of the image.
        frame: that the object is of.
    """
    from pydicom.uid import generate_uid

    found = {
        "series_instance_uid": generate_uid(entropy_srcs=[RUN, kind, str(source.SOPInstanceUID)]),
        "series_number": SERIES[kind],
        "sop_instance_uid": generate_uid(),
        "instance_number": frame or 1,
        "manufacturer": MANUFACTURER,
        "specific_character_set": "ISO_IR 192",  # UTF-8 holds whatever the source's names are written in
    }
    if kind == "seg":
        found |= {"manufacturer_model_name": MODEL, "software_versions": __version__, "device_serial_number": "0"}
    return found


def keep_lossy(made: Any, source: Any) -> None:
    """Say that pixels come from a source that was compressed with loss, where it was (PS3.3 C.7.6.1.1.5)."""
    if str(source.get("LossyImageCompression") or "") == "01":
        for name in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if source.get(name):
                setattr(made, name, source.get(name))


def reference(source: Any, frame: int | None) -> Any:
    """An item that names the source, and its frame, as what an image was made of (PS3.3 10.3)."""
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes

    item, purpose, code = Dataset(), Dataset(), codes.DCM.SourceImageForImageProcessingOperation
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    if frame is not None:
        item.ReferencedFrameNumber = frame
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = code.value, "DCM", code.meaning
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item
