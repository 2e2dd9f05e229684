"""Settings and limits of one server."""

from __future__ import annotations

import ipaddress
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from salus.errors import SalusError
from salus.serve.names import check_pattern

MEGABYTE = 1 << 20

MIN_TOKEN_LENGTH = 16
"""Smallest number of characters of a token."""

LIMITS = ("max_request_bytes", "max_frames", "queue_size", "timeout_seconds", "idle_seconds", "keep_days")
"""Settings that the command line may change and that must be positive."""


@dataclass(frozen=True)
class ServeSettings:
    """Settings of one server.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        token: secret that every request must carry; None demands none.
        token_made: whether the token was made by the server; one of a work folder then stays the same.
        names: host names by which the server may be called, besides addresses and this computer's own names.
        certificate: PEM file; with it and `key` the server speaks HTTPS.
        key: the certificate's private key, PEM.
        folder: images to review; None has no worklist.
        output: folder for the reviewed outlines; None takes the folder "reviewed" in `folder`.
        max_request_bytes: largest size of one request.
        max_frames: largest number of frames in one file.
        max_cases: largest number of open files in one session.
        max_session_bytes: largest size of all files of one session.
        max_sessions: largest number of sessions at a time.
        queue_size: largest number of requests that are worked on or wait; further ones are answered with 429.
        batch_size: largest number of images in one pass of the network.
        workers: number of batches that are worked on at a time.
        timeout_seconds: time that an image may take until it is done, waiting included; beyond, 504.
        transfer_seconds: time that a request's body may take to arrive, and each piece of a response to be taken.
        idle_seconds: time after which an unused session leaves the memory; without a work folder it ends.
        work: folder in which uploads and outlines outlive the server; None keeps them until the server ends.
        keep_days: days after which an unused session is removed from the work folder.
        root_path: path under which a proxy shows the server, such as "/salus"; "" for none.
        patient_pattern: where file names hold the patient, such as "bus_{patient}-*"; "" where they do not.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    token_made: bool = False
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    folder: Path | None = None
    output: Path | None = None
    max_request_bytes: int = 512 * MEGABYTE
    max_frames: int = 2000
    max_cases: int = 2000
    max_session_bytes: int = 4096 * MEGABYTE
    max_sessions: int = 64
    queue_size: int = 64
    batch_size: int = 4
    workers: int = 2
    timeout_seconds: float = 60.0
    transfer_seconds: float = 120.0
    idle_seconds: float = 2 * 3600.0
    work: Path | None = None
    keep_days: float = 30.0
    root_path: str = ""
    patient_pattern: str = ""

    @property
    def scheme(self) -> str:
        """The scheme of the server's addresses, "http" or "https"."""
        return "https" if self.certificate else "http"


def complete_settings(settings: ServeSettings) -> ServeSettings:
    """Check settings, and make a token where others can reach the server or its worklist and none is given.

    Raises:
        SalusError: the token is too short, a certificate lacks its key, an output has no folder, a limit is below 1.
    """
    token, token_made = settings.token, False
    if token is None and (settings.folder is not None or not is_loopback(settings.host)):
        token, token_made = secrets.token_urlsafe(24), True
    if token is not None and (len(token) < MIN_TOKEN_LENGTH or not token.isascii() or not token.isprintable()):
        raise SalusError(
            f"the token must have {MIN_TOKEN_LENGTH} ASCII characters or more; leave it out, and one is made"
        )
    if (settings.certificate is None) != (settings.key is None):
        raise SalusError("--certificate and --key go together")
    for path in (settings.certificate, settings.key):
        if path is not None and not path.is_file():
            raise SalusError(f"{path}: no such file")
    if settings.output is not None and settings.folder is None:
        raise SalusError("-o names where reviewed images of --folder go; give --folder as well")
    for name in LIMITS:
        value = getattr(settings, name)
        if not value > 0:
            raise SalusError(f"{name.replace('_', ' ')} {value}: give 1 or more")
    check_pattern(settings.patient_pattern)
    root_path = settings.root_path.rstrip("/")
    if root_path and not re.fullmatch(r"(/[\w.~-]+)+", root_path):
        raise SalusError(f"--root-path {settings.root_path!r}: give a path such as /salus")
    return replace(settings, token=token, token_made=token_made, root_path=root_path)


def is_loopback(host: str) -> bool:
    """Tell whether an address or name reaches this computer alone.

    Example:
        >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
        [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
