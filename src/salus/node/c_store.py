"""Send results by C-STORE, with pynetdicom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from salus.node.destination import DUPLICATE, Refused, Unreachable
from salus.node.settings import DestinationSettings

RESULT_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.66.4",  # segmentation
    "1.2.840.10008.5.1.4.1.1.88.33",  # comprehensive SR
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture
)
SYNTAXES = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""Explicit and implicit VR little endian, the first of them preferred."""


class StoreDestination:
    """An AE title that takes objects by C-STORE.

    Args:
        settings: of the destination.
        ae_title: of this node.
    """

    def __init__(self, settings: DestinationSettings, ae_title: str) -> None:
        self.settings, self.ae_title = settings, ae_title

    @contextmanager
    def connect(self) -> Iterator[StoreConnection]:
        """Open an association; see `salus.node.destination.Destination`."""
        from pynetdicom import AE

        entity = AE(self.ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self.settings.timeout
        entity.connection_timeout = self.settings.timeout
        for sop_class in RESULT_CLASSES:
            for syntax in SYNTAXES:  # a context each, so that the destination cannot choose the second alone
                entity.add_requested_context(sop_class, syntax)
        association = entity.associate(self.settings.host, self.settings.port, ae_title=self.settings.ae_title)
        if not association.is_established:
            why = "rejects the association" if association.is_rejected else "does not answer"
            raise Unreachable(f"{self.settings.ae_title} {why}")
        try:
            yield StoreConnection(association)
        finally:
            if association.is_established:
                association.release()


class StoreConnection:
    """An association; see `salus.node.destination.Connection`."""

    def __init__(self, association: Any) -> None:
        self.association = association

    def send(self, files: Sequence[Path]) -> None:
        """Send files one after another."""
        from pydicom import dcmread

        for file in files:
            dataset = dcmread(file)
            try:
                answer = self.association.send_c_store(dataset)
            except ValueError:
                raise Refused(f"takes no {dataset.SOPClassUID.name}") from None
            except RuntimeError:
                raise Unreachable("the association was aborted") from None
            if "Status" not in answer:
                raise Unreachable("the connection was lost")
            status = int(answer.Status)
            if status & 0xFF00 == 0xA700:
                raise Unreachable("is out of resources")
            if status not in (0x0000, DUPLICATE) and status & 0xF000 != 0xB000:
                raise Refused(f"status {status:04X} for a {dataset.SOPClassUID.name}")
