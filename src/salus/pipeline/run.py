"""Many files, planned by `salus.pipeline.jobs`: each image is read, segmented and written, several at a time.

OUT/masks/NAME.png          255 tumour, 0 elsewhere; of the image's size, as all but the sheets
OUT/overlays/NAME.jpg       the scan with the outline
OUT/probability/NAME.png    where asked for, and OUT/saliency/NAME.png
OUT/lesions.csv, .json      every lesion of every image
OUT/cine/, nifti/, ...      see `salus.pipeline.cine` and `salus.pipeline.outputs`
OUT/journal.jsonl           what is finished, so that a run can be resumed
OUT/preview.jpg             where asked for: contact sheets; OUT/report.json: the manifest
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from salus.errors import SalusError
from salus.parallel import in_order
from salus.pipeline.cine import tracked, write_cines
from salus.pipeline.deidentify import require_neutral_names, text_that_may_remain
from salus.pipeline.jobs import Job, place
from salus.pipeline.journal import Journal, read_journal
from salus.pipeline.manifest import manifest
from salus.pipeline.options import AS_USUAL, CSV, JOURNAL, JSON, PREVIEW, REPORT, Wanted
from salus.pipeline.outputs import COCO, write_products
from salus.processor import processor_cores
from salus.read.frames import Frames, OneImage, kind_of, open_frames
from salus.read.inputs import as_scan
from salus.scan import Scan
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter
from salus.write.contact_sheet import write_sheets
from salus.write.overlay import write_overlay
from salus.write.png import write_map, write_mask
from salus.write.tables import FAILED, Record, document, record_of, write_csv, write_json

STREAMS = 8
"""Inferences at a time, at most; each takes memory."""


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        records: of its images, in order.
        kept: how many are from an earlier run.
        seconds: it took.
        unmade: products that could not be made.
    """

    records: tuple[Record, ...]
    kept: int
    seconds: float
    unmade: int = 0

    @property
    def failed(self) -> int:
        """How many images failed."""
        return sum(record.result == FAILED for record in self.records)


def streams() -> int:
    """Inferences at a time that suit the processor when there are many images."""
    return min(processor_cores(), STREAMS)


def run(
    jobs: Sequence[Job],
    folder: Path,
    segmenter: Segmenter,
    wanted: Wanted = AS_USUAL,
    told: Callable[[Record], object] = lambda record: None,
    warned: Callable[[str], object] = lambda line: None,
) -> Outcome:
    """Segment images and write what is wanted; an image that fails costs its own results alone.

    Whatever ends the run, an error, Ctrl-C: what is finished stays, is in the tables, and is skipped by a resumed run.

    Args:
        jobs: see `plan`.
        folder: where outputs go; made where it is missing.
        segmenter: its `streams` should suit the workers.
        wanted: what is written.
        told: called with the record of each image, in order, when it is done or found done.
        warned: called with one line for each product that could not be made.

    Raises:
        SalusError: outputs are there already, or were made with other settings or from other images.
        OSError: nothing can be written.
    """
    began, at = datetime.now(UTC), time.perf_counter()
    if wanted.deidentify:
        require_neutral_names(jobs)
    settings = settings_of(segmenter) | wanted.settings
    earlier = _earlier(jobs, folder, settings, wanted)
    finished = {job.name: earlier[job.name] for job in jobs if _finished(job, folder, wanted, earlier)}
    todo = [job for job in jobs if job.name not in finished]
    for kind in wanted.kinds:
        for inside in {place(folder, kind, job.name).parent for job in todo}:
            inside.mkdir(parents=True, exist_ok=True)

    again = {job.name for job in todo}
    records = {name: r for name, r in earlier.items() if r.result != FAILED and name not in again}
    order = list(dict.fromkeys([*(job.name for job in jobs), *records]))
    journal = Journal(folder / wanted.named(JOURNAL), settings, records.values())
    try:
        with journal:
            work = partial(
                _segment, folder=folder, segmenter=segmenter, kinds=wanted.kinds, whole_image=wanted.whole_image
            )
            for record in finished.values():
                told(record)
            with closing(in_order(work, todo, wanted.workers or streams())) as results:
                for record in results:
                    journal.add(record)
                    records[record.name] = record
                    told(record)
            journal.end()
    except BaseException:
        with suppress(OSError, SalusError):  # the first error is the one to tell
            records = read_journal(journal.path)[1]  # Ctrl-C may fall between its line and ours
            _write_tables(folder, tracked([records[name] for name in order if name in records]), wanted)
        raise
    every = tracked([records[name] for name in order])
    records = {record.name: record for record in every}
    if wanted.deidentify and (line := text_that_may_remain(every, wanted)):
        warned(line)
    unmade = conclude(folder, every, again, wanted, warned)
    seconds = time.perf_counter() - at
    if wanted.report:
        timing = {"began": began.isoformat(timespec="seconds"), "seconds": seconds, "made": len(todo)}
        write_json(folder / wanted.named(REPORT), manifest(segmenter, settings, every, timing))
    return Outcome(tuple(records[job.name] for job in jobs), len(finished), seconds, unmade)


def conclude(
    folder: Path, every: Sequence[Record], changed: set[str], wanted: Wanted, warned: Callable[[str], object]
) -> int:
    """Write what is made of all images: tables, cines, products, contact sheets. What tells of all waits for all parts.

    Args:
        folder: OUT.
        every: the tracked records of all images.
        changed: names of those made anew.
        wanted: what is written.
        warned: called with one line for each product that could not be made.

    Returns:
        How many products could not be made.

    Raises:
        OSError: nothing can be written.
    """
    _write_tables(folder, every, wanted)
    write_cines(folder, every, changed, "overlay" in wanted.kinds)
    products = [name for name in wanted.products if not (wanted.part and name == COCO)]
    unmade = write_products(folder, every, changed, products, **wanted.settings, told=warned)
    if wanted.preview and not wanted.part:
        write_sheets(folder / PREVIEW, every, [place(folder, "overlay", record.name) for record in every])
    return unmade


