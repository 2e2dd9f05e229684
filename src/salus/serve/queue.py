"""One network in memory and a bounded queue before it: batches, back pressure, a time limit, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from salus.errors import SalusError
from salus.prompts.prompt import NO_PROMPT, Prompt
from salus.scan import Scan
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter

T = TypeVar("T")

BATCH_PIXELS = 8_000_000
"""Largest number of pixels of a batch; larger ones are segmented image by image, so that memory stays flat."""

SMOOTHING = 0.1
"""Weight of the last batch in the running mean of the time an image takes."""


class QueueFull(Exception):
    """No further request is admitted; the client should come back after `retry_seconds`."""

    def __init__(self, retry_seconds: int) -> None:
        super().__init__(f"the queue is full; try again in {retry_seconds} s")
        self.retry_seconds = retry_seconds


class SegmentationTimeout(Exception):
    """An image was not done in time."""


@dataclass(eq=False)
class _Job:
    read: Callable[[], Scan]
    finish: Callable[[Scan, Segmentation], Any]
    future: asyncio.Future[Any]
    threshold: float | None
    prompt: Prompt


class SegmentationQueue:
    """Share one segmenter among many concurrent requests.

    At most `max_requests` requests are admitted; each may then submit images. Waiting images are taken in batches; an
    image whose client has gone (cancelled, timed out, disconnected) is dropped before it is worked on.

    Args:
        segmenter: is called from `workers` threads.
        max_requests: largest number of admitted requests.
        batch_size: largest number of images in one pass of the network.
        workers: number of batches at a time.
        timeout_seconds: time that an image may take, waiting included.

    Attributes:
        admitted: requests that are inside now.
        refused: requests that were not admitted.
        completed: images segmented.
        dropped: images whose client has gone.
        late: images not done in time.
        batches: passes of the network.
        seconds_per_image: running mean of the time that an image takes.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        *,
        max_requests: int = 64,
        batch_size: int = 4,
        workers: int = 2,
        timeout_seconds: float = 60.0,
    ) -> None:
        self.segmenter = segmenter
        self.max_requests, self.batch_size, self.timeout_seconds = max_requests, batch_size, timeout_seconds
        self.admitted = self.refused = self.completed = self.dropped = self.late = self.batches = 0
        self.seconds_per_image = 0.1
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="salus-segment")
        self._worker_count = workers
        self._workers: list[asyncio.Task[None]] = []

    @property
    def depth(self) -> int:
        """Number of images that wait."""
        return self._jobs.qsize()

    def start(self) -> None:
        """Start the workers; call it in the event loop."""
        self._workers = [asyncio.create_task(self._run_worker()) for _ in range(self._worker_count)]

    async def stop(self) -> None:
        """Stop the workers; waiting images are dropped."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._threads.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Hold a place in the queue for the length of a request.

        Raises:
            QueueFull: all places are taken.
        """
        if self.admitted >= self.max_requests:
            self.refused += 1
            raise QueueFull(max(1, round(self.seconds_per_image * self.admitted)))
        self.admitted += 1
        try:
            yield
        finally:
            self.admitted -= 1

    async def submit(
        self,
        read: Callable[[], Scan],
        finish: Callable[[Scan, Segmentation], T],
        threshold: float | None = None,
        prompt: Prompt = NO_PROMPT,
    ) -> T:
        """Have one image read, segmented and finished in a worker's thread.

        Args:
            read: reads the scan.
            finish: turns the scan and its segmentation into what is returned.
            threshold: in place of the segmenter's own.
            prompt: what a person points at in the image.

        Raises:
            SalusError: the image cannot be read, or the prompt does not suit it.
            SegmentationTimeout: it took longer than `timeout_seconds`.
        """
        job = _Job(read, finish, asyncio.get_running_loop().create_future(), threshold, prompt)
        self._jobs.put_nowait(job)
        try:
            async with asyncio.timeout(self.timeout_seconds):
                result: T = await job.future
                return result
        except TimeoutError:
            self.late += 1
            raise SegmentationTimeout(f"not done within {self.timeout_seconds:g} s") from None
        finally:
            job.future.cancel()

    async def _run_worker(self) -> None:
        while True:
            waiting = [await self._jobs.get()]
            while len(waiting) < self.batch_size and not self._jobs.empty():
                waiting.append(self._jobs.get_nowait())
            jobs = [job for job in waiting if not job.future.done()]
            self.dropped += len(waiting) - len(jobs)
            if not jobs:
                continue
            started = monotonic()
            results: Sequence[Any]
            try:
                results = await asyncio.get_running_loop().run_in_executor(self._threads, self._process, jobs)
            except Exception as error:  # nobody is to wait for a result that never comes
                results = [error] * len(jobs)
            self.batches += 1
            seconds = (monotonic() - started) / len(jobs) / self._worker_count
            self.seconds_per_image += SMOOTHING * (seconds - self.seconds_per_image)
            for job, result in zip(jobs, results, strict=True):
                if job.future.done():  # its client went meanwhile
                    self.dropped += 1
                elif isinstance(result, Exception):
                    job.future.set_exception(result)
                else:
                    self.completed += 1
                    job.future.set_result(result)

    def _process(self, jobs: Sequence[_Job]) -> list[Any]:
        """Read, segment and finish the images of a batch; give each one's result, or the exception it raised."""
        results = [_call(job.read) for job in jobs]
        readable = [index for index, result in enumerate(results) if not isinstance(result, Exception)]
        segmentations = self._segment([jobs[index] for index in readable], [results[index] for index in readable])
        for index, segmentation in zip(readable, segmentations, strict=True):
            if isinstance(segmentation, Exception):
                results[index] = segmentation
            else:
                results[index] = _call(jobs[index].finish, results[index], segmentation)
        return results

    def _segment(self, jobs: Sequence[_Job], scans: Sequence[Scan]) -> Sequence[Any]:
        """Segment scans in one pass where they fit together, or one after another."""
        alike = len({job.threshold for job in jobs}) == 1 and not any(job.prompt for job in jobs)
        if alike and len(scans) > 1 and sum(scan.pixels.size for scan in scans) <= BATCH_PIXELS:
            batch = _call(self.segmenter.batch, list(scans), threshold=jobs[0].threshold)
            if not isinstance(batch, Exception):
                return list(batch)
            if not isinstance(batch, SalusError):
                return [batch] * len(scans)
            # one of the scans has no shape that can be segmented; the others are not to fail with it
        return [
            _call(self.segmenter, scan, job.prompt, threshold=job.threshold)
            for job, scan in zip(jobs, scans, strict=True)
        ]


def _call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a function, and give its result or the exception it raised."""
    try:
        return function(*args, **options)
    except Exception as error:
        return error
