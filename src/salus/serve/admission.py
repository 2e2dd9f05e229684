"""Admission control: a request that needs the network is admitted, or refused, before its body is read."""

from __future__ import annotations

import re

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from salus.serve.queue import QueueFull, SegmentationQueue

NETWORK_REQUESTS = re.compile(
    r"POST /v1/(segment(/batch)?|cases|cases/[^/]+/frames/\d+/prompt)"
    r"|GET /v1/(all\.zip|cases/[^/]+/(frames(/\d+(/overlay\.jpg|/ruler)?)?|lesions\.json|seg\.dcm|seg\.zip|sr\.dcm))"
)
"""Methods and paths of requests that may run the network, and of uploads."""


class AdmissionControl:
    """ASGI middleware that holds a place in the queue for the length of a request, streaming included.

    Args:
        app: application behind it.
        queue: queue that admits requests.
    """

    def __init__(self, app: ASGIApp, queue: SegmentationQueue) -> None:
        self.app, self.queue = app, queue

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 429 where the queue is full."""
        if scope["type"] != "http" or not NETWORK_REQUESTS.fullmatch(f"{scope['method']} {scope['path']}"):
            await self.app(scope, receive, send)
            return
        try:
            with self.queue.admit():
                await self.app(scope, receive, send)
        except QueueFull as error:
            response = JSONResponse({"detail": str(error)}, 429, {"retry-after": str(error.retry_seconds)})
            await response(scope, receive, send)
