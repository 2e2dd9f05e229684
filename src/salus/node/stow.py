"""Send results by STOW-RS, with dicomweb-client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from salus.dicomweb.service import Service, open_service
from salus.dicomweb.store import store_file
from salus.node.settings import DestinationSettings


class StowDestination:
    """A DICOMweb service.

    Args:
        settings: of the destination.
    """

    def __init__(self, settings: DestinationSettings) -> None:
        self.service: Service = settings

    @contextmanager
    def connect(self) -> Iterator[StowConnection]:
        """Make a session; nothing is sent yet. See `salus.node.destination.Destination`."""
        with open_service(self.service) as client:
            yield StowConnection(client)


class StowConnection:
    """A session; see `salus.node.destination.Connection`. `salus.node.sender` tries again."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def send(self, files: Sequence[Path]) -> None:
        """Send files one after another, so that one of them is in memory at a time."""
        for file in files:
            store_file(self.client, file)
