"""Bring the frames of a cine together once all are segmented: track its lesions, and write pictures and areas.

OUT/cine/FILE/strip.jpg     some frames in a row
OUT/cine/FILE/area.svg      each lesion's area over time, 0 where it was not found; area.csv, the same in numbers
OUT/cine/FILE/overlay.gif   the overlays, animated
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from salus.atomic import write_rows
from salus.errors import SalusError
from salus.measure.tracking import assign_track_numbers
from salus.pipeline.jobs import output_path
from salus.pipeline.source_file import source_file
from salus.write.cine import write_animation, write_chart, write_strip
from salus.write.tables import FAILED, Record

CINE = "cine"
AREA_COLUMNS = ("frame", "seconds", "lesion", "area", "unit")


def file_name_of(record: Record) -> str:
    """Return the name of a record's file, which is its name without a frame's number.

    Example:
        >>> file_name_of(Record("a.dcm", "ward/a/0007", "failed", frame=7))
        'ward/a'
    """
    return record.name if record.frame is None else record.name.rpartition("/")[0] or record.name


def group_by_file(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group records by the name of their file.

    Returns:
        The groups by name; records of a cine in the order of its frames.

    Example:
        >>> list(group_by_file([Record("a.dcm", "ward/a/0007", "failed", frame=7), Record("b.png", "b", "failed")]))
        ['ward/a', 'b']
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(file_name_of(record), []).append(record)
    for group in groups.values():
        group.sort(key=lambda record: record.frame or 0)
    return groups


def track_lesions(records: Sequence[Record]) -> list[Record]:
    """Renumber the lesions of cines so that a lesion has one number in all frames; the records keep their order."""
    tracked: dict[str, Record] = {}
    for group in group_by_file(record for record in records if record.frame is not None).values():
        numbers = [record.frame or 0 for record in group]
        numbered = assign_track_numbers([record.lesions for record in group], frame_numbers=numbers)
        for record, lesions in zip(group, numbered, strict=True):
            tracked[record.name] = replace(record, lesions=lesions)
    return [tracked.get(record.name, record) for record in records]


def write_cines(folder: Path, records: Sequence[Record], changed: set[str], *, overlays: bool) -> None:
    """Write the pictures and areas of each cine of which a frame is new, or whose pictures are missing.

    Args:
        folder: OUT.
        records: of all images, with lesions tracked through the cines.
        changed: names of the images segmented in this run.
        overlays: whether there are overlays to make pictures of.

    Raises:
        OSError: they cannot be written.
    """
    for name, group in group_by_file(record for record in records if record.frame is not None).items():
        cine_folder = folder / CINE / name
        frames = [record for record in group if record.result != FAILED]
        is_current = changed.isdisjoint(record.name for record in group) and (cine_folder / "area.svg").is_file()
        if not frames or is_current:
            continue
        cine_folder.mkdir(parents=True, exist_ok=True)
        interval = None
        with suppress(SalusError):  # the file may be gone since; time is then counted in frames
            interval = source_file(Path(frames[0].image)).frames().seconds
        if overlays:
            paths = {record.frame or 0: output_path(folder, "overlay", record.name) for record in frames}
            pictures = {number: path for number, path in paths.items() if path.is_file()}  # earlier runs may lack some
            if pictures:
                write_strip(cine_folder / "strip.jpg", list(pictures.values()), list(pictures))
                write_animation(cine_folder / "overlay.gif", list(pictures.values()), interval)
        _write_areas(cine_folder, frames, interval)


def _write_areas(cine_folder: Path, frames: Sequence[Record], interval: float | None) -> None:
    """Write area.svg and area.csv, in which a lesion has the area 0 in frames in which it was not found.

    Args:
        cine_folder: OUT/cine/FILE.
        frames: records of the frames.
        interval: seconds from one frame to the next, None where the file does not say.
    """
    numbers = sorted({lesion.number for record in frames for lesion in record.lesions})
    units = {lesion.unit for record in frames for lesion in record.lesions}
    unit = "mm2" if units == {"mm"} or (not units and frames[0].spacing) else "px"
    areas: dict[int, list[tuple[float, float]]] = {number: [] for number in numbers}
    rows: list[tuple[object, ...]] = []
    for record in frames:
        frame = record.frame or 1
        time = None if interval is None else (frame - 1) * interval
        found = {lesion.number: lesion.area for lesion in record.lesions}
        seconds = "" if time is None else f"{time:.6g}"
        for number in numbers:
            area = found.get(number, 0.0)  # a lesion that was not found in a frame has no area there
            areas[number].append((frame if time is None else time, area))
            rows.append((frame, seconds, number, f"{area:.6g}", unit))
        if not numbers:
            rows.append((frame, seconds, "", "0", unit))
    write_chart(cine_folder / "area.svg", areas, "frame" if interval is None else "seconds", unit)
    write_rows(cine_folder / "area.csv", [dict(zip(AREA_COLUMNS, row, strict=True)) for row in rows], AREA_COLUMNS)
