"""The line between processes, here between threads: meeting, handing out, missing and dying hosts, refusals."""

import queue
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from salus.errors import SalusError
from salus.lab.training.channel import Hosts, Line


def free_port():
    with socket.create_server(("", 0)) as door:
        return door.getsockname()[1]


def hosts(count, mine, port):
    return Hosts.parse(f"localhost:{port}" + ",localhost" * (count - 1), mine)


def meet(count, wait=20.0, told=None):
    """Lines of `count` hosts, and the queue of what ends them: (host, reason)."""
    port, ended = free_port(), queue.Queue()

    def one(mine):
        mine_told = {"salus": "1"} if told is None else told[mine]
        return Line.meet(hosts(count, mine, port), mine_told, lambda reason: ended.put((mine, reason)), wait)

    with ThreadPoolExecutor(count) as pool:
        made = [pool.submit(one, mine) for mine in range(count)]
    return made, ended


def test_what_the_first_hands_out_reaches_all_in_order():
    made, ended = meet(3)
    first, *others = [one.result() for one in made]
    contents = [b"", b"x" * 3_000_000, "höre".encode()]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: [first.hand_out(content) for content in contents])
        for other in others:
            assert [other.receive() for _ in contents] == contents
    assert ended.empty()


def test_they_part_together():
    made, ended = meet(3)
    lines = [one.result() for one in made]
    with ThreadPoolExecutor(3) as pool:
        parting = [pool.submit(line.close) for line in lines[1:]]
        assert not any(one.done() for one in parting)  # the first has not come yet
        parting.append(pool.submit(lines[0].close))
        for one in parting:
            one.result(timeout=10)
    assert ended.empty()


def test_a_host_that_dies_ends_all_others():
    made, ended = meet(3)
    lines = [one.result() for one in made]
    lines[1].peers[0].shutdown(socket.SHUT_RDWR)  # what the system does for a process that is killed
    found = dict(ended.get(timeout=10) for _ in range(3))  # the one whose line is cut says that it lost the first
    assert "host 1 (localhost" in found[0]
    assert "died" in found[0]
    assert found[2].endswith(found[0])


def test_a_host_that_gives_up_says_why():
    made, ended = meet(2)
    lines = [one.result() for one in made]
    lines[1].fail("disk full")
    host, reason = ended.get(timeout=10)
    assert host == 0
    assert reason.endswith("stopped: disk full")


def test_hosts_that_do_not_come_are_named():
    with pytest.raises(SalusError, match=r"host 1 \(localhost\) did not come within 0 s; .*--host 1"):
        Line.meet(hosts(2, 0, free_port()), {}, print, wait=0.3)
    with pytest.raises(SalusError, match=r"host 0 \(localhost:\d+\) cannot be reached within 0 s .*--host 0"):
        Line.meet(hosts(2, 1, free_port()), {}, print, wait=0.3)
    with pytest.raises(SalusError, match="no machine of this name"):
        Line.meet(Hosts.parse("no-such-machine.invalid,b", 1), {}, print, wait=5)


def test_hosts_that_differ_are_refused_everywhere():
    made, _ = meet(2, told=[{"salus": "1", "jax": "2"}, {"salus": "1", "jax": "3"}])
    for one in made:
        with pytest.raises(SalusError, match="another jax: 3, here 2"):
            one.result()


def test_a_port_scan_and_a_taken_port_do_no_harm():
    port = free_port()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(Line.meet, hosts(2, 0, port), {}, print, 20)
        for _ in range(100):
            try:
                with socket.create_connection(("localhost", port), timeout=1) as stranger:
                    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 3)
                break
            except OSError:
                continue
        second = pool.submit(Line.meet, hosts(2, 1, port), {}, print, 20)
        lines = [first.result(timeout=20), second.result(timeout=20)]
    assert [line.hosts.mine for line in lines] == [0, 1]
    with socket.create_server(("", port + 1 if port < 65535 else port - 1)) as door:
        taken = door.getsockname()[1]
        with pytest.raises(SalusError, match=rf"port {taken} cannot be opened"):
            Line.meet(hosts(2, 0, taken), {}, print, 1)


@pytest.mark.parametrize(
    ("given", "mine", "said"),
    [
        ("a,b", None, "--host 0 on a"),
        ("a,b", 2, "give 0 to 1"),
        ("a:x,b", 0, "NAME:PORT"),
        ("a:70000,b", 0, "NAME:PORT"),
        (",b", 0, "NAME:PORT"),
    ],
)
def test_senseless_hosts_are_refused(given, mine, said):
    with pytest.raises(SalusError, match=said):
        Hosts.parse(given, mine)


def test_ports_have_a_default():
    assert Hosts.parse("a, b:1", 0).names == (("a", 8476), ("b", 1))
