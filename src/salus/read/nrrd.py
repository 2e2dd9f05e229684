"""NRRD: a picture, or pictures along the third axis. The header is read by pynrrd, the numbers here, within limits.

The first axis that is not colour is the column, the next the row, counted from the upper left corner as stored; see
`salus.read.nifti`. Sizes of pixels are taken where the file names a space (ITK writes them in mm) or says "mm".
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
from salus.read.limits import MAX_INFLATED, require_file, require_size
from salus.scan import Scan, grey_scan

UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    "raw": lambda data, most: data[:most],
    "gzip": lambda data, most: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, most),
    "bzip2": lambda data, most: bz2.BZ2Decompressor().decompress(data, most),
}
UNPACK |= {"gz": UNPACK["gzip"], "bz2": UNPACK["bzip2"]}
COLOURS = ("RGB-color", "RGBA-color", "3-color", "4-color", "vector", "3-vector")


@dataclass(frozen=True, eq=False)
class NrrdFrames:
    """Frames of an NRRD file, as `salus.read.frames.Frames`; `values` is (frames, rows, columns[, colours])."""

    source: str
    count: int
    seconds: float | None
    spacing: tuple[float, float] | None
    values: np.ndarray

    def scan(self, number: int = 1) -> Scan:
        """One frame; see `Frames`."""
        if not 1 <= number <= self.count:
            raise SalusError(f"{self.source}: has no frame {number}; it holds {self.count}")
        return grey_scan(self.values[number - 1], self.source, self.spacing, number if self.count > 1 else None)


def open_nrrd(path: Path | str) -> NrrdFrames:
    """Read an NRRD file whose data lie in it (not detached).

    Raises:
        SalusError: pynrrd is not installed; the file is missing, damaged, no picture, or beyond a limit.
    """
    path = Path(path)
    require_file(path)
    try:
        import nrrd
    except ImportError:
        raise SalusError('NRRD files need pynrrd; pip install "salus[dicom]"') from None
    try:
        with path.open("rb") as file:
            header: dict[str, Any] = dict(nrrd.read_header(file))
            sizes = [int(side) for side in header["sizes"]]
            kind = np.dtype(nrrd.reader._determine_datatype(header))
            start = file.tell()
    except Exception as error:  # pynrrd raises many kinds
        raise SalusError(f"{path}: cannot be read as NRRD ({type(error).__name__})") from None
    if "data file" in header or "datafile" in header:
        raise SalusError(f"{path}: its pixel data lie in another file; save it as one .nrrd file")
    encoding = str(header.get("encoding", "raw"))
    if encoding not in UNPACK or kind.kind not in "uif":
        raise SalusError(f"{path}: its encoding is not read; save it as raw or gzip with whole or real numbers")
    kinds = [str(one) for one in header.get("kinds", [])]
    colours = sizes[0] if kinds[:1] and kinds[0] in COLOURS else 1
    picture = sizes[1:] if colours > 1 else sizes
    if len(picture) < 2 or colours not in (1, 3, 4):
        raise SalusError(f"{path}: holds no picture (its sizes are {' x '.join(map(str, sizes))})")
    columns, rows = picture[:2]
    count = int(np.prod(picture[2:], dtype=object))
    require_size(path, rows, columns, count)
    wanted = rows * columns * count * colours * kind.itemsize
    if wanted > MAX_INFLATED:
        raise SalusError(f"{path}: {wanted / 2**20:.0f} MiB of pixels; NRRD is read up to {MAX_INFLATED / 2**20:.0f}")
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = UNPACK[encoding](file.read(), wanted)
    except (OSError, zlib.error, EOFError, ValueError) as error:
        raise SalusError(f"{path}: its pixel data are damaged ({type(error).__name__})") from None
    if len(data) < wanted:
        raise SalusError(f"{path}: its pixel data are cut short ({len(data):,} of {wanted:,} bytes); copy it again")
    values = np.frombuffer(data, kind).reshape(count, rows, columns, colours)
    return NrrdFrames(str(path), count, None, _spacing(header, colours > 1), values[..., 0] if colours == 1 else values)


def _spacing(header: dict[str, Any], colour: bool) -> tuple[float, float] | None:
    """(row, column) size of a pixel in mm; None where it is not told, or in what unit."""
    first = 1 if colour else 0
    try:
        if "space directions" in header:
            directions = [np.atleast_1d(np.asarray(one, float)) for one in header["space directions"]]
            across, down = (float(np.sqrt((one**2).sum())) for one in directions[first : first + 2])
            units = list(header.get("space units", ["mm", "mm"]))
        else:
            across, down = (float(one) for one in header["spacings"][first : first + 2])
            units = list(header.get("units", []))[first:] or (["mm"] * 2 if "space" in header else [""])
    except (KeyError, TypeError, ValueError):
        return None
    told = all(str(unit).strip('"') == "mm" for unit in units[:2])
    return (down, across) if told and all(np.isfinite((down, across))) and min(down, across) > 0 else None
