"""What a de-identified run asks of its inputs, and what it cannot promise.

Outputs are named as their images, and tables tell the images' paths; so a name that holds what the image's header says
of the patient is refused. Pixels outside the ultrasound regions are black in every picture; text within them, and in
images in which no region is marked, stays, and is warned of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from salus.errors import SalusError
from salus.pipeline.jobs import Job
from salus.pipeline.options import Wanted
from salus.read.frames import kind_of
from salus.write.tables import FAILED, Record

TELLING = (
    "PatientName", "PatientID", "PatientBirthDate", "OtherPatientNames", "OtherPatientIDs", "PatientBirthName",
    "IssuerOfPatientID", "AccessionNumber", "MedicalRecordLocator", "PatientMotherBirthName", "PatientTelephoneNumbers",
)  # fmt: skip
"""Tags whose values say who a patient is."""

LEAST, WITHIN = 3, 5
"""Letters of a value, or a part of a name, from which on it is looked for as a word of a path, and within its words."""


def require_neutral_names(jobs: Sequence[Job]) -> None:
    """Nothing where no image's path holds what its header says of the patient.

    Raises:
        SalusError: a path does.
    """
    for image in dict.fromkeys(job.image for job in jobs):
        if kind_of(image) != "dicom":
            continue
        words, path = {_plain(word) for word in re.split(r"[\W_]+", str(image))}, _plain(str(image))
        if any(value in words or (len(value) >= WITHIN and value in path) for value in telling_values(image)):
            raise SalusError(
                f"{image}: its path holds what its header says of the patient, and outputs are named after it; "
                "rename it, or leave out --deidentify"
            )


def telling_values(image: Path) -> set[str]:
    """What a DICOM file's header says of the patient, in small letters and digits, names in parts; empty if damaged."""
    from salus.read.dicom import open_dicom

    try:
        header = open_dicom(image).header
        values = [str(header.get(name) or "") for name in TELLING]
    except Exception:  # told when its turn comes
        return set()
    parts = {_plain(part) for value in values for part in (value, *re.split(r"[\W_]+", value))}
    return {part for part in parts if len(part) >= LEAST}


def text_that_may_remain(records: Sequence[Record], wanted: Wanted) -> str | None:
    """A line that warns of text in pictures, where a run makes any.

    Args:
        records: of all images.
        wanted: what the run writes.
    """
    if "overlay" not in wanted.kinds and "dicom-sc" not in wanted.outputs:
        return None
    whole = list(dict.fromkeys(r.image for r in records if r.result != FAILED and not r.regions))
    if not whole:
        return "text within the ultrasound regions of overlays is not looked for and may name the patient"
    names = ", ".join(whole[:3]) + (f" and {len(whole) - 3} more" if len(whole) > 3 else "")
    return f"burned-in text may name the patient in overlays of {names}: no ultrasound region is marked there"


def _plain(text: str) -> str:
    """Letters and digits alone, small."""
    return re.sub(r"[\W_]+", "", text).casefold()
