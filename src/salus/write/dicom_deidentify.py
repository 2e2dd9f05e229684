"""De-identification of the DICOM objects that Salus writes: the Basic Application Level Confidentiality Profile.

PS3.15 Annex E, table E.1-1, without any of its options; the table's attributes and actions are those of the package
dicom-anonymizer, edition 2026c. An object is changed in place, its sequences with it:

X       removed; so are private attributes, curves and overlays (groups 50xx and 60xx)
Z       emptied
D       replaced: text by REMOVED, dates and times by the first of January 1900, UIDs as U, sequences by cleaned ones
U       replaced by another UID, the same for the same one throughout a run of Salus, and not to be traced back

A patient's ID is replaced by one that is the same throughout a run, too, or an archive would take all for one patient.
Where the table leaves a choice that hangs on what an object must hold, D is taken before Z before X.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from salus.errors import SalusError
from salus.write.dicom_source import RUN

LISTS = {
    "D": "D", "Z": "Z", "X": "X", "U": "U", "Z_D": "D", "X_Z": "Z", "X_D": "D", "X_Z_D": "D", "X_Z_U_STAR": "U",
}  # fmt: skip
"""Of the table: which action is taken for the attributes of each list."""

DUMMY = {"DA": "19000101", "DT": "19000101000000", "TM": "000000", "DS": "0", "IS": "0", "AS": "000Y"}
TEXT = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT")
REPEATING = (0x5000, 0x6000)
"""First groups of curves and overlays, which go up to 50FF and 60FF."""

METHOD = ["PS3.15 Basic Application Confidentiality Profile 2026c", "Black outside ultrasound regions"]


def deidentify(made: Any) -> None:
    """Apply the profile to an object, in place.

    Args:
        made: a pydicom Dataset with its file's head.

    Raises:
        SalusError: dicom-anonymizer is not installed.
    """
    from pydicom.dataset import Dataset

    patient = str(made.get("PatientID") or made.StudyInstanceUID)
    _clean(made, actions(), set())
    made.PatientID = pseudonym(patient)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.PatientIdentityRemoved, made.LongitudinalTemporalInformationModified = "YES", "REMOVED"
    made.DeidentificationMethod = METHOD
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    made.DeidentificationMethodCodeSequence = [code]


@lru_cache(maxsize=1)
def actions() -> dict[int, str]:
    """D, Z, X or U by tag.

    Raises:
        SalusError: dicom-anonymizer is not installed.
    """
    try:
        from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
    except ImportError:
        raise SalusError('--deidentify needs dicom-anonymizer; pip install "salus[dicom]"') from None
    return {
        group << 16 | element: action
        for name, action in LISTS.items()
        for group, element, *masks in getattr(table, f"{name}_TAGS")
        if not masks  # the repeating groups
    }


def other_uid(uid: str) -> str:
    """Another UID for one, the same throughout a run.

    Example:
        >>> other_uid("1.2.3") == other_uid("1.2.3"), other_uid("1.2.3") == other_uid("1.2.4")
        (True, False)
    """
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[RUN, "deidentified", uid]))


def pseudonym(patient: str) -> str:
    """A patient's ID to give away, the same for the same one throughout a run.

    Example:
        >>> len(pseudonym("PH-1")), pseudonym("PH-1") == pseudonym("PH-1"), pseudonym("PH-1") == pseudonym("PH-2")
        (16, True, False)
    """
    return "SALUS-" + hashlib.sha256(f"{RUN} {patient}".encode()).hexdigest()[:10].upper()


def _clean(item: Any, table: dict[int, str], done: set[int]) -> None:
    """A dataset and those within it; `done` holds the elements that were changed, for sequences may share them."""
    for tag in list(item.keys()):
        action = table.get(int(tag), "")
        if action == "X" or tag.is_private or any(first <= tag.group <= first + 0xFF for first in REPEATING):
            del item[tag]
            continue
        element = item[tag]
        if id(element) in done:
            continue
        done.add(id(element))
        if element.VR == "SQ":
            if action == "Z":
                element.value = []
            for inside in element.value:
                _clean(inside, table, done)
        elif action == "U" or (action == "D" and element.VR == "UI"):
            several = element.VM > 1
            element.value = [other_uid(str(one)) for one in element.value] if several else _uid(element.value)
        elif action == "D":
            element.value = DUMMY.get(element.VR, "REMOVED" if element.VR in TEXT else None)
        elif action == "Z":
            element.value = None


def _uid(value: Any) -> str:
    return other_uid(str(value)) if value else ""
