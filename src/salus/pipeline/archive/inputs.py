"""Which inputs an archive has, listed once and dealt into shards, so that a run begun anew has the very same ones."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePosixPath

from salus.errors import SalusError
from salus.pipeline.archive.store import Store, opened, told
from salus.read.find import images_of, without_masks
from salus.read.frames import CLINICAL_SUFFIXES
from salus.read.image import IMAGE_SUFFIXES

INPUTS = "inputs.parquet"
COLUMN = "image"


def each_input(given: Sequence[str]) -> Iterator[str]:
    """Every image that files, folders and globs stand for, once, by absolute path or URL; as `salus.pipeline.jobs.plan`.

    Args:
        given: paths, or URLs that fsspec knows. In an object store files are known by their suffixes.

    Raises:
        SalusError: a folder without images, or a store that cannot be reached.
        OSError: it cannot be listed.
    """
    seen: set[str] = set()
    for place in given:
        for image in _in_store(place) if "://" in place else _here(Path(place)):
            itself = image if "://" in image else os.path.realpath(image)
            if itself not in seen:
                seen.add(itself)
                yield image


def write_inputs(store: Store, images: Iterator[str], size: int) -> tuple[int, int]:
    """Write `INPUTS`; returns how many inputs there are, and in how many shards.

    Args:
        store: OUT.
        images: see `each_input`.
        size: of a shard.

    Raises:
        OSError: it cannot be written.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    content, inputs, shards = BytesIO(), 0, 0
    with ParquetWriter(content, pa.schema([(COLUMN, pa.string())]), compression="zstd") as writer:
        for some in iter(lambda: list(islice(images, size)), []):
            writer.write_table(pa.table({COLUMN: some}), row_group_size=size)
            inputs, shards = inputs + len(some), shards + 1
    store.write(INPUTS, content.getvalue())
    return inputs, shards


def inputs_of(store: Store, shard: int) -> list[str]:
    """The inputs of one shard, from 0.

    Raises:
        SalusError: the list is damaged, or OSError: missing.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with told(f"{store.place}/{INPUTS}"), store.system.open(store.path(INPUTS), "rb") as file:
            found: list[str] = ParquetFile(file).read_row_group(shard).column(COLUMN).to_pylist()
    except ArrowException as error:
        raise SalusError(f"{store.place}/{INPUTS}: damaged ({error}); begin anew with --overwrite") from None
    return found


def _here(given: Path) -> Iterator[str]:
    for path in without_masks(images_of(given)):
        yield os.path.abspath(path)


def _in_store(given: str) -> Iterator[str]:
    """Images of a URL: the objects a glob matches, those directly in a folder, or the one object."""
    system, root, _ = opened(given)
    with told(given):
        if any(sign in root for sign in "*?["):
            found = system.glob(root)
        elif system.isdir(root):
            found = system.ls(root, detail=False)
        else:
            found = None
    if found is None:
        yield given
        return
    paths = [PurePosixPath(path) for path in sorted(map(str, found))]
    images = [p for p in paths if p.name.lower().endswith((*IMAGE_SUFFIXES, *CLINICAL_SUFFIXES)) and p.name[0] != "."]
    if not images:
        raise SalusError(f"{given}: no image in it")
    for path in without_masks(images):
        yield str(system.unstrip_protocol(str(path)))
