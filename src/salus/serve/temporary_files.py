"""The temporary folder of one server; folders that killed servers left behind are removed at the next start."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: folders of killed servers stay until the system clears its temporary files
    fcntl = None  # type: ignore[assignment]  # a module otherwise

PREFIX, LOCK = "salus-serve-", "lock"


def create_locked_folder() -> tuple[Path, IO[bytes] | None]:
    """Create a folder that only this user can open, with a lock file that shows that its server is alive.

    Returns:
        The folder, and the lock file, to be kept open while the server runs; None on Windows.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    if fcntl is None:
        return folder, None
    lock = (folder / "new").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "new").rename(folder / LOCK)  # so that the lock file is never there unlocked
    return folder, lock


def remove_stale_folders(parent: Path | None = None) -> int:
    """Remove the folders of this user's servers that no longer run.

    Args:
        parent: where the folders lie; None takes the system's folder for temporary files.

    Returns:
        Number of folders removed.
    """
    if fcntl is None:
        return 0
    removed = 0
    for lock in (parent or Path(tempfile.gettempdir())).glob(f"{PREFIX}*/{LOCK}"):
        folder = lock.parent
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        except OSError:  # its server runs, or another one removes it at this moment
            continue
    return removed
