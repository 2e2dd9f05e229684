"""Names of cases and patients, made from the names of files and a reader's pattern."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from salus.errors import SalusError

MAX_NAME = 100
"""Characters of a case's name; longer ones are cut."""

MAX_WILDCARDS = 4
"""Number of * in a pattern, so that matching stays quick."""

DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)\d", re.IGNORECASE)
"""Names that Windows gives to devices, also before a suffix, so that no file can have them."""

PATIENT = "{patient}"


def clean_label(label: str) -> str:
    """Clean a file's name that a browser sent: its last part, without control characters, of 255 characters at most.

    Example:
        >>> clean_label("C:\\\\scans\\\\left 1.png"), clean_label("a/b/c.dcm")
        ('left 1.png', 'c.dcm')
    """
    last = re.split(r"[/\\]", label)[-1]
    return "".join(character for character in last if character.isprintable())[:255].strip()


def case_name(label: str) -> str:
    """Make the name of a case from its file's name: what every file system takes; "" where nothing is left.

    Example:
        >>> [case_name(label) for label in ("IM 01.png", "scan.nii.gz", "=1+1.dcm", "aux.png", "...")]
        ['IM_01', 'scan', '1_1', 'file-aux', '']
    """
    stem = label.removesuffix(".gz")
    stem = PurePosixPath(stem).stem if "." in stem.lstrip(".") else stem
    name = re.sub(r"[^\w.-]+", "_", stem).strip("._-")[:MAX_NAME].rstrip(".")
    return f"file-{name}" if DEVICE.fullmatch(name.partition(".")[0]) else name


def distinct_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Append _2, _3 and so on where a name is taken.

    Example:
        >>> distinct_name("a", {"a", "a_2"}.__contains__)
        'a_3'
    """
    candidate, number = name, 1
    while is_taken(candidate):
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def file_of_region(name: str) -> str:
    """Give the name of the image of which a name in a data set may be that of a region; else the name itself.

    Example:
        >>> file_of_region("scan-region-2"), file_of_region("scan")
        ('scan', 'scan')
    """
    match = re.fullmatch(r"(.+)-region-\d+", name)
    return match[1] if match else name


def check_pattern(pattern: str) -> None:
    """Check a reader's pattern of file names.

    Raises:
        SalusError: it does not hold {patient} once, or too many *.
    """
    if pattern and (pattern.count(PATIENT) != 1 or pattern.count("*") > MAX_WILDCARDS or len(pattern) > 200):
        raise SalusError(
            f"the pattern of file names {pattern!r}: write {PATIENT} once where a patient's number stands, and up to "
            f"{MAX_WILDCARDS} * for what differs between images of one patient, such as bus_{PATIENT}-*"
        )


def patient_of_name(label: str, pattern: str) -> str:
    """Read the patient from a file's name by a pattern; "" where the name does not fit.

    Args:
        label: the file's name.
        pattern: in which {patient} stands for the patient, * for any characters, ? for one.

    Example:
        >>> patient_of_name("bus_0042-l.png", "bus_{patient}-*"), patient_of_name("other.png", "bus_{patient}-*")
        ('0042', '')
    """
    if not pattern:
        return ""
    parts = re.split(r"(\{patient\}|\*|\?)", pattern)
    special = {PATIENT: r"(?P<patient>[^/]+?)", "*": ".*?", "?": "."}
    match = re.fullmatch("".join(special.get(part, re.escape(part)) for part in parts), label)
    return match["patient"] if match else ""


def patient_key(header: Any) -> str:
    """Make a key of the patient that a DICOM header names; "" where it names none.

    Args:
        header: pydicom Dataset.

    Returns:
        A hash of the patient's ID and its issuer, or without an ID of name and birth date together.
    """
    if header is None:
        return ""
    words = [str(header.get(name) or "").strip() for name in ("PatientID", "IssuerOfPatientID")]
    if not words[0]:
        words = [str(header.get(name) or "").strip() for name in ("PatientName", "PatientBirthDate")]
        if not all(words):
            return ""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]
