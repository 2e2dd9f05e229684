"""Receive ultrasound objects by C-STORE, with pynetdicom.

Only classes of ultrasound are taken, in the transfer syntaxes for which a decoder is installed. So an archive that
forwards everything does not send the node's own results back to it.
"""

from __future__ import annotations

import logging
import tempfile
from threading import Thread
from typing import Any

from salus.dicomweb.study import ULTRASOUND
from salus.errors import SalusError
from salus.node.object_queue import SHOWN, ObjectQueue, key_of
from salus.node.settings import ANY, ListenSettings

LOG = logging.getLogger(__name__)

SUCCESS, OUT_OF_RESOURCES, WRONG_OBJECT, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000
"""Statuses of C-STORE (PS3.4 B.2.3)."""

CUT_OFF = 2
"""Times the largest size at which a transfer is cut; up to there it is received and refused with a status."""

PDU_BYTES = 128 * 1024
"""Size of the pieces in which objects are asked for."""

TIMEOUT = 60.0
"""Seconds of silence after which a sender is given up."""


class Receiver:
    """A C-STORE service that puts objects into a queue.

    Args:
        settings: how objects are received.
        queue: of the node.
    """

    def __init__(self, settings: ListenSettings, queue: ObjectQueue) -> None:
        self.settings, self.queue = settings, queue
        self._server: Any = None

    @property
    def port(self) -> int:
        """Port on which it listens."""
        return int(self._server.socket.getsockname()[1])

    def start(self) -> None:
        """Listen.

        Raises:
            SalusError: the port cannot be used.
        """
        from pynetdicom import AE, _config, evt
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at its import

        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its words may quote what is received
        _config.STORE_RECV_CHUNKED_DATASET = True  # to disk, not to memory
        tempfile.tempdir = str(self.queue.incoming)  # where pynetdicom puts it
        settings = self.settings
        entity = AE(settings.ae_title)
        entity.require_called_aet = True
        if ANY not in settings.allowed:
            entity.require_calling_aet = list(settings.allowed)
        entity.maximum_associations = settings.max_associations
        entity.maximum_pdu_size = PDU_BYTES
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = TIMEOUT
        syntaxes = decodable_syntaxes()
        for sop_class in ULTRASOUND:
            entity.add_supported_context(sop_class, syntaxes)
        entity.add_supported_context(Verification)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_DATA_RECV, self._limit),
            (evt.EVT_REQUESTED, lambda event: self.queue.remove_abandoned()),
            (evt.EVT_REJECTED, self._rejected),
        ]
        try:
            self._server = entity.start_server((settings.host, settings.port), block=False, evt_handlers=handlers)
        except OSError as error:
            raise SalusError(
                f"port {settings.port} cannot be used for DICOM ({error.strerror}); set another in [listen]"
            ) from None

    def stop(self) -> None:
        """Take no more; transfers that go on are aborted, and their senders know."""
        if self._server is not None:
            self._server.shutdown()

    def _store(self, event: Any) -> int:
        """Take one object over; the status tells the sender whether it may forget it."""
        sender = event.assoc.requestor.ae_title
        event.assoc.salus_bytes = 0
        key = key_of(str(event.request.AffectedSOPInstanceUID))
        path = event.dataset_path
        event.request._dataset_file.flush()  # pynetdicom closes it later
        size = path.stat().st_size
        if size > self.settings.max_mb << 20:
            LOG.warning("object %s from %s refused: %d MiB is too large", key[:SHOWN], sender, size >> 20)
            return OUT_OF_RESOURCES
        counts = self.queue.counts()
        if counts["waiting"] + counts["sending"] >= self.settings.max_queued and not self.queue.knows(key):
            LOG.warning("object %s from %s refused: the queue is full", key[:SHOWN], sender)
            return OUT_OF_RESOURCES
        if status := _check_identity(event):
            LOG.warning("object %s from %s refused: damaged, or not what the sender says", key[:SHOWN], sender)
            return status
        try:
            is_new = self.queue.add(key, path)
        except OSError as error:
            LOG.error("object %s from %s refused: the disk refuses (%s)", key[:SHOWN], sender, error.strerror)
            return OUT_OF_RESOURCES
        LOG.info("object %s from %s received%s", key[:SHOWN], sender, "" if is_new else " again; it is known")
        return SUCCESS

    def _limit(self, event: Any) -> None:
        """Count the bytes of a transfer, and cut one that is far too large."""
        assoc = event.assoc
        before = getattr(assoc, "salus_bytes", 0)
        assoc.salus_bytes = before + len(event.data)
        limit = CUT_OFF * self.settings.max_mb << 20
        if before <= limit < assoc.salus_bytes:
            LOG.warning("transfer from %s cut: it is far too large", assoc.requestor.ae_title)
            Thread(target=assoc.abort, daemon=True).start()  # it waits for the thread that this runs in

    def _rejected(self, event: Any) -> None:
        LOG.warning("association of %r rejected", str(event.assoc.requestor.ae_title)[:16])


def decodable_syntaxes() -> list[str]:
    """List the transfer syntaxes for which a decoder is installed.

    Example:
        >>> "1.2.840.10008.1.2.1" in decodable_syntaxes()
        True
    """
    from pydicom.pixels import get_decoder
    from pynetdicom import ALL_TRANSFER_SYNTAXES

    def is_decodable(syntax: str) -> bool:
        try:
            return bool(get_decoder(syntax).is_available)
        except NotImplementedError:
            return False

    return [syntax for syntax in ALL_TRANSFER_SYNTAXES if is_decodable(syntax)]


def _check_identity(event: Any) -> int:
    """Compare class and instance that the sender names with those in the object; 0 where they are the same."""
    from pydicom import dcmread

    try:
        tags = ["SOPClassUID", "SOPInstanceUID"]
        dataset = dcmread(event.dataset_path, stop_before_pixels=True, specific_tags=tags)
        named = (event.request.AffectedSOPClassUID, event.request.AffectedSOPInstanceUID)
        return SUCCESS if (dataset.SOPClassUID, dataset.SOPInstanceUID) == named else WRONG_OBJECT
    except Exception:  # pydicom raises many kinds
        return NOT_UNDERSTOOD
