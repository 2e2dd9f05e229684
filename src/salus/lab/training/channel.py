"""Connect the processes that train together: one TCP connection from the first process to each of the others.

JAX computes over connections of its own. This channel does what JAX does not: it names the hosts that are missing, the
first process broadcasts what only it knows (the others wait without limit), and when a process dies or gives up, the
others end within seconds with a reason, instead of waiting in a sum that never comes.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from salus.errors import SalusError

PORT = 8476
"""The port at which the first host listens, unless --hosts names another."""

CONNECT_TIMEOUT = 300.0
"""Seconds that hosts wait for each other at the start."""

SILENCE_TIMEOUT = 30
"""Seconds after which a machine that no longer answers is given up."""

_HEADER = struct.Struct("!cQ")
"""Before each message: its kind and the size of its content in bytes."""

_HELLO, _DATA, _FAILED, _BYE = b"H", b"D", b"F", b"B"


@dataclass(frozen=True)
class Hosts:
    """The hosts of the processes that train together, and the rank of this one.

    Attributes:
        addresses: (name, port) of each; only the first's port is used.
        rank: place of this process among them, from 0.
    """

    addresses: tuple[tuple[str, int], ...]
    rank: int

    @classmethod
    def parse(cls, hosts: str, rank: int | None) -> Hosts:
        """Parse the options --hosts and --host.

        Raises:
            SalusError: they are not addresses, or the rank is not one of them.

        Example:
            >>> Hosts.parse("one:9000,two", 1).describe(0)
            'host 0 (one:9000)'
        """
        addresses = []
        for item in hosts.split(","):
            name, colon, port = item.strip().rpartition(":")
            if not colon:
                name, port = port, str(PORT)
            if not name or not port.isdecimal() or not 0 < int(port) < 65536:
                raise SalusError(f"--hosts {hosts}: write it as NAME:PORT,NAME:PORT,..., the first host first")
            addresses.append((name, int(port)))
        if rank is None:
            raise SalusError(
                f"--hosts: say which of the {len(addresses)} this is: --host 0 on {addresses[0][0]}, and so on"
            )
        if not 0 <= rank < len(addresses):
            raise SalusError(f"--host {rank}: --hosts names {len(addresses)}; give 0 to {len(addresses) - 1}")
        return cls(tuple(addresses), rank)

    def describe(self, rank: int) -> str:
        """Name a host as messages do."""
        name, port = self.addresses[rank]
        return f"host {rank} ({name})" if rank else f"host {rank} ({name}:{port})"


class Channel:
    """Connections to the other processes; see `Channel.connect`.

    Args:
        hosts: of all processes.
        peers: connections by rank: of the first process to all others, of the others to the first.
        end: called once, with one line, when another process died or gave up; must not return.
    """

    def __init__(self, hosts: Hosts, peers: dict[int, socket.socket], end: Callable[[str], None]) -> None:
        self.hosts, self.peers, self._end = hosts, peers, end
        self._inbox: queue.Queue[bytes] = queue.Queue()
        self._closed_peers: queue.Queue[int] = queue.Queue()
        self._closing = False
        self._lock = threading.Lock()
        for rank, peer in peers.items():
            threading.Thread(target=self._listen, args=(rank, peer), daemon=True).start()

    @classmethod
    def connect(
        cls, hosts: Hosts, settings: dict[str, str], end: Callable[[str], None], timeout: float = CONNECT_TIMEOUT
    ) -> Channel:
        """Wait until every process is connected, and has the same settings.

        Args:
            hosts: of all processes.
            settings: what must be equal everywhere, e.g. versions and options: name to value.
            end: see `Channel`.
            timeout: seconds.

        Raises:
            SalusError: a host does not connect, cannot be reached, or has other settings.
        """
        deadline = time.monotonic() + timeout
        if hosts.rank == 0:
            return cls(hosts, _accept_all(hosts, settings, deadline, timeout), end)
        return cls(hosts, {0: _connect_to_first(hosts, settings, deadline, timeout)}, end)

    def broadcast(self, content: bytes) -> None:
        """Send bytes from the first process to all others, which call `receive`."""
        for rank, peer in self.peers.items():
            try:
                _send(peer, _DATA, content)
            except OSError:
                self._report_lost(rank)

    def receive(self) -> bytes:
        """Wait for what the first process broadcasts next."""
        return self._inbox.get()

    def fail(self, reason: str) -> None:
        """Tell the others that this process gives up, and why."""
        self._closing = True
        _send_failure(self.peers, reason)

    def close(self) -> None:
        """Close the channel; return when all processes have come to this point."""
        if self.hosts.rank != 0:
            _send(self.peers[0], _BYE, b"")
        for _ in self.peers:
            self._closed_peers.get()
        self._closing = True
        if self.hosts.rank == 0:
            for peer in self.peers.values():
                _send(peer, _BYE, b"")

    def _listen(self, rank: int, peer: socket.socket) -> None:
        try:
            while True:
                kind, content = _receive(peer)
                if kind == _DATA:
                    self._inbox.put(content)
                elif kind == _BYE:
                    self._closed_peers.put(rank)
                    if self.hosts.rank != 0:
                        return
                else:
                    self._stop(f"{self.hosts.describe(rank)} stopped: {content.decode(errors='replace')}")
                    return
        except OSError:
            self._report_lost(rank)

    def _report_lost(self, rank: int) -> None:
        self._stop(f"{self.hosts.describe(rank)} died or cannot be reached any more; its own messages say more")

    def _stop(self, reason: str) -> None:
        with self._lock:
            if self._closing:
                return
            self.fail(reason)
            self._end(reason)


def end_process(reason: str, resume_command: str) -> None:
    """End this process at once with a line for the user: the main thread may wait in a sum that never comes."""
    print(
        f"salus: {reason}; mend that, then continue on every host with: {resume_command}", file=sys.stderr, flush=True
    )
    os._exit(2)


def _accept_all(hosts: Hosts, settings: dict[str, str], deadline: float, timeout: float) -> dict[int, socket.socket]:
    """Accept a connection of each other process, in the first process."""
    port = hosts.addresses[0][1]
    dual = socket.has_dualstack_ipv6()
    try:
        server = socket.create_server(
            ("", port), family=socket.AF_INET6 if dual else socket.AF_INET, dualstack_ipv6=dual
        )
    except OSError as error:
        raise SalusError(f"port {port} cannot be opened here ({error.strerror}); give --hosts another") from None
    peers: dict[int, socket.socket] = {}
    with server:
        while len(peers) < len(hosts.addresses) - 1:
            server.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                peer, _ = server.accept()
                peer.settimeout(10)
                hello = json.loads(_receive(peer)[1])
                _keep_alive(peer)
                rank, peer_settings = int(hello["host"]), dict(hello["told"])
            except TimeoutError:
                if time.monotonic() < deadline:
                    continue  # not Salus: it sent nothing
                missing = [rank for rank in range(1, len(hosts.addresses)) if rank not in peers]
                raise _reject(
                    peers,
                    f"{', '.join(map(hosts.describe, missing))} did not come within {timeout:.0f} s; start the same "
                    f"command there with --host {missing[0]}",
                ) from None
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not Salus, e.g. a port scan; or a process that ended
            if rank in peers or not 0 < rank < len(hosts.addresses):
                _send(peer, _FAILED, f"--host {rank} is given twice, or is not one of --hosts".encode())
                continue
            peers[rank] = peer
            for name, value in settings.items():
                if peer_settings.get(name) != value:
                    raise _reject(
                        peers, f"{hosts.describe(rank)} has another {name}: {peer_settings.get(name)}, here {value}"
                    )
    for peer in peers.values():
        _send(peer, _DATA, b"welcome")
    return peers


def _reject(peers: dict[int, socket.socket], reason: str) -> SalusError:
    _send_failure(peers, reason)
    return SalusError(reason)


def _connect_to_first(hosts: Hosts, settings: dict[str, str], deadline: float, timeout: float) -> socket.socket:
    """Connect to the first process, in each of the others."""
    first = hosts.describe(0)
    while True:
        try:
            peer = socket.create_connection(hosts.addresses[0], timeout=max(0.1, deadline - time.monotonic()))
            break
        except socket.gaierror:
            raise SalusError(f"{first}: no machine of this name is known here; mend --hosts") from None
        except OSError as error:
            if time.monotonic() > deadline:
                raise SalusError(
                    f"{first} cannot be reached within {timeout:.0f} s ({error.strerror or error}); start the same "
                    "command there with --host 0, and let its port through"
                ) from None
            time.sleep(0.2)
    _keep_alive(peer)
    try:
        _send(peer, _HELLO, json.dumps({"host": hosts.rank, "told": settings}).encode())
        kind, content = _receive(peer)
    except OSError:
        raise SalusError(f"{first} ended before all had come; its own message says why") from None
    if kind == _FAILED:
        raise SalusError(f"{first}: {content.decode(errors='replace')}")
    return peer


def _keep_alive(peer: socket.socket) -> None:
    """Let a connection wait without limit, but notice a machine that vanished."""
    peer.settimeout(None)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", SILENCE_TIMEOUT // 3),
        ("TCP_KEEPINTVL", SILENCE_TIMEOUT // 3),
        ("TCP_KEEPCNT", 2),
    ):
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _send(peer: socket.socket, kind: bytes, content: bytes) -> None:
    peer.sendall(_HEADER.pack(kind, len(content)) + content)


def _send_failure(peers: dict[int, socket.socket], reason: str) -> None:
    for peer in peers.values():
        with suppress(OSError):
            _send(peer, _FAILED, reason.encode())


def _receive(peer: socket.socket) -> tuple[bytes, bytes]:
    kind, size = _HEADER.unpack(_receive_bytes(peer, _HEADER.size))
    return kind, _receive_bytes(peer, size)


def _receive_bytes(peer: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        chunk = peer.recv(min(size - len(content), 1 << 20))
        if not chunk:
            raise ConnectionError("closed")
        content += chunk
    return bytes(content)
