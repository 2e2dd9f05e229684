"""Objects and results on disk, so that a node that is killed at any moment loses nothing and sends nothing twice.

An object is known by its SOP Instance UID, of which KEY is the SHA-256: file names and the log hold no UID.

FOLDER/incoming/             objects that are being received
FOLDER/received/KEY.dcm      received whole; the sender was told so only then
FOLDER/tries/KEY             a byte for each time its segmentation was begun
FOLDER/results/KEY/N.dcm     its results; the folder is made elsewhere and renamed, so it holds all of them or is absent
FOLDER/results/KEY/NAME.sent all of them are at this destination
FOLDER/done/KEY              all are at all destinations: nothing else is left of the object
FOLDER/failed/KEY.dcm, .txt  could not be segmented, and why

Results get their SOP Instance UIDs when they are written. Sent again after a crash, they are the same objects.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Condition

from salus.atomic import write_text
from salus.errors import SalusError
from salus.folder_lock import folder_lock

FOLDERS = ("incoming", "received", "tries", "results", "done", "failed")

MAX_TRIES = 3
"""Times that the segmentation of an object is begun; a node that died at it each time would die for ever."""

ABANDONED = 3600.0
"""Seconds since the last change after which a file in incoming/ is what an aborted transfer left."""

SHOWN = 16
"""Letters of a key that the log shows."""


def key_of(uid: str) -> str:
    """Return the key of an object: the SHA-256 of its SOP Instance UID.

    Example:
        >>> key_of("1.2.3")[:16]
        'c47f5b18b8a430e6'
    """
    return hashlib.sha256(uid.strip("\0 ").encode()).hexdigest()


class ObjectQueue:
    """The queue in a folder. Safe to use from several threads, of one process.

    Args:
        folder: made where it is missing.
        destinations: names of the destinations.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, destinations: Sequence[str]) -> None:
        self.folder, self.destinations = folder, tuple(destinations)
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._changed = Condition()
        self._waiting: dict[str, float] = {}  # key -> when to begin
        self._busy: set[str] = set()
        self._unsent: dict[str, dict[str, None]] = {name: {} for name in self.destinations}
        self._closed = False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process, and put in order what a killed one left.

        Raises:
            SalusError: another node holds it.
        """
        with ExitStack() as held:
            try:
                held.enter_context(folder_lock(self.folder, wait=False))
            except BlockingIOError:
                raise SalusError(f"{self.folder}: another node works there; end it, or set another folder") from None
            self._recover()
            yield

    @property
    def incoming(self) -> Path:
        """Folder of objects that are being received; on the disk of the others, so that they can be renamed."""
        return self.folder / "incoming"

    def source(self, key: str) -> Path:
        """Return the path of a received object."""
        return self.folder / "received" / f"{key}.dcm"

    def results(self, key: str) -> list[Path]:
        """List the results of an object, in the order in which they are sent."""
        return sorted((self.folder / "results" / key).glob("*.dcm"))

    def knows(self, key: str) -> bool:
        """Tell whether an object was received before, and was not set aside."""
        return self.source(key).exists() or (self.folder / "done" / key).exists()

    def add(self, key: str, path: Path) -> bool:
        """Take over an object that was received.

        Args:
            key: of the object.
            path: its file in `incoming`; it is moved, but left where the object is known.

        Returns:
            Whether it is new.

        Raises:
            OSError: it cannot be stored.
        """
        _sync(path)
        with self._changed:
            if self.knows(key):
                return False
            os.replace(path, self.source(key))
            _sync(self.source(key).parent)
            for suffix in (".dcm", ".txt"):
                (self.folder / "failed" / f"{key}{suffix}").unlink(missing_ok=True)
            self._waiting[key] = 0.0
            self._changed.notify_all()
        return True

    def take(self, timeout: float) -> str | None:
        """Wait for an object to segment; None where there is none in time. `store`, `set_aside` or `put_back` it."""
        end = time.monotonic() + timeout
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                key = next((key for key, begin in self._waiting.items() if begin <= now), None)
                if key is not None:
                    del self._waiting[key]
                    self._busy.add(key)
                    return key
                if now >= end:
                    return None
                self._changed.wait(min(end - now, 0.5 if self._waiting else end - now))
        return None

    def begin(self, key: str) -> int:
        """Note on disk that the segmentation of an object begins, and return how often it did."""
        path = self.folder / "tries" / key
        with path.open("ab") as file:
            file.write(b".")
        return path.stat().st_size

    def put_back(self, key: str, delay: float) -> None:
        """Segment an object later, as its failure is not its own: a full disk."""
        with self._changed:
            self._busy.discard(key)
            (self.folder / "tries" / key).unlink(missing_ok=True)
            self._waiting[key] = time.monotonic() + delay

    def store(self, key: str, files: Sequence[Path]) -> None:
        """Store the results of an object, all at once; without any, it is done.

        Raises:
            OSError: they cannot be stored.
        """
        if files:
            part = self.folder / "results" / f".{key}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(mode=0o700)
            for number, file in enumerate(files, 1):
                _sync(shutil.move(file, part / f"{number:05}.dcm"))
            _sync(part)
            os.replace(part, part.with_name(key))
            _sync(part.parent)
        with self._changed:
            self._busy.discard(key)
            (self.folder / "tries" / key).unlink(missing_ok=True)
            if files:
                for name in self.destinations:
                    self._unsent[name][key] = None
            else:
                self._finish(key)
            self._changed.notify_all()

    def set_aside(self, key: str, reason: str) -> None:
        """Put an object that cannot be segmented, and the reason, into failed/; sent again, it is tried again."""
        with self._changed:
            self._busy.discard(key)
            write_text(self.folder / "failed" / f"{key}.txt", reason + "\n")
            os.replace(self.source(key), self.folder / "failed" / f"{key}.dcm")
            (self.folder / "tries" / key).unlink(missing_ok=True)

    def unsent(self, destination: str, timeout: float = 0.0) -> list[str]:
        """List the objects whose results are to be sent to a destination; wait for the first where there is none."""
        with self._changed:
            if not self._unsent[destination] and not self._closed:
                self._changed.wait(timeout)
            return list(self._unsent[destination])

    def mark_sent(self, key: str, destination: str) -> None:
        """Note that all results of an object are at a destination; at all of them, the object is done and removed.

        Raises:
            OSError: it cannot be noted; the results are then sent again.
        """
        path = self.folder / "results" / key / f"{destination}.sent"
        path.touch()
        _sync(path.parent)
        with self._changed:
            self._unsent[destination].pop(key, None)
            if not any(key in keys for keys in self._unsent.values()):
                self._finish(key)

    def counts(self) -> dict[str, int]:
        """Count the objects that wait, are segmented, wait to be sent, and failed."""
        with self._changed:
            unsent = {key for keys in self._unsent.values() for key in keys}
            counts = {"waiting": len(self._waiting), "segmenting": len(self._busy), "sending": len(unsent)}
        return counts | {"failed": sum(1 for _ in (self.folder / "failed").glob("*.txt"))}

    def unsent_count(self, destination: str) -> int:
        """Count the objects whose results are to be sent to a destination."""
        return len(self._unsent[destination])

    def remove_abandoned(self) -> None:
        """Remove what aborted transfers left in incoming/."""
        for path in self.incoming.iterdir():
            with suppress(OSError):  # gone since
                if time.time() - path.stat().st_mtime >= ABANDONED:
                    path.unlink()

    def forget_done(self, age: float) -> int:
        """Forget objects that were done more than `age` seconds ago; return how many."""
        count = 0
        for entry in os.scandir(self.folder / "done"):
            with suppress(FileNotFoundError):
                if time.time() - entry.stat().st_mtime > age:
                    os.unlink(entry.path)
                    count += 1
        return count

    def close(self) -> None:
        """Wake all that wait, and give out nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _finish(self, key: str) -> None:
        """Note first that an object is done, then remove it."""
        (self.folder / "done" / key).touch()
        _sync(self.folder / "done")
        self._remove(key)

    def _remove(self, key: str) -> None:
        self.source(key).unlink(missing_ok=True)
        (self.folder / "tries" / key).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "results" / key, ignore_errors=True)

    def _recover(self) -> None:
        for path in self.incoming.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        for path in (self.folder / "results").glob(".*.part"):
            shutil.rmtree(path, ignore_errors=True)
        for reason in (self.folder / "failed").glob("*.txt"):
            if not reason.with_suffix(".dcm").exists():
                reason.unlink()
        finished = {path.name for path in (self.folder / "done").iterdir()}
        ready = {path.name for path in (self.folder / "results").iterdir()}
        received = sorted((self.folder / "received").glob("*.dcm"), key=lambda path: path.stat().st_mtime)
        for key in finished & (ready | {path.stem for path in received}):
            self._remove(key)
        for key in sorted(ready - finished):
            sent = {path.stem for path in (self.folder / "results" / key).glob("*.sent")}
            for name in self.destinations:
                if name not in sent:
                    self._unsent[name][key] = None
            if not any(key in keys for keys in self._unsent.values()):
                self._finish(key)
        self._waiting |= {path.stem: 0.0 for path in received if path.stem not in finished | ready}


def _sync(path: Path | str) -> None:
    """Have a file, or the names in a folder, written to the disk, so that a power failure does not lose them."""
    with suppress(PermissionError):  # a folder on Windows
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
