"""Back pressure: a request that needs the network is admitted before its body is read, or told to come back."""

from __future__ import annotations

import json
import re

from salus.serve.guard import App, Message, Receive, Send
from salus.serve.queue import Busy, Queue

HEAVY = re.compile(
    r"/v1/(segment(/batch)?|cases|cases/[^/]+/frames(/\d+)?|cases/[^/]+/(lesions\.json|seg\.dcm|seg\.zip|sr\.dcm))"
)
"""Paths that may ask the network."""


class Admission:
    """The ASGI application with the queue's door before it.

    Args:
        app: what is behind it.
        queue: that admits.
    """

    def __init__(self, app: App, queue: Queue) -> None:
        self.app, self.queue = app, queue

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Admit for the length of the request, streaming included."""
        if scope["type"] != "http" or not HEAVY.fullmatch(scope["path"]) or scope["method"] == "DELETE":
            await self.app(scope, receive, send)
            return
        try:
            with self.queue.admit():
                await self.app(scope, receive, send)
        except Busy as busy:
            body = json.dumps({"detail": str(busy)}).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"retry-after", str(busy.seconds).encode()),
            ]
            await send({"type": "http.response.start", "status": 429, "headers": headers})
            await send({"type": "http.response.body", "body": body})