def settings_of(segmenter: Segmenter) -> dict[str, Any]:
    """What results depend on."""
    return {
        "network": segmenter.settings.name,
        "sha256": _checksum(segmenter.path),
        "threshold": segmenter.threshold,
        "tta": segmenter.tta,
        "engine": segmenter.network.engine,
        "precision": segmenter.precision,
        "device": segmenter.device,
    }


def _earlier(jobs: Sequence[Job], folder: Path, settings: dict[str, Any], wanted: Wanted) -> dict[str, Record]:
    """Records of the run that is resumed, by name; none where a new one begins, for which the place must be free."""
    if folder.exists() and not folder.is_dir():
        raise SalusError(f"{folder}: is a file; name a folder with -o")
    if wanted.resume and (folder / wanted.named(JOURNAL)).is_file():
        old, records = read_journal(folder / wanted.named(JOURNAL))
        other = [name for name in settings if old.get(name, False) != settings[name]]
        if other:
            raise SalusError(
                f"{folder}: was made with another {' and '.join(other)}; use the same again, give --overwrite in place "
                "of --resume, or name another folder with -o"
            )
        for job in jobs:
            record = records.get(job.name)
            if record and record.image != str(job.image) and job.image.is_file() and not _same(record, job.image):
                raise SalusError(
                    f"{folder}: holds results of {record.image}, which {job.image} would replace; "
                    "name another folder with -o"
                )
        return records
    if not wanted.overwrite:
        outputs = (place(folder, kind, job.name) for job in jobs for kind in wanted.kinds)
        there = next(
            (path for path in (folder / wanted.named(JOURNAL), folder / wanted.named(CSV), *outputs) if path.exists()),
            None,
        )
        if there:
            raise SalusError(
                f"{there} is there already; --resume goes on where an earlier run stopped, --overwrite replaces it, "
                "-o names another folder"
            )
    return {}


def _finished(job: Job, folder: Path, wanted: Wanted, earlier: dict[str, Record]) -> bool:
    record = earlier.get(job.name)
    if record is None or record.result == FAILED or not job.image.is_file() or not _same(record, job.image):
        return False
    return all(place(folder, kind, job.name).is_file() for kind in wanted.kinds)


def _same(record: Record, image: Path) -> bool:
    """Whether a file is the one that a record tells of."""
    status = image.stat()
    return (status.st_size, status.st_mtime_ns) == (record.size, record.modified) or _checksum(image) == record.sha256


def examined(job: Job, segmenter: Segmenter) -> tuple[Record, Scan | None, Segmentation | None]:
    """Read and segment one image: its record, the scan and what was found; None for both where it failed."""
    at = time.perf_counter()
    try:
        scan = as_scan(_open(job.image).scan(job.frame or 1))
        found = segmenter(scan)
        file = _fingerprint(job.image)
    except SalusError as error:
        why, seconds = " ".join(str(error).split()), time.perf_counter() - at
        return Record(str(job.image), job.name, FAILED, why, frame=job.frame, seconds=seconds), None, None
    return record_of(found, str(job.image), job.name, **file, seconds=time.perf_counter() - at), scan, found


def _segment(job: Job, *, folder: Path, segmenter: Segmenter, kinds: Iterable[str], whole_image: bool) -> Record:
    """Read, segment and write one image; an OSError is one of writing."""
    at = time.perf_counter()
    record, scan, found = examined(job, segmenter)
    if scan is None or found is None:
        return record
    pixels, regions, result = scan.pixels, () if whole_image else scan.regions, found
    write: dict[str, Callable[[Path], None]] = {
        "mask": lambda path: write_mask(path, result.mask),
        "overlay": lambda path: write_overlay(path, pixels, result.mask, regions),
        "probability": lambda path: write_map(path, result.probability),
        "saliency": lambda path: write_map(path, result.saliency),
    }
    for kind in kinds:
        write[kind](place(folder, kind, job.name))
    return replace(record, seconds=time.perf_counter() - at)


def _open(image: Path) -> Frames:
    """A file's frames; a cine is opened once for all of them."""
    if kind_of(image) == "image":
        return OneImage(str(image))
    try:
        status = image.stat()
    except OSError:
        return open_frames(image)  # says what is wrong
    return _opened(image, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _opened(image: Path, size: int, modified: int) -> Frames:
    return open_frames(image)


def _fingerprint(image: Path) -> dict[str, Any]:
    try:
        status = image.stat()
        size, modified = status.st_size, status.st_mtime_ns
        return {"sha256": _checksum_once(image, size, modified), "size": size, "modified": modified}
    except OSError as error:
        raise SalusError(f"{image}: vanished while it was read ({error.strerror})") from None


@lru_cache(maxsize=16)
def _checksum_once(file: Path, size: int, modified: int) -> str:
    """The checksum of a file as it stands, computed once for all frames of a cine."""
    return _checksum(file)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_tables(folder: Path, records: Sequence[Record], wanted: Wanted) -> None:
    if "csv" in wanted.outputs:
        write_csv(folder / wanted.named(CSV), records)
    if "json" in wanted.outputs:
        write_json(folder / wanted.named(JSON), document(records))
