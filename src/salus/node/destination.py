"""What a sender needs of a destination, whatever protocol it speaks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from salus.dicomweb.answers import DUPLICATE, Refused, Unreachable

__all__ = ["DUPLICATE", "Connection", "Destination", "Refused", "Unreachable"]


class Connection(Protocol):
    """An open connection."""

    def send(self, files: Sequence[Path]) -> None:
        """Send the results of an object.

        Raises:
            Unreachable: the destination is gone.
            Refused: it does not take one of them.
        """
        ...


class Destination(Protocol):
    """Where results are sent."""

    def connect(self) -> AbstractContextManager[Connection]:
        """Open a connection.

        Raises:
            Unreachable: the destination does not answer.
        """
        ...
