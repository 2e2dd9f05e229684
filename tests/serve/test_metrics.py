"""Metrics: the series that Prometheus scrapes, by name, label and value."""

import pytest
from tests.serve.conftest import upload

from salus.serve.metrics import ServerMetrics
from salus.serve.queue import SegmentationQueue
from salus.serve.sessions import Sessions
from salus.serve.settings import ServeSettings

SERIES = {
    'salus_requests_total{method="GET",route="/v1/health",status="200"}': 2,
    'salus_requests_total{method="POST",route="/v1/cases",status="201"}': 1,
    'salus_requests_total{method="POST",route="/v1/cases",status="429"}': 1,
    'salus_requests_total{method="PUT",route="/v1/cases/{key}/frames/{number}/mask",status="200"}': 1,
    'salus_requests_total{method="other",route="page",status="405"}': 1,
    'salus_request_seconds_bucket{le="0.025"}': 2,
    'salus_request_seconds_bucket{le="0.05"}': 2,
    'salus_request_seconds_bucket{le="0.1"}': 2,
    'salus_request_seconds_bucket{le="0.25"}': 2,
    'salus_request_seconds_bucket{le="0.5"}': 3,
    'salus_request_seconds_bucket{le="1"}': 4,
    'salus_request_seconds_bucket{le="2.5"}': 5,
    'salus_request_seconds_bucket{le="5"}': 5,
    'salus_request_seconds_bucket{le="10"}': 5,
    'salus_request_seconds_bucket{le="30"}': 5,
    'salus_request_seconds_bucket{le="+Inf"}': 6,
    "salus_request_seconds_sum": 48.835,
    "salus_request_seconds_count": 6,
    "salus_requests_inside": 0,
    "salus_images_waiting": 0,
    "salus_images_total": 1234567,
    "salus_batches_total": 0,
    "salus_images_dropped_total": 0,
    "salus_requests_refused_total": 0,
    "salus_images_late_total": 0,
    "salus_sessions": 1,
}


def read_series(text):
    """The value of each series."""
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_series_keep_their_names_and_labels(segmenter):
    queue, sessions = SegmentationQueue(segmenter), Sessions(ServeSettings())
    metrics = ServerMetrics(queue, sessions)
    for method, route, status, seconds in (
        ("GET", "/v1/health", 200, 0.01),
        ("GET", "/v1/health", 200, 0.025),
        ("POST", "/v1/cases", 201, 1.0),
        ("POST", "/v1/cases", 429, 2.0),
        ("other", "page", 405, 45.5),
        ("PUT", "/v1/cases/{key}/frames/{number}/mask", 200, 0.3),
    ):
        metrics.count_request(method, route, status, seconds)
    queue.completed = 1234567
    sessions.create()
    assert read_series(metrics.render().decode()) == pytest.approx(SERIES)
    sessions.close()


def test_requests_are_counted_by_route_without_names_or_addresses(client, png):
    upload(client, png)
    client.get("/v1/cases/secret-name/frames/1")
    response = client.get("/v1/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    series = read_series(response.text)
    assert series['salus_requests_total{method="POST",route="/v1/cases",status="201"}'] == 1
    assert min(series.values()) >= 0
    assert "secret-name" not in response.text
    assert "127.0.0.1" not in response.text


def test_invented_methods_are_counted_as_one(client):
    for i in range(20):
        client.request(f"MADE{i}", "/v1/info")
    text = client.get("/v1/metrics").text
    series = read_series(text)
    assert [value for name, value in series.items() if 'method="other"' in name and 'status="405"' in name] == [20]
    assert "MADE" not in text
