"""The work folder: where uploads and outlines of a server stay on this computer, also after it was killed.

    PORT/lock                        held while a server uses the folder
    PORT/keep-days                   days after which the server removes unused sessions
    PORT/secret                      32 random bytes, of which login cookies are made
    PORT/sessions/ID/session.json    a browser's session; ID is a hash of its cookie, which itself is not stored
    PORT/sessions/ID/audit.jsonl     a line for each outline that was saved or taken back
    PORT/sessions/ID/CASE/           an image: case.json, the uploaded file, and its frames' maps and outlines
    PORT/sessions/ID/corrected/      the data set of the saved outlines, with earlier versions in history/

Only this user may open it. A session that was not used for some days is removed; "End session" in the page removes it
at once.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from salus.atomic import write_text
from salus.errors import SalusError
from salus.serve.settings import ServeSettings

try:
    import fcntl
except ImportError:  # Windows: two servers on one port cannot run at a time anyway
    fcntl = None  # type: ignore[assignment]  # a module otherwise

SECONDS_OF_DAY = 86400.0

KEEP_DAYS = "keep-days"
"""File of a server's folder: days after which its unused sessions are removed."""


class WorkFolder:
    """The folder of one server.

    Args:
        root: work folder of this user's servers.
        port: of the server; browsers keep cookies and unsent strokes by it as well.

    Attributes:
        folder: of this server.
        secret: of which login cookies are made.

    Raises:
        SalusError: the folder cannot be written, or another server uses it.
    """

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.folder = root, root / str(port)
        try:
            (self.folder / "sessions").mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (root, self.folder, self.sessions):
                folder.chmod(0o700)
            self._lock = _lock(self.folder)
            self.secret = _read_secret(self.folder / "secret")
        except OSError as error:
            raise SalusError(f"{root}: the work folder cannot be used ({error.strerror}); try --work DIR") from None
        if self._lock is None:
            raise SalusError(f"{self.folder}: another server uses this work folder; try --work DIR")

    @property
    def sessions(self) -> Path:
        """The folder of sessions."""
        return self.folder / "sessions"

    def token(self) -> str:
        """Give the token of this folder's server, which stays the same when the server is started again."""
        return base64.urlsafe_b64encode(hmac.digest(self.secret, b"token", "sha256")[:24]).decode()

    def remove_old(self, days: float) -> int:
        """Remove the sessions that were not used for some days; give their number.

        Those of another port go after the days that its last server kept them; of one that runs, none is removed.
        """
        removed = _remove_unused(self.sessions, days)
        with suppress(OSError):  # a full disk: the next try writes it
            if _read_days(self.folder) != days:
                write_text(self.folder / KEEP_DAYS, repr(days))
        for folder in (sessions.parent for sessions in self.root.glob("*/sessions")):
            with suppress(OSError):  # one that may not be changed stays
                lock = _lock(folder) if folder != self.folder and not folder.is_symlink() else None
                if lock is not None:
                    with lock:
                        removed += _remove_unused(folder / "sessions", _read_days(folder))
        return removed

    def close(self) -> None:
        """Let another server use the folder; all that is in it stays."""
        if self._lock is not None:
            self._lock.close()


def default_work_folder() -> Path:
    """Name the work folder of this user, such as ~/.local/share/salus/serve on Linux."""
    from platformdirs import user_data_path

    return user_data_path("salus", appauthor=False) / "serve"


def _lock(folder: Path) -> IO[bytes] | None:
    """Open the lock file and lock it; None where another server holds it. A killed server holds none."""
    lock = (folder / "lock").open("ab")
    if fcntl is not None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return None
    return lock


def _remove_unused(sessions: Path, days: float) -> int:
    """Remove the sessions in a folder that were not used for some days; give their number."""
    removed, limit = 0, time.time() - days * SECONDS_OF_DAY
    for session in sessions.iterdir():
        try:
            mark = session / "session.json"
            used = (mark if mark.is_file() else session).stat().st_mtime
        except OSError:
            continue
        if used < limit and not session.is_symlink():
            shutil.rmtree(session, ignore_errors=True)
            removed += 1
    return removed


def _read_days(folder: Path) -> float:
    """Read how many days a server keeps unused sessions; the default where an earlier version did not write it."""
    try:
        return float((folder / KEEP_DAYS).read_text())
    except (OSError, ValueError):
        return ServeSettings.keep_days


def _read_secret(path: Path) -> bytes:
    """Read the secret; make one where there is none."""
    if not path.is_file() or len(path.read_bytes()) < 32:
        with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()
