"""What the server counts, in the text format of Prometheus. No name, address or path is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

BOUNDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of durations, seconds."""


class Figures:
    """Requests by route and status, and how long they took."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.buckets: Counter[float] = Counter()
        self.seconds = 0.0

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: GET, POST ...
            route: its template, "/v1/cases/{key}", never a path.
            status: of the response.
            seconds: until it was complete.
        """
        self.requests[method, route, status] += 1
        self.seconds += seconds
        for bound in BOUNDS:
            if seconds <= bound:
                self.buckets[bound] += 1

    def text(self, gauges: Iterable[tuple[str, str, str, float]]) -> str:
        """The exposition.

        Args:
            gauges: more figures: (name, "gauge" or "counter", what it is, value).

        Example:
            >>> figures = Figures()
            >>> figures.note("GET", "/v1/health", 200, 0.01)
            >>> figures.text([("salus_queue", "gauge", "Images that wait.", 3)]).splitlines()[-1]
            'salus_queue 3'
        """
        lines = ["# HELP salus_requests_total Requests by route and status.", "# TYPE salus_requests_total counter"]
        for (method, route, status), count in sorted(self.requests.items()):
            lines.append(f'salus_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}')
        total = sum(self.requests.values())
        lines += [
            "# HELP salus_request_seconds Time until a response is complete.",
            "# TYPE salus_request_seconds histogram",
        ]
        lines += [f'salus_request_seconds_bucket{{le="{bound:g}"}} {self.buckets[bound]}' for bound in BOUNDS]
        lines += [
            f'salus_request_seconds_bucket{{le="+Inf"}} {total}',
            f"salus_request_seconds_sum {self.seconds:.6f}",
            f"salus_request_seconds_count {total}",
        ]
        for name, kind, what, value in gauges:
            lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"
