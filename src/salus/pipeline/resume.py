"""Continue an earlier run in OUT, or make way for a new one: which of its results are those of the images now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from salus.errors import SalusError
from salus.pipeline.earlier_outputs import remove_earlier_run
from salus.pipeline.inputs import path_identity
from salus.pipeline.jobs import Job, output_path
from salus.pipeline.journal import read_journal
from salus.pipeline.options import CSV, JOURNAL, RunOptions
from salus.pipeline.source_file import source_file
from salus.prompts.prompt import describe_prompt
from salus.write.tables import FAILED, Record


def earlier_records(
    jobs: Sequence[Job], folder: Path, settings: dict[str, Any], options: RunOptions
) -> dict[str, Record]:
    """Read the records of the run that is resumed, by name; for a new run see that no output of another is there.

    With `options.overwrite`, or where the earlier run finished no image, what it wrote is removed.

    Args:
        jobs: of the run that begins.
        folder: OUT.
        settings: that results depend on.
        options: of the run that begins.

    Raises:
        SalusError: outputs are there already, or were made with other settings or from other images.
        OSError: the journal cannot be read, or an output cannot be removed.
    """
    journal = folder / options.summary_name(JOURNAL)
    if options.resume and journal.is_file():
        old, records = read_journal(journal)
        different = [name for name in settings if old.get(name, False) != settings[name]]
        if different:
            raise SalusError(
                f"{folder}: was made with another {' and '.join(different)}; use the same again, give --overwrite in "
                "place of --resume, or name another folder with -o"
            )
        return _match_records(jobs, records, folder)
    if options.overwrite or _holds_failures_only(journal):
        remove_earlier_run(folder, options, {job.image for job in jobs})
    if not options.overwrite:
        pictures = (output_path(folder, kind, job.name) for job in jobs for kind in options.picture_kinds)
        outputs = (journal, folder / options.summary_name(CSV), *pictures)
        if existing := next((path for path in outputs if path.exists()), None):
            raise SalusError(
                f"{existing} is there already; --resume goes on where an earlier run stopped, --overwrite replaces it, "
                "-o names another folder"
            )
    return {}


def is_finished(job: Job, folder: Path, options: RunOptions, earlier: dict[str, Record]) -> bool:
    """Tell whether an earlier run has the result of a job, and all its pictures are there.

    Args:
        job: of the run that begins.
        folder: OUT.
        options: of the run that begins.
        earlier: see `earlier_records`.
    """
    record = earlier.get(job.name)
    if record is None or not is_current(job, record):
        return False
    return all(output_path(folder, kind, job.name).is_file() for kind in options.picture_kinds)


def is_current(job: Job, record: Record) -> bool:
    """Tell whether a record is the result of an image as it is now, and of what a person points at in it now."""
    if record.result == FAILED or not job.image.is_file() or record.prompt != describe_prompt(job.prompt):
        return False
    return source_file(job.image).has_identity(record.sha256, record.size, record.modified)


def _match_records(jobs: Sequence[Job], records: dict[str, Record], folder: Path) -> dict[str, Record]:
    """Match the records of an earlier run with jobs that are planned to resume it.

    Returns:
        The records by name. One of a file that was moved since has its new path; one whose image has another name now
        is left out.

    Raises:
        SalusError: the outputs of one image would replace those of another.
    """
    names = {(path_identity(job.image), job.frame): job.name for job in jobs}
    by_name = {
        name: record
        for name, record in records.items()
        if names.get((path_identity(Path(record.image)), record.frame), name) == name
    }
    for job in jobs:
        record = by_name.get(job.name)
        if record is None or record.image == str(job.image):
            continue
        is_same = path_identity(Path(record.image)) == path_identity(job.image)
        if is_same or (not Path(record.image).exists() and is_current(job, record)):
            by_name[job.name] = replace(record, image=str(job.image))
        elif record.result == FAILED:
            del by_name[job.name]
        else:
            raise SalusError(
                f"{folder}: holds results of {record.image}, which {job.image} would replace; "
                "name another folder with -o"
            )
    return by_name


def _holds_failures_only(journal: Path) -> bool:
    """Tell whether a run finished no image, so that nothing is lost where the corrected command replaces it."""
    try:
        return all(record.result == FAILED for record in read_journal(journal)[1].values())
    except (SalusError, OSError):
        return False
