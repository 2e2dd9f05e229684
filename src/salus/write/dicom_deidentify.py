"""De-identification of the DICOM objects that Salus writes: the Basic Application Level Confidentiality Profile.

PS3.15 Annex E, table E.1-1, without any of its options; the table's attributes and actions are those of the package
dicom-anonymizer, edition 2026c. An object is changed in place, and so are its sequences:

X       removed; so are private attributes, curves and overlays (groups 50xx and 60xx)
Z       emptied; sequences that must not be empty are removed
D       replaced: text by REMOVED, dates and times by the first of January 1900, UIDs as U, sequences by cleaned ones
U       replaced by another UID: the same one for the same UID throughout a run of Salus, or for as long as one key
        is set (see `set_pseudonym_key`), and impossible to trace back without it

A patient's ID, too, is replaced by one that is the same throughout a run; an archive would otherwise take all patients
for one. Where the table leaves a choice that depends on what an object must hold, D is taken before Z before X.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from salus.errors import SalusError
from salus.write.dicom_source import RUN_KEY

ACTION_OF_LIST = {
    "D": "D", "Z": "Z", "X": "X", "U": "U", "Z_D": "D", "X_Z": "Z", "X_D": "D", "X_Z_D": "D", "X_Z_U_STAR": "U",
}  # fmt: skip
"""Action for the attributes in each list of the package."""

DUMMY_VALUES = {"DA": "19000101", "DT": "19000101000000", "TM": "000000", "DS": "0", "IS": "0", "AS": "000Y"}
TEXT_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT")
REPEATING_GROUPS = (0x5000, 0x6000)
"""First groups of curves and overlays, which go up to 50FF and 60FF."""

EMPTY_SEQUENCES = (
    "ReferencedPerformedProcedureStepSequence", "PerformedProcedureCodeSequence", "AcquisitionContextSequence",
    "VerifyingObserverIdentificationCodeSequence", "IssuerOfTheContainerIdentifierSequence",
    "IssuerOfTheSpecimenIdentifierSequence", "SpecimenPreparationSequence",
)  # fmt: skip
"""Sequences that some objects must have, and that may be empty (type 2)."""

MIN_KEY_LENGTH = 32
"""Smallest number of characters of a key of pseudonyms."""

_pseudonym_key = RUN_KEY

METHOD = ["PS3.15 Basic Application Confidentiality Profile 2026c", "Black outside ultrasound regions"]


def deidentify(dataset: Any) -> None:
    """Apply the profile to an object, in place.

    Args:
        dataset: a pydicom Dataset with its file_meta.

    Raises:
        SalusError: dicom-anonymizer is not installed.
    """
    from pydicom.dataset import Dataset

    patient = str(dataset.get("PatientID") or dataset.StudyInstanceUID)
    _clean(dataset, profile_actions(), set())
    dataset.PatientID = pseudonym(patient)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientIdentityRemoved, dataset.LongitudinalTemporalInformationModified = "YES", "REMOVED"
    dataset.DeidentificationMethod = METHOD
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    dataset.DeidentificationMethodCodeSequence = [code]


def deidentify_item(item: Any) -> None:
    """Apply the profile to an item that is to join an object, in place.

    Args:
        item: a pydicom Dataset.

    Raises:
        SalusError: dicom-anonymizer is not installed.
    """
    _clean(item, profile_actions(), set())


@lru_cache(maxsize=1)
def profile_actions() -> dict[int, str]:
    """Return the profile's action, D, Z, X or U, by tag.

    Raises:
        SalusError: dicom-anonymizer is not installed.
    """
    try:
        from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
    except ImportError:
        raise SalusError('--deidentify needs dicom-anonymizer; pip install "salus[dicom]"') from None
    return {
        group << 16 | element: action
        for name, action in ACTION_OF_LIST.items()
        for group, element, *masks in getattr(table, f"{name}_TAGS")
        if not masks  # the repeating groups
    }


def set_pseudonym_key(key: str) -> None:
    """Replace UIDs and patients' IDs by a key of one's own, so that they are the same in every process that has it.

    Args:
        key: secret, and random; whoever has it can tell whether an ID that he guesses is behind a pseudonym.

    Raises:
        SalusError: it is too short to be secret.

    Example:
        >>> set_pseudonym_key("short")
        Traceback (most recent call last):
        salus.errors.SalusError: the key of pseudonyms has 5 characters; give 32 or more
    """
    if len(key) < MIN_KEY_LENGTH:
        raise SalusError(f"the key of pseudonyms has {len(key)} characters; give {MIN_KEY_LENGTH} or more")
    global _pseudonym_key
    _pseudonym_key = key


def replacement_uid(uid: str) -> str:
    """Replace a UID by another, the same one throughout a run.

    Example:
        >>> replacement_uid("1.2.3") == replacement_uid("1.2.3"), replacement_uid("1.2.3") == replacement_uid("1.2.4")
        (True, False)
    """
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[_pseudonym_key, "deidentified", uid]))


def pseudonym(patient: str) -> str:
    """Replace a patient's ID by another, the same one throughout a run.

    Example:
        >>> len(pseudonym("PH-1")), pseudonym("PH-1") == pseudonym("PH-1"), pseudonym("PH-1") == pseudonym("PH-2")
        (16, True, False)
    """
    return "SALUS-" + hashlib.sha256(f"{_pseudonym_key} {patient}".encode()).hexdigest()[:10].upper()


def _clean(dataset: Any, actions: dict[int, str], done: set[int]) -> None:
    """Apply the actions to a dataset and those within it.

    Args:
        dataset: changed in place.
        actions: see `profile_actions`.
        done: ids of the elements that were changed; sequences may share elements.
    """
    for tag in list(dataset.keys()):
        action = actions.get(int(tag), "")
        if action == "X" or tag.is_private or any(first <= tag.group <= first + 0xFF for first in REPEATING_GROUPS):
            del dataset[tag]
            continue
        element = dataset[tag]
        if id(element) in done:
            continue
        done.add(id(element))
        if element.VR == "SQ":
            if action == "Z" and element.keyword in EMPTY_SEQUENCES:
                element.value = []
            elif action == "Z":  # an empty sequence is an error in most modules; the profile lets us remove it
                del dataset[tag]
                continue
            for item in element.value:
                _clean(item, actions, done)
        elif action == "U" or (action == "D" and element.VR == "UI"):
            if element.VM > 1:
                element.value = [replacement_uid(str(uid)) for uid in element.value]
            elif element.value:
                element.value = replacement_uid(str(element.value))
        elif action == "D":
            element.value = DUMMY_VALUES.get(element.VR, "REMOVED" if element.VR in TEXT_VRS else None)
        elif action == "Z":
            element.value = None
