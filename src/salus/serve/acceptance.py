"""Lesions that a reader accepted or rejected one by one, before or without saving the outline of the whole image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import dist, isfinite
from typing import Any

from salus.errors import SalusError
from salus.measure.lesions import Lesion

MAX_REVIEWED = 200
"""Accepted lesions that are kept of an image, those of earlier outlines among them; and as many rejected ones."""

SAME_LESION = 0.5
"""Intersection over union of two boxes from which on a rejected lesion is outlined again, perhaps a little changed."""

SAME_CENTROID = 1e-6
"""Distance in pixels up to which two centroids are the same; one pixel more or less moves it further."""


@dataclass(frozen=True)
class ReviewedLesion:
    """A lesion whose outline a reader accepted as it is, or that a reader rejected: it is none.

    Another outline of an accepted lesion is not accepted.

    Attributes:
        box: (top, left, height, width) in pixels.
        area_px: number of pixels.
        centroid: (row, column) in pixels.
        reader: who did so, as typed; "" where no name was given.
        saved: when, ISO 8601 in UTC.
    """

    box: tuple[int, int, int, int]
    area_px: int
    centroid: tuple[float, float]
    reader: str = ""
    saved: str = ""

    def is_of(self, lesion: Lesion | ReviewedLesion) -> bool:
        """Tell whether it is the outline of this lesion."""
        same = (self.box, self.area_px) == (tuple(lesion.box), lesion.area_px)
        return same and dist(self.centroid, lesion.centroid) <= SAME_CENTROID


def read_reviewed(
    content: Iterable[Mapping[str, Any]], earlier: Sequence[ReviewedLesion], reader: str, saved: str
) -> tuple[ReviewedLesion, ...]:
    """Check which lesions a reader accepts, or rejects; those that were accepted before keep their reader and time.

    Args:
        content: of each lesion its box, area_px and centroid.
        earlier: that were accepted, or rejected, before.
        reader: who does so with the others.
        saved: when.

    Raises:
        SalusError: one has no box, area or centroid.

    Example:
        >>> lesion = {"box": [1, 2, 3, 4], "area_px": 12, "centroid": [2.0, 3.5]}
        >>> (ann,) = read_reviewed([lesion], (), "Ann", "2030-01-01T10:00:00.000Z")
        >>> read_reviewed([lesion], [ann], "Ben", "2030-01-02T10:00:00.000Z")[0].reader
        'Ann'
    """
    accepted: list[ReviewedLesion] = []
    for lesion in content:
        one = replace(_read(lesion), reader=reader, saved=saved)
        if not any(one.is_of(other) for other in accepted):
            accepted.append(next((before for before in earlier if one.is_of(before)), one))
    return tuple(accepted[-MAX_REVIEWED:])


def _read(content: Mapping[str, Any]) -> ReviewedLesion:
    try:
        top, left, height, width = (int(side) for side in content["box"])
        row, column = (float(value) for value in content["centroid"])
        if not (isfinite(row) and isfinite(column)):
            raise ValueError
        return ReviewedLesion((top, left, height, width), int(content["area_px"]), (row, column))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise SalusError("an accepted or rejected lesion needs its box, area_px and centroid, as answered") from None


def restore_reviewed(content: Iterable[Mapping[str, Any]]) -> tuple[ReviewedLesion, ...]:
    """Make accepted or rejected lesions of the JSON of `dataclasses.asdict`.

    Raises:
        SalusError: it is none.
    """
    return tuple(replace(_read(one), reader=str(one["reader"]), saved=str(one["saved"])) for one in content)


def find_accepted(accepted: Sequence[ReviewedLesion], lesion: Lesion) -> ReviewedLesion | None:
    """Find who accepted a lesion; None where nobody did, or its outline changed since."""
    return next((one for one in accepted if one.is_of(lesion)), None)


def find_rejected(rejected: Sequence[ReviewedLesion], lesions: Sequence[Lesion]) -> tuple[ReviewedLesion, ...]:
    """Find the rejected lesions that are not outlined: what was rejected and is outlined again is rejected no longer.

    Args:
        rejected: of an image.
        lesions: of its current outline.

    Example:
        >>> one = ReviewedLesion((10, 10, 20, 30), 400, (20.0, 25.0), "Ann")
        >>> find_rejected([one], ())[0].reader
        'Ann'
    """
    return tuple(one for one in rejected if all(box_overlap(one.box, lesion.box) < SAME_LESION for lesion in lesions))


def box_overlap(first: Iterable[int], second: Iterable[int]) -> float:
    """Compute the intersection over union of two boxes (top, left, height, width)."""
    (top, left, height, width), (other_top, other_left, other_height, other_width) = first, second
    rows = min(top + height, other_top + other_height) - max(top, other_top)
    columns = min(left + width, other_left + other_width) - max(left, other_left)
    shared = max(0, rows) * max(0, columns)
    return shared / (height * width + other_height * other_width - shared) if shared else 0.0
