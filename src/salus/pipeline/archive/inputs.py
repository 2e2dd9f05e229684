"""List the inputs of an archive once and divide them into shards, so that a resumed run has the very same ones."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePosixPath

from salus.errors import SalusError
from salus.pipeline.archive.store import Store, name_location, open_file_system
from salus.read.find import exclude_masks, find_images
from salus.read.frames import CLINICAL_SUFFIXES
from salus.read.image import IMAGE_SUFFIXES

INPUTS = "inputs.parquet"
COLUMN = "image"


def list_inputs(inputs: Sequence[str]) -> Iterator[str]:
    """Yield every image that files, folders and globs stand for, once, by absolute path or URL.

    Which files are images is decided as by `salus.pipeline.jobs.plan_jobs`; in an object store, by suffix alone.

    Args:
        inputs: paths, or URLs that fsspec knows.

    Raises:
        SalusError: a folder without images, or a store that cannot be reached.
        OSError: a folder cannot be listed.
    """
    seen: set[str] = set()
    for location in inputs:
        for image in _images_in_store(location) if "://" in location else _local_images(Path(location)):
            identity = image if "://" in image else os.path.realpath(image)
            if identity not in seen:
                seen.add(identity)
                yield image


def write_inputs(store: Store, images: Iterator[str], size: int) -> tuple[int, int]:
    """Write the file `INPUTS`.

    Args:
        store: OUT.
        images: see `list_inputs`.
        size: inputs of a shard.

    Returns:
        The numbers of inputs and of shards.

    Raises:
        OSError: the file cannot be written.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    content, inputs, shards = BytesIO(), 0, 0
    with ParquetWriter(content, pa.schema([(COLUMN, pa.string())]), compression="zstd") as writer:
        for batch in iter(lambda: list(islice(images, size)), []):
            writer.write_table(pa.table({COLUMN: batch}), row_group_size=size)
            inputs, shards = inputs + len(batch), shards + 1
    store.write(INPUTS, content.getvalue())
    return inputs, shards


def read_inputs(store: Store, shard: int) -> list[str]:
    """Read the inputs of one shard.

    Args:
        store: OUT.
        shard: its number, from 0.

    Raises:
        SalusError: the list is damaged.
        OSError: the list is missing.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with name_location(f"{store.location}/{INPUTS}"), store.system.open(store.path(INPUTS), "rb") as file:
            images: list[str] = ParquetFile(file).read_row_group(shard).column(COLUMN).to_pylist()
    except ArrowException as error:
        raise SalusError(f"{store.location}/{INPUTS}: damaged ({error}); begin anew with --overwrite") from None
    return images


def _local_images(path: Path) -> Iterator[str]:
    for image in exclude_masks(find_images(path)):
        yield os.path.abspath(image)


def _images_in_store(url: str) -> Iterator[str]:
    """Yield the images of a URL: the objects a glob matches, those directly in a folder, or the one object."""
    system, root, _ = open_file_system(url)
    with name_location(url):
        if any(sign in root for sign in "*?["):
            matches = system.glob(root)
        elif system.isdir(root):
            matches = system.ls(root, detail=False)
        else:
            matches = None
    if matches is None:
        yield url
        return
    paths = [PurePosixPath(path) for path in sorted(map(str, matches))]
    images = [p for p in paths if p.name.lower().endswith((*IMAGE_SUFFIXES, *CLINICAL_SUFFIXES)) and p.name[0] != "."]
    if not images:
        raise SalusError(f"{url}: no image in it")
    for path in exclude_masks(images):
        yield str(system.unstrip_protocol(str(path)))
