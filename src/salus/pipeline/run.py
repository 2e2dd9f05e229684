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

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from salus.atomic import write_json
from salus.errors import SalusError
from salus.parallel import map_in_order
from salus.pipeline.cine import file_name_of, track_lesions, write_cines
from salus.pipeline.deidentify import remaining_text_warning, require_neutral_paths
from salus.pipeline.earlier_outputs import remove_outputs, remove_products
from salus.pipeline.failures import NOT_TRIED, FailureCounter, join_failures
from salus.pipeline.jobs import Job, output_path
from salus.pipeline.journal import Journal, read_journal
from salus.pipeline.manifest import build_manifest
from salus.pipeline.options import CSV, DEFAULT_OPTIONS, JOURNAL, JSON, PREVIEW, REPORT, RunOptions
from salus.pipeline.output_folder import output_folder
from salus.pipeline.outputs import COCO, require_packages, write_products
from salus.pipeline.resume import earlier_records, is_current, is_finished
from salus.pipeline.source_file import SourceFile, compute_sha256, source_file
from salus.processor import default_workers
from salus.prompts.prompt import describe_prompt
from salus.read.inputs import as_scan
from salus.scan import Scan
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter
from salus.write.contact_sheet import write_contact_sheets
from salus.write.overlay import write_overlay
from salus.write.png import write_map, write_mask
from salus.write.tables import FAILED, Record, make_record, records_json, write_csv

NAME_ERRORS = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ENOTDIR, errno.EISDIR)
"""Errors of the operating system that are due to one file's name, so that others can still be written."""


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


