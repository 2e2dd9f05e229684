"""Send results to one destination until all are there: with back-off, for as long as it takes."""

from __future__ import annotations

import logging
import random
import time
from threading import Event

from salus.node.destination import Connection, Destination, Refused, Unreachable
from salus.node.object_queue import SHOWN, ObjectQueue
from salus.node.settings import RetrySettings

LOG = logging.getLogger(__name__)

POLL = 0.5
"""Seconds after which it is looked whether there is something to send, or the node is to stop."""

IDLE = 5.0
"""Seconds without anything to send after which a connection is closed."""


class Backoff:
    """Growing pauses between tries: twice as long each time, shortened at random so that nodes do not try at once.

    Args:
        settings: the first and the longest pause.
    """

    def __init__(self, settings: RetrySettings) -> None:
        self.settings, self.failures = settings, 0

    def pause(self) -> float:
        """Return the pause after another failure, seconds.

        Example:
            >>> pauses = Backoff(RetrySettings(first=1, longest=8))
            >>> [0.5 * top <= pauses.pause() <= top for top in (1, 2, 4, 8, 8)]
            [True, True, True, True, True]
        """
        longest = min(self.settings.longest, self.settings.first * 2.0 ** min(self.failures, 60))
        self.failures += 1
        return longest * random.uniform(0.5, 1.0)


class Sender:
    """Sends the results in a queue to one destination.

    Args:
        name: of the destination.
        destination: how it is reached.
        queue: of the node.
        retry: when sending is tried again.

    Attributes:
        error: why the destination could not be reached the last time; "" where it could.
    """

    def __init__(self, name: str, destination: Destination, queue: ObjectQueue, retry: RetrySettings) -> None:
        self.name, self.destination, self.queue, self.retry = name, destination, queue, retry
        self.error = ""
        self._refused: dict[str, tuple[Backoff, float]] = {}  # key -> its pauses, and when it is tried again

    @property
    def refused(self) -> int:
        """Number of objects whose results the destination refused, and that are tried again."""
        return len(self._refused)

    def run(self, stop: Event) -> None:
        """Send until told to stop."""
        backoff = Backoff(self.retry)
        while not stop.is_set():
            if not self._due(POLL):
                stop.wait(POLL if self._refused else 0)
                continue
            try:
                with self.destination.connect() as connection:
                    self._send_all(connection, backoff, stop)
            except Exception as error:  # whatever a library raises must not end the sender
                known = isinstance(error, Unreachable)
                self.error = str(error) if known else type(error).__name__
                pause = backoff.pause()
                LOG.warning("destination %s: %s; tried again in %.1f s", self.name, self.error, pause)
                stop.wait(pause)

    def _send_all(self, connection: Connection, backoff: Backoff, stop: Event) -> None:
        """Send over one connection until there was nothing to send for a while."""
        last = time.monotonic()
        while not stop.is_set() and time.monotonic() - last < IDLE:
            due = self._due(POLL)
            if self._refused and not due:
                stop.wait(POLL)  # the queue does not wait: what was refused is in it
            for key in due:
                if stop.is_set():
                    return
                last = time.monotonic()
                try:
                    connection.send(self.queue.results(key))
                except Refused as error:
                    own, _ = self._refused.get(key, (Backoff(self.retry), 0.0))
                    pause = own.pause()
                    self._refused[key] = (own, time.monotonic() + pause)
                    LOG.error("object %s: %s: %s; tried again in %.1f s", key[:SHOWN], self.name, error, pause)
                else:
                    self.queue.mark_sent(key, self.name)
                    self._refused.pop(key, None)
                    LOG.info("object %s: results are at %s", key[:SHOWN], self.name)
                self.error, backoff.failures = "", 0

    def _due(self, timeout: float) -> list[str]:
        """List the objects to send now; those that were refused wait for their time."""
        now = time.monotonic()
        return [key for key in self.queue.unsent(self.name, timeout) if self._refused.get(key, (None, 0.0))[1] <= now]
