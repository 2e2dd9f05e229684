"""The channel between processes, here between threads: connect, broadcast, missing and dying hosts, refusals."""

import queue
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from salus.errors import SalusError
from salus.lab.training.channel import Channel, Hosts


def free_port():
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


def hosts(count, rank, port):
    return Hosts.parse(f"localhost:{port}" + ",localhost" * (count - 1), rank)


def connect(count, timeout=20.0, settings=None):
    """Futures of the channels of `count` hosts, and the queue of what ends them: (rank, reason)."""
    port, ended = free_port(), queue.Queue()

    def open_channel(rank):
        own_settings = {"salus": "1"} if settings is None else settings[rank]
        return Channel.connect(
            hosts(count, rank, port), own_settings, lambda reason: ended.put((rank, reason)), timeout
        )

    with ThreadPoolExecutor(count) as pool:
        channels = [pool.submit(open_channel, rank) for rank in range(count)]
    return channels, ended


def test_a_broadcast_reaches_all_in_order():
    channels, ended = connect(3)
    first, *others = [channel.result() for channel in channels]
    contents = [b"", b"x" * 3_000_000, "höre".encode()]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: [first.broadcast(content) for content in contents])
        for other in others:
            assert [other.receive() for _ in contents] == contents
    assert ended.empty()


def test_a_channel_closes_when_all_have_closed_it():
    channels, ended = connect(3)
    opened = [channel.result() for channel in channels]
    with ThreadPoolExecutor(3) as pool:
        closing = [pool.submit(channel.close) for channel in opened[1:]]
        assert not any(one.done() for one in closing)  # the first has not come yet
        closing.append(pool.submit(opened[0].close))
        for one in closing:
            one.result(timeout=10)
    assert ended.empty()


def test_a_host_that_dies_ends_all_others():
    channels, ended = connect(3)
    opened = [channel.result() for channel in channels]
    opened[1].peers[0].shutdown(socket.SHUT_RDWR)  # what the system does for a process that is killed
    found = dict(ended.get(timeout=10) for _ in range(3))  # the one whose connection is cut says that it lost the first
    assert "host 1 (localhost" in found[0]
    assert "died" in found[0]
    assert found[2].endswith(found[0])


def test_a_host_that_gives_up_says_why():
    channels, ended = connect(2)
    opened = [channel.result() for channel in channels]
    opened[1].fail("disk full")
    host, reason = ended.get(timeout=10)
    assert host == 0
    assert reason.endswith("stopped: disk full")


def test_hosts_that_do_not_come_are_named():
    with pytest.raises(SalusError, match=r"host 1 \(localhost\) did not come within 0 s; .*--host 1"):
        Channel.connect(hosts(2, 0, free_port()), {}, print, timeout=0.3)
    with pytest.raises(SalusError, match=r"host 0 \(localhost:\d+\) cannot be reached within 0 s .*--host 0"):
        Channel.connect(hosts(2, 1, free_port()), {}, print, timeout=0.3)
    with pytest.raises(SalusError, match="no machine of this name"):
        Channel.connect(Hosts.parse("no-such-machine.invalid,b", 1), {}, print, timeout=5)


def test_hosts_that_differ_are_refused_everywhere():
    channels, _ = connect(2, settings=[{"salus": "1", "jax": "2"}, {"salus": "1", "jax": "3"}])
    for one in channels:
        with pytest.raises(SalusError, match="another jax: 3, here 2"):
            one.result()


def test_a_port_scan_and_a_taken_port_do_no_harm():
    port = free_port()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(Channel.connect, hosts(2, 0, port), {}, print, 20)
        for _ in range(100):
            try:
                with socket.create_connection(("localhost", port), timeout=1) as stranger:
                    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 3)
                break
            except OSError:
                continue
        second = pool.submit(Channel.connect, hosts(2, 1, port), {}, print, 20)
        opened = [first.result(timeout=20), second.result(timeout=20)]
    assert [channel.hosts.rank for channel in opened] == [0, 1]
    with socket.create_server(("", port + 1 if port < 65535 else port - 1)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(SalusError, match=rf"port {taken} cannot be opened"):
            Channel.connect(hosts(2, 0, taken), {}, print, 1)


@pytest.mark.parametrize(
    ("option", "rank", "message"),
    [
        ("a,b", None, "--host 0 on a"),
        ("a,b", 2, "give 0 to 1"),
        ("a:x,b", 0, "NAME:PORT"),
        ("a:70000,b", 0, "NAME:PORT"),
        (",b", 0, "NAME:PORT"),
    ],
)
def test_malformed_hosts_are_refused(option, rank, message):
    with pytest.raises(SalusError, match=message):
        Hosts.parse(option, rank)


def test_ports_have_a_default():
    assert Hosts.parse("a, b:1", 0).addresses == (("a", 8476), ("b", 1))
