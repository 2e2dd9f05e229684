"""What answers of a destination mean, and how tries are repeated."""

import json
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="the extra node is not installed")
pytest.importorskip("dicomweb_client", reason="the extra node is not installed")

from pynetdicom import AE, evt
from tests.local_server import QuietHandler, local_server
from tests.node.servers import free_port, wait_until
from tests.read.wrap import wrap_dicom

from salus.node.c_store import StoreDestination
from salus.node.destination import Refused, Unreachable
from salus.node.object_queue import ObjectQueue, key_of
from salus.node.sender import Sender
from salus.node.settings import DestinationSettings, RetrySettings
from salus.node.stow import StowDestination

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def failed(reason):
    return {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [reason]}}]}}


@contextmanager
def web(status, content, seen):
    """A service that answers everything in one way."""

    class Handler(QuietHandler):
        def do_POST(self):
            seen.append(dict(self.headers))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(content).encode()
            self.answer(status, {"Content-Type": "application/dicom+json"}, body)

    with local_server(Handler) as address:
        yield address


@pytest.fixture
def capture(tmp_path):
    return wrap_dicom(tmp_path / "capture.dcm", np.zeros((8, 8), np.uint8), SOPClassUID=CAPTURE)


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (200, {}, None),
        (202, failed(0x0111), None),
        (409, failed(0x0111), None),  # it has the object
        (202, failed(0xA900), Refused),
        (409, failed(0x0110), Refused),
        (400, {}, Refused),
        (401, {}, Unreachable),
        (503, {}, Unreachable),
    ],
)
def test_answers_by_stow(status, content, error, capture, monkeypatch):
    monkeypatch.setenv("TOKEN", "abc")
    seen = []
    with web(status, content, seen) as url:
        settings = DestinationSettings(name="a", url=url, token_env="TOKEN")
        with StowDestination(settings).connect() as connection:
            if error is None:
                connection.send([capture])
            else:
                with pytest.raises(error):
                    connection.send([capture])
    assert [headers["Authorization"] for headers in seen] == ["Bearer abc"]


@pytest.mark.parametrize(
    ("status", "error"),
    [(0x0000, None), (0xB000, None), (0x0111, None), (0xA700, Unreachable), (0xA900, Refused), (0xC000, Refused)],
)
def test_answers_by_c_store(status, error, capture):
    entity, port = AE("ARCHIVE"), free_port()
    entity.add_supported_context(CAPTURE)
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda event: status)]
    )
    try:
        settings = DestinationSettings(name="a", ae_title="ARCHIVE", host="127.0.0.1", port=port, timeout=5)
        with StoreDestination(settings, "SALUS").connect() as connection:
            if error is None:
                connection.send([capture])
            else:
                with pytest.raises(error):
                    connection.send([capture])
            with pytest.raises(Refused, match="takes no"):
                connection.send([wrap_dicom(capture.with_name("us.dcm"), np.zeros((8, 8), np.uint8))])
    finally:
        server.shutdown()


def test_a_destination_that_is_not_there_is_unreachable(capture):
    port = free_port()
    settings = DestinationSettings(name="a", ae_title="A", host="127.0.0.1", port=port, timeout=2)
    with pytest.raises(Unreachable), StoreDestination(settings, "SALUS").connect():
        pass
    web_settings = DestinationSettings(name="a", url=f"http://127.0.0.1:{port}", timeout=2)
    with pytest.raises(Unreachable), StowDestination(web_settings).connect() as connection:
        connection.send([capture])


class FlakyDestination:
    """Unreachable at first; then it refuses one object a few times."""

    def __init__(self, refused_file):
        self.refused_file, self.connects, self.refusals, self.sent = refused_file, 0, 0, []

    @contextmanager
    def connect(self):
        self.connects += 1
        if self.connects <= 3:
            raise Unreachable("does not answer")
        yield self

    def send(self, files):
        if self.refused_file in [file.read_text() for file in files] and self.refusals < 3:
            self.refusals += 1
            raise Refused("status A900")
        self.sent += [file.read_text() for file in files]


def test_a_refused_object_holds_up_no_other_and_all_arrive_once(tmp_path):
    queue = ObjectQueue(tmp_path, ["a"])
    for number in range(5):
        (path := queue.incoming / "received").write_text(str(number))
        queue.add(key := key_of(str(number)), path)
        (path := queue.incoming / "result").write_text(str(number))
        assert queue.take(0) == key
        queue.store(key, [path])
    destination, stop = FlakyDestination("0"), threading.Event()
    sender = Sender("a", destination, queue, RetrySettings(first=0.05, longest=0.2))
    thread = threading.Thread(target=sender.run, args=(stop,), daemon=True)
    thread.start()
    wait_until(lambda: sender.error == "does not answer")
    wait_until(lambda: sender.refused == 1 and len(destination.sent) == 4)
    wait_until(lambda: not queue.unsent_count("a"))
    began = time.monotonic()
    stop.set()
    queue.close()
    thread.join(5)
    assert (destination.sent[-1], sorted(destination.sent)) == ("0", list("01234"))
    assert (destination.refusals, sender.refused, sender.error) == (3, 0, "")
    assert time.monotonic() - began < 3


class CountedQueue(ObjectQueue):
    """Counts how often it is asked for what is to be sent."""

    asked = 0

    def unsent(self, destination, timeout=0.0):
        self.asked += 1
        return super().unsent(destination, timeout)


def test_a_sender_rests_while_all_that_is_left_was_refused(tmp_path):
    queue, stop = CountedQueue(tmp_path, ["a"]), threading.Event()
    (path := queue.incoming / "received").write_text("0")
    queue.add(key := key_of("0"), path)
    (path := queue.incoming / "result").write_text("0")
    queue.store(queue.take(0), [path])
    destination = FlakyDestination("0")
    destination.connects = 3  # it answers
    sender = Sender("a", destination, queue, RetrySettings(first=3600, longest=3600))
    thread = threading.Thread(target=sender.run, args=(stop,), daemon=True)
    thread.start()
    wait_until(lambda: sender.refused == 1)
    before = queue.asked
    time.sleep(1)
    asked = queue.asked - before  # twice a second; without a rest, thousands of times
    stop.set()
    queue.close()
    thread.join(5)
    assert (asked <= 10, queue.unsent("a")) == (True, [key])
