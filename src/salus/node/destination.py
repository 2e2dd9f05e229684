"""What a sender needs of a destination, whatever protocol it speaks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

DUPLICATE = 0x0111
"""Status of an instance that the destination has (PS3.4 B.2.3): only this node makes its UID, so it is there."""


class Unreachable(Exception):
    """The destination does not answer, or not now; everything is tried again later."""


class Refused(Exception):
    """The destination does not take an object; others are sent, and this is tried again later."""


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
