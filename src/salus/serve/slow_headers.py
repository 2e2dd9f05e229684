"""A time limit for request headers, so that many idle connections cannot keep others out (slowloris)."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 20.0
"""Time for a request's headers to arrive, from their first byte or from when the connection was opened."""

MAX_CONNECTIONS = 1000
"""Largest number of connections at a time; further ones are answered with 503."""


class SlowHeaderTimeout(H11Protocol):
    """Uvicorn's HTTP/1.1 protocol, which by itself waits for headers without a limit."""

    seconds = HEADER_SECONDS
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # asyncio says BaseTransport
        """Start the timer."""
        super().connection_made(transport)
        self._update_timer()

    def data_received(self, data: bytes) -> None:
        """Stop the timer once the headers are complete."""
        super().data_received(data)
        self._update_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _update_timer(self) -> None:
        waiting: Any = self.conn.their_state is h11.IDLE  # the headers are not complete
        if not waiting:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.seconds, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
