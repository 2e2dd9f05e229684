"""What `salus serve` is asked for, and its limits."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class ServeSettings:
    """Of one server.

    Attributes:
        host: the address it listens on.
        port: likewise.
        token: that every request must carry; None demands none.
        names: host names, besides addresses and this computer's own, by which the server may be called.
        secure: it speaks HTTPS.
        folder: of images to review; None has no worklist.
        output: where what is reviewed goes.
        request_bytes: of one request, at most.
        frames: of one file, at most.
        cases: of one session, at most.
        session_bytes: of the files of one session, at most.
        sessions: at a time.
        waiting: requests that are worked on or wait, at most; beyond, 429.
        batch: images in one pass of the network, at most.
        workers: batches that are worked on at a time.
        seconds: that an image may take until it is done, waiting included; beyond, 504.
        upload_seconds: that a request's body may take to arrive, and each piece of a response to be taken.
        keep_seconds: after which an idle session and its files go.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    names: tuple[str, ...] = ()
    secure: bool = False
    folder: Path | None = None
    output: Path | None = None
    request_bytes: int = 512 * MEGABYTE
    frames: int = 2000
    cases: int = 2000
    session_bytes: int = 4096 * MEGABYTE
    sessions: int = 64
    waiting: int = 64
    batch: int = 4
    workers: int = 2
    seconds: float = 60.0
    upload_seconds: float = 120.0
    keep_seconds: float = 2 * 3600.0


def is_loopback(host: str) -> bool:
    """Whether an address or name is this computer alone.

    Example:
        >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
        [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
