"""The folder of one server's sessions; what a killed server left behind goes when the next one starts."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where what a killed server leaves stays until the system clears its temporary files
    fcntl = None  # type: ignore[assignment]  # a module otherwise

PREFIX, LOCK = "salus-serve-", "lock"


def claim_folder() -> tuple[Path, IO[bytes] | None]:
    """A fresh folder that only this user may look into, and the lock that says its server lives, to be kept open."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    if fcntl is None:
        return folder, None
    lock = (folder / "new").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "new").rename(folder / LOCK)  # never there unlocked
    return folder, lock


def clear_leftovers(place: Path | None = None) -> int:
    """Remove the folders of this user's servers that live no more.

    Args:
        place: where they lie; None takes the system's place for temporary files.

    Returns:
        How many.
    """
    if fcntl is None:
        return 0
    cleared = 0
    for lock in (place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*/{LOCK}"):
        folder = lock.parent
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                cleared += 1
        except OSError:  # its server lives, or another one clears it at this moment
            continue
    return cleared
