"""One shard: its inputs are fetched, segmented and written as one Parquet file, a row an image or frame."""

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
from salus.parallel import in_order
from salus.pipeline.archive.inputs import inputs_of
from salus.pipeline.archive.store import Store, opened
from salus.pipeline.cine import tracked
from salus.pipeline.jobs import Job, frames_of
from salus.pipeline.run import examined
from salus.read.frames import kind_of, open_frames
from salus.segmentation.segmenter import Segmenter
from salus.write.png import mask_png
from salus.write.tables import FAILED, Record

if TYPE_CHECKING:
    import pyarrow as pa

SHARDS = "shards"
AHEAD = 4
"""Files that are fetched at a time, while others are segmented."""

TRIES, PAUSE = 3, 2.0
"""How often a file is asked for that is there but does not come, and the seconds between."""


def shard_name(shard: int) -> str:
    """A shard's file within `SHARDS`.

    Example:
        >>> shard_name(42)
        '00000042.parquet'
    """
    return f"{shard:08}.parquet"


def schema() -> pa.Schema:
    """Columns of a shard: those of `Record` but its name, which told of files, and the mask.

    Example:
        >>> schema().field("spacing").type, schema().names[-1]
        (ListType(list<item: double>), 'mask')
    """
    import pyarrow as pa

    hints = get_type_hints(Record)
    columns = [(field.name, _arrow(hints[field.name])) for field in fields(Record) if field.name != "name"]
    return pa.schema([*columns, ("mask", pa.binary())])


def make_shard(store: Store, shard: int, segmenter: Segmenter, frames: str | None = None) -> Counter[str]:
    """Segment the inputs of a shard and write it; one that is there is left as it is.

    Args:
        store: OUT.
        shard: its number, from 0.
        segmenter: a network.
        frames: of cines, see `salus.pipeline.jobs.frames_of`.

    Returns:
        How many rows have which result; empty where the shard was there.

    Raises:
        OSError: OUT cannot be read or written.
    """
    import pyarrow as pa
    from pyarrow.parquet import write_table

    name = f"{SHARDS}/{shard_name(shard)}"
    if store.has(name):
        return Counter()
    rows = list(segment_inputs(inputs_of(store, shard), segmenter, frames))
    content = BytesIO()
    write_table(pa.Table.from_pylist(rows, schema()), content, compression="zstd")
    store.write(name, content.getvalue())
    return Counter(row["result"] for row in rows)


def segment_inputs(images: Sequence[str], segmenter: Segmenter, frames: str | None = None) -> Iterator[dict[str, Any]]:
    """The rows of some inputs, in order; one that cannot be fetched or read has one that says why.

    Args:
        images: paths or URLs.
        segmenter: a network.
        frames: of cines.
    """
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        fetch = partial(_fetched, folder=Path(folder))
        for image, path in zip(images, in_order(fetch, enumerate(images), AHEAD), strict=True):
            if isinstance(path, SalusError):
                yield _row(Record(image, image, FAILED, str(path)), None)
                continue
            made = [_one(image, path, number, segmenter) for number in _numbers(path, frames)]
            for record, (_, mask) in zip(tracked([record for record, _ in made]), made, strict=True):
                yield _row(record, mask)
            if path.parent == Path(folder):
                path.unlink()


def _numbers(path: Path, frames: str | None) -> list[int] | list[None]:
    """The frames wanted of a file; None for one of a single image, and for one that cannot be read."""
    try:
        count = open_frames(path).count if kind_of(path) != "image" else 1
    except SalusError:  # told when it is read
        count = 1
    return [None] if count == 1 else frames_of(frames, count)


def _one(image: str, path: Path, frame: int | None, segmenter: Segmenter) -> tuple[Record, bytes | None]:
    """One image or frame: its record, with the image's own name, and its mask."""
    name = image if frame is None else f"{image}/{frame}"
    record, _, found = examined(Job(path, name, image, frame), segmenter)
    record = replace(record, image=image, error=record.error.replace(str(path), image))
    return record, None if found is None else mask_png(found.mask)


def _fetched(numbered: tuple[int, str], folder: Path) -> Path | SalusError:
    """A file of this machine as it is; one from elsewhere as a copy in the folder, or why there is none."""
    number, image = numbered
    system, path, is_local = opened(image)
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
    row = asdict(record)
    del row["name"]
    return {**row, "mask": mask}


def _arrow(hint: Any) -> pa.DataType:
    """The Arrow type of a dataclass's, a tuple's or a plain value's type."""
    import pyarrow as pa

    arguments = [one for one in get_args(hint) if one not in (type(None), ...)]
    if get_origin(hint) is tuple:
        return pa.list_(_arrow(arguments[0]))
    if arguments:  # X | None
        return _arrow(arguments[0])
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return pa.struct([(field.name, _arrow(hints[field.name])) for field in fields(hint)])
    return {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}[hint]
