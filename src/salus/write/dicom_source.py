"""What DICOM outputs take from the image they were made from, and what they say of Salus."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from secrets import token_hex
from threading import RLock
from typing import Any

from salus import __version__
from salus.errors import SalusError
from salus.read.dicom import DicomFrames, open_dicom
from salus.write.dicom_clean import clean_header

MANUFACTURER, MODEL = "Salus", "Salus (research software)"
SERIES_NUMBERS = {"seg": 9101, "sr": 9102, "sc": 9103}
"""Series numbers of the outputs; high, so that they follow a scanner's own."""

US_IMAGE, US_CINE = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"
"""SOP classes."""

RETIRED_CLASSES = {"1.2.840.10008.5.1.4.1.1.6": US_IMAGE, "1.2.840.10008.5.1.4.1.1.3": US_CINE}
"""Retired SOP classes of ultrasound, and those that took their place."""

TYPE_2_TAGS = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""Tags that must be there, and may be empty (type 2)."""

RUN_KEY = token_hex(16)
"""Random key of this process; its outputs of one image and of one kind are one series."""


_MAKING = RLock()
"""Held while an object is made: Python's filters of warnings are not safe among threads."""


def import_highdicom() -> Any:
    """Import the module highdicom, whose remarks may quote a patient's name, and keep it from printing them.

    Raises:
        SalusError: it is not installed.
    """
    try:
        import highdicom
        import highdicom.sr

        logging.getLogger("highdicom").setLevel(logging.CRITICAL)
    except ImportError:
        raise SalusError('DICOM outputs need highdicom; pip install "salus[dicom]"') from None
    return highdicom


def open_source(source: DicomFrames | Path | str) -> DicomFrames:
    """Open a DICOM image that is given by its path; return an opened one as it is.

    Raises:
        SalusError: it is no DICOM image; see `salus.read.dicom.open_dicom`.
    """
    return source if isinstance(source, DicomFrames) else open_dicom(source)


def source_header(source: DicomFrames) -> Any:
    """Copy an image's header as a pydicom Dataset, and fill in the tags that outputs need.

    Missing type 2 tags become empty, missing UIDs are made of the file's path and size. The copy may be changed.
    """
    from pydicom.uid import UID, generate_uid

    header, _ = _clean_copy(source)
    path = Path(source.source)
    for name in TYPE_2_TAGS:
        if header.get(name) is None:
            setattr(header, name, "")
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        if not UID(str(header.get(name, ""))).is_valid:
            setattr(header, name, generate_uid(entropy_srcs=[name, str(path.resolve()), str(path.stat().st_size)]))
    if not header.get("SOPClassUID"):
        header.SOPClassUID = US_CINE if source.count > 1 else US_IMAGE
    if not header.get("Modality"):
        header.Modality = "US"
    return header


def header_remarks(source: DicomFrames | Path | str) -> tuple[str, ...]:
    """Say what of an image's header its outputs do not repeat as it is; a line each, which quotes no value.

    Raises:
        SalusError: it is no DICOM image; see `salus.read.dicom.open_dicom`.
    """
    source = open_source(source)
    with one_line_errors(source):
        return _clean_copy(source)[1]


def _clean_copy(source: DicomFrames) -> tuple[Any, tuple[str, ...]]:
    """Copy a header without values that spoil outputs; see `salus.write.dicom_clean`."""
    header = deepcopy(source.header)
    remarks = clean_header(header)
    if str(header.get("SOPClassUID", "")) in RETIRED_CLASSES:
        remarks += ("its class of object (SOP Class UID) is retired: outputs refer to it as it is",)
    return header, remarks


@contextmanager
def one_line_errors(source: DicomFrames) -> Iterator[None]:
    """Turn errors that a source's header causes into one line that does not quote the header, and print no warnings.

    Raises:
        SalusError: an object cannot be made.
    """
    try:
        with _MAKING, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of highdicom and pydicom quote names, dates and IDs
            yield
    except (SalusError, OSError, MemoryError):
        raise
    except Exception as error:  # highdicom and pydicom raise many kinds; their words may quote the file
        name = type(error).__name__
        raise SalusError(f"{source.source}: no DICOM object can be made with its header ({name})") from None


def instance_arguments(kind: str, header: Any, frame: int | None = None) -> dict[str, Any]:
    """Return the keyword arguments of highdicom's objects for series, instance and manufacturer.

    Args:
        kind: of `SERIES_NUMBERS`.
        header: of the source image.
        frame: of the source image that the object was made of.
    """
    from pydicom.uid import generate_uid

    arguments = {
        "series_instance_uid": generate_uid(entropy_srcs=[RUN_KEY, kind, str(header.SOPInstanceUID)]),
        "series_number": SERIES_NUMBERS[kind],
        "sop_instance_uid": generate_uid(),
        "instance_number": frame or 1,
        "manufacturer": MANUFACTURER,
        "specific_character_set": "ISO_IR 192",  # UTF-8 holds whatever the source's names are written in
    }
    if kind == "seg":
        arguments |= {"manufacturer_model_name": MODEL, "software_versions": __version__, "device_serial_number": "0"}
    return arguments


def copy_lossy_compression(dataset: Any, header: Any) -> None:
    """Mark an object as made of pixels that were compressed with loss, where they were (PS3.3 C.7.6.1.1.5)."""
    if str(header.get("LossyImageCompression") or "") == "01":
        for name in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if header.get(name):
                setattr(dataset, name, header.get(name))


def source_reference(header: Any, frame: int | None) -> Any:
    """Build the item that names the source, and its frame, as what an image was made of (PS3.3 10.3)."""
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes

    item, purpose, code = Dataset(), Dataset(), codes.DCM.SourceImageForImageProcessingOperation
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    if frame is not None:
        item.ReferencedFrameNumber = frame
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = code.value, "DCM", code.meaning
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item


def as_ultrasound(header: Any) -> Any:
    """Copy a header as that of an ultrasound image or cine: highdicom knows no retired and no private SOP classes.

    Elements are shared with the header; `refer_to_source` puts its own class into the object that is made of it.
    """
    from pydicom.dataset import Dataset

    known = Dataset()
    known.update(header)
    del known.SOPClassUID
    known.SOPClassUID = US_CINE if int(header.get("NumberOfFrames") or 1) > 1 else US_IMAGE
    return known


def refer_to_source(dataset: Any, header: Any) -> None:
    """Put the source's own SOP class into references to it, of an object that was made as if it had another one."""

    def correct(item: Any, element: Any) -> None:
        if element.keyword == "ReferencedSOPInstanceUID" and element.value == header.SOPInstanceUID:
            item.ReferencedSOPClassUID = header.SOPClassUID

    dataset.walk(correct)


def tracking_uid(header: Any, number: int) -> str:
    """Return the tracking UID of a lesion: the same in all frames of a source, in segmentations and in the report.

    Args:
        header: of the source image.
        number: of the lesion.
    """
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[str(header.SOPInstanceUID), "lesion", str(number)]))
