"""Lesions that a reader accepted one by one, before or without saving the outline of the whole image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import dist
from typing import Any

from salus.errors import SalusError
from salus.measure.lesions import Lesion

MAX_ACCEPTED = 200
"""Accepted lesions that are kept of an image, those of earlier outlines among them."""

SAME_CENTROID = 1e-6
"""Distance in pixels up to which two centroids are the same; one pixel more or less moves it further."""


@dataclass(frozen=True)
class AcceptedLesion:
    """A lesion whose outline a reader accepted as it is; another outline of it is not accepted.

    Attributes:
        box: (top, left, height, width) in pixels.
        area_px: number of pixels.
        centroid: (row, column) in pixels.
        reader: who accepted it, as typed; "" where no name was given.
        saved: when, ISO 8601 in UTC.
    """

    box: tuple[int, int, int, int]
    area_px: int
    centroid: tuple[float, float]
    reader: str = ""
    saved: str = ""

    def is_of(self, lesion: Lesion | AcceptedLesion) -> bool:
        """Tell whether it is the outline of this lesion."""
        same = (self.box, self.area_px) == (tuple(lesion.box), lesion.area_px)
        return same and dist(self.centroid, lesion.centroid) <= SAME_CENTROID


def read_accepted(
    content: Iterable[Mapping[str, Any]], earlier: Sequence[AcceptedLesion], reader: str, saved: str
) -> tuple[AcceptedLesion, ...]:
    """Check which lesions a reader accepts; those that were accepted before keep their reader and time.

    Args:
        content: of each lesion its box, area_px and centroid.
        earlier: that were accepted before.
        reader: who accepts the others.
        saved: when.

    Raises:
        SalusError: one has no box, area or centroid.

    Example:
        >>> lesion = {"box": [1, 2, 3, 4], "area_px": 12, "centroid": [2.0, 3.5]}
        >>> (ann,) = read_accepted([lesion], (), "Ann", "2030-01-01T10:00:00.000Z")
        >>> read_accepted([lesion], [ann], "Ben", "2030-01-02T10:00:00.000Z")[0].reader
        'Ann'
    """
    accepted: list[AcceptedLesion] = []
    for lesion in content:
        one = replace(_read(lesion), reader=reader, saved=saved)
        if not any(one.is_of(other) for other in accepted):
            accepted.append(next((before for before in earlier if one.is_of(before)), one))
    return tuple(accepted[-MAX_ACCEPTED:])


def _read(content: Mapping[str, Any]) -> AcceptedLesion:
    try:
        top, left, height, width = (int(side) for side in content["box"])
        row, column = (float(value) for value in content["centroid"])
        return AcceptedLesion((top, left, height, width), int(content["area_px"]), (row, column))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise SalusError("an accepted lesion needs its box, area_px and centroid, as the answer has them") from None


def restore_accepted(content: Iterable[Mapping[str, Any]]) -> tuple[AcceptedLesion, ...]:
    """Make accepted lesions of the JSON of `dataclasses.asdict`.

    Raises:
        SalusError: it is none.
    """
    return tuple(replace(_read(one), reader=str(one["reader"]), saved=str(one["saved"])) for one in content)


def find_accepted(accepted: Sequence[AcceptedLesion], lesion: Lesion) -> AcceptedLesion | None:
    """Find who accepted a lesion; None where nobody did, or its outline changed since."""
    return next((one for one in accepted if one.is_of(lesion)), None)
