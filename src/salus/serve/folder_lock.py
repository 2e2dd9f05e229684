"""A lock between processes that write to one folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no lock; threads of one server still wait for one another
    fcntl = None  # type: ignore[assignment]  # a module otherwise


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Wait until no other process holds the folder, and hold it. The lock ends with its process, also when killed.

    Args:
        folder: that exists; an empty file .lock is made in it.

    Raises:
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with folder_lock(Path(tempfile.mkdtemp())):
        ...     pass
    """
    with (folder / ".lock").open("ab") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
