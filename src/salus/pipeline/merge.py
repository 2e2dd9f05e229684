"""A run shared out over several, on one machine or many that see one folder; and its parts merged.

salus segment archive/ -o OUT --num-parts 8 --part 3         each part a run of its own, with its own journal
salus merge OUT                                              once all are through
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from salus.errors import SalusError
from salus.pipeline.cine import tracked
from salus.pipeline.journal import Journal, is_ended, read_journal
from salus.pipeline.options import AS_USUAL, JOURNAL, Wanted
from salus.pipeline.run import conclude
from salus.write.tables import Record

PART = re.compile(r"journal-(\d+)-of-(\d+)\.jsonl")


def merge(folder: Path, wanted: Wanted = AS_USUAL, warned: Callable[[str], object] = lambda line: None) -> list[Record]:
    """Write the tables, and what else tells of all images, for the parts of a run; the parts' own tables stay.

    Args:
        folder: OUT of the parts.
        wanted: what is written; products of single files were written by the parts.
        warned: called with one line for each product that could not be made.

    Returns:
        The records of all images, by name.

    Raises:
        SalusError: parts are missing or not through, were made with different settings, or hold the same images.
        OSError: nothing can be written.
    """
    found = {path: match for path in sorted(folder.glob("journal-*")) if (match := PART.fullmatch(path.name))}
    counts = {int(match[2]) for match in found.values()}
    if len(counts) != 1:
        what = "holds no parts of a run" if not counts else f"holds parts of several runs (of {sorted(counts)})"
        raise SalusError(f"{folder}: {what}; name the folder that --num-parts and --part wrote to with -o")
    (count,) = counts
    journals = {int(match[1]): path for path, match in found.items()}
    missing = [part for part in range(1, count + 1) if part not in journals or not is_ended(journals[part])]
    if missing:
        parts = ", ".join(map(str, missing))
        raise SalusError(f"{folder}: of {count} parts, not through yet: {parts}; run them, with --resume if they began")
    settings, records = read_journal(journals[1])
    for part in range(2, count + 1):
        others, more = read_journal(journals[part])
        if others != settings:
            names = [name for name in settings if others.get(name) != settings[name]]
            raise SalusError(f"{folder}: parts 1 and {part} were made with another {' and '.join(names)}; redo one")
        both = records.keys() & more.keys()
        if both:
            raise SalusError(f"{folder}: parts hold the same image ({min(both)}); they are of different runs")
        records |= more
    every = tracked([records[name] for name in sorted(records)])
    with Journal(folder / JOURNAL, settings, every) as journal:
        journal.end()
    conclude(folder, every, set(), replace(wanted, part=None), warned)
    return every
