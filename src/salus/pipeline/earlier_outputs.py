"""Remove what an earlier run wrote, so that no result of it stays beside those of the run that replaces it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from salus.errors import SalusError
from salus.pipeline.cine import CINE, file_name_of
from salus.pipeline.inputs import PREVIEW_NAME
from salus.pipeline.jobs import PICTURE_FILES, output_path
from salus.pipeline.journal import read_journal
from salus.pipeline.options import CSV, JOURNAL, JSON, REPORT, RunOptions
from salus.pipeline.outputs import COCO, SUFFIXES, product_path
from salus.write.tables import Record

SUMMARIES = (JOURNAL, CSV, JSON, REPORT)


def remove_earlier_run(folder: Path, options: RunOptions, inputs: Iterable[Path]) -> None:
    """Remove the outputs of the run that is replaced: all that its journal names, and its tables.

    A whole run replaces the parts of a divided one as well; a part replaces the same part alone.

    Args:
        folder: OUT.
        options: of the run that begins.
        inputs: images to be read, which are kept in any case.

    Raises:
        OSError: a file cannot be removed.
    """
    own = folder / options.summary_name(JOURNAL)
    journals = [own] if options.part else [own, *folder.glob("journal-*-of-*.jsonl")]
    for journal in filter(Path.is_file, journals):
        with suppress(SalusError):  # damaged: what it named is not known
            remove_outputs(folder, read_journal(journal)[1].values(), inputs)
        part = re.fullmatch(r"journal(.*)\.jsonl", journal.name)
        for name in SUMMARIES:
            stem, _, suffix = name.partition(".")
            (folder / f"{stem}{part[1] if part else ''}.{suffix}").unlink(missing_ok=True)
        if journal.name == JOURNAL:
            sheets = [path for path in folder.glob("preview*.jpg") if PREVIEW_NAME.fullmatch(path.name)]
            for path in (*sheets, product_path(folder, COCO, "")):
                path.unlink(missing_ok=True)


def remove_outputs(folder: Path, records: Iterable[Record], inputs: Iterable[Path] = ()) -> None:
    """Remove the pictures of images, and what was made of them.

    Args:
        folder: OUT.
        records: of the images.
        inputs: images to be read, which are kept in any case.

    Raises:
        OSError: a file cannot be removed.
    """
    records = list(records)
    kept = {os.path.realpath(path) for path in inputs}
    for record in records:
        for kind in PICTURE_FILES:
            _remove(output_path(folder, kind, record.name), folder, kept)
    remove_products(folder, records, inputs)


def remove_products(folder: Path, records: Iterable[Record], inputs: Iterable[Path] = ()) -> None:
    """Remove what was made of the pictures of images: their products, and those of their cines.

    Args:
        folder: OUT.
        records: of the images.
        inputs: images to be read, which are kept in any case.

    Raises:
        OSError: a file cannot be removed.
    """
    kept = {os.path.realpath(path) for path in inputs}
    for record in records:
        for name in {record.name, file_name_of(record)}:
            for product in SUFFIXES:
                _remove(product_path(folder, product, name), folder, kept)
        if record.frame is not None:
            for name in ("strip.jpg", "overlay.gif", "area.svg", "area.csv"):
                _remove(folder / CINE / file_name_of(record) / name, folder, kept)


def _remove(path: Path, folder: Path, kept: Collection[str]) -> None:
    """Remove a file that is not kept, and the folders below OUT that are empty then."""
    if not path.is_file() or os.path.realpath(path) in kept:
        return
    path.unlink()
    for parent in path.parents:
        if parent == folder:
            break
        try:
            parent.rmdir()
        except OSError:  # holds more
            break
