"""Segment many files: each image is read, segmented and written, several at a time.

OUT/masks/NAME.png          255 tumour, 0 elsewhere; of the image's size, as all pictures but the contact sheets
OUT/overlays/NAME.jpg       the scan with the outline
OUT/probability/NAME.png    on request, and OUT/saliency/NAME.png
OUT/lesions.csv, .json      every lesion of every image
OUT/cine/, nifti/, ...      see `salus.pipeline.cine` and `salus.pipeline.outputs`
OUT/journal.jsonl           which images are finished, so that a run can be resumed
OUT/preview.jpg             on request: contact sheets; OUT/report.json: the manifest
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from salus.atomic import write_json
from salus.errors import SalusError
from salus.parallel import map_in_order
from salus.pipeline.cine import track_lesions, write_cines
from salus.pipeline.deidentify import remaining_text_warning, require_neutral_paths
from salus.pipeline.jobs import Job, output_path
from salus.pipeline.journal import Journal, read_journal
from salus.pipeline.manifest import build_manifest
from salus.pipeline.options import CSV, DEFAULT_OPTIONS, JOURNAL, JSON, PREVIEW, REPORT, RunOptions
from salus.pipeline.outputs import COCO, write_products
from salus.pipeline.source_file import compute_sha256, source_file
from salus.processor import processor_cores
from salus.prompts.prompt import describe_prompt
from salus.read.inputs import as_scan
from salus.scan import Scan
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter
from salus.write.contact_sheet import write_contact_sheets
from salus.write.overlay import write_overlay
from salus.write.png import write_map, write_mask
from salus.write.tables import FAILED, Record, make_record, records_json, write_csv

MAX_WORKERS = 8
"""Largest number of images at a time by default; each takes memory."""


@dataclass(frozen=True)
class RunResult:
    """Result of a run over many images.

    Attributes:
        records: of the images, in order.
        kept: number of images whose results are an earlier run's.
        seconds: duration of the run.
        failed_products: number of products that could not be made.
    """

    records: tuple[Record, ...]
    kept: int
    seconds: float
    failed_products: int = 0

    @property
    def failed(self) -> int:
        """Number of images that failed."""
        return sum(record.result == FAILED for record in self.records)


def default_workers() -> int:
    """Return the number of images to work on at a time: one a core, `MAX_WORKERS` at most."""
    return min(processor_cores(), MAX_WORKERS)


def run_jobs(
    jobs: Sequence[Job],
    folder: Path,
    segmenter: Segmenter,
    options: RunOptions = DEFAULT_OPTIONS,
    on_record: Callable[[Record], object] = lambda record: None,
    on_warning: Callable[[str], object] = lambda line: None,
) -> RunResult:
    """Segment images and write their outputs; an image that fails costs its own results alone.

    Whatever ends the run, an error or Ctrl-C: finished images stay, are in the tables, and are skipped by a resumed
    run.

    Args:
        jobs: see `salus.pipeline.jobs.plan_jobs`.
        folder: of the outputs; made where it is missing.
        segmenter: its `streams` should equal the workers.
        options: what is written, and how.
        on_record: called with the record of each image, in order, when it is done or was finished by an earlier run.
        on_warning: called with one line for each product that could not be made.

    Raises:
        SalusError: outputs are there already, or were made with other settings or from other images.
        OSError: nothing can be written.
    """
    began, at = datetime.now(UTC), time.perf_counter()
    if options.deidentify:
        require_neutral_paths(jobs)
    if any(job.prompt for job in jobs):
        segmenter.require_prompts()
    settings = segmenter_settings(segmenter) | options.output_settings
    earlier = _earlier_records(jobs, folder, settings, options)
    finished = {job.name: earlier[job.name] for job in jobs if _is_finished(job, folder, options, earlier)}
    todo = [job for job in jobs if job.name not in finished]
    for kind in options.picture_kinds:
        for parent in {output_path(folder, kind, job.name).parent for job in todo}:
            parent.mkdir(parents=True, exist_ok=True)

    changed = {job.name for job in todo}
    by_name = {name: r for name, r in earlier.items() if r.result != FAILED and name not in changed}
    order = list(dict.fromkeys([*(job.name for job in jobs), *by_name]))
    journal = Journal(folder / options.summary_name(JOURNAL), settings, by_name.values())
    work = partial(_segment_and_write, folder=folder, segmenter=segmenter, options=options)
    try:
        with journal:
            for record in finished.values():
                on_record(record)
            with closing(map_in_order(work, todo, options.workers or default_workers())) as results:
                for record in results:
                    journal.add(record)
                    by_name[record.name] = record
                    on_record(record)
            journal.end()
    except BaseException:
        with suppress(OSError, SalusError):  # the first error is the one to report
            by_name = read_journal(journal.path)[1]  # Ctrl-C may fall between its line and our entry
            _write_tables(folder, track_lesions([by_name[name] for name in order if name in by_name]), options)
        raise
    records = track_lesions([by_name[name] for name in order])
    by_name = {record.name: record for record in records}
    if options.deidentify and (line := remaining_text_warning(records, options)):
        on_warning(line)
    failed_products = write_summaries(folder, records, changed, options, on_warning)
    seconds = time.perf_counter() - at
    if options.report:
        timing = {"began": began.isoformat(timespec="seconds"), "seconds": seconds, "made": len(todo)}
        write_json(folder / options.summary_name(REPORT), build_manifest(segmenter, settings, records, timing))
    return RunResult(tuple(by_name[job.name] for job in jobs), len(finished), seconds, failed_products)


def write_summaries(
    folder: Path, records: Sequence[Record], changed: set[str], options: RunOptions, on_warning: Callable[[str], object]
) -> int:
    """Write what is made of all images: tables, cines, products, contact sheets.

    A part of a run writes neither contact sheets nor coco.json; `salus.pipeline.merge` writes them for all parts.

    Args:
        folder: OUT.
        records: of all images, with lesions tracked through the cines.
        changed: names of the images segmented in this run.
        options: what is written.
        on_warning: called with one line for each product that could not be made.

    Returns:
        The number of products that could not be made.

    Raises:
        OSError: nothing can be written.
    """
    _write_tables(folder, records, options)
    write_cines(folder, records, changed, overlays="overlay" in options.picture_kinds)
    products = [name for name in options.products if not (options.part and name == COCO)]
    failed_products = write_products(
        folder, records, changed, products, **options.output_settings, on_warning=on_warning
    )
    if options.preview and not options.part:
        overlays = [output_path(folder, "overlay", record.name) for record in records]
        write_contact_sheets(folder / PREVIEW, records, overlays)
    return failed_products


def segmenter_settings(segmenter: Segmenter) -> dict[str, Any]:
    """Return the settings of a segmenter that results depend on, ready for JSON."""
    return {
        "network": segmenter.settings.name,
        "sha256": compute_sha256(segmenter.path),
        "threshold": segmenter.threshold,
        "tta": segmenter.tta,
        "engine": segmenter.network.engine,
        "precision": segmenter.precision,
        "device": segmenter.device,
    }


def segment_job(job: Job, segmenter: Segmenter) -> tuple[Record, Scan | None, Segmentation | None]:
    """Read and segment one image.

    Returns:
        The record, the scan and the segmentation; None for the last two where the image failed.
    """
    at, file = time.perf_counter(), source_file(job.image)
    try:
        scan = as_scan(file.frames().scan(job.frame or 1))
        segmentation = segmenter(scan, job.prompt)
        identity = file.identity()
    except SalusError as error:
        line, seconds = " ".join(str(error).split()), time.perf_counter() - at
        return Record(str(job.image), job.name, FAILED, line, frame=job.frame, seconds=seconds), None, None
    identity |= {"seconds": time.perf_counter() - at, "prompt": describe_prompt(job.prompt)}
    return make_record(segmentation, str(job.image), job.name, **identity), scan, segmentation


def _earlier_records(
    jobs: Sequence[Job], folder: Path, settings: dict[str, Any], options: RunOptions
) -> dict[str, Record]:
    """Read the records of the run that is resumed, by name; for a new run check that no output is there yet."""
    journal = folder / options.summary_name(JOURNAL)
    if folder.exists() and not folder.is_dir():
        raise SalusError(f"{folder}: is a file; name a folder with -o")
    if options.resume and journal.is_file():
        old, records = read_journal(journal)
        different = [name for name in settings if old.get(name, False) != settings[name]]
        if different:
            raise SalusError(
                f"{folder}: was made with another {' and '.join(different)}; use the same again, give --overwrite in "
                "place of --resume, or name another folder with -o"
            )
        for job in jobs:
            record = records.get(job.name)
            if record and record.image != str(job.image) and job.image.is_file() and not _is_unchanged(job, record):
                raise SalusError(
                    f"{folder}: holds results of {record.image}, which {job.image} would replace; "
                    "name another folder with -o"
                )
        return records
    if not options.overwrite:
        pictures = (output_path(folder, kind, job.name) for job in jobs for kind in options.picture_kinds)
        outputs = (journal, folder / options.summary_name(CSV), *pictures)
        if existing := next((path for path in outputs if path.exists()), None):
            raise SalusError(
                f"{existing} is there already; --resume goes on where an earlier run stopped, --overwrite replaces it, "
                "-o names another folder"
            )
    return {}


def _is_finished(job: Job, folder: Path, options: RunOptions, earlier: dict[str, Record]) -> bool:
    record = earlier.get(job.name)
    if record is None or record.result == FAILED or not job.image.is_file() or not _is_unchanged(job, record):
        return False
    if record.prompt != describe_prompt(job.prompt):  # what a person points at has changed
        return False
    return all(output_path(folder, kind, job.name).is_file() for kind in options.picture_kinds)


def _is_unchanged(job: Job, record: Record) -> bool:
    return source_file(job.image).has_identity(record.sha256, record.size, record.modified)


def _segment_and_write(job: Job, *, folder: Path, segmenter: Segmenter, options: RunOptions) -> Record:
    """Read, segment and write one image. An error of reading is in the record; one of writing is raised."""
    at = time.perf_counter()
    record, scan, segmentation = segment_job(job, segmenter)
    if scan is None or segmentation is None:
        return record
    _write_pictures(job, folder, scan, segmentation, options)
    return replace(record, seconds=time.perf_counter() - at)


def _write_pictures(job: Job, folder: Path, scan: Scan, segmentation: Segmentation, options: RunOptions) -> None:
    regions = () if options.whole_image else scan.regions
    for kind in options.picture_kinds:
        path = output_path(folder, kind, job.name)
        if kind == "mask":
            write_mask(path, segmentation.mask)
        elif kind == "overlay":
            write_overlay(path, scan.pixels, segmentation.mask, regions)
        else:
            write_map(path, segmentation.probability if kind == "probability" else segmentation.saliency)


def _write_tables(folder: Path, records: Sequence[Record], options: RunOptions) -> None:
    if "csv" in options.outputs:
        write_csv(folder / options.summary_name(CSV), records)
    if "json" in options.outputs:
        write_json(folder / options.summary_name(JSON), records_json(records))
