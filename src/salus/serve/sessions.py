"""Sessions: what browsers uploaded and corrected, in the work folder or in a temporary one.

The server chooses the name of every file. In a work folder an idle session leaves the memory and stays on the disk.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from salus.errors import SalusError
from salus.output_names import fold_name
from salus.read.formats import FORMAT_NAMES, HEAD, suffix_of_head
from salus.read.frames import Frames, detect_format, open_frames
from salus.read.image import image_size
from salus.serve.data_set import folder_size
from salus.serve.names import case_name, clean_label, distinct_name, file_of_region, patient_key
from salus.serve.open_case import NotFound, OpenCase, file_revision, forget_opened_files
from salus.serve.session import Session, load_session, session_folder_name
from salus.serve.settings import ServeSettings
from salus.serve.temporary_files import create_locked_folder, remove_stale_folders
from salus.serve.work_folder import WorkFolder

__all__ = ["LimitReached", "NotFound", "OpenCase", "Session", "Sessions", "detect_suffix", "open_within_limits"]

CHUNK_BYTES = 1 << 20
"""Bytes of an upload that are copied at a time."""

MIN_FREE_BYTES = 1 << 30
"""Bytes of the disk that uploads leave free."""


class LimitReached(SalusError):
    """A limit of the server is reached."""


class Sessions:
    """All sessions of a server.

    Args:
        settings: their limits.
        clock: gives the time in seconds.
        work: folder in which they outlive the server; None takes a temporary one, which ends with it.
        work_files: of the worklist, by name.

    Attributes:
        root: temporary folder of the server, for downloads, and for sessions where there is no work folder.
    """

    def __init__(
        self,
        settings: ServeSettings,
        clock: Callable[[], float] = monotonic,
        work: WorkFolder | None = None,
        work_files: Mapping[str, Path] | None = None,
    ) -> None:
        self.settings, self.clock, self.work, self.work_files = settings, clock, work, work_files or {}
        remove_stale_folders()
        self.root, self._lock_file = create_locked_folder()
        self.folder = self.root if work is None else work.sessions
        self.by_key: dict[str, Session] = {}
        self.lock = threading.Lock()
        self.expire()

    def find(self, key: str | None) -> Session | None:
        """Find the session of a cookie, also one from before a restart; None where there is none or it has ended."""
        session = self.by_key.get(key or "")
        if session is None and key and self.work is not None:
            with self.lock:
                session = self.by_key.get(key) or self._load(key)
        if session is not None:
            session.last_used = self.clock()
            if self.work is not None:
                session.touch()
        return session

    def _load(self, key: str) -> Session | None:
        session = load_session(self.folder / session_folder_name(key), key, self.clock(), self.work_files)
        if session is not None:
            self.by_key[key] = session
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
            folder = self.folder / session_folder_name(key)
            folder.mkdir(mode=0o700)
            session = Session(key, folder, self.clock())
            if self.work is not None:
                session.store()
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
        """End the sessions that were unused for too long; in a work folder they leave the memory, and go after days."""
        for key, session in list(self.by_key.items()):
            if self.clock() - session.last_used <= self.settings.idle_seconds:
                continue
            if self.work is None or not session.opened:
                self.end(key)
            else:
                self.by_key.pop(key, None)
        if self.work is not None:
            self.work.remove_old(self.settings.keep_days)

    def close(self) -> None:
        """End the server's use of its folders; what is in a work folder stays, all else is removed."""
        self.by_key.clear()
        _remove(self.root)
        if self._lock_file is not None:
            self._lock_file.close()
        if self.work is not None:
            self.work.close()

    def add_upload(self, session: Session, content: BinaryIO, label: str = "", upload: str = "") -> OpenCase:
        """Store an uploaded file and open it as a case; its first bytes tell its format.

        Args:
            session: that it goes into.
            content: of the file.
            label: the file's own name, of which the case is named; "" gives it a number.
            upload: the browser's own name of the upload; one that the session has already gives that case again.

        Raises:
            SalusError: it is no image that Salus reads, or a limit is exceeded.
        """
        if (same := session.case_of_upload(upload)) is not None:
            return same
        if folder_size(session.folder) > self.settings.max_session_bytes:
            raise LimitReached("this session holds as much as it may; save what you need and end it")
        suffix = detect_suffix(content.read(HEAD))
        content.seek(0)

        def store(folder: Path) -> Path:
            source = folder / f"source{suffix}"
            with source.open("wb") as file:
                shutil.copyfileobj(content, file, CHUNK_BYTES)
            return source

        return self._open_case(session, store, label=clean_label(label), upload=upload)

    def open_worklist_file(self, session: Session, source: Path, number: int, name: str, label: str) -> OpenCase:
        """Open a file of the worklist as a case; it is read where it lies. Give the case that is open already, if any;
        where the file was replaced since, that one is closed.

        Args:
            session: that opens it.
            source: the file.
            number: in the worklist.
            name: in the exported data set.
            label: the file's own name.

        Raises:
            SalusError: it is no image that Salus reads, or a limit is exceeded.
        """
        for case in list(session.cases.values()):
            if case.work == number and not case.is_replaced:
                return case
            if case.work == number:
                self.close_case(session, case)
        return self._open_case(session, lambda folder: source, number, name, label)

    def close_case(self, session: Session, case: OpenCase) -> None:
        """Close a case and remove its files; what was saved of it stays in the session's data set."""
        session.cases.pop(case.key, None)
        _remove(case.folder)

    def _open_case(
        self,
        session: Session,
        store: Callable[[Path], Path],
        work: int | None = None,
        name: str | None = None,
        label: str = "",
        upload: str = "",
    ) -> OpenCase:
        """Make a case's folder, have its source stored, and open it; remove the folder where that fails."""
        if len(session.cases) >= self.settings.max_cases:
            raise LimitReached(f"{len(session.cases)} images are open, no more may be; close some")
        if shutil.disk_usage(session.folder).free < MIN_FREE_BYTES:
            raise LimitReached("the server's disk is full; close what is not needed")
        folder = Path(tempfile.mkdtemp(dir=session.folder))
        try:
            source = store(folder)
            revision = "" if work is None else file_revision(source)  # before it is read
            frames = open_within_limits(source, self.settings)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with session.lock:
            if (same := session.case_of_upload(upload)) is not None:  # it came in by another request meanwhile
                shutil.rmtree(folder, ignore_errors=True)
                return same
            session.opened += 1
            case = OpenCase(
                key=secrets.token_urlsafe(12),
                name=name or self._name(session, label, frames.count),
                folder=folder,
                source=source,
                count=frames.count,
                seconds=frames.seconds,
                dicom=detect_format(source) == "dicom",
                work=work,
                label=label,
                patient_key=patient_key(getattr(frames, "header", None)),
                order=session.opened,
                upload=upload,
                revision=revision,
            )
            if self.work is not None:
                case.store()
                session.store()
            session.cases[case.key] = case
        return case

    def _name(self, session: Session, label: str, count: int) -> str:
        """Name an uploaded case after its file, so that no image in the data set takes the name of another."""
        taken = session.image_names() | session.data_set.cases() | self.work_files.keys()
        taken.update(case.name for case in session.cases.values())
        taken = {fold_name(name) for name in taken}  # where the data set goes, case may not count
        with_regions = {file_of_region(name) for name in taken}

        def is_taken(name: str) -> bool:
            frames = {f"{name}-{number:04}" for number in range(1, count + 1)} if count > 1 else set()
            names = {fold_name(one) for one in (name, *frames)}
            return not taken.isdisjoint(names | {file_of_region(fold_name(name))}) or not with_regions.isdisjoint(names)

        return distinct_name(case_name(label) or f"case-{session.opened:04}", is_taken)


def _remove(folder: Path) -> None:
    """Remove a folder of files that may be open for reading."""
    forget_opened_files()
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
    """Tell a file's suffix from its first bytes, as `salus segment` recognises files.

    Args:
        start: the file's first `HEAD` bytes.

    Raises:
        SalusError: it is no format that Salus reads.

    Example:
        >>> detect_suffix(bytes(128) + b"DICM"), detect_suffix(b"\\x89PNG\\r\\n\\x1a\\n")
        ('.dcm', '.png')
    """
    suffix = suffix_of_head(start)
    if suffix is None:
        raise SalusError(f"the file: not an image that Salus reads ({FORMAT_NAMES})")
    return suffix
