"""What is refused before it is decoded, so that a hostile or mistaken file cannot take the machine's memory."""

from __future__ import annotations

from pathlib import Path

from salus.errors import SalusError

MAX_PIXELS = 16_000_000
"""Images above this many pixels are refused before they are decoded; an ultrasound image has about 1 million."""

MAX_BYTES = 4 * 2**30
"""Of a file; a minute of uncompressed colour cine at 60 frames a second has about 5 GB, but is not stored so."""

MAX_FRAMES = 20_000
"""Of a file; five minutes at 60 frames a second."""

MAX_VALUES = 2**35
"""Rows x columns x frames of a file, in all. They are read a frame at a time."""

MAX_INFLATED = 512 * 2**20
"""Bytes that a packed file may unpack to, where it is read whole."""


def require_file(path: Path) -> int:
    """The size in bytes of a regular file.

    Raises:
        SalusError: it is missing, not a file, may not be read, or is larger than `MAX_BYTES`.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
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


def require_size(path: Path | str, rows: int, columns: int, frames: int) -> None:
    """Nothing where a file's frames are within the limits.

    Raises:
        SalusError: a size is not positive, or beyond a limit.

    Example:
        >>> require_size("a.dcm", 600, 800, 100)
    """
    if min(rows, columns, frames) < 1:
        raise SalusError(f"{path}: says that it holds {frames} frames of {columns} x {rows} pixels; it is damaged")
    if rows * columns > MAX_PIXELS:
        raise SalusError(f"{path}: {columns} x {rows} pixels is more than {MAX_PIXELS:,}; crop or shrink it")
    if frames > MAX_FRAMES or rows * columns * frames > MAX_VALUES:
        raise SalusError(f"{path}: {frames:,} frames of {columns} x {rows} pixels are more than Salus reads; split it")
