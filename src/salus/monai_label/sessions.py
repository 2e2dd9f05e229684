"""Images that clients send for a while: each has an ID, and is removed when it was not used for some time."""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from typing import Any

from salus.monai_label.store import UnknownImage, image_suffix

EXPIRY = 3600.0
"""Seconds without use after which a session is removed."""

MAX_SESSIONS = 64
"""Largest number of sessions; the longest unused is removed for another."""


@dataclass
class Session:
    """An image that a client sent.

    Attributes:
        id: by which the client asks for it; it cannot be guessed.
        image: its file, in a folder of its own.
        used: when it was used last, seconds of a clock.
        created: when it was made, seconds since 1970.
    """

    id: str
    image: Path
    used: float = field(default_factory=time.monotonic)
    created: float = field(default_factory=time.time)

    def to_dict(self) -> dict[str, Any]:
        """Describe it as MONAI Label does, without the path."""
        return {"name": self.id, "image": self.image.name, "create_ts": int(self.created), "expiry": int(EXPIRY)}


class Sessions:
    """The sessions of a server. Safe to use from several threads."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = Lock()

    def add(self, file_name: str, content: Path) -> Session:
        """Keep an image.

        Args:
            file_name: as the client names it, for the suffix.
            content: the file; it is moved.

        Raises:
            SalusError: it is no image by its name.
        """
        suffix = image_suffix(file_name)
        path = Path(mkdtemp(prefix="salus-session-")) / f"image{suffix}"
        shutil.move(content, path)
        session = Session(secrets.token_urlsafe(16), path)
        with self._lock:
            self._remove_expired()
            ordered = sorted(self._sessions.values(), key=lambda item: item.used)
            for old in ordered[: max(0, len(ordered) - MAX_SESSIONS + 1)]:
                self._remove(old.id)
            self._sessions[session.id] = session
        return session

    def get(self, session_id: str) -> Session:
        """Return a session.

        Raises:
            UnknownImage: there is none, or no longer.
        """
        with self._lock:
            self._remove_expired()
            session = self._sessions.get(session_id)
            if session is None:
                raise UnknownImage("the session ended; send the image again")
            session.used = time.monotonic()
            return session

    def remove(self, session_id: str) -> Session:
        """Remove a session and its image, and return what it was.

        Raises:
            UnknownImage: there is none.
        """
        session = self.get(session_id)
        with self._lock:
            self._remove(session_id)
        return session

    def close(self) -> None:
        """Remove all sessions."""
        with self._lock:
            for session_id in list(self._sessions):
                self._remove(session_id)

    def _remove_expired(self) -> None:
        now = time.monotonic()
        for old in [session for session in self._sessions.values() if now - session.used > EXPIRY]:
            self._remove(old.id)

    def _remove(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            shutil.rmtree(session.image.parent, ignore_errors=True)
