"""The line between processes that train together: one TCP connection from the first to each of the others.

JAX does the arithmetic over its own connections. What it leaves open is done here: who is missing is named, the first
process hands out what only it knows (there is no limit to how long the others wait), and when one dies or gives up, the
others end within seconds, saying so, instead of waiting in a sum that never comes.
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
from dataclasses import dataclass
from typing import Any

from salus.errors import SalusError

PORT = 8476
"""Where the first host listens, unless --hosts says otherwise."""

WAIT = 300.0
"""Seconds that hosts wait for each other at the start."""

SILENT = 30
"""Seconds after which a machine that answers nothing any more is given up."""

_HEAD = struct.Struct("!cQ")
_DATA, _FAILED, _BYE = b"D", b"F", b"B"


@dataclass(frozen=True)
class Hosts:
    """Which processes train together, and which of them this is.

    Attributes:
        names: (name, port) of each; only the first's port is used.
        mine: this process's place among them, from 0.
    """

    names: tuple[tuple[str, int], ...]
    mine: int

    @classmethod
    def parse(cls, hosts: str, mine: int | None) -> Hosts:
        """From the options --hosts and --host.

        Raises:
            SalusError: they make no sense.

        Example:
            >>> Hosts.parse("one:9000,two", 1).title(0)
            'host 0 (one:9000)'
        """
        names = []
        for item in hosts.split(","):
            name, colon, port = item.strip().rpartition(":")
            if not colon:
                name, port = port, str(PORT)
            if not name or not port.isdecimal() or not 0 < int(port) < 65536:
                raise SalusError(f"--hosts {hosts}: write it as NAME:PORT,NAME:PORT,..., the first host first")
            names.append((name, int(port)))
        if mine is None:
            raise SalusError(f"--hosts: say which of the {len(names)} this is: --host 0 on {names[0][0]}, and so on")
        if not 0 <= mine < len(names):
            raise SalusError(f"--host {mine}: --hosts names {len(names)}; give 0 to {len(names) - 1}")
        return cls(tuple(names), mine)

    def title(self, host: int) -> str:
        """How messages call one of them."""
        name, port = self.names[host]
        return f"host {host} ({name})" if host else f"host {host} ({name}:{port})"


class Line:
    """Connections to the others; see `Line.meet`.

    Args:
        hosts: who there is.
        peers: a connection to each other process: of the first to all, of the others to the first.
        end: called once, with one line, when another died or gave up; must not return.
    """

    def __init__(self, hosts: Hosts, peers: dict[int, socket.socket], end: Callable[[str], None]) -> None:
        self.hosts, self.peers, self._end = hosts, peers, end
        self._inbox: queue.Queue[bytes] = queue.Queue()
        self._left: queue.Queue[int] = queue.Queue()
        self._closing = False
        self._once = threading.Lock()
        for host, peer in peers.items():
            threading.Thread(target=self._listen, args=(host, peer), daemon=True).start()

    @classmethod
    def meet(cls, hosts: Hosts, told: dict[str, str], end: Callable[[str], None], wait: float = WAIT) -> Line:
        """Wait until every process is here, and has been told the same.

        Args:
            hosts: who is to come.
            told: what must be equal everywhere, e.g. versions and options: name to value.
            end: see `Line`.
            wait: seconds.

        Raises:
            SalusError: someone does not come, cannot be reached, or was told otherwise.
        """
        until = time.monotonic() + wait
        if hosts.mine == 0:
            return cls(hosts, _welcome(hosts, told, until, wait), end)
        return cls(hosts, {0: _call(hosts, told, until, wait)}, end)

    def hand_out(self, content: bytes) -> None:
        """The first process's part of `receive`."""
        for host, peer in self.peers.items():
            try:
                _send(peer, _DATA, content)
            except OSError:
                self._lost(host)

    def receive(self) -> bytes:
        """What the first process hands out next; waits for it."""
        return self._inbox.get()

    def fail(self, reason: str) -> None:
        """Tell the others that this process gives up, and why."""
        self._closing = True
        for peer in self.peers.values():
            try:
                _send(peer, _FAILED, reason.encode())
            except OSError:
                continue

    def close(self) -> None:
        """Part from the others in peace: returns when all have come to this point."""
        if self.hosts.mine != 0:
            _send(self.peers[0], _BYE, b"")
        for _ in self.peers:
            self._left.get()
        self._closing = True
        if self.hosts.mine == 0:
            for peer in self.peers.values():
                _send(peer, _BYE, b"")

    def _listen(self, host: int, peer: socket.socket) -> None:
        try:
            while True:
                kind, content = _take(peer)
                if kind == _DATA:
                    self._inbox.put(content)
                elif kind == _BYE:
                    self._left.put(host)
                    if self.hosts.mine != 0:
                        return
                else:
                    self._stop(f"{self.hosts.title(host)} stopped: {content.decode(errors='replace')}")
                    return
        except OSError:
            self._lost(host)

    def _lost(self, host: int) -> None:
        self._stop(f"{self.hosts.title(host)} died or cannot be reached any more; its own messages say more")

    def _stop(self, reason: str) -> None:
        with self._once:
            if self._closing:
                return
            self.fail(reason)
            self._end(reason)


