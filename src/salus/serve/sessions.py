"""Sessions: what one browser uploaded and corrected, in a temporary folder that is removed with the session.

The server chooses every name; the original name of a file is never sent to it.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from salus.errors import SalusError
from salus.read.frames import Frames, detect_format, open_frames
from salus.read.image import image_size
from salus.serve.data_set import DataSetFolder, folder_size
from salus.serve.frames import FrameFiles
from salus.serve.settings import ServeSettings
from salus.serve.temporary_files import create_locked_folder, remove_stale_folders

CHUNK_BYTES = 1 << 20
"""Bytes of an upload that are copied at a time."""

MIN_FREE_BYTES = 1 << 30
"""Bytes of the disk that uploads leave free."""

MAGIC_BYTES = 400
"""Bytes from the start of a file that `detect_suffix` needs."""

_open_cached = lru_cache(maxsize=2)(open_frames)
"""Keep the headers of the last files (of NRRD, pixels), so that a cine is not opened anew for each of its frames."""


class NotFound(Exception):
    """There is no such case, frame or file."""


class LimitReached(SalusError):
    """A limit of the server is reached."""


@dataclass(frozen=True, eq=False)
class OpenCase:
    """One open file.

    Attributes:
        key: its random name in the interface.
        name: its name in the exported data set.
        folder: of its frames' files.
        source: the file itself.
        count: number of frames.
        seconds: from one frame to the next, None where the file does not say.
        dicom: whether the file is DICOM.
        work: its number in the worklist, None where it was uploaded.
    """

    key: str
    name: str
    folder: Path
    source: Path
    count: int
    seconds: float | None
    dicom: bool
    work: int | None = None

    @property
    def is_cine(self) -> bool:
        """Whether the file holds several frames."""
        return self.count > 1

    def frame(self, number: int) -> FrameFiles:
        """Get a frame by its number, from 1.

        Raises:
            NotFound: there is no such frame.
        """
        if not 1 <= number <= self.count:
            raise NotFound(f"no frame {number}; there are {self.count}")
        return FrameFiles(self.folder, number)

    def open(self) -> Frames:
        """Open the file to read its frames."""
        return _open_cached(self.source)


@dataclass(eq=False)
class Session:
    """What one browser works on.

    Attributes:
        key: random; the value of the session's cookie.
        folder: of its files.
        last_used: time of the last request (`time.monotonic`).
        cases: by key, in the order in which they were opened.
        opened: number of cases opened so far.
        lock: for opening cases.
        data_set: the outlines that were saved.
    """

    key: str
    folder: Path
    last_used: float
    cases: dict[str, OpenCase] = field(default_factory=dict)
    opened: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    data_set: DataSetFolder = field(init=False)

    def __post_init__(self) -> None:
        self.data_set = DataSetFolder(self.folder / "corrected")

    def case(self, key: str) -> OpenCase:
        """Get a case by its key.

        Raises:
            NotFound: there is none.
        """
        if key not in self.cases:
            raise NotFound("no such case in this session")
        return self.cases[key]


class Sessions:
    """All sessions of a server, under one temporary folder.

    Args:
        settings: their limits.
        clock: gives the time in seconds.
    """

    def __init__(self, settings: ServeSettings, clock: Callable[[], float] = monotonic) -> None:
        self.settings, self.clock = settings, clock
        remove_stale_folders()
        self.root, self._lock_file = create_locked_folder()
        self.by_key: dict[str, Session] = {}
        self.lock = threading.Lock()

    def find(self, key: str | None) -> Session | None:
        """Find the session of a cookie; None where there is none or it has ended."""
        session = self.by_key.get(key or "")
        if session is not None:
            session.last_used = self.clock()
        return session

    def create(self) -> Session:
        """Create a session.

        Raises:
            LimitReached: too many sessions are open.
        """
        self.expire()
        with self.lock:
            if len(self.by_key) >= self.settings.max_sessions:
                self._end_oldest_empty()
            if len(self.by_key) >= self.settings.max_sessions:
                raise LimitReached(f"{len(self.by_key)} sessions are open, no more may be; end one, or try later")
            key = secrets.token_urlsafe(24)
            session = Session(key, Path(tempfile.mkdtemp(dir=self.root)), self.clock())
            self.by_key[key] = session
        return session

    def _end_oldest_empty(self) -> None:
        """End the session that was unused for longest among those without files; programs leave such behind."""
        empty = [session for session in self.by_key.values() if not session.opened]
        if empty:
            self.end(min(empty, key=lambda session: session.last_used).key)

    def end(self, key: str) -> None:
        """End a session and remove its files."""
        session = self.by_key.pop(key, None)
        if session is not None:
            _remove(session.folder)

    def expire(self) -> None:
        """End the sessions that were unused for too long."""
        for key, session in list(self.by_key.items()):
            if self.clock() - session.last_used > self.settings.idle_seconds:
                self.end(key)

    def close(self) -> None:
        """End all sessions and remove every uploaded file."""
        self.by_key.clear()
        _remove(self.root)
        if self._lock_file is not None:
            self._lock_file.close()

    def add_upload(self, session: Session, content: BinaryIO) -> OpenCase:
        """Store an uploaded file and open it as a case; its first bytes tell its format.

        Raises:
            SalusError: it is no image that Salus reads, or a limit is exceeded.
        """
        if folder_size(session.folder) > self.settings.max_session_bytes:
            raise LimitReached("this session holds as much as it may; save what you need and end it")
        suffix = detect_suffix(content.read(MAGIC_BYTES))
        content.seek(0)

        def store(folder: Path) -> Path:
            source = folder / f"source{suffix}"
            with source.open("wb") as file:
                shutil.copyfileobj(content, file, CHUNK_BYTES)
            return source

        return self._open_case(session, store)

    def open_worklist_file(self, session: Session, source: Path, number: int, name: str) -> OpenCase:
        """Open a file of the worklist as a case; it is read where it lies. Give the case that is open already, if any.

        Args:
            session: that opens it.
            source: the file.
            number: in the worklist.
            name: in the exported data set.

        Raises:
            SalusError: it is no image that Salus reads, or a limit is exceeded.
        """
        for case in session.cases.values():
            if case.work == number:
                return case
        return self._open_case(session, lambda folder: source, number, name)

    def close_case(self, session: Session, case: OpenCase) -> None:
        """Close a case and remove its files; what was saved of it stays in the session's data set."""
        session.cases.pop(case.key, None)
        _remove(case.folder)

    def _open_case(
        self, session: Session, store: Callable[[Path], Path], work: int | None = None, name: str | None = None
    ) -> OpenCase:
        """Make a case's folder, have its source stored, and open it; remove the folder where that fails."""
        if len(session.cases) >= self.settings.max_cases:
            raise LimitReached(f"{len(session.cases)} images are open, no more may be; close some")
        if shutil.disk_usage(session.folder).free < MIN_FREE_BYTES:
            raise LimitReached("the server's disk is full; close what is not needed")
        folder = Path(tempfile.mkdtemp(dir=session.folder))
        try:
            source = store(folder)
            frames = open_within_limits(source, self.settings)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with session.lock:
            session.opened += 1
            case = OpenCase(
                key=secrets.token_urlsafe(12),
                name=name or f"case-{session.opened:04}",
                folder=folder,
                source=source,
                count=frames.count,
                seconds=frames.seconds,
                dicom=detect_format(source) == "dicom",
                work=work,
            )
            session.cases[case.key] = case
        return case


