"""Frames of a cine, brought together once all are segmented: lesions keep their numbers, and pictures tell of time.

OUT/cine/FILE/strip.jpg     some frames in a row
OUT/cine/FILE/area.svg      each lesion's area over time, and area.csv, its figures
OUT/cine/FILE/overlay.gif   the overlays, moving
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.measure.tracking import track
from salus.pipeline.jobs import place
from salus.read.frames import open_frames
from salus.write.cine import write_chart, write_moving, write_strip
from salus.write.tables import FAILED, Record

CINE = "cine"


def file_of(record: Record) -> str:
    """The name of a record's file: that of its outputs, less a frame's number.

    Example:
        >>> file_of(Record("a.dcm", "ward/a/0007", "failed", frame=7)), file_of(Record("b.png", "b", "failed"))
        ('ward/a', 'b')
    """
    return record.name.rpartition("/")[0] if record.frame is not None else record.name


def by_file(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Records by `file_of`; those of a cine in the order of its frames."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(file_of(record), []).append(record)
    for group in groups.values():
        group.sort(key=lambda record: record.frame or 0)
    return groups


def tracked(records: Sequence[Record]) -> list[Record]:
    """The same records in the same order, in which a lesion of a cine has one number in all its frames."""
    renumbered: dict[str, Record] = {}
    for group in by_file(record for record in records if record.frame is not None).values():
        for record, lesions in zip(group, track([record.lesions for record in group]), strict=True):
            renumbered[record.name] = replace(record, lesions=lesions)
    return [renumbered.get(record.name, record) for record in records]


def write_cines(folder: Path, records: Sequence[Record], changed: set[str], overlays: bool) -> None:
    """Pictures and figures of each cine of which a frame was made anew, or whose pictures are missing.

    Args:
        folder: OUT.
        records: tracked, of every image.
        changed: names of those made in this run.
        overlays: whether there are overlays to make pictures of.

    Raises:
        OSError: they cannot be written.
    """
    for name, group in by_file(record for record in records if record.frame is not None).items():
        inside = folder / CINE / name
        made = [record for record in group if record.result != FAILED]
        if not made or (changed.isdisjoint(record.name for record in group) and (inside / "area.svg").is_file()):
            continue
        inside.mkdir(parents=True, exist_ok=True)
        seconds = None
        with suppress(SalusError):  # the file may be gone since; time is then told in frames
            seconds = open_frames(made[0].image).seconds
        if overlays:
            pictures = [place(folder, "overlay", record.name) for record in made]
            write_strip(inside / "strip.jpg", pictures, [record.frame or 0 for record in made])
            write_moving(inside / "overlay.gif", pictures, seconds)
        _write_areas(inside, made, seconds)


def _write_areas(inside: Path, made: Sequence[Record], seconds: float | None) -> None:
    rows = [
        (record.frame or 0, (record.frame or 1) * seconds - seconds if seconds else None, lesion)
        for record in made
        for lesion in record.lesions
    ]
    unit = {"mm": "mm2"}.get(rows[0][2].unit, "px") if rows else "px"
    lines: dict[int, list[tuple[float, float]]] = {}
    for frame, time, lesion in rows:
        lines.setdefault(lesion.number, []).append((frame if time is None else time, lesion.area))
    write_chart(inside / "area.svg", lines, "seconds" if seconds else "frame", unit)

    def table(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["frame", "seconds", "lesion", "area", "unit"])
            for frame, time, lesion in rows:
                writer.writerow(
                    [frame, "" if time is None else f"{time:.6g}", lesion.number, f"{lesion.area:.6g}", unit]
                )

    write_whole(inside / "area.csv", table)
