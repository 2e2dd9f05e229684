"""Segment an object of the queue, and write its results: the same outputs as `salus segment` writes."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from threading import Event

from salus.errors import SalusError
from salus.node.object_queue import MAX_TRIES, SHOWN, ObjectQueue
from salus.node.settings import PRODUCT_OF_OUTPUT, SegmentSettings
from salus.pipeline.jobs import plan_jobs
from salus.pipeline.options import RunOptions
from salus.pipeline.outputs import product_path
from salus.pipeline.run import run_jobs
from salus.segmentation.segmenter import Segmenter

LOG = logging.getLogger(__name__)

DISK_DELAY = 30.0
"""Seconds until an object is tried again where its results could not be written."""

POLL = 1.0
"""Seconds after which a worker looks whether it is to stop."""


def make_segmenter(settings: SegmentSettings) -> Segmenter:
    """Load the network.

    Raises:
        SalusError: see `Segmenter`.
    """
    return Segmenter(
        settings.network,
        threshold=settings.threshold or None,
        restraint=settings.restraint or None,
        precision=settings.precision,
        device=settings.device,
        streams=settings.workers,
    )


def segment_object(source: Path, folder: Path, segmenter: Segmenter, settings: SegmentSettings) -> list[Path]:
    """Segment an object and write its results.

    Args:
        source: the DICOM file.
        folder: for all that is written; an earlier one is replaced.
        segmenter: the network.
        settings: what is written, and how.

    Returns:
        The files of the results.

    Raises:
        SalusError: the object cannot be read, or no result be made of it.
        OSError: the results cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    products = [PRODUCT_OF_OUTPUT[name] for name in settings.outputs]
    options = RunOptions(
        outputs=("png", *products), deidentify=settings.deidentify, whole_image=settings.whole_image, workers=1
    )
    reasons: list[str] = []
    result = run_jobs(plan_jobs([source], folder), folder, segmenter, options, on_warning=reasons.append)
    if result.failed:
        raise SalusError(next(record.error for record in result.records if record.error))
    if result.failed_products:
        raise SalusError("; ".join(reasons))
    folders = (product_path(folder, product, "x").parent for product in products)
    return [path for product_folder in folders for path in sorted(product_folder.rglob("*.dcm"))]


def work_on_queue(queue: ObjectQueue, segmenter: Segmenter, settings: SegmentSettings, stop: Event, name: str) -> None:
    """Segment the objects of a queue, one after another, until told to stop.

    An object that cannot be segmented is set aside; so is one at which the node died several times.

    Args:
        queue: of the node.
        segmenter: the network.
        settings: what is written, and how.
        stop: set to end after the object that is worked on.
        name: of this worker, for its folder in `queue.incoming`.
    """
    folder = queue.incoming / f"work-{name}"
    while not stop.is_set():
        key = queue.take(POLL)
        if key is not None:
            try:
                _work_on(queue, key, folder, segmenter, settings)
            except OSError as error:
                LOG.error("object %s: the disk refuses (%s); tried again", key[:SHOWN], error.strerror)
                queue.put_back(key, DISK_DELAY)


def _work_on(queue: ObjectQueue, key: str, folder: Path, segmenter: Segmenter, settings: SegmentSettings) -> None:
    try:
        if queue.begin(key) > MAX_TRIES:
            raise SalusError(f"the node ended {MAX_TRIES} times while it was segmented")
        files = segment_object(queue.source(key), folder, segmenter, settings)
    except OSError:
        raise
    except Exception as error:  # a fault of one object must not end the node; words of others may quote the file
        reason = str(error) if isinstance(error, SalusError) else type(error).__name__
        LOG.error("object %s: set aside: %s", key[:SHOWN], reason.replace(key, key[:SHOWN]))
        queue.set_aside(key, reason)
    else:
        count = len(files)
        queue.store(key, files)
        LOG.info("object %s: segmented, %d results", key[:SHOWN], count)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
