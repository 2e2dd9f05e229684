"""Read NRRD files: one picture, or several along the third axis.

pynrrd reads the header; the values are read here, within the limits. The first axis that is not colour is the column,
the next the row, counted from the upper left corner as stored; see `salus.read.nifti`. Colours are the first axis, or
the third, where its kind says so. Pixel sizes are used where the file names a space (ITK writes them in mm) or a unit
of length.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.geometry import colour_axis, length_in_mm
from salus.read.limits import MAX_INFLATED, MAX_SECONDS, check_file, check_frame_number, check_size
from salus.read.nrrd_data import TEXT, UNPACKERS, read_text_values, unpack_values
from salus.scan import Scan, scan_from_values, valid_spacing

MAX_SKIPPED_LINE = 2**20
"""Longest line that `line skip` passes over, in bytes."""


@dataclass(frozen=True, eq=False)
class NrrdFrames:
    """Frames of an NRRD file, as `salus.read.frames.Frames`.

    Attributes:
        source: see `Frames`; so are the next two.
        spacing: (row, column) size of a pixel in mm; None where it is not known.
        dtype: of a value.
        shape: of a frame, (rows, columns) or (rows, columns, colours).
        is_planar: each colour of a frame lies after the other, as in a file whose third axis is colour.
        offset: of the first frame in the file, in bytes.
        unpacked: the bytes of all frames of a packed file or a text; None for a raw one, of which each frame is read
            alone.
    """

    source: str
    count: int
    seconds: float | None
    spacing: tuple[float, float] | None
    dtype: np.dtype
    shape: tuple[int, ...]
    is_planar: bool
    offset: int
    unpacked: bytearray | None

    def scan(self, number: int = 1) -> Scan:
        """Read one frame; see `Frames`."""
        values = self.values(number)
        return scan_from_values(values, self.source, self.spacing, number if self.count > 1 else None)

    def values(self, number: int = 1) -> np.ndarray:
        """Read the stored values of one frame: (rows, columns) or (rows, columns, channels); errors as of `scan`."""
        check_frame_number(self.source, number, self.count)
        size = prod(self.shape) * self.dtype.itemsize
        start = (number - 1) * size
        content: bytes | bytearray
        if self.unpacked is None:
            try:
                with Path(self.source).open("rb") as file:
                    file.seek(self.offset + start)
                    content = file.read(size)
            except OSError as error:
                raise SalusError(f"{self.source}: cannot be read ({error.strerror})") from None
        else:
            content = self.unpacked[start : start + size]
        if len(content) < size:
            raise SalusError(f"{self.source}: the pixel data of frame {number} are cut short; copy it again")
        values = np.frombuffer(content, self.dtype)
        if self.is_planar:
            return np.moveaxis(values.reshape(self.shape[2], *self.shape[:2]), 0, -1)
        return values.reshape(self.shape)


def open_nrrd(path: Path | str) -> NrrdFrames:
    """Read and check an NRRD file; its data must lie in the same file (not detached).

    Raises:
        SalusError: pynrrd is not installed; the file is missing, damaged, no picture, or beyond a limit.
    """
    path = Path(path)
    file_size = check_file(path)
    try:
        import nrrd
    except ImportError:
        raise SalusError('NRRD files need pynrrd; pip install "salus[dicom]"') from None
    try:
        with path.open("rb") as file:
            header: dict[str, Any] = dict(nrrd.read_header(file))
            sizes, colours = [int(side) for side in header["sizes"]], colour_axis(header)
            dtype = np.dtype(nrrd.reader._determine_datatype(header))
            start = file.tell()
            skipped_lines, skipped_bytes = (_read_skip(header, name) for name in ("line", "byte"))
    except Exception as error:  # pynrrd raises many kinds
        raise SalusError(f"{path}: cannot be read as NRRD ({type(error).__name__})") from None
    if "data file" in header or "datafile" in header:
        raise SalusError(f"{path}: its pixel data lie in another file; save it as one .nrrd file")
    encoding = str(header.get("encoding", "raw"))
    if encoding not in ("raw", *UNPACKERS, *TEXT) or dtype.kind not in "uif":
        raise SalusError(f"{path}: its encoding is not read; save it as raw or gzip with whole or real numbers")
    if colours not in (None, 0, 2):
        raise SalusError(f"{path}: its colours are axis {colours + 1}; save it with the colours as the first axis")
    channels = 1 if colours is None else sizes[colours]
    axes = [size for axis, size in enumerate(sizes) if axis != colours]
    if len(axes) < 2 or channels not in (1, 3, 4):
        raise SalusError(f"{path}: holds no picture (its sizes are {' x '.join(map(str, sizes))})")
    columns, rows = axes[:2]
    count = int(np.prod(axes[2:], dtype=object))
    check_size(path, rows, columns, count)
    expected = rows * columns * count * channels * dtype.itemsize
    if encoding != "raw" and expected > MAX_INFLATED:
        raise SalusError(
            f"{path}: {expected / 2**20:.0f} MiB of packed pixels; they are read up to {MAX_INFLATED / 2**20:.0f}, "
            "save it as raw"
        )
    if skipped_lines < 0 or skipped_bytes < (0 if encoding in TEXT else -1):
        raise SalusError(f"{path}: its line skip or byte skip is negative; it is damaged")
    unpacked = None
    try:
        with path.open("rb") as file:
            file.seek(start)
            for _ in range(min(skipped_lines, file_size)):
                if not file.readline(MAX_SKIPPED_LINE).endswith(b"\n"):
                    raise SalusError(f"{path}: has no {skipped_lines} lines to skip; it is damaged")
            start = file.tell()
            if encoding in UNPACKERS:
                unpacked = unpack_values(file, encoding, skipped_bytes, expected)
            elif encoding in TEXT:
                file.seek(start + skipped_bytes)
                unpacked = read_text_values(file, dtype, expected // dtype.itemsize)
            else:
                start = file_size - expected if skipped_bytes == -1 else start + skipped_bytes
            available = (file_size - start if start >= 0 else file_size) if unpacked is None else len(unpacked)
    except TimeoutError:
        raise SalusError(f"{path}: takes longer than {MAX_SECONDS:.0f} s to unpack; save it as raw") from None
    except (OSError, zlib.error, EOFError, ValueError, OverflowError) as error:
        raise SalusError(f"{path}: its pixel data are damaged ({type(error).__name__})") from None
    if available < expected:
        raise SalusError(f"{path}: its pixel data are cut short ({available:,} of {expected:,} bytes); copy it again")
    shape = (rows, columns) if channels == 1 else (rows, columns, channels)
    spacing = _read_spacing(header, first_axis=1 if colours == 0 else 0)
    return NrrdFrames(str(path), count, None, spacing, dtype, shape, colours == 2, start, unpacked)


def _read_skip(header: dict[str, Any], what: str) -> int:
    """Read `line skip` or `byte skip`, which is spelled in either way; 0 without it."""
    return int(header.get(f"{what} skip", header.get(f"{what}skip", 0)))


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
    if not units or len(lengths := [length_in_mm(unit) for unit in (units * 2)[:2]]) < 2 or None in lengths:
        return None
    across_mm, down_mm = (step * (length or 0) for step, length in zip((across, down), lengths, strict=True))
    return valid_spacing(down_mm, across_mm)
