"""One network in memory, and a bounded queue before it: batches, back pressure, a time limit, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from salus.errors import SalusError
from salus.scan import Scan
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter

T = TypeVar("T")

BATCH_PIXELS = 8_000_000
"""Images that have more pixels together are segmented one after another, so that memory stays flat."""


class Busy(Exception):
    """As many requests are admitted as may be; the caller should come back after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the queue is full; try again in {seconds} s")
        self.seconds = seconds


class TooSlow(Exception):
    """An image was not done in time."""


@dataclass(eq=False)
class _Job:
    read: Callable[[], Scan]
    keep: Callable[[Scan, Segmentation], Any]
    future: asyncio.Future[Any]
    threshold: float | None = None


class Queue:
    """A segmenter that many ask at once.

    Requests are admitted, at most `waiting` of them; each may then ask for images. What waits is taken in batches;
    a job whose asker has gone (cancelled, timed out, disconnected) is dropped before it is worked on.

    Args:
        segmenter: is called from `workers` threads.
        waiting: requests that may be inside at a time.
        batch: images in one pass of the network, at most.
        workers: batches at a time.
        seconds: that an image may take, waiting included.
    """

    def __init__(
        self, segmenter: Segmenter, *, waiting: int = 64, batch: int = 4, workers: int = 2, seconds: float = 60.0
    ) -> None:
        self.segmenter = segmenter
        self.waiting, self.batch, self.seconds = waiting, batch, seconds
        self.admitted = self.done = self.dropped = self.refused = self.late = self.batches = 0
        self.pace = 0.1  # seconds an image, a running mean
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="salus-segment")
        self._count = workers
        self._workers: list[asyncio.Task[None]] = []

    @property
    def depth(self) -> int:
        """Images that wait."""
        return self._jobs.qsize()

    def start(self) -> None:
        """Begin to work; call it in the event loop."""
        self._workers = [asyncio.create_task(self._serve()) for _ in range(self._count)]

    async def stop(self) -> None:
        """End; what waits is dropped."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._threads.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Be inside for the length of a request.

        Raises:
            Busy: no more may.
        """
        if self.admitted >= self.waiting:
            self.refused += 1
            raise Busy(max(1, round(self.pace * self.admitted)))
        self.admitted += 1
        try:
            yield
        finally:
            self.admitted -= 1

    async def ask(
        self, read: Callable[[], Scan], keep: Callable[[Scan, Segmentation], T], threshold: float | None = None
    ) -> T:
        """Have one image read, segmented and kept, all in a worker's thread.

        Args:
            read: gives the scan.
            keep: makes of scan and answer what is returned.
            threshold: in place of the segmenter's own.

        Raises:
            SalusError: the image cannot be read.
            TooSlow: it took longer than `seconds`.
        """
        job = _Job(read, keep, asyncio.get_running_loop().create_future(), threshold)
        self._jobs.put_nowait(job)
        try:
            async with asyncio.timeout(self.seconds):
                result: T = await job.future
                return result
        except TimeoutError:
            self.late += 1
            raise TooSlow(f"not done within {self.seconds:g} s") from None
        finally:
            job.future.cancel()

    async def _serve(self) -> None:
        while True:
            jobs = [await self._jobs.get()]
            while len(jobs) < self.batch and not self._jobs.empty():
                jobs.append(self._jobs.get_nowait())
            wanted = [job for job in jobs if not job.future.done()]
            self.dropped += len(jobs) - len(wanted)
            if not wanted:
                continue
            began = monotonic()
            results = await asyncio.get_running_loop().run_in_executor(self._threads, self._work, wanted)
            self.batches += 1
            self.pace += 0.1 * ((monotonic() - began) / len(wanted) / self._count - self.pace)
            for job, result in zip(wanted, results, strict=True):
                if job.future.done():  # its asker went meanwhile
                    self.dropped += 1
                elif isinstance(result, Exception):
                    job.future.set_exception(result)
                else:
                    self.done += 1
                    job.future.set_result(result)

    def _work(self, jobs: Sequence[_Job]) -> list[Any]:
        """Results, or what was raised, of each job."""
        results: list[Any] = [None] * len(jobs)
        scans: dict[int, Scan] = {}
        for index, job in enumerate(jobs):
            try:
                scans[index] = job.read()
            except Exception as error:
                results[index] = error
        found: list[Any] = []
        alike = len({jobs[index].threshold for index in scans}) == 1
        try:
            if alike and len(scans) > 1 and sum(scan.pixels.size for scan in scans.values()) <= BATCH_PIXELS:
                found = list(self._at(jobs[next(iter(scans))].threshold).batch(list(scans.values())))
        except SalusError:  # one of them has no shape to segment; each is then told apart
            found = []
        except Exception as error:
            found = [error] * len(scans)
        found = found or [_caught(self._at(jobs[index].threshold), scan) for index, scan in scans.items()]
        for (index, scan), one in zip(scans.items(), found, strict=True):
            try:
                results[index] = one if isinstance(one, Exception) else jobs[index].keep(scan, one)
            except Exception as error:
                results[index] = error
        return results

    def _at(self, threshold: float | None) -> Segmenter:
        """The segmenter, with another threshold; the network in it is the same."""
        if threshold is None or threshold == self.segmenter.threshold:
            return self.segmenter
        other = copy(self.segmenter)
        other.threshold = threshold
        return other


def _caught(segmenter: Segmenter, scan: Scan) -> Any:
    try:
        return segmenter(scan)
    except Exception as error:
        return error
