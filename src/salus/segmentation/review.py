"""Who saved an outline in place of the network's, and how it came about."""

from __future__ import annotations

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
        """The reader as a DICOM person name; a name that was typed without ^ is one component, as it stands."""
        name = self.reader or "Unnamed reader"
        return name if "^" in name else f"{name}^"
