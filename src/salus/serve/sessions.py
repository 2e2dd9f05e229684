"""Sessions: what one browser dropped and corrected, in a temporary folder that goes with the session.

The server chooses every name; what a file was called is never sent to it.
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
from salus.read.frames import Frames, kind_of, open_frames
from salus.read.image import image_size
from salus.serve.data_set import DataSetFolder, size_of
from salus.serve.frames import FrameFiles
from salus.serve.settings import ServeSettings
from salus.serve.temporary_files import claim_folder, clear_leftovers

CHUNK = 1 << 20

LEAST_FREE = 1 << 30
"""Bytes of the disk that uploads leave free."""

_reader = lru_cache(maxsize=2)(open_frames)
"""The last files' headers (of NRRD, pixels), so that a cine is not opened anew for each of its frames."""


class NotThere(Exception):
    """There is no such case, frame or file."""


class Full(SalusError):
    """A limit of the server is reached."""


@dataclass(frozen=True, eq=False)
class OpenCase:
    """One file that is looked at.

    Attributes:
        key: its random name in the interface.
        name: its name in the exported data set.
        folder: of its files.
        source: the file itself.
        count: of frames.
        seconds: from one frame to the next, None where the file does not say.
        dicom: whether the file is DICOM.
        work: its number in the worklist, None where it was dropped.
    """

    key: str
    name: str
    folder: Path
    source: Path
    count: int
    seconds: float | None
    dicom: bool
    work: int | None = None

    def frame(self, number: int) -> FrameFiles:
        """One of its frames.

        Raises:
            NotThere: there is no such frame.
        """
        if not 1 <= number <= self.count:
            raise NotThere(f"no frame {number}; there are {self.count}")
        return FrameFiles(self.folder, number)

    def reader(self) -> Frames:
        """Its frames to read from."""
        return _reader(self.source)


@dataclass(eq=False)
class Session:
    """What one browser works on.

    Attributes:
        key: random; the session's cookie.
        folder: of its files.
        cases: by key, in the order in which they came.
        used: when it was last asked for anything (`time.monotonic`).
    """

    key: str
    folder: Path
    cases: dict[str, OpenCase] = field(default_factory=dict)
    used: float = field(default_factory=monotonic)
    born: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def corrected(self) -> DataSetFolder:
        """What was saved in it, as a data set."""
        return DataSetFolder(self.folder / "corrected")

    def case(self, key: str) -> OpenCase:
        """A case by its key.

        Raises:
            NotThere: there is none.
        """
        if key not in self.cases:
            raise NotThere("no such case in this session")
        return self.cases[key]


