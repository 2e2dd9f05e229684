"""Connections that must say what they want in time, so that many idle ones cannot keep others out (slow headers)."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
"""That a request's head may take to arrive, from its first byte, or from when the connection was opened."""

CONNECTIONS = 1000
"""At a time; beyond, 503."""


class Haste(H11Protocol):
    """Uvicorn's HTTP/1.1, which itself waits for a head as long as it takes."""

    seconds = HEAD_SECONDS
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # asyncio says BaseTransport
        """Begin to wait."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Go on or end waiting."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End waiting."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        waits: Any = self.conn.their_state is h11.IDLE  # for the rest of a head
        if not waits:
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.seconds, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
