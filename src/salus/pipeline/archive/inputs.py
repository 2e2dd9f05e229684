"""List the inputs of an archive once and divide them into shards, so that a resumed run has the very same ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePosixPath

from salus.errors import SalusError
from salus.pipeline.archive.store import Store, name_location, open_file_system
from salus.pipeline.inputs import list_input_images, path_identity
from salus.read.find import Omission, describe_omissions, exclude_masks, is_image_by_name, is_known_by_name

ESCAPED = re.compile("[\udc80-\udcff]+")
"""Bytes of file names that are no UTF-8, as Python has them."""

ESCAPE = re.compile(r"\\udc([89a-f][0-9a-f])")

INPUTS = "inputs.parquet"
COLUMN = "image"


def list_inputs(
    inputs: Sequence[str], out: str | None = None, on_warning: Callable[[str], object] = lambda line: None
) -> Iterator[str]:
    """Yield every image that files, folders and globs stand for, once, by absolute path or URL.

    Links are not followed: two links to one file are two images, as in `salus.pipeline.inputs`.

    Which files are images is decided as by `salus.pipeline.jobs.plan_jobs`; in an object store, by name alone.

    Args:
        inputs: paths, or URLs that fsspec knows.
        out: OUT, a path or URL, whose files are no inputs.
        on_warning: called with one line for what is left out.

    Raises:
        SalusError: no input is there, a folder without images, or a store that cannot be reached.
        OSError: a folder cannot be listed.
    """
    folder = None if out is None or "://" in out else Path(out)
    paths = iter(list_input_images([Path(i) for i in inputs if "://" not in i], folder, on_warning))
    seen: set[str] = set()
    for location in inputs:
        images = _images_in_store(location, on_warning) if "://" in location else map(path_identity, next(paths))
        for image in images:
            if image not in seen:
                seen.add(image)
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
            writer.write_table(pa.table({COLUMN: list(map(as_text, batch))}), row_group_size=size)
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
    return list(map(from_text, images))


def as_text(path: str) -> str:
    r"""Write a path as valid Unicode, for Parquet: a byte that is no UTF-8 becomes an escape of four characters.

    Example:
        >>> print(as_text("/scans/\udcff.png"), from_text(as_text("/scans/\udcff.png")) == "/scans/\udcff.png")
        /scans/\udcff.png True
    """
    return ESCAPED.sub(lambda match: "".join(f"\\udc{ord(letter) - 0xDC00:02x}" for letter in match[0]), path)


def from_text(text: str) -> str:
    """Read a path that `as_text` wrote."""
    return ESCAPE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), text)


def _images_in_store(url: str, on_warning: Callable[[str], object]) -> Iterator[str]:
    """Yield the images of a URL: the objects a glob matches, those directly in a folder, or the one object."""
    system, root, _ = open_file_system(url)
    with name_location(url):
        if any(sign in root for sign in "*?["):
            matches = list(system.glob(root, detail=True).values())
        elif system.isdir(root):
            matches = system.ls(root, detail=True)
        else:
            matches = None
    if matches is None:
        yield url
        return
    paths = sorted(PurePosixPath(str(match["name"])) for match in matches if match["type"] == "file")
    images = [path for path in paths if is_image_by_name(path)]
    if not images:
        raise SalusError(f"{url}: no image in it")
    kept = exclude_masks(images)
    reasons = {path: "is by its name no image" for path in paths if not is_known_by_name(path)}
    masks = sorted(set(images) - set(kept))
    reasons |= dict.fromkeys(masks, "is by its name the mask of an image beside it")
    omissions = [Omission(Path(path), reason) for path, reason in reasons.items()]
    for line in describe_omissions(omissions):
        on_warning(line)
    for path in kept:
        yield str(system.unstrip_protocol(str(path)))
