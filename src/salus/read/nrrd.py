"""Read NRRD files: one picture, or several along the third axis.

pynrrd reads the header; the values are read here, within the limits. The first axis that is not colour is the column,
the next the row, counted from the upper left corner as stored; see `salus.read.nifti`. Pixel sizes are used where the
file names a space (ITK writes them in mm) or the unit "mm".
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.limits import MAX_INFLATED, check_file, check_frame_number, check_size
from salus.scan import Scan, scan_from_values, valid_spacing

DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "raw": lambda data, limit: data[:limit],
    "gzip": lambda data, limit: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, limit),
    "bzip2": lambda data, limit: bz2.BZ2Decompressor().decompress(data, limit),
}
DECODERS |= {"gz": DECODERS["gzip"], "bz2": DECODERS["bzip2"]}
"""For each encoding, a function (data, limit) that unpacks at most `limit` bytes."""

COLOUR_KINDS = ("RGB-color", "RGBA-color", "3-color", "4-color", "vector", "3-vector")


@dataclass(frozen=True, eq=False)
class NrrdFrames:
    """Frames of an NRRD file, as `salus.read.frames.Frames`; `values` is (frames, rows, columns[, colours])."""

    source: str
    count: int
    seconds: float | None
    spacing: tuple[float, float] | None
    values: np.ndarray

    def scan(self, number: int = 1) -> Scan:
        """Read one frame; see `Frames`."""
        check_frame_number(self.source, number, self.count)
        return scan_from_values(self.values[number - 1], self.source, self.spacing, number if self.count > 1 else None)


def open_nrrd(path: Path | str) -> NrrdFrames:
    """Read and check an NRRD file; its data must lie in the same file (not detached).

    Raises:
        SalusError: pynrrd is not installed; the file is missing, damaged, no picture, or beyond a limit.
    """
    path = Path(path)
    check_file(path)
    try:
        import nrrd
    except ImportError:
        raise SalusError('NRRD files need pynrrd; pip install "salus[dicom]"') from None
    try:
        with path.open("rb") as file:
            header: dict[str, Any] = dict(nrrd.read_header(file))
            sizes = [int(side) for side in header["sizes"]]
            dtype = np.dtype(nrrd.reader._determine_datatype(header))
            start = file.tell()
    except Exception as error:  # pynrrd raises many kinds
        raise SalusError(f"{path}: cannot be read as NRRD ({type(error).__name__})") from None
    if "data file" in header or "datafile" in header:
        raise SalusError(f"{path}: its pixel data lie in another file; save it as one .nrrd file")
    encoding = str(header.get("encoding", "raw"))
    if encoding not in DECODERS or dtype.kind not in "uif":
        raise SalusError(f"{path}: its encoding is not read; save it as raw or gzip with whole or real numbers")
    kinds = [str(kind) for kind in header.get("kinds", [])]
    channels = sizes[0] if kinds[:1] and kinds[0] in COLOUR_KINDS else 1
    axes = sizes[1:] if channels > 1 else sizes
    if len(axes) < 2 or channels not in (1, 3, 4):
        raise SalusError(f"{path}: holds no picture (its sizes are {' x '.join(map(str, sizes))})")
    columns, rows = axes[:2]
    count = int(np.prod(axes[2:], dtype=object))
    check_size(path, rows, columns, count)
    expected = rows * columns * count * channels * dtype.itemsize
    if expected > MAX_INFLATED:
        raise SalusError(f"{path}: {expected / 2**20:.0f} MiB of pixels; NRRD is read up to {MAX_INFLATED / 2**20:.0f}")
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = DECODERS[encoding](file.read(), expected)
    except (OSError, zlib.error, EOFError, ValueError) as error:
        raise SalusError(f"{path}: its pixel data are damaged ({type(error).__name__})") from None
    if len(data) < expected:
        raise SalusError(f"{path}: its pixel data are cut short ({len(data):,} of {expected:,} bytes); copy it again")
    values = np.frombuffer(data, dtype).reshape(count, rows, columns, channels)
    spacing = _read_spacing(header, first_axis=1 if channels > 1 else 0)
    return NrrdFrames(str(path), count, None, spacing, values[..., 0] if channels == 1 else values)


def _read_spacing(header: dict[str, Any], first_axis: int) -> tuple[float, float] | None:
    """Read the (row, column) size of a pixel in mm; None where the size or its unit is missing.

    Args:
        header: as pynrrd reads it.
        first_axis: index of the axis of columns.
    """
    axes = slice(first_axis, first_axis + 2)
    try:
        if "space directions" in header:
            directions = [np.atleast_1d(np.asarray(direction, float)) for direction in header["space directions"]]
            across, down = (float(np.sqrt((direction**2).sum())) for direction in directions[axes])
            units = list(header.get("space units", ["mm", "mm"]))
        else:
            across, down = (float(step) for step in header["spacings"][axes])
            units = list(header.get("units", []))[first_axis:] or (["mm"] * 2 if "space" in header else [""])
    except (KeyError, TypeError, ValueError):
        return None
    return valid_spacing(down, across) if all(str(unit).strip('"') == "mm" for unit in units[:2]) else None
