"""Who saved an outline and how it came about, what a reader noted, and who said how large a pixel is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Review:
    """What a reader did to the network's outline.

    Attributes:
        reader: the name as typed; "" where none was given.
        saved: when, ISO 8601 in UTC.
        methods: of each lesion, in the words of DICOM: "AUTOMATIC" (approved as the network drew it), "SEMIAUTOMATIC"
            (corrected) or "MANUAL" (drawn where the network saw none).

    Example:
        >>> Review("Jane Doe", "2030-01-01T10:00:00.000Z", ("MANUAL",)).person_name
        'Jane Doe^'
    """

    reader: str
    saved: str
    methods: tuple[str, ...]

    @property
    def person_name(self) -> str:
        """The reader as a DICOM person name."""
        return person_name(self.reader)


@dataclass(frozen=True)
class Decision:
    """Who decided on a lesion, and when: that its outline is accepted as it is, or (`Rejection`) that it is no lesion.

    Attributes:
        reader: the name as typed; "" where none was given.
        saved: when, ISO 8601 in UTC.

    Example:
        >>> Decision("Jane Doe", "2030-01-01T10:00:00.000Z").person_name
        'Jane Doe^'
    """

    reader: str
    saved: str

    @property
    def person_name(self) -> str:
        """The reader as a DICOM person name."""
        return person_name(self.reader)


@dataclass(frozen=True)
class Rejection(Decision):
    """That a reader rejected a lesion: it is none, and no longer outlined.

    Attributes:
        box: (top, left, height, width) in pixels of what was outlined.

    Example:
        >>> Rejection("", "2030-01-01T10:00:00.000Z", (10, 20, 30, 40)).person_name
        'Unnamed reader^'
    """

    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Description:
    """What a reader noted of an image.

    Attributes:
        reader: the name as typed; "" where none was given.
        mark: such as "unsure"; "" for none.
        comment: free text.
        lesions: of each lesion its descriptors in words of BI-RADS ultrasound, by name; empty for one without.
        accepted: of each lesion who accepted its outline, and when; None for one that nobody accepted.
        rejected: lesions that were rejected.

    Example:
        >>> Description("Jane Doe", lesions=({"shape": "oval"},)).person_name
        'Jane Doe^'
    """

    reader: str
    mark: str = ""
    comment: str = ""
    lesions: tuple[Mapping[str, str], ...] = ()
    accepted: tuple[Decision | None, ...] = ()
    rejected: tuple[Rejection, ...] = ()

    @property
    def person_name(self) -> str:
        """The reader as a DICOM person name."""
        return person_name(self.reader)


@dataclass(frozen=True)
class HandCalibration:
    """The size of a pixel that a reader found from a known length in an image whose file does not say.

    Attributes:
        mm_per_pixel: side of a pixel in mm.
        reader: the name as typed; "" where none was given.
        saved: when, ISO 8601 in UTC.
        length_mm: the known length in mm; None where it was not sent.
        line: (x, y, x, y) of its ends in pixels; None where it was not sent.

    Example:
        >>> HandCalibration(0.08, "Jane Doe", "2030-01-01T10:00:00.000Z").remark
        'calibrated by hand: a pixel is 0.08 mm, by Jane Doe'
    """

    mm_per_pixel: float
    reader: str
    saved: str
    length_mm: float | None = None
    line: tuple[float, float, float, float] | None = None

    @property
    def person_name(self) -> str:
        """The reader as a DICOM person name."""
        return person_name(self.reader)

    @property
    def remark(self) -> str:
        """Say it in one line, as a flag of the image."""
        return f"calibrated by hand: a pixel is {self.mm_per_pixel:.4g} mm, by {self.reader or 'an unnamed reader'}"


def person_name(reader: str) -> str:
    """Write a reader's name as a DICOM person name; one that was typed without ^ is one component, as it stands.

    Example:
        >>> person_name("Doe^Jane"), person_name("Jane Doe"), person_name("")
        ('Doe^Jane', 'Jane Doe^', 'Unnamed reader^')
    """
    name = reader or "Unnamed reader"
    return name if "^" in name else f"{name}^"
