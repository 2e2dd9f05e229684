"""Clean a source's header of values that its outputs must not repeat, and say which.

Scanners, converters and archives write dates as 2019.11.05, birth dates as a year, times with seven decimals or texts
that are too long. A standard reader refuses them, so outputs hold them in the standard's form where that is plain
(PS3.5 6.2), and leave them out elsewhere. Remarks name attributes and never quote a value, which may name the patient.
"""

from __future__ import annotations

import re
from collections.abc import MutableSequence
from datetime import date
from typing import Any

SEXES = ("M", "F", "O")
MAX_LENGTHS = {"SH": 16, "LO": 64, "AE": 16, "ST": 1024, "LT": 10240}
"""Greatest number of characters of texts."""

PATIENT_GROUPS = (0x0010, 0x0012, 0x0032, 0x0038)
STUDY_KEYWORDS = (
    "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
    "ConsultingPhysicianName", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy", "AdmittingDiagnosesDescription",
    "ReferencedStudySequence", "ProcedureCodeSequence", "IssuerOfAccessionNumberSequence", "TimezoneOffsetFromUTC",
)  # fmt: skip
"""Attributes of the study that outputs take over, beside those of the groups above, which are the patient's."""

PATTERNS = {
    "CS": r"[A-Z0-9_ ]{0,16}",
    "AS": r"\d{3}[DWMY]",
    "UI": r"(0|[1-9]\d*)(\.(0|[1-9]\d*))*",
    "DT": r"\d{4}((0\d|1[0-2])([0-3]\d([01]\d|2[0-3])?([0-5]\d){0,2})?)?(\.\d{1,6})?([+-]\d{4})?",
    "IS": r" *[+-]?\d{1,11} *",
    "DS": r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *",
}
"""Form of the values of other types."""

DATE = re.compile(r"(\d{4})[.]?(\d\d)[.]?(\d\d)")
TIME = re.compile(r"([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d|60)(?:\.(\d+))?)?)?")


def clean_header(header: Any) -> tuple[str, ...]:
    """Clean the header's attributes that outputs take over, in place.

    Args:
        header: a pydicom Dataset, of which elements may be replaced and removed.

    Returns:
        Remarks, a line for what was left out and one for what was put into the standard's form; none where all is well.
    """
    left_out: list[str] = []
    cleaned: list[str] = []
    for tag in list(header.keys()):
        if tag.is_private:
            continue
        try:
            element = header[tag]
            value = _clean_element(element)
        except Exception:  # pydicom parses a value when it is read, and raises many kinds
            element, value = None, None
        keyword = _keyword(tag)
        is_taken_over = tag.group in PATIENT_GROUPS or keyword in STUDY_KEYWORDS
        if value is None:
            del header[tag]
            if is_taken_over:
                left_out.append(keyword)
        elif element is not None and value is not element:
            header[tag] = value
            if is_taken_over:
                cleaned.append(keyword)
    remarks = []
    if left_out:
        remarks.append(f"left out of DICOM outputs, not in the standard's form: {', '.join(left_out)}")
    if cleaned:
        remarks.append(f"put into the standard's form in DICOM outputs: {', '.join(cleaned)}")
    return tuple(remarks)


def _clean_element(element: Any) -> Any | None:
    """Return an element as it is where it is well, a cleaned copy where it can be, and None elsewhere."""
    from pydicom.dataelem import DataElement

    if element.VR == "SQ":
        items = [item for item in element.value if _is_clean(item)]
        if not items:
            return None  # an empty sequence is an error in most modules
        return element if len(items) == len(element.value) else DataElement(element.tag, "SQ", items)
    if element.is_empty:
        return element
    is_list = isinstance(element.value, MutableSequence)
    values = list(element.value) if is_list else [element.value]
    fixed = [clean_value(element.VR, str(value), element.keyword) for value in values]
    if any(value is None for value in fixed):
        return None
    if all(str(value).strip() == str(new).strip() for value, new in zip(values, fixed, strict=True)):
        return element
    return DataElement(element.tag, element.VR, fixed if is_list else fixed[0])


def clean_value(vr: str, text: str, keyword: str = "") -> str | None:
    """Return a value in the standard's form; None where it has none.

    Args:
        vr: the value's type (value representation).
        text: the value.
        keyword: of the attribute.

    Example:
        >>> clean_value("DA", "2019.11.05"), clean_value("TM", "14:04:38.1234567"), clean_value("DA", "1955")
        ('20191105', '140438.123456', None)
    """
    stripped = text.strip(" \0")
    if not stripped:
        return ""
    if keyword == "PatientSex":
        return stripped.upper() if stripped.upper() in SEXES else None
    if vr == "DA":
        return _clean_date(stripped)
    if vr == "TM":
        return _clean_time(stripped)
    if vr == "CS":
        stripped = stripped.upper()
    if vr in PATTERNS:
        is_well = re.fullmatch(PATTERNS[vr], stripped) and len(stripped) <= (64 if vr == "UI" else 26)
        return stripped if is_well else None
    if vr == "PN":
        groups = text.split("=")
        return text if len(groups) <= 3 and all(len(g) <= 64 and g.count("^") <= 4 for g in groups) else None
    if vr in MAX_LENGTHS:
        is_one_line = vr in ("ST", "LT") or not re.search(r"[\x00-\x1a\x1c-\x1f]", stripped)
        return text if is_one_line and len(stripped) <= MAX_LENGTHS[vr] else None
    return text


def _clean_date(text: str) -> str | None:
    match = DATE.fullmatch(text)
    if match is None:
        return None
    try:
        date(*map(int, match.groups()))
    except ValueError:
        return None
    return "".join(match.groups())


def _clean_time(text: str) -> str | None:
    match = TIME.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    seconds = "59" if seconds == "60" else seconds  # a leap second, which few readers know
    return hours + (minutes or "") + (seconds or "") + (f".{fraction[:6]}" if fraction else "")


def _is_clean(item: Any) -> bool:
    """Tell whether all values of a sequence's item are in the standard's form; it is left out whole otherwise."""
    return all(tag.is_private or _clean_element(item[tag]) is item[tag] for tag in list(item.keys()))


def _keyword(tag: Any) -> str:
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag) or str(tag)
