"""Metrics of the server for Prometheus. They hold no name, address or path."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from salus.serve.queue import SegmentationQueue
from salus.serve.sessions import Sessions

DURATION_BOUNDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram of durations, seconds."""


class ServerMetrics(Collector):
    """Count requests and their durations, and read the state of queue and sessions.

    Args:
        queue: of the server.
        sessions: of the server.
    """

    def __init__(self, queue: SegmentationQueue, sessions: Sessions) -> None:
        self._queue, self._sessions = queue, sessions
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._bins = [0] * (len(DURATION_BOUNDS) + 1)
        self._seconds = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: GET, POST ...
            route: its template, "/v1/cases/{key}", never a path.
            status: of the response.
            seconds: until the response was complete.
        """
        self._requests[method, route, str(status)] += 1
        self._bins[bisect_left(DURATION_BOUNDS, seconds)] += 1
        self._seconds += seconds

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; called by the registry."""
        requests = CounterMetricFamily(
            "salus_requests", "Requests by route and status.", labels=("method", "route", "status")
        )
        for labels, count in sorted(self._requests.items()):
            requests.add_metric(labels, count)
        yield requests
        bounds = [*(f"{bound:g}" for bound in DURATION_BOUNDS), "+Inf"]
        yield HistogramMetricFamily(
            "salus_request_seconds",
            "Time until a response is complete.",
            buckets=list(zip(bounds, accumulate(self._bins), strict=True)),
            sum_value=self._seconds,
        )
        queue = self._queue
        yield GaugeMetricFamily("salus_requests_inside", "Requests that are worked on or wait.", queue.admitted)
        yield GaugeMetricFamily("salus_images_waiting", "Images in the queue.", queue.depth)
        yield CounterMetricFamily("salus_images", "Images segmented.", queue.completed)
        yield CounterMetricFamily("salus_batches", "Passes of the network.", queue.batches)
        yield CounterMetricFamily("salus_images_dropped", "Images whose client has gone.", queue.dropped)
        yield CounterMetricFamily("salus_requests_refused", "Requests refused as the queue was full.", queue.refused)
        yield CounterMetricFamily("salus_images_late", "Images not done in time.", queue.late)
        yield GaugeMetricFamily("salus_sessions", "Open sessions.", len(self._sessions.by_key))

    def render(self) -> bytes:
        """Give all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)
