"""Limits that are checked before a file is decoded, so that a hostile or mistaken one cannot exhaust the memory."""

from __future__ import annotations

from pathlib import Path

from salus.errors import SalusError

MAX_PIXELS = 16_000_000
"""Largest number of pixels in an image; an ultrasound image has about 1 million."""

MAX_BYTES = 4 * 2**30
"""Largest size of a file; a minute of uncompressed colour cine would have about 5 GB, but is not stored so."""

MAX_FRAMES = 20_000
"""Largest number of frames in a file (five minutes at 60 frames a second)."""

MAX_VALUES = 2**35
"""Largest rows x columns x frames of a file; one frame is read at a time."""

MAX_INFLATED = 512 * 2**20
"""Largest size that a packed file may unpack to, where it is read whole, in bytes."""

MAX_DEFLATED = 128 * 2**20
"""Largest size that a deflated DICOM file may unpack to, in bytes; the header is parsed beside it."""

MAX_SECONDS = 4.0
"""Longest time to decode one frame; a frame of 1 million pixels takes some hundredths of a second."""

MAX_JPEG_PIXELS = 400_000_000
"""Largest pixels x scans of a progressive JPEG file; usual are 10 scans."""


def check_file(path: Path) -> int:
    """Check that a file can be read and is no larger than `MAX_BYTES`.

    Returns:
        Its size in bytes.

    Raises:
        SalusError: it is missing, not a regular file, may not be read, or is too large.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait
            what = "a folder" if path.is_dir() else "no file but a pipe or a device"
            raise SalusError(f"{path}: is {what}; an image file was expected")
        with path.open("rb"):
            size = path.stat().st_size
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file") from None
    except PermissionError:
        raise SalusError(f"{path}: no permission to read it") from None
    except OSError as error:
        raise SalusError(f"{path}: cannot be read ({error.strerror})") from None
    if size > MAX_BYTES:
        raise SalusError(f"{path}: {size / 2**30:.1f} GiB is more than {MAX_BYTES / 2**30:.0f}; split it")
    return size


def check_size(path: Path | str, rows: int, columns: int, frames: int) -> None:
    """Check a file's frame size and count against the limits.

    Raises:
        SalusError: a size is not positive, or beyond a limit.

    Example:
        >>> check_size("a.dcm", 600, 800, 100)
    """
    if min(rows, columns, frames) < 1:
        raise SalusError(f"{path}: says that it holds {frames} frames of {columns} x {rows} pixels; it is damaged")
    if rows * columns > MAX_PIXELS:
        raise SalusError(f"{path}: {columns} x {rows} pixels is more than {MAX_PIXELS:,}; crop or shrink it")
    if frames > MAX_FRAMES or rows * columns * frames > MAX_VALUES:
        raise SalusError(f"{path}: {frames:,} frames of {columns} x {rows} pixels are more than Salus reads; split it")


def check_frame_number(source: str, number: int, count: int) -> None:
    """Check that a file of `count` frames has a frame of this number, counted from 1.

    Raises:
        SalusError: it has not.
    """
    if not 1 <= number <= count:
        raise SalusError(f"{source}: has no frame {number}; it holds {count}")
