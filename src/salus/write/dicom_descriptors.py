"""What a reader noted of an image, as items of a DICOM structured report: descriptors of a lesion, whether it is
accepted or rejected, a mark, a comment.

The descriptors are coded in the words that DICOM has for breast ultrasound: context groups 6005, 6007, 6152, 6154 and
6155 of PS3.16. "Heterogeneous", which came later, has a code of Salus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from salus.segmentation.review import Decision, Description

SCHEME = "99SALUS"
"""Coding scheme of what no standard names."""

Code = tuple[str, str, str]
"""Value, scheme and meaning."""

NAMES: Mapping[str, Code] = {
    "shape": ("107644003", "SCT", "Shape"),
    "orientation": ("111354", "DCM", "Orientation"),
    "margin": ("111037", "DCM", "Margins"),
    "echo_pattern": ("111360", "DCM", "Echo pattern"),
    "posterior_features": ("111366", "DCM", "Posterior acoustic features"),
}
"""Code of each descriptor."""

WORDS: Mapping[str, Mapping[str, Code]] = {
    "shape": {
        "oval": ("84360004", "SCT", "Ovoid shape (Oval)"),
        "round": ("42700002", "SCT", "Round shape"),
        "irregular": ("49608001", "SCT", "Irregular"),
    },
    "orientation": {
        "parallel": ("111355", "DCM", "Parallel"),
        "not parallel": ("111356", "DCM", "Not parallel"),
    },
    "margin": {
        "circumscribed": ("129738007", "SCT", "Circumscribed lesion"),
        "indistinct": ("129741003", "SCT", "Indistinct lesion"),
        "angular": ("111343", "DCM", "Angular margins"),
        "microlobulated": ("129739004", "SCT", "Microlobulated lesion"),
        "spiculated": ("129742005", "SCT", "Spiculated lesion"),
    },
    "echo_pattern": {
        "anechoic": ("111361", "DCM", "Anechoic"),
        "hyperechoic": ("111362", "DCM", "Hyperechoic"),
        "complex cystic and solid": ("111363", "DCM", "Complex"),
        "hypoechoic": ("111364", "DCM", "Hypoechoic"),
        "isoechoic": ("111365", "DCM", "Isoechoic"),
        "heterogeneous": ("heterogeneous", SCHEME, "Heterogeneous"),
    },
    "posterior_features": {
        "no posterior features": ("111367", "DCM", "No posterior acoustic features"),
        "enhancement": ("111368", "DCM", "Posterior enhancement"),
        "shadowing": ("111369", "DCM", "Posterior shadowing"),
        "combined pattern": ("111370", "DCM", "Combined posterior enhancement and shadowing"),
    },
}
"""Code of each word of a descriptor."""


def descriptor_evaluations(hd: Any, words: Mapping[str, str]) -> Iterator[Any]:
    """Yield the descriptors of a lesion as qualitative evaluations.

    Args:
        hd: highdicom.
        words: of the lesion by the descriptor's name; "" for one that is not stated.
    """
    for name, word in words.items():
        if word:
            yield hd.sr.QualitativeEvaluation(hd.sr.CodedConcept(*NAMES[name]), hd.sr.CodedConcept(*WORDS[name][word]))


def mark_evaluations(hd: Any, description: Description) -> Iterator[Any]:
    """Yield the mark of an image, such as "unsure", as a qualitative evaluation."""
    if description.mark:
        mark = hd.sr.CodedConcept(description.mark.replace(" ", "-"), SCHEME, description.mark.capitalize())
        yield hd.sr.QualitativeEvaluation(hd.sr.CodedConcept("mark", SCHEME, "Mark of the image"), mark)


def add_comment(hd: Any, group: Any, description: Description) -> None:
    """Append a reader's comment to the first group of measurements of an image, as text."""
    if description.comment:
        group[0].ContentSequence.append(comment_item(hd, description.comment))


def comment_item(hd: Any, text: str) -> Any:
    """Make an item of free text."""
    return hd.sr.TextContentItem(
        name=hd.sr.CodedConcept("121106", "DCM", "Comment"),
        value=text,
        relationship_type=hd.sr.RelationshipTypeValues.CONTAINS,
    )


def decision_evaluation(hd: Any, word: str, decision: Decision) -> Any:
    """Say that a lesion was accepted or rejected, as a qualitative evaluation that has its own time and person.

    Args:
        hd: highdicom.
        word: "accepted" or "rejected".
        decision: whose it is, and when.
    """
    item = hd.sr.QualitativeEvaluation(
        hd.sr.CodedConcept("decision", SCHEME, "Decision of a reader on the lesion"),
        hd.sr.CodedConcept(word, SCHEME, word.capitalize()),
    )
    evaluation = item[0]
    evaluation.ObservationDateTime = dicom_time(decision.saved)
    person = hd.sr.PnameContentItem(
        name=hd.sr.CodedConcept("121008", "DCM", "Person Observer Name"),
        value=decision.person_name,
        relationship_type=hd.sr.RelationshipTypeValues.HAS_OBS_CONTEXT,
    )
    evaluation.ContentSequence = hd.sr.ContentSequence([person])
    return item


def dicom_time(text: str) -> str:
    """Write a time of ISO 8601 as a DICOM date and time, in UTC.

    Example:
        >>> dicom_time("2030-01-01T10:00:00.250Z")
        '20300101100000.250000+0000'
    """
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000")