def run_jobs(
    jobs: Sequence[Job],
    folder: Path,
    segmenter: Segmenter,
    options: RunOptions = DEFAULT_OPTIONS,
    on_record: Callable[[Record], object] = lambda record: None,
    on_warning: Callable[[str], object] = lambda line: None,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> RunResult:
    """Segment images and write their outputs; an image that fails costs its own results alone.

    Whatever ends the run, an error or Ctrl-C: finished images stay, are in the tables, and are skipped by a resumed
    run.

    Args:
        jobs: see `salus.pipeline.jobs.plan_jobs`.
        folder: of the outputs; made where it is missing.
        segmenter: its `streams` should equal the workers.
        options: what is written, and how.
        on_record: called with the record of each image, in order, when it is done or was finished by an earlier run;
            of frames that failed one after another, once.
        on_warning: called with one line for each product that could not be made.
        on_progress: called with the number of images that are done, and of all.

    Raises:
        SalusError: outputs are there already, or were made with other settings or from other images; another run writes
            there; or what an output needs is not installed.
        OSError: nothing can be written.
    """
    require_packages(options.products, deidentify=options.deidentify)
    if options.deidentify:
        require_neutral_paths(jobs)
    if any(job.prompt for job in jobs):
        segmenter.require_prompts()
    with output_folder(folder, options.part):
        return _run_jobs(jobs, folder, segmenter, options, on_record, on_warning, on_progress)


def _run_jobs(
    jobs: Sequence[Job],
    folder: Path,
    segmenter: Segmenter,
    options: RunOptions,
    on_record: Callable[[Record], object],
    on_warning: Callable[[str], object],
    on_progress: Callable[[int, int], object],
) -> RunResult:
    """Segment images into a folder that no other run writes to; see `run_jobs`."""
    began, at = datetime.now(UTC), time.perf_counter()
    settings = segmenter_settings(segmenter) | options.output_settings
    earlier = earlier_records(jobs, folder, settings, options)
    finished = {job.name: earlier[job.name] for job in jobs if is_finished(job, folder, options, earlier)}
    todo = [job for job in jobs if job.name not in finished]
    outdated = [earlier[job.name] for job in todo if job.name in earlier and not is_current(job, earlier[job.name])]
    inputs = {job.image for job in jobs}
    remove_outputs(folder, outdated, inputs)
    # A new frame changes what was made of the others. If this run is stopped, the next one makes what is missing.
    cines = {job.file_name for job in todo if job.frame is not None}
    remove_products(folder, [record for record in earlier.values() if file_name_of(record) in cines], inputs)

    changed = {job.name for job in todo}
    by_name = {name: r for name, r in earlier.items() if r.result != FAILED and name not in changed}
    order = list(dict.fromkeys([*(job.name for job in jobs), *by_name]))
    journal = Journal(folder / options.summary_name(JOURNAL), settings, by_name.values())
    failures = FailureCounter()
    work = partial(_segment_and_write, folder=folder, segmenter=segmenter, options=options, failures=failures)
    try:
        with journal:
            for record in finished.values():
                on_record(record)
            on_progress(len(finished), len(jobs))
            with closing(map_in_order(work, todo, options.workers or default_workers())) as results:
                for record in join_failures(_count(results, len(finished), len(jobs), on_progress)):
                    journal.add(record)
                    by_name[record.name] = record
                    on_record(record)
            journal.end()
    except BaseException:
        with suppress(OSError, SalusError):  # the first error is the one to report
            by_name = read_journal(journal.path)[1]  # Ctrl-C may fall between its line and our entry
            _write_tables(folder, track_lesions([by_name[name] for name in order if name in by_name]), options)
        raise
    records = track_lesions([by_name[name] for name in order if name in by_name])
    by_name = {record.name: record for record in records}
    if options.deidentify and (line := remaining_text_warning(records, options)):
        on_warning(line)
    failed_products = write_summaries(folder, records, changed, options, on_warning)
    seconds = time.perf_counter() - at
    if options.report:
        timing = {"began": began.isoformat(timespec="seconds"), "seconds": seconds, "made": len(todo)}
        write_json(folder / options.summary_name(REPORT), build_manifest(segmenter, settings, records, timing))
    return RunResult(
        tuple(by_name[job.name] for job in jobs if job.name in by_name), len(finished), seconds, failed_products
    )


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
        "presence": segmenter.settings.presence,
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
        scan = _read(file, job.frame or 1)
        segmentation = segmenter(scan, job.prompt)
        identity = file.identity()
    except SalusError as error:
        line, seconds = " ".join(str(error).split()), time.perf_counter() - at
        return Record(str(job.image), job.name, FAILED, line, frame=job.frame, seconds=seconds), None, None
    identity |= {"seconds": time.perf_counter() - at, "prompt": describe_prompt(job.prompt)}
    return make_record(segmentation, str(job.image), job.name, **identity), scan, segmentation


def _read(file: SourceFile, frame: int) -> Scan:
    """Read a frame; whatever a damaged file makes a library raise costs its own result alone."""
    try:
        return as_scan(file.frames().scan(frame))
    except SalusError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise SalusError(f"{file.path}: cannot be read ({type(error).__name__}: {reason})") from None


def _count(
    records: Iterable[Record], kept: int, total: int, on_progress: Callable[[int, int], object]
) -> Iterator[Record]:
    """Yield records, and call `on_progress` after each."""
    for done, record in enumerate(records, kept + 1):
        on_progress(done, total)
        yield record


def _segment_and_write(
    job: Job, *, folder: Path, segmenter: Segmenter, options: RunOptions, failures: FailureCounter
) -> Record:
    """Read, segment and write one image. An error of reading is in the record; one of writing is raised."""
    at = time.perf_counter()
    if failures.gave_up(job.image):
        return Record(str(job.image), job.name, FAILED, NOT_TRIED, frame=job.frame)
    record, scan, segmentation = segment_job(job, segmenter)
    failures.note(job.image, failed=record.result == FAILED)
    if scan is None or segmentation is None:
        return record
    try:
        _write_pictures(job, folder, scan, segmentation, options)
    except OSError as error:
        if error.errno not in NAME_ERRORS:
            raise
        line = f"{job.image}: no output can be named after it ({error.strerror}); rename it"
        return Record(str(job.image), job.name, FAILED, line, frame=job.frame)
    return replace(record, seconds=time.perf_counter() - at)


def _write_pictures(job: Job, folder: Path, scan: Scan, segmentation: Segmentation, options: RunOptions) -> None:
    regions = () if options.whole_image else scan.regions
    for kind in options.picture_kinds:
        path = output_path(folder, kind, job.name)
        path.parent.mkdir(parents=True, exist_ok=True)
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