def _remove(folder: Path) -> None:
    """Remove a folder of files that may be open for reading."""
    _open_cached.cache_clear()
    shutil.rmtree(folder, ignore_errors=True)


def open_within_limits(source: Path, settings: ServeSettings) -> Frames:
    """Open a file within the server's limits, without decoding anything.

    Raises:
        SalusError: it is no image that Salus reads, or has too many pixels or frames.
    """
    frames = open_frames(source)
    if detect_format(source) == "image":
        image_size(source)
    if frames.count > settings.max_frames:
        raise SalusError(f"{source}: {frames.count} frames; at most {settings.max_frames} are taken")
    return frames


def detect_suffix(start: bytes) -> str:
    """Tell a file's suffix from its first bytes.

    Args:
        start: the file's first 352 bytes or more.

    Raises:
        SalusError: it is no format that Salus reads.

    Example:
        >>> detect_suffix(bytes(128) + b"DICM"), detect_suffix(b"\\x89PNG\\r\\n\\x1a\\n")
        ('.dcm', '.png')
    """
    for suffix, offset, magics in (
        (".png", 0, (b"\x89PNG\r\n\x1a\n",)),
        (".jpg", 0, (b"\xff\xd8\xff",)),
        (".tif", 0, (b"II*\0", b"MM\0*")),
        (".bmp", 0, (b"BM",)),
        (".dcm", 128, (b"DICM",)),
        (".nii.gz", 0, (b"\x1f\x8b",)),
        (".nii", 344, (b"n+1\0", b"n+2\0", b"ni1\0")),
        (".nii", 4, (b"n+2\0",)),
        (".nrrd", 0, (b"NRRD",)),
        (".dcm", 0, (b"\x08\0", b"\x02\0")),  # without its preamble DICOM begins with group 0002 or 0008
    ):
        if start[offset:].startswith(magics):
            return suffix
    raise SalusError("the file: not an image that Salus reads (PNG, JPEG, TIFF, BMP, DICOM, NIfTI, NRRD)")