class Sessions:
    """All sessions of a server, under one temporary folder.

    Args:
        settings: their limits.
        now: the clock, seconds.
    """

    def __init__(self, settings: ServeSettings, now: Callable[[], float] = monotonic) -> None:
        self.settings, self.now = settings, now
        clear_leftovers()
        self.root, self._alive = claim_folder()
        self.by_key: dict[str, Session] = {}
        self.lock = threading.Lock()

    def find(self, key: str | None) -> Session | None:
        """The session of a cookie, if it still is there."""
        session = self.by_key.get(key or "")
        if session is not None:
            session.used = self.now()
        return session

    def begin(self) -> Session:
        """A new session.

        Raises:
            Full: there are as many as may be.
        """
        self.expire()
        with self.lock:
            if len(self.by_key) >= self.settings.sessions:
                self._end_empty()
            if len(self.by_key) >= self.settings.sessions:
                raise Full(f"{len(self.by_key)} sessions are open, no more may be; end one, or try later")
            key = secrets.token_urlsafe(24)
            session = Session(key, Path(tempfile.mkdtemp(dir=self.root)), used=self.now())
            self.by_key[key] = session
        return session

    def _end_empty(self) -> None:
        """Of the sessions that hold nothing, end the one that was not used for longest; programs leave such behind."""
        empty = [one for one in self.by_key.values() if not one.cases and not one.born]
        if empty:
            self.end(min(empty, key=lambda one: one.used).key)

    def end(self, key: str) -> None:
        """End a session; its files go."""
        session = self.by_key.pop(key, None)
        if session is not None:
            forget_readers()
            shutil.rmtree(session.folder, ignore_errors=True)

    def expire(self) -> None:
        """End the sessions that nobody used for long."""
        for key, session in list(self.by_key.items()):
            if self.now() - session.used > self.settings.keep_seconds:
                self.end(key)

    def close(self) -> None:
        """End all; every uploaded file goes."""
        self.by_key.clear()
        forget_readers()
        shutil.rmtree(self.root, ignore_errors=True)
        if self._alive is not None:
            self._alive.close()

    def add(self, session: Session, content: BinaryIO) -> OpenCase:
        """A case of uploaded bytes; what they are, their first bytes say.

        Raises:
            SalusError: they are no image that Salus reads, or beyond a limit.
        """
        if size_of(session.folder) > self.settings.session_bytes:
            raise Full("this session holds as much as it may; save what you need and end it")
        suffix = suffix_of(content.read(400))
        content.seek(0)
        folder = self._room(session)
        try:
            source = folder / f"source{suffix}"
            with source.open("wb") as file:
                shutil.copyfileobj(content, file, CHUNK)
            return self._open(session, folder, source)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def look(self, session: Session, source: Path, work: int, name: str) -> OpenCase:
        """A case of a file of the worklist, which is read where it lies; the one that is open already, if there is.

        Raises:
            SalusError: it is no image that Salus reads, or beyond a limit.
        """
        for case in session.cases.values():
            if case.work == work:
                return case
        folder = self._room(session)
        try:
            return self._open(session, folder, source, work, name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def drop(self, session: Session, case: OpenCase) -> None:
        """Close a case; its files go, and what was saved of it stays in the session's data set."""
        session.cases.pop(case.key, None)
        forget_readers()
        shutil.rmtree(case.folder, ignore_errors=True)

    def _room(self, session: Session) -> Path:
        if len(session.cases) >= self.settings.cases:
            raise Full(f"{len(session.cases)} images are open, no more may be; close some")
        if shutil.disk_usage(session.folder).free < LEAST_FREE:
            raise Full("the server's disk is full; close what is not needed")
        return Path(tempfile.mkdtemp(dir=session.folder))

    def _open(
        self, session: Session, folder: Path, source: Path, work: int | None = None, name: str | None = None
    ) -> OpenCase:
        frames = checked_frames(source, self.settings)
        with session.lock:
            session.born += 1
            case = OpenCase(
                key=secrets.token_urlsafe(12),
                name=name or f"case-{session.born:04}",
                folder=folder,
                source=source,
                count=frames.count,
                seconds=frames.seconds,
                dicom=kind_of(source) == "dicom",
                work=work,
            )
            session.cases[case.key] = case
        return case


def forget_readers() -> None:
    """Let go of the files that were read last."""
    _reader.cache_clear()


def checked_frames(source: Path, settings: ServeSettings) -> Frames:
    """The frames of a file within the server's limits; nothing of it is decoded.

    Raises:
        SalusError: it is no image that Salus reads, or has too many pixels or frames.
    """
    frames = open_frames(source)
    if kind_of(source) == "image":
        image_size(source)
    if frames.count > settings.frames:
        raise SalusError(f"{source}: {frames.count} frames; at most {settings.frames} are taken")
    return frames


def suffix_of(start: bytes) -> str:
    """The suffix of what a file's first 352 bytes or more begin.

    Raises:
        SalusError: nothing that Salus reads begins so.

    Example:
        >>> suffix_of(bytes(128) + b"DICM"), suffix_of(b"\\x89PNG\\r\\n\\x1a\\n")
        ('.dcm', '.png')
    """
    for suffix, at, magics in (
        (".png", 0, (b"\x89PNG\r\n\x1a\n",)),
        (".jpg", 0, (b"\xff\xd8\xff",)),
        (".tif", 0, (b"II*\0", b"MM\0*")),
        (".bmp", 0, (b"BM",)),
        (".dcm", 128, (b"DICM",)),
        (".nii.gz", 0, (b"\x1f\x8b",)),
        (".nii", 344, (b"n+1\0", b"n+2\0", b"ni1\0")),
        (".nii", 4, (b"n+2\0",)),
        (".nrrd", 0, (b"NRRD",)),
    ):
        if start[at:].startswith(magics):
            return suffix
    if start[:2] in (b"\x08\0", b"\x02\0"):  # DICOM without its preamble begins with group 0002 or 0008
        return ".dcm"
    raise SalusError("the file: not an image that Salus reads (PNG, JPEG, TIFF, BMP, DICOM, NIfTI, NRRD)")
