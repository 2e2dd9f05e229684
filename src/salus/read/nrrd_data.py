"""Read the values of an NRRD file that are packed, or written as text, within limits of memory and time."""

from __future__ import annotations

import bz2
import time
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from salus.read.limits import MAX_INFLATED, MAX_SECONDS

UNPACKERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "bzip2": bz2.BZ2Decompressor,
}
UNPACKERS |= {"gz": UNPACKERS["gzip"], "bz2": UNPACKERS["bzip2"]}
"""For each packed encoding, what unpacks it."""

TEXT = ("ascii", "ASCII", "text", "txt")
"""Names of the encoding as text: numbers with blanks and line ends between them."""

PIECE = 2**20
"""Bytes of a packed file, or values of a text, that are read at a time."""


def unpack_values(file: BinaryIO, encoding: str, skipped: int, expected: int) -> bytearray:
    """Unpack bytes from a place in a file.

    Args:
        file: open at the place.
        encoding: of `UNPACKERS`.
        skipped: number of unpacked bytes to pass over; -1 takes the last ones.
        expected: number of bytes to return.

    Returns:
        The bytes; fewer than `expected` where the file ends before.

    Raises:
        ValueError: more than `MAX_INFLATED` are to be skipped.
        TimeoutError: it takes longer than `MAX_SECONDS`.
        OSError, zlib.error, EOFError: the file cannot be read or unpacked.
    """
    content, passed, unpacker, start = bytearray(), 0, UNPACKERS[encoding](), time.thread_time()
    while not unpacker.eof and (piece := file.read(PIECE)):
        while True:
            unpacked = unpacker.decompress(piece, PIECE)
            content += unpacked
            _check_time(start)
            drop = min(skipped - passed, len(content)) if skipped >= 0 else max(len(content) - expected, 0)
            if drop > PIECE or (drop and skipped >= 0):
                del content[:drop]
                passed += drop
            if passed > MAX_INFLATED:
                raise ValueError("more bytes to skip than are unpacked")
            if skipped >= 0 and len(content) >= expected:
                del content[expected:]
                return content
            piece = getattr(unpacker, "unconsumed_tail", b"")
            needs_input = getattr(unpacker, "needs_input", not piece)
            if unpacker.eof or (needs_input and len(unpacked) < PIECE):
                break
    if skipped < 0:
        del content[: max(len(content) - expected, 0)]
    return content


def read_text_values(file: BinaryIO, dtype: np.dtype, count: int) -> bytearray:
    """Read numbers that are written as text from a place in a file.

    Args:
        file: of the operating system, open at the place.
        dtype: of the values.
        count: number of values.

    Returns:
        Their bytes; fewer where the text ends before.

    Raises:
        ValueError: something else than numbers is there, or a number that the type does not hold.
        TimeoutError: it takes longer than `MAX_SECONDS`.
        OSError: the file cannot be read.
    """
    content, start = bytearray(), time.thread_time()
    wide = np.dtype(np.int64) if dtype.kind in "ui" and dtype.itemsize < 8 else dtype
    while len(content) < count * dtype.itemsize:
        wanted = min(PIECE, count - len(content) // dtype.itemsize)
        values = np.fromfile(file, wide, wanted, sep=" ")
        if wide != dtype and len(values):
            limits = np.iinfo(dtype)
            if values.min() < limits.min or values.max() > limits.max:
                raise ValueError("a number that its type does not hold")
        content += values.astype(dtype).tobytes()
        _check_time(start)
        if len(values) < wanted:
            break
    if not (behind := file.read(1)).isspace() and behind:
        raise ValueError("a number that its type does not hold")
    return content


def _check_time(start: float) -> None:
    """Check the processor's time since `start`, for the machine may be busy."""
    if time.thread_time() - start > MAX_SECONDS:
        raise TimeoutError
