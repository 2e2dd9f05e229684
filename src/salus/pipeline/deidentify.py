"""Check the inputs of a de-identified run, and warn of what de-identification cannot remove.

Outputs are named as their images, and tables hold the images' paths. So a path is refused that holds what the image's
header says of the patient. Pixels outside the ultrasound regions are black in every picture. Text within the regions
stays, and so does text in images in which no region is marked; a warning says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from salus.errors import SalusError
from salus.pipeline.jobs import Job
from salus.pipeline.options import RunOptions
from salus.pipeline.source_file import source_file
from salus.read.frames import detect_format
from salus.write.tables import FAILED, Record

IDENTIFYING_TAGS = (
    "PatientName", "PatientID", "PatientBirthDate", "OtherPatientNames", "OtherPatientIDs", "PatientBirthName",
    "IssuerOfPatientID", "AccessionNumber", "MedicalRecordLocator", "PatientMotherBirthName", "PatientTelephoneNumbers",
)  # fmt: skip
"""Tags whose values say who a patient is."""

MIN_WORD, MIN_PART = 3, 5
"""Shortest identifying value, in letters, that is looked for as a whole word of a path, and anywhere in the path."""


def require_neutral_paths(jobs: Sequence[Job]) -> None:
    """Check that no image's path holds what its header says of the patient.

    Raises:
        SalusError: a path does.
    """
    for image in dict.fromkeys(job.image for job in jobs):
        if detect_format(image) != "dicom":
            continue
        try:
            values = identifying_values(getattr(source_file(image).frames(), "header", {}))
        except Exception:  # a damaged file is reported when it is segmented
            continue
        words, path = {_simplify(word) for word in _split_words(str(image))}, _simplify(str(image))
        if any(value in words or (len(value) >= MIN_PART and value in path) for value in values):
            raise SalusError(
                f"{image}: its path holds what its header says of the patient, and outputs are named after it; "
                "rename it, or leave out --deidentify"
            )


def identifying_values(header: Any) -> set[str]:
    """Collect what a DICOM header says of the patient: whole values and their words, in lower-case letters and digits.

    Args:
        header: a pydicom Dataset.
    """
    values = [str(header.get(name) or "") for name in IDENTIFYING_TAGS]
    parts = {_simplify(part) for value in values for part in (value, *_split_words(value))}
    return {part for part in parts if len(part) >= MIN_WORD}


def remaining_text_warning(records: Sequence[Record], options: RunOptions) -> str | None:
    """Return a line that warns of text in pictures; None where the run writes no pictures of the scans.

    Args:
        records: of all images.
        options: what the run writes.
    """
    if "overlay" not in options.picture_kinds and "dicom-sc" not in options.outputs:
        return None
    without_regions = list(dict.fromkeys(r.image for r in records if r.result != FAILED and not r.regions))
    if not without_regions:
        return "text within the ultrasound regions of overlays is not looked for and may name the patient"
    names = ", ".join(without_regions[:3])
    names += f" and {len(without_regions) - 3} more" if len(without_regions) > 3 else ""
    return f"burned-in text may name the patient in overlays of {names}: no ultrasound region is marked there"


def _split_words(text: str) -> list[str]:
    return re.split(r"[\W_]+", text)


def _simplify(text: str) -> str:
    """Keep letters and digits alone, in lower case."""
    return re.sub(r"[\W_]+", "", text).casefold()
