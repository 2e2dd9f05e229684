"""The queue: batches, back pressure, time limit, cancellation."""

import asyncio
import json
import threading
import time

import httpx
import numpy as np
import pytest
from tests.serve.conftest import running

from salus import SalusError, Scan
from salus.serve.queue import QueueFull, SegmentationQueue, SegmentationTimeout


class BlockedSegmenter:
    """A segmenter that answers with the scan's source once `unblocked` is set; notes the batches it was given."""

    threshold = 0.5

    def __init__(self):
        self.unblocked, self.begun, self.batches = threading.Event(), 0, []

    def __call__(self, scan, prompt, threshold=None):
        return self.batch([scan], threshold=threshold)[0]

    def batch(self, scans, threshold=None):
        self.begun += 1
        self.unblocked.wait(120)
        names = [scan.source for scan in scans]
        if "fatal" in names:
            return []  # not one result for each image: an error of the program
        if "shapeless" in names:
            raise SalusError("shapeless: nothing to segment")
        self.batches.append(names)
        return names


def scan(name):
    return Scan(np.zeros((9, 9), np.float32), name)


def run_with_queue(work, **settings):
    """Run a coroutine with a queue over a blocked segmenter."""

    async def run():
        segmenter = BlockedSegmenter()
        queue = SegmentationQueue(segmenter, **({"workers": 1} | settings))
        queue.start()
        try:
            await asyncio.wait_for(work(queue, segmenter), 120)
        finally:
            segmenter.unblocked.set()
            await queue.stop()

    asyncio.run(run())


def submit(queue, name):
    return asyncio.ensure_future(queue.submit(lambda: scan(name), lambda scan, segmentation: segmentation))


async def until(condition):
    """Wait until a condition holds, however busy the machine is."""
    while not condition():
        await asyncio.sleep(0.01)


def test_waiting_images_are_segmented_in_batches_and_each_gets_its_own_result():
    async def work(queue, segmenter):
        results = [submit(queue, str(i)) for i in range(6)]
        await until(lambda: segmenter.begun)
        segmenter.unblocked.set()
        assert await asyncio.gather(*results) == list("012345")
        assert [len(batch) for batch in segmenter.batches] == [4, 2]

    run_with_queue(work)


def test_an_image_that_cannot_be_read_fails_alone():
    async def work(queue, segmenter):
        segmenter.unblocked.set()

        def read_damaged():
            raise SalusError("a.png: damaged")

        good, bad = submit(queue, "1"), queue.submit(read_damaged, lambda scan, segmentation: segmentation)
        with pytest.raises(SalusError, match="damaged"):
            await bad
        assert await good == "1"
        assert await submit(queue, "2") == "2"

    run_with_queue(work)


def test_an_image_that_cannot_be_segmented_fails_alone():
    async def work(queue, segmenter):
        good, bad = submit(queue, "good"), submit(queue, "shapeless")
        await until(lambda: segmenter.begun)
        segmenter.unblocked.set()
        with pytest.raises(SalusError, match="nothing to segment"):
            await bad
        assert await good == "good"

    run_with_queue(work)


def test_an_error_of_the_program_ends_the_batch_and_not_the_queue():
    async def work(queue, segmenter):
        results = [submit(queue, name) for name in ("fatal", "fatal")]
        segmenter.unblocked.set()
        assert [type(error) for error in await asyncio.gather(*results, return_exceptions=True)] == [ValueError] * 2
        assert await submit(queue, "next") == "next"

    run_with_queue(work)


def test_another_threshold_loads_no_network_anew(serve, png, monkeypatch):
    client = serve()

    def load(*args, **options):
        raise SalusError("the network was loaded a second time")

    monkeypatch.setattr("salus.segmentation.segmenter.load_network", load)
    answer = client.post("/v1/segment?threshold=0.3", files={"file": ("a", png)})
    assert (answer.status_code, answer.json().get("threshold")) == (200, 0.3)
    batch = client.post("/v1/segment/batch?threshold=0.2", files=[("files", (name, png)) for name in "ab"])
    assert [json.loads(line)["answer"]["threshold"] for line in batch.text.splitlines()[:2]] == [0.2, 0.2]


