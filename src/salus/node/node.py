"""Start and stop a DICOM node: receiver, workers, a sender for each destination, health endpoint."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import Any

from salus.errors import require_extra
from salus.node.c_store import StoreDestination
from salus.node.destination import Destination
from salus.node.health import HealthServer
from salus.node.object_queue import ObjectQueue
from salus.node.pseudonym_key import load_pseudonym_key
from salus.node.receiver import Receiver
from salus.node.sender import Sender
from salus.node.settings import DestinationSettings, NodeSettings
from salus.node.stow import StowDestination
from salus.node.work import make_segmenter, work_on_queue
from salus.pipeline.outputs import require_packages

LOG = logging.getLogger(__name__)

PACKAGES = ("pynetdicom", "dicomweb_client", "highdicom")

DAY = 86400.0
"""Seconds."""

FORGET_INTERVAL = 3600.0
"""Seconds between two looks for objects that were done long ago."""

END = 60.0
"""Seconds that threads are given to end; the queue keeps what they had not finished."""


class Node:
    """A running node; `running_node` makes one.

    Args:
        settings: of the node.

    Raises:
        SalusError: a package is missing, or see `Segmenter`.
        OSError: the folder cannot be written.
    """

    def __init__(self, settings: NodeSettings) -> None:
        require_node_packages(deidentify=settings.segment.deidentify)
        self.settings = settings
        self.queue = ObjectQueue(settings.folder, [destination.name for destination in settings.destinations])
        self.receiver = Receiver(settings.listen, self.queue)
        self.senders = [
            Sender(d.name, make_destination(d, settings.listen.ae_title), self.queue, settings.retry)
            for d in settings.destinations
        ]
        self.stop = Event()
        self.health_port = 0
        self._threads: list[Thread] = []

    def state(self) -> dict[str, Any]:
        """Describe the state, as the health endpoint tells it; it names no patient and no object."""
        alive = all(thread.is_alive() for thread in self._threads)
        destinations = {
            sender.name: {
                "unsent": self.queue.unsent_count(sender.name),
                "refused": sender.refused,
                "error": sender.error,
            }
            for sender in self.senders
        }
        troubled = any(d["error"] or d["refused"] for d in destinations.values())
        status = "failed" if not alive else "degraded" if troubled else "ok"
        return {"status": status, **self.queue.counts(), "destinations": destinations}

    def start_threads(self) -> None:
        """Load the network, and start workers and senders."""
        segment = self.settings.segment
        segmenter = make_segmenter(segment)
        for number in range(segment.workers):
            self._start(work_on_queue, self.queue, segmenter, segment, self.stop, str(number))
        for sender in self.senders:
            self._start(sender.run, self.stop)
        if days := self.settings.listen.remember_days:
            self._start(self._forget_regularly, days * DAY)

    def end_threads(self) -> None:
        """Let workers and senders end after what they are doing."""
        self.stop.set()
        self.queue.close()
        for thread in self._threads:
            thread.join(END)

    def _forget_regularly(self, age: float) -> None:
        """Forget objects that were done long ago, at once and then now and then."""
        while True:
            try:
                if count := self.queue.forget_done(age):
                    LOG.info("%d objects that are done are forgotten; sent again, they are segmented again", count)
            except OSError as error:
                LOG.error("objects that are done cannot be forgotten (%s)", error.strerror)
            if self.stop.wait(FORGET_INTERVAL):
                return

    def _start(self, target: Callable[..., object], *arguments: Any) -> None:
        thread = Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


@contextmanager
def running_node(settings: NodeSettings) -> Iterator[Node]:
    """Run a node as long as the enclosed code runs.

    Raises:
        SalusError: a package is missing, a port is taken, another node works in the folder, or see `Segmenter`.
        OSError: the folder cannot be written.
    """
    warnings.simplefilter("ignore")  # those of pydicom and highdicom quote what is in a header
    node = Node(settings)
    with ExitStack() as stack:
        stack.enter_context(node.queue.locked())
        stack.callback(node.end_threads)
        if settings.segment.deidentify:
            from salus.write.dicom_deidentify import set_pseudonym_key

            set_pseudonym_key(load_pseudonym_key(settings.folder))
        node.start_threads()
        if settings.health.port:
            health = HealthServer(settings.health, node.state)
            health.start()
            stack.callback(health.stop)
        stack.callback(node.receiver.stop)
        node.receiver.start()
        counts = node.queue.counts()
        LOG.info(
            "node %s listens on port %d; %d objects wait, results of %d are to be sent",
            settings.listen.ae_title, node.receiver.port, counts["waiting"] + counts["segmenting"], counts["sending"],
        )  # fmt: skip
        yield node


def make_destination(settings: DestinationSettings, ae_title: str) -> Destination:
    """Make what sends to a destination.

    Args:
        settings: of the destination.
        ae_title: of this node.
    """
    return StowDestination(settings) if settings.url else StoreDestination(settings, ae_title)


def require_node_packages(*, deidentify: bool = False) -> None:
    """Check that what a node needs is installed.

    Raises:
        SalusError: a package is missing; the error names the command that installs it.
    """
    require_extra(PACKAGES, "node", "salus node")
    require_packages(("dicom-seg",), deidentify=deidentify)
