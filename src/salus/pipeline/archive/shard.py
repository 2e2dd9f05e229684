"""Make one shard: fetch its inputs, segment them and write one Parquet file, a row for each image or frame."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from salus.errors import SalusError
from salus.parallel import map_in_order
from salus.pipeline.archive.inputs import as_text, read_inputs
from salus.pipeline.archive.store import Store, open_file_system
from salus.pipeline.cine import track_lesions
from salus.pipeline.failures import NOT_TRIED, FailureCounter, join_failures
from salus.pipeline.jobs import Job, frame_numbers
from salus.pipeline.run import segment_job
from salus.segmentation.segmenter import Segmenter
from salus.write.png import encode_mask
from salus.write.tables import FAILED, Record

if TYPE_CHECKING:
    import pyarrow as pa

SHARDS = "shards"
FETCHERS = 4
"""Files that are fetched at a time, while others are segmented."""

LEFT_OUT = ("name", "prompt")
"""Fields of `Record` that a shard has no column for: it names no output files, and takes no prompts."""

TRIES, PAUSE = 3, 2.0
"""Attempts to fetch a file, and the seconds between them."""


def shard_name(shard: int) -> str:
    """Return the name of a shard's file within `SHARDS`.

    Example:
        >>> shard_name(42)
        '00000042.parquet'
    """
    return f"{shard:08}.parquet"


def schema() -> pa.Schema:
    """Return the columns of a shard: the fields of `Record` that a shard has, and the mask.

    Example:
        >>> schema().field("spacing").type, schema().names[-1]
        (ListType(list<item: double>), 'mask')
    """
    import pyarrow as pa

    hints = get_type_hints(Record)
    columns = [(field.name, _arrow(hints[field.name])) for field in fields(Record) if field.name not in LEFT_OUT]
    return pa.schema([*columns, ("mask", pa.binary())])


def make_shard(store: Store, shard: int, segmenter: Segmenter, frames: str | None = None) -> Counter[str]:
    """Segment the inputs of a shard and write it; an existing shard is left as it is.

    Args:
        store: OUT.
        shard: its number, from 0.
        segmenter: the network.
        frames: of cines, see `salus.pipeline.jobs.parse_frames`.

    Returns:
        The number of rows by result; empty where the shard existed.

    Raises:
        OSError: OUT cannot be read or written.
    """
    import pyarrow as pa
    from pyarrow.parquet import write_table

    name = f"{SHARDS}/{shard_name(shard)}"
    if store.has(name):
        return Counter()
    rows = list(segment_inputs(read_inputs(store, shard), segmenter, frames))
    content = BytesIO()
    write_table(pa.Table.from_pylist(rows, schema()), content, compression="zstd")
    store.write(name, content.getvalue())
    return Counter(row["result"] for row in rows)


def segment_inputs(images: Sequence[str], segmenter: Segmenter, frames: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of inputs, in order; an input that cannot be fetched or read has one row with the error.

    Args:
        images: paths or URLs.
        segmenter: the network.
        frames: of cines.
    """
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        fetch = partial(_fetch, folder=Path(folder))
        for image, path in zip(images, map_in_order(fetch, enumerate(images), FETCHERS), strict=True):
            if isinstance(path, SalusError):
                yield _row(Record(image, image, FAILED, str(path)), None)
                continue
            masks: dict[str, bytes | None] = {}
            results = _segment_frames(image, path, frame_numbers(path, frames), segmenter, masks)
            for record in track_lesions(list(join_failures(results))):
                yield _row(record, masks.get(record.name))
            if path.parent == Path(folder):
                path.unlink()


def _segment_frames(
    image: str,
    path: Path,
    frames: Sequence[int | None],
    segmenter: Segmenter,
    masks: dict[str, bytes | None],
) -> Iterator[Record]:
    """Segment the frames of an input; give up where too many of them fail in a row.

    Args:
        image: path or URL of the input, for the records.
        path: of the input, or of its local copy.
        frames: their numbers; None for a file of one image.
        segmenter: the network.
        masks: gets the bytes of a PNG file for each record that did not fail, by its name.
    """
    failures = FailureCounter()
    for frame in frames:
        name = image if frame is None else f"{image}/{frame}"
        if failures.gave_up(path):
            yield Record(image, name, FAILED, NOT_TRIED, frame=frame)
            continue
        record, _, segmentation = segment_job(Job(path, name, image, frame), segmenter)
        failures.note(path, failed=record.result == FAILED)
        if segmentation is not None:
            masks[name] = encode_mask(segmentation.mask)
        yield replace(record, image=image, error=record.error.replace(str(path), image))


def _fetch(numbered_image: tuple[int, str], folder: Path) -> Path | SalusError:
    """Return the path of a local file, or of a copy in the folder of a remote one; or the error of fetching it."""
    number, image = numbered_image
    system, path, is_local = open_file_system(image)
    if is_local:
        return Path(path)
    copy = folder / f"{number}-{os.path.basename(path)}"
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE)
        try:
            system.get_file(path, str(copy))
            return copy
        except FileNotFoundError:
            return SalusError(f"{image}: no such file")
        except Exception as error:  # each store has errors of its own
            reason = " ".join(str(error).split())[:120] or type(error).__name__
    return SalusError(f"{image}: cannot be fetched ({reason})")


def _row(record: Record, mask: bytes | None) -> dict[str, Any]:
    row = {name: value for name, value in asdict(record).items() if name not in LEFT_OUT}
    return {**row, "image": as_text(record.image), "error": as_text(record.error), "mask": mask}


def _arrow(hint: Any) -> pa.DataType:
    """Translate the type of a dataclass, a tuple or a plain value into its Arrow type."""
    import pyarrow as pa

    arguments = [argument for argument in get_args(hint) if argument not in (type(None), ...)]
    if get_origin(hint) is tuple:
        return pa.list_(_arrow(arguments[0]))
    if arguments:  # X | None
        return _arrow(arguments[0])
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return pa.struct([(field.name, _arrow(hints[field.name])) for field in fields(hint)])
    return {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}[hint]
