"""Read the files that Salus reads as layers of napari."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from salus.preprocess import to_uint8
from salus.read.formats import recognise
from salus.read.frames import open_frames

PATH = "salus_path"
"""Key of an image layer's metadata that holds the path of its file."""

LayerData = tuple[Any, dict[str, Any], str]
"""Data, options and kind of a layer, as napari's readers give them."""


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return what reads a file; None where its content is no image that Salus knows, or several are to be one layer.

    Example:
        >>> get_reader("no.dcm") is None
        True
    """
    if isinstance(path, list):
        if len(path) != 1:
            return None
        (path,) = path
    return read_layers if Path(path).is_file() and recognise(Path(path)) is not None else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """Read a file as one layer: (rows, columns) uint8, or (frames, rows, columns), of which a frame is read when shown.

    The layer has the size of a pixel in mm, where the file states it, as its scale.

    Raises:
        SalusError: the file cannot be read.
    """
    file = Path(path[0] if isinstance(path, list) else path)
    frames = open_frames(file)
    first = frames.scan(1)
    scale: tuple[float, ...] = first.spacing or (1.0, 1.0)
    data: Any = to_uint8(first.pixels)
    if frames.count > 1:
        import dask
        import dask.array

        read_frame = dask.delayed(lambda number: to_uint8(frames.scan(number).pixels))
        data = dask.array.stack(
            [dask.array.from_delayed(read_frame(n), first.shape, np.uint8) for n in range(1, frames.count + 1)]
        )
        scale = (1.0, *scale)
    options = {"name": file.name, "scale": scale, "colormap": "gray", "contrast_limits": (0, 255)}
    return [(data, {**options, "metadata": {PATH: str(file)}}, "image")]
