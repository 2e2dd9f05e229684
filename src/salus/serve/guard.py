"""What stands before every request: who may call, from where, how much; and the headers of every response.

host      the Host header names this server, so that no other site's name can be pointed at it (DNS rebinding)
origin    a page of another site reaches nothing (Origin, Sec-Fetch-Site)
token     where one is set, all but the health of the server demand it
size      a body beyond the limit, or one that takes too long to arrive, is refused before it is parsed; a response
          that nobody reads is given up
headers   content policy and the like
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic
from typing import Any

from salus.serve.authentication import Door
from salus.serve.metrics import Figures
from salus.serve.settings import ServeSettings, is_loopback

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=()",
}

OPEN = ("/v1/health", "/enter", "/style.css", "/theme.css")
"""Paths that need no token."""

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
"""That are counted by name; a caller may invent others."""

ENTRIES = ("/", "/enter")
"""Paths that a link of another site may lead to."""


class Guard:
    """The ASGI application that all others stand behind.

    Args:
        app: what is guarded.
        settings: the server's.
        door: who may come in; None lets everyone.
        figures: what is counted.
    """

    def __init__(self, app: App, settings: ServeSettings, door: Door | None, figures: Figures) -> None:
        self.app, self.settings, self.door, self.figures = app, settings, door, figures
        self.names = {"localhost", settings.host.lower(), *(name.lower() for name in settings.names)}
        if not is_loopback(settings.host):
            self.names.add(socket.gethostname().lower())

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Judge, and pass on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        began, told, stalled = monotonic(), 0, False
        body = _Body(receive, self.settings.request_bytes, self.settings.upload_seconds)

        async def finish(message: Message) -> None:
            nonlocal told
            if message["type"] == "http.response.start":
                if told:
                    return
                told = message["status"]
                own = {name for name, _ in message["headers"]}
                extra = {**HEADERS, "cache-control": "no-store" if scope["path"].startswith("/v1") else "no-cache"}
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in extra.items() if name.encode() not in own),
                ]
            nonlocal stalled
            try:
                async with asyncio.timeout(self.settings.upload_seconds):
                    await send(message)
            except TimeoutError:  # who reads this slowly holds what others wait for
                stalled = True
                raise

        async def out(message: Message) -> None:
            if body.refused and not told:
                await _say(finish, *body.refused)
            if not body.refused:
                await finish(message)

        refused = self._refused(scope, headers)
        try:
            if refused and refused[0] == 401 and scope["path"] == "/":
                await finish({"type": "http.response.start", "status": 303, "headers": [(b"location", b"/enter")]})
                await finish({"type": "http.response.body", "body": b""})
            elif refused:
                await _say(finish, *refused)
            else:
                await self.app(scope, body.receive, out)
        except Exception as error:
            if body.refused and not told:
                await _say(finish, *body.refused)
            elif not told:
                await _say(finish, 500, "something went wrong in the server")
            if not body.refused and not stalled:
                _log(error)
        finally:
            route = getattr(scope.get("route"), "path", "refused" if refused else "page")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.figures.note(method, route, told, monotonic() - began)

    def _refused(self, scope: Message, headers: dict[str, str]) -> tuple[int, str] | None:
        """The status and what to say to one who may not in."""
        host = headers.get("host", "")
        if not self._is_named(host):
            return 400, "this server is not called by that name; start it with --name NAME to allow it"
        origin = headers.get("origin")
        if origin is not None and origin != f"{'https' if self.settings.secure else 'http'}://{host}":
            return 403, "a page of another site may not call this server"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and scope["path"] not in ENTRIES:
            return 403, "a page of another site may not call this server"
        if self.door and scope["path"] not in OPEN and not self.door.knows(headers):
            return 401, "a token is needed: Authorization: Bearer TOKEN; or open /enter in a browser"
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > self.settings.request_bytes:
            return 413, _too_large(self.settings.request_bytes)
        return None

    def _is_named(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.strip("[]").lower()
        if name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not is_loopback(self.settings.host)  # a number cannot be pointed elsewhere


class _Body:
    """A request's body as it arrives, counted and timed."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive, self._limit, self._until = receive, limit, monotonic() + seconds
        self._length, self._complete = 0, False
        self.refused: tuple[int, str] | None = None

    async def receive(self) -> Message:
        if self._complete:  # what may still come is that the client has gone
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._until - monotonic())):
                message = await self._receive()
        except TimeoutError:
            self.refused = 408, "the request took too long to arrive"
            return {"type": "http.disconnect"}
        self._length += len(message.get("body", b""))
        if self._length > self._limit:
            self.refused = 413, _too_large(self._limit)
            return {"type": "http.disconnect"}
        self._complete = not message.get("more_body", False)
        return message


def _too_large(limit: int) -> str:
    return f"the request is larger than {limit >> 20} MB"


async def _say(send: Send, status: int, what: str) -> None:
    """A short response in JSON, as the interface gives its errors."""
    body = b'{"detail":"' + what.encode() + b'"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _log(error: Exception) -> None:
    """One line: the kind of error and where in the code; nothing of what was sent."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = f"{at.tb_frame.f_globals.get('__name__')}:{at.tb_lineno}" if at else "?"
    print(f"salus serve: internal error, {type(error).__name__} in {where}", file=sys.stderr, flush=True)
