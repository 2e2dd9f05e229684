"""Files to segment, each opened once and read once for its checksum, whichever of its frames are worked on."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from salus.errors import SalusError
from salus.read.frames import Frames, detect_format, open_frames

KEPT = 64
"""Opened files that are kept in memory: the header of a DICOM or NIfTI file, nothing of a PNG."""

MAX_HASHED = 256 * 2**20
"""Largest bytes of a file for each frame of which a checksum is made; 16 million pixels of any type take less."""

KEPT_IN_MEMORY = 1
"""Opened NRRD files that are kept in memory, with all their pixels, up to 512 MiB; two would be beyond 1 GB."""


class SourceFile:
    """A file in one state, that is of one size and modification time. Safe to use from several threads.

    Get one by `source_file`, which returns the same object for the same file.

    Attributes:
        path: of the file.
        size: in bytes.
        modified: modification time in nanoseconds.
    """

    def __init__(self, path: Path, size: int = 0, modified: int = 0) -> None:
        self.path, self.size, self.modified = path, size, modified
        self._lock = Lock()
        self._frames: Frames | None = None
        self._sha256 = ""

    def frames(self) -> Frames:
        """Open the file at the first call; see `salus.read.frames.open_frames`."""
        with self._lock:
            if self._frames is None:
                self._frames = open_frames(self.path)
            return self._frames

    def identity(self) -> dict[str, Any]:
        """Return sha256, size and modified, as `salus.write.tables.Record` keeps them; read the file at the first call.

        The checksum is empty where the file has more than `MAX_HASHED` for each of its frames: pixels that the header
        does not state, which would take longer to read than all else.

        Raises:
            SalusError: the file is gone.
        """
        if self.size > MAX_HASHED and self.size > MAX_HASHED * self._count():
            return {"sha256": "", "size": self.size, "modified": self.modified}
        with self._lock:
            try:
                self._sha256 = self._sha256 or compute_sha256(self.path)
            except OSError as error:
                raise SalusError(f"{self.path}: vanished while it was read ({error.strerror})") from None
        return {"sha256": self._sha256, "size": self.size, "modified": self.modified}

    def _count(self) -> int:
        """Return the number of frames; 1 where the file cannot be opened."""
        try:
            return self.frames().count
        except Exception:  # reported when the file is segmented
            return 1

    def has_identity(self, sha256: str, size: int, modified: int) -> bool:
        """Check whether this is the file that a record was made of; its content decides where it was touched or moved.

        Raises:
            SalusError: the file is gone.
        """
        if (self.size, self.modified) == (size, modified):
            return True
        return bool(sha256) and self.identity()["sha256"] == sha256


def source_file(path: Path) -> SourceFile:
    """Return the file at a path as it is now; a missing one raises its error when it is opened."""
    try:
        status = path.stat()
    except OSError:
        return SourceFile(path)
    keep = _keep_in_memory if detect_format(path) == "nrrd" else _keep
    with _LOCK:
        return keep(path, status.st_size, status.st_mtime_ns)


def compute_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file as hexadecimal text.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_LOCK = Lock()
_keep = lru_cache(maxsize=KEPT)(SourceFile)
_keep_in_memory = lru_cache(maxsize=KEPT_IN_MEMORY)(SourceFile)
