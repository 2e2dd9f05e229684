"""The queue: batches, back pressure, time limit, cancellation; and sessions that end."""

import asyncio
import threading
import time

import numpy as np
import pytest

from salus import SalusError, Scan
from salus.serve.queue import Busy, Queue, TooSlow
from salus.serve.sessions import Full, Sessions, suffix_of
from salus.serve.settings import ServeSettings


class Slow:
    """Stands for a segmenter: answers with the scan's source, when it is let."""

    threshold = 0.5

    def __init__(self):
        self.go, self.batches = threading.Event(), []

    def __call__(self, scan):
        return self.batch([scan])[0]

    def batch(self, scans):
        self.go.wait(20)
        self.batches.append([scan.source for scan in scans])
        return [scan.source for scan in scans]


def scan(name):
    return Scan(np.zeros((9, 9), np.float32), name)


def queued(work, **settings):
    """Run a coroutine with a queue over a slow segmenter."""

    async def run():
        slow = Slow()
        queue = Queue(slow, **({"workers": 1} | settings))
        queue.start()
        try:
            await asyncio.wait_for(work(queue, slow), 30)
        finally:
            slow.go.set()
            await queue.stop()

    asyncio.run(run())


def ask(queue, name):
    return asyncio.ensure_future(queue.ask(lambda: scan(name), lambda s, found: found))


def test_what_waits_is_taken_together_and_each_gets_its_own():
    async def work(queue, slow):
        asked = [ask(queue, str(i)) for i in range(6)]
        await asyncio.sleep(0.1)
        slow.go.set()
        assert await asyncio.gather(*asked) == list("012345")
        assert [len(batch) for batch in slow.batches] == [4, 2]

    queued(work)


def test_a_bad_image_fails_alone():
    async def work(queue, slow):
        slow.go.set()

        def bad():
            raise SalusError("a.png: damaged")

        with pytest.raises(SalusError, match="damaged"):
            await asyncio.gather(ask(queue, "1"), queue.ask(bad, lambda s, found: found))
        assert await ask(queue, "2") == "2"

    queued(work)


def test_who_goes_is_not_worked_for():
    async def work(queue, slow):
        first = ask(queue, "first")
        await asyncio.sleep(0.05)
        gone = [ask(queue, "gone") for _ in range(3)]
        await asyncio.sleep(0.05)
        for one in gone:
            one.cancel()
        stays = ask(queue, "stays")
        await asyncio.sleep(0.05)
        slow.go.set()
        assert (await first, await stays) == ("first", "stays")
        assert slow.batches == [["first"], ["stays"]]
        assert queue.dropped == 3

    queued(work)


def test_what_takes_too_long_is_told_so():
    async def work(queue, slow):
        with pytest.raises(TooSlow):
            await ask(queue, "late")
        assert queue.late == 1

    queued(work, seconds=0.1)


def test_no_more_are_admitted_than_may_be():
    async def work(queue, slow):
        with queue.admit(), queue.admit():
            with pytest.raises(Busy) as told, queue.admit():
                pass
            assert told.value.seconds >= 1
        with queue.admit():
            pass

    queued(work, waiting=2)


def test_a_full_server_says_429_and_recovers(segmenter, png):
    from fastapi.testclient import TestClient

    from salus.serve.app import create_app

    app = create_app(ServeSettings(waiting=1), segmenter)
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        with app.app.queue.admit():
            told = client.post("/v1/segment", files={"file": ("a", png)})
            assert told.status_code == 429
            assert int(told.headers["retry-after"]) >= 1
            assert client.get("/v1/health").json()["status"] == "busy"
        assert client.post("/v1/segment", files={"file": ("a", png)}).status_code == 200
        assert app.app.queue.admitted == 0


def test_a_late_image_is_504(segmenter, png, monkeypatch):
    from fastapi.testclient import TestClient

    from salus.serve.app import create_app

    app = create_app(ServeSettings(seconds=0.05), segmenter)
    monkeypatch.setattr("salus.read.image._values", lambda *asked: time.sleep(0.4))
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        assert client.post("/v1/segment", files={"file": ("a", png)}).status_code == 504


def test_a_client_that_goes_cancels_what_it_asked(segmenter, png, monkeypatch):
    import httpx
    from tests.serve.conftest import running

    with running(segmenter) as address:
        decode = "salus.read.image._values"
        monkeypatch.setattr(decode, lambda *asked: time.sleep(1) or np.zeros((20, 20), np.uint8))
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}/v1/segment", files={"file": ("a", png)}, timeout=0.5)
        for _ in range(50):
            told = httpx.get(f"{address}/v1/metrics").text
            if "salus_images_dropped_total 1" in told:
                break
            time.sleep(0.1)
        assert "salus_images_dropped_total 1" in told
        assert "salus_requests_inside 0" in told


def test_sessions_end_and_their_files_go(png, tmp_path):
    import io

    clock = [0.0]
    sessions = Sessions(ServeSettings(sessions=2, keep_seconds=60), now=lambda: clock[0])
    first = sessions.begin()
    case = sessions.add(first, io.BytesIO(png))
    assert case.source.read_bytes() == png
    assert case.source.name == "source.png"
    assert sessions.root.stat().st_mode & 0o077 == 0  # nobody else may look
    clock[0] = 50
    sessions.add(sessions.begin(), io.BytesIO(png))
    with pytest.raises(Full):
        sessions.begin()
    clock[0] = 70
    assert sessions.begin()
    assert sessions.find(first.key) is None
    assert not case.source.exists()
    sessions.close()
    assert not sessions.root.exists()


def test_what_a_file_is_its_first_bytes_say():
    assert suffix_of(b"\xff\xd8\xff\xe0") == ".jpg"
    assert suffix_of(bytes(344) + b"n+1\0") == ".nii"
    for no in (b"", b"MZ", b"PK\3\4", b"%PDF-1.4", b"<html>"):
        with pytest.raises(SalusError, match="not an image"):
            suffix_of(no)
