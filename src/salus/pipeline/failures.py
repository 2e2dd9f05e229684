"""Tell in one record that many frames of a file failed, and stop trying a file none of whose frames can be read.

A header of a kilobyte may claim 20,000 frames that are not there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock

from salus.write.tables import FAILED, Record

GIVE_UP = 20
"""Frames of a file that failed in a row after which its other frames are not tried."""

NAMED = 3
"""Failures of the frames of one file that have a line each."""

NOT_TRIED = f"not tried, after {GIVE_UP} frames in a row"


class FailureCounter:
    """Counts of the frames of each file that failed in a row. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._in_a_row: Counter[Path] = Counter()

    def note(self, image: Path, *, failed: bool) -> None:
        """Note the result of one frame."""
        with self._lock:
            if failed:
                self._in_a_row[image] += 1
            else:
                self._in_a_row.pop(image, None)

    def gave_up(self, image: Path) -> bool:
        """Tell whether the other frames of a file are not tried."""
        return self._in_a_row.get(image, 0) >= GIVE_UP


class FailureLines:
    """Lines on the images that failed: up to `NAMED` of a file's frames, then the number of the others.

    Example:
        >>> lines = FailureLines()
        >>> frames = [Record("a.dcm", f"a/{i}", FAILED, f"a.dcm: frame {i} is missing", frame=i) for i in (1, 3, 5, 7)]
        >>> [lines.add(record) for record in frames][2:]
        ['a.dcm: frame 5 is missing', None]
        >>> lines.others()
        ['a.dcm: 1 more of its frames failed; the tables name them']
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, record: Record) -> str | None:
        """Return the line on an image that failed; None where enough of its file's are told."""
        self._counts[record.image] += 1
        return str(record) if self._counts[record.image] <= NAMED else None

    def others(self) -> list[str]:
        """Return a line for each file on its frames that were not told."""
        return [
            f"{image}: {count - NAMED} more of its frames failed; the tables name them"
            for image, count in self._counts.items()
            if count > NAMED
        ]


def join_failures(records: Iterable[Record]) -> Iterator[Record]:
    """Join the records of frames that failed one after another for the same reason; the first stands for them.

    Args:
        records: in order; others pass as they are.

    Example:
        >>> frames = [Record("a.dcm", f"a/{i}", FAILED, f"a.dcm: frame {i} is missing", frame=i) for i in (1, 2, 3)]
        >>> [record.error for record in join_failures(frames)]
        ['a.dcm: frame 1 is missing; the same of frames 1 to 3']
    """
    group: list[Record] = []
    for record in records:
        if group and not _go_together(group[-1], group[0], record):
            yield _join(group)
            group = []
        if record.result == FAILED and record.frame is not None:
            group.append(record)
        else:
            yield record
    if group:
        yield _join(group)


def _go_together(last: Record, first: Record, record: Record) -> bool:
    if record.result != FAILED or record.frame is None or record.image != last.image:
        return False
    return record.error == NOT_TRIED or _reason(record) == _reason(first)


def _reason(record: Record) -> str:
    return re.sub(r"\d+", "0", record.error)


def _join(group: list[Record]) -> Record:
    first, last = group[0], group[-1]
    if first is last:
        return first
    skipped = sum(record.error == NOT_TRIED for record in group)
    more = f"; the same of frames {first.frame} to {last.frame}"
    more += f", {skipped} of which were {NOT_TRIED}" if skipped else ""
    return replace(first, error=first.error + more, seconds=sum(record.seconds for record in group))