def test_images_of_clients_that_have_gone_are_dropped():
    async def work(queue, segmenter):
        first = submit(queue, "first")
        await until(lambda: segmenter.begun)
        gone = [submit(queue, "gone") for _ in range(3)]
        await until(lambda: queue.depth == 3)
        for task in gone:
            task.cancel()
        last = submit(queue, "last")
        await until(lambda: queue.depth == 4 and all(task.done() for task in gone))
        segmenter.unblocked.set()
        assert (await first, await last) == ("first", "last")
        assert segmenter.batches == [["first"], ["last"]]
        assert queue.dropped == 3

    run_with_queue(work)


def test_an_image_that_takes_too_long_raises_a_timeout():
    async def work(queue, segmenter):
        with pytest.raises(SegmentationTimeout):
            await submit(queue, "late")
        assert queue.late == 1

    run_with_queue(work, timeout_seconds=0.1)


def test_no_more_requests_are_admitted_than_the_limit():
    async def work(queue, segmenter):
        with queue.admit(), queue.admit():
            with pytest.raises(QueueFull) as refusal, queue.admit():
                pass
            assert refusal.value.retry_seconds >= 1
        with queue.admit():
            pass

    run_with_queue(work, max_requests=2)


def test_a_full_server_answers_429_and_recovers(serve, png):
    client = serve(queue_size=1)
    queue = client.app.app.queue
    with queue.admit():
        response = client.post("/v1/segment", files={"file": ("a", png)})
        assert response.status_code == 429
        assert "try again" in response.json()["detail"]
        assert int(response.headers["retry-after"]) >= 1
        assert client.get("/v1/health").json()["status"] == "busy"
    assert client.post("/v1/segment", files={"file": ("a", png)}).status_code == 200
    assert queue.admitted == 0


def test_only_what_may_run_the_network_needs_a_place(serve, png):
    client = serve(queue_size=1)
    key = client.post("/v1/cases", files={"file": ("a", png)}).json()["key"]
    with client.app.app.queue.admit():
        for path in ("cases", f"cases/{key}/frames/1/notes"):
            assert client.get(f"/v1/{path}").status_code != 429, path
        case = f"cases/{key}"
        for path in ("all.zip", f"{case}/frames/1", f"{case}/frames/1/overlay.jpg", f"{case}/frames/1/ruler"):
            assert client.get(f"/v1/{path}").status_code == 429, path
        assert client.post("/v1/cases", files={"file": ("a", png)}).status_code == 429
    assert client.get("/v1/all.zip").status_code == 200


@pytest.fixture
def held_files(monkeypatch):
    """Has no file decoded until the event is set that it gives."""
    event = threading.Event()

    class HeldFrames:
        source, count, seconds = "held.png", 1, None

        def scan(self, number):
            event.wait(120)
            return Scan(np.zeros((20, 20), np.float32), self.source)

    monkeypatch.setattr("salus.serve.sessions.open_frames", lambda path: HeldFrames())
    yield event
    event.set()


def test_an_image_that_takes_too_long_is_answered_with_504(serve, png, held_files):
    assert serve(timeout_seconds=0.05).post("/v1/segment", files={"file": ("a", png)}).status_code == 504
    held_files.set()


def test_a_client_that_disconnects_cancels_its_images(segmenter, png, held_files):
    with running(segmenter) as address:

        def wait_for_metric(line):
            for _ in range(600):
                if line in httpx.get(f"{address}/v1/metrics", timeout=60).text:
                    return
                time.sleep(0.1)
            pytest.fail(f"there is no {line}")

        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}/v1/segment", files={"file": ("a", png)}, timeout=httpx.Timeout(60, read=0.5))
        wait_for_metric("salus_requests_inside 0")  # the server has noticed
        held_files.set()
        wait_for_metric("salus_images_dropped_total 1")