def end_process(reason: str, again: str) -> None:
    """End this process at once with a line for the user: the main thread may wait in a sum that never comes."""
    print(f"salus: {reason}; mend that, then continue on every host with: {again}", file=sys.stderr, flush=True)
    os._exit(2)


def _welcome(hosts: Hosts, told: dict[str, str], until: float, wait: float) -> dict[int, socket.socket]:
    """The first process: one connection from each of the others."""
    port = hosts.names[0][1]
    both = socket.has_dualstack_ipv6()
    try:
        door = socket.create_server(("", port), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both)
    except OSError as error:
        raise SalusError(f"port {port} cannot be opened here ({error.strerror}); give --hosts another") from None
    peers: dict[int, socket.socket] = {}
    with door:
        while len(peers) < len(hosts.names) - 1:
            door.settimeout(max(0.01, until - time.monotonic()))
            try:
                peer, _ = door.accept()
                peer.settimeout(10)
                hello = json.loads(_take(peer)[1])
                _keep_alive(peer)
                host, theirs = int(hello["host"]), dict(hello["told"])
            except TimeoutError:
                if time.monotonic() < until:
                    continue  # no Salus: it said nothing
                missing = [h for h in range(1, len(hosts.names)) if h not in peers]
                raise _refused(
                    peers,
                    f"{', '.join(map(hosts.title, missing))} did not come within {wait:.0f} s; start the same command "
                    f"there with --host {missing[0]}",
                ) from None
            except (OSError, ValueError, KeyError, TypeError):
                continue  # no Salus: a port scan, or one that was ended
            if host in peers or not 0 < host < len(hosts.names):
                _send(peer, _FAILED, f"--host {host} is given twice, or is not one of --hosts".encode())
                continue
            peers[host] = peer
            other = next((name for name in told if theirs.get(name) != told[name]), None)
            if other is not None:
                raise _refused(
                    peers, f"{hosts.title(host)} has another {other}: {theirs.get(other)}, here {told[other]}"
                )
    for peer in peers.values():
        _send(peer, _DATA, b"welcome")
    return peers


def _refused(peers: dict[int, socket.socket], reason: str) -> SalusError:
    for peer in peers.values():
        try:
            _send(peer, _FAILED, reason.encode())
        except OSError:
            continue
    return SalusError(reason)


def _call(hosts: Hosts, told: dict[str, str], until: float, wait: float) -> socket.socket:
    """The others: the connection to the first."""
    while True:
        try:
            peer = socket.create_connection(hosts.names[0], timeout=max(0.1, until - time.monotonic()))
            break
        except socket.gaierror:
            raise SalusError(f"{hosts.title(0)}: no machine of this name is known here; mend --hosts") from None
        except OSError as error:
            if time.monotonic() > until:
                raise SalusError(
                    f"{hosts.title(0)} cannot be reached within {wait:.0f} s ({error.strerror or error}); start the "
                    "same command there with --host 0, and let its port through"
                ) from None
            time.sleep(0.2)
    _keep_alive(peer)
    try:
        _send(peer, b"H", json.dumps({"host": hosts.mine, "told": told}).encode())
        kind, content = _take(peer)
    except OSError:
        raise SalusError(f"{hosts.title(0)} ended before all had come; its own message says why") from None
    if kind == _FAILED:
        raise SalusError(f"{hosts.title(0)}: {content.decode(errors='replace')}")
    return peer


def _keep_alive(peer: socket.socket) -> None:
    """Wait as long as it takes, but notice a machine that is gone without a word."""
    peer.settimeout(None)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", SILENT // 3), ("TCP_KEEPINTVL", SILENT // 3), ("TCP_KEEPCNT", 2)):
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _send(peer: socket.socket, kind: bytes, content: bytes) -> None:
    peer.sendall(_HEAD.pack(kind, len(content)) + content)


def _take(peer: socket.socket) -> tuple[bytes, bytes]:
    kind, size = _HEAD.unpack(_take_bytes(peer, _HEAD.size))
    return kind, _take_bytes(peer, size)


def _take_bytes(peer: socket.socket, size: int) -> bytes:
    parts: list[Any] = []
    while size:
        part = peer.recv(min(size, 1 << 20))
        if not part:
            raise ConnectionError("closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
