"""Locks between processes that write to one folder, on POSIX systems and on Windows.

A lock is a file that a process holds open, alone or with others that share it. It ends with its process, also when that
is killed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module otherwise
try:
    import msvcrt
except ImportError:  # POSIX
    msvcrt = None  # type: ignore[assignment]  # a module otherwise

PLACES = 1024
"""Bytes that are locked on Windows, which has no shared locks: one byte to share a file, all to have it alone."""

FIRST_PLACE = 1 << 20
"""Offset of the first of them, behind the content, because a locked byte cannot be read there."""


PAUSE = 0.05
"""Seconds between tries to lock a file on Windows, which does not tell when it is free."""


@contextmanager
def folder_lock(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a folder.

    Args:
        folder: that exists; an empty file .lock is made in it, and stays.
        wait: until no other process holds it.

    Raises:
        BlockingIOError: another process, or another thread, holds it, and `wait` is false.
        OSError: the folder cannot be written, or its file system has no locks.

    Example:
        >>> import tempfile
        >>> with folder_lock(Path(tempfile.mkdtemp())):
        ...     pass
    """
    with (folder / ".lock").open("ab") as file:
        if wait and fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            while not try_lock(file.fileno(), shared=False):
                if not wait:
                    raise BlockingIOError(f"{folder} is locked")
                time.sleep(PAUSE)
        yield


def try_lock(file: int, *, shared: bool) -> bool:
    """Lock an open file; return False where another process has it.

    Args:
        file: descriptor, open for reading and writing.
        shared: with others that share it too.

    Raises:
        OSError: the file system has no locks.
    """
    if fcntl is not None:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
    if shared:
        return any(_try_places(file, FIRST_PLACE + place, 1) for place in range(PLACES))
    return _try_places(file, FIRST_PLACE, PLACES)


def release(file: int, path: Path) -> None:
    """Close a locked file, and remove it where no other process shares it.

    Args:
        file: descriptor.
        path: of the file.
    """
    with suppress(OSError):  # others share it
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    os.close(file)
    if fcntl is None:
        with suppress(OSError):  # Windows removes no file that another process has open
            path.unlink(missing_ok=True)


def _try_places(file: int, first: int, count: int) -> bool:
    """Lock bytes of a file on Windows; return False where one of them is locked."""
    os.lseek(file, first, os.SEEK_SET)
    try:
        msvcrt.locking(file, msvcrt.LK_NBLCK, count)  # type: ignore[attr-defined]  # not on POSIX
    except PermissionError:
        return False
    return True
