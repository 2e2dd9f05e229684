"""Merge the parts of a run that was divided among several runs, on one machine or on many that see one folder.

salus segment archive/ -o OUT --num-parts 8 --part 3         each part a run of its own, with its own journal
salus merge OUT                                              once all parts are complete
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from salus.errors import SalusError
from salus.pipeline.cine import file_name_of, track_lesions
from salus.pipeline.earlier_outputs import remove_outputs
from salus.pipeline.journal import Journal, is_complete, read_journal
from salus.pipeline.options import DEFAULT_OPTIONS, JOURNAL, RunOptions
from salus.pipeline.output_folder import output_folder
from salus.pipeline.run import write_summaries
from salus.write.tables import Record

PART_NAME = re.compile(r"journal-(\d+)-of-(\d+)\.jsonl")


def merge(
    folder: Path, options: RunOptions = DEFAULT_OPTIONS, on_warning: Callable[[str], object] = lambda line: None
) -> list[Record]:
    """Write the tables, and other files that cover all images, for the parts of a run; the parts' own tables stay.

    Args:
        folder: OUT of the parts.
        options: what is written; products of single files were written by the parts.
        on_warning: called with one line for each product that could not be made.

    Returns:
        The records of all images, by name.

    Raises:
        SalusError: parts are missing or not complete, were made with different settings, or hold the same images.
        OSError: nothing can be written.
    """
    if not folder.is_dir():
        raise SalusError(f"{folder}: no such folder; name the one that --num-parts and --part wrote to with -o")
    with output_folder(folder):
        settings, by_name = _read_parts(folder, _complete_journals(folder))
        _remove_replaced(folder, by_name)
        records = track_lesions([by_name[name] for name in sorted(by_name)])
        with Journal(folder / JOURNAL, settings, records) as journal:
            journal.end()
        write_summaries(folder, records, set(), replace(options, part=None), on_warning)
    return records


def _read_parts(folder: Path, journals: Sequence[Path]) -> tuple[dict[str, Any], dict[str, Record]]:
    """Read the settings and the records of all parts, by name; of an image that two parts did alike, one."""
    settings, by_name = read_journal(journals[0])
    names = {(record.image, record.frame): record.name for record in by_name.values()}
    for part, path in enumerate(journals[1:], 2):
        other_settings, others = read_journal(path)
        if other_settings != settings:
            different = [name for name in settings if other_settings.get(name) != settings[name]]
            raise SalusError(f"{folder}: parts 1 and {part} were made with another {' and '.join(different)}; redo one")
        for record in others.values():
            key, mine = (record.image, record.frame), by_name.get(record.name)
            if names.setdefault(key, record.name) != record.name or (mine and not _are_alike(mine, record)):
                raise SalusError(f"{folder}: parts hold the same image ({record.name}); they are of different runs")
            by_name[record.name] = record
    return settings, by_name


def _are_alike(one: Record, other: Record) -> bool:
    return (one.image, one.frame, one.sha256) == (other.image, other.frame, other.sha256)


def _remove_replaced(folder: Path, by_name: Mapping[str, Record]) -> None:
    """Remove what an earlier run wrote for images that are none of these parts."""
    with suppress(SalusError, FileNotFoundError):  # no earlier run, or a damaged journal
        earlier = read_journal(folder / JOURNAL)[1]
        files = {file_name_of(record) for record in by_name.values()}
        gone = [r for r in earlier.values() if r.name not in by_name and file_name_of(r) not in files]
        remove_outputs(folder, gone, {Path(record.image) for record in by_name.values()})


def _complete_journals(folder: Path) -> list[Path]:
    """List the journals of all parts in order, and check that each part is complete."""
    matches = {path: match for path in sorted(folder.glob("journal-*")) if (match := PART_NAME.fullmatch(path.name))}
    counts = {int(match[2]) for match in matches.values()}
    if len(counts) != 1:
        what = "holds no parts of a run" if not counts else f"holds parts of several runs (of {sorted(counts)})"
        raise SalusError(f"{folder}: {what}; name the folder that --num-parts and --part wrote to with -o")
    (count,) = counts
    journals = {int(match[1]): path for path, match in matches.items()}
    missing = [part for part in range(1, count + 1) if part not in journals or not is_complete(journals[part])]
    if missing:
        parts = ", ".join(map(str, missing))
        raise SalusError(f"{folder}: of {count} parts, not through yet: {parts}; run them, with --resume if they began")
    return [journals[part] for part in range(1, count + 1)]
