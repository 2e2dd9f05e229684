"""The checks before every request, and the headers of every response.

host      the Host header must name this server, so that no other site's name can be pointed at it (DNS rebinding)
origin    pages of other sites are refused (Origin, Sec-Fetch-Site)
token     where one is set, all but the server's health and the login page need it
size      a body beyond the limit, or one that takes too long to arrive, is refused before it is parsed; a response
          that the client does not read is given up
headers   content security policy and the like
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from time import monotonic
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse, RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salus.serve.authentication import TOKEN_COOKIE, Authentication, cookie_name
from salus.serve.metrics import ServerMetrics
from salus.serve.settings import ServeSettings, is_loopback

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=()",
}

PATHS_WITHOUT_TOKEN = ("/v1/health", "/enter", "/style.css", "/theme.css")

LINKABLE_PATHS = ("/", "/enter")
"""Paths that a link on another site may lead to."""

COUNTED_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
"""Methods that the metrics name; others are counted together, since a client may invent any number of them."""


class RequestGuard:
    """ASGI middleware that checks every request and completes every response.

    Args:
        app: application behind it.
        settings: of the server.
        authentication: of the server; None lets everyone in.
        metrics: count of requests.
    """

    def __init__(
        self, app: ASGIApp, settings: ServeSettings, authentication: Authentication | None, metrics: ServerMetrics
    ) -> None:
        self.app, self.settings, self.authentication, self.metrics = app, settings, authentication, metrics
        self.names = {"localhost", settings.host.lower(), *(name.lower() for name in settings.names)}
        if not is_loopback(settings.host):
            self.names.add(socket.gethostname().lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, and pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._handle(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = monotonic()
        if self.settings.root_path and scope["path"].startswith(f"{self.settings.root_path}/"):
            path = scope["path"].removeprefix(self.settings.root_path)  # a proxy may leave the prefix there
            scope = {**scope, "path": path, "raw_path": path.encode()}
        body = _LimitedBody(receive, self.settings.max_request_bytes, self.settings.transfer_seconds)
        response = _GuardedResponse(send, self.settings.transfer_seconds, is_interface=scope["path"].startswith("/v1"))

        async def reply(status: int, detail: str) -> None:
            await JSONResponse({"detail": detail}, status)(scope, receive, response.send)

        async def send_unless_refused(message: Message) -> None:
            if not body.refusal:
                await response.send(message)
            elif not response.status:
                await reply(*body.refusal)

        refusal = self._check(HTTPConnection(scope))
        try:
            if refusal and refusal[0] == 401 and scope["path"] == "/":
                await RedirectResponse(f"{self.settings.root_path}/enter", 303)(scope, receive, response.send)
            elif refusal:
                await reply(*refusal)
            else:
                await self.app(scope, body.receive, send_unless_refused)
        except Exception as error:
            if not response.status:
                await reply(*(body.refusal or (500, "something went wrong in the server")))
            if not body.refusal and not response.stalled:
                _log(error)
        finally:
            route = getattr(scope.get("route"), "path", "refused" if refusal else "page")
            method = scope["method"] if scope["method"] in COUNTED_METHODS else "other"
            self.metrics.count_request(method, route, response.status, monotonic() - started)

    def _check(self, request: HTTPConnection) -> tuple[int, str] | None:
        """Give the status and the reason where a request is refused, None where it may pass."""
        headers, path = request.headers, request.scope["path"]
        host = headers.get("host", "")
        cookie = request.cookies.get(cookie_name(TOKEN_COOKIE, self.settings), "")
        if not self._is_own_name(host):
            return 400, "this server is not called by that name; start it with --name NAME to allow it"
        origin = headers.get("origin")
        if origin is not None and not self._is_own_origin(origin, host, headers.get("sec-fetch-site", "")):
            return 403, "a page of another site may not call this server"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and path not in LINKABLE_PATHS:
            return 403, "a page of another site may not call this server"
        if (
            self.authentication
            and path not in PATHS_WITHOUT_TOKEN
            and not self.authentication.accepts(headers.get("authorization", ""), cookie)
        ):
            return 401, "a token is needed: Authorization: Bearer TOKEN; or open /enter in a browser"
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > self.settings.max_request_bytes:
            return 413, _too_large(self.settings.max_request_bytes)
        return None

    def _is_own_origin(self, origin: str, host: str, fetch_site: str) -> bool:
        """Tell whether a page's origin is this server, or a proxy before it that hands on another Host."""
        if origin == f"{self.settings.scheme}://{host}":
            return True
        try:
            place = urlsplit(origin)
            name = place.hostname or ""
        except ValueError:
            return False
        if fetch_site == "same-origin":  # the browser's word that no other page is involved
            return self._is_own_name(place.netloc)
        return not fetch_site and name in {own.lower() for own in self.settings.names}

    def _is_own_name(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        if not port.isdigit():
            name = host
        name = name.strip("[]").lower()
        if name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not is_loopback(self.settings.host)  # an address cannot be pointed elsewhere


class _GuardedResponse:
    """Send a response with the security headers, within a time limit for each piece.

    Attributes:
        status: of the response, 0 before it has begun.
        stalled: whether the client did not take a piece in time.
    """

    def __init__(self, send: Send, seconds: float, *, is_interface: bool) -> None:
        self._send, self._seconds, self._is_interface = send, seconds, is_interface
        self.status, self.stalled = 0, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.status:
                return
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store" if self._is_interface else "no-cache")
        try:
            async with asyncio.timeout(self._seconds):
                await self._send(message)
        except TimeoutError:  # a client that reads this slowly holds what others wait for
            self.stalled = True
            raise


class _LimitedBody:
    """Receive a request's body within a limit of size and time.

    Attributes:
        refusal: status and reason, once a limit was exceeded.
    """

    def __init__(self, receive: Receive, max_bytes: int, seconds: float) -> None:
        self._receive, self._max_bytes, self._deadline = receive, max_bytes, monotonic() + seconds
        self._length, self._complete = 0, False
        self.refusal: tuple[int, str] | None = None

    async def receive(self) -> Message:
        if self._complete:  # all that may still come is the message that the client has disconnected
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._deadline - monotonic())):
                message = await self._receive()
        except TimeoutError:
            self.refusal = 408, "the request took too long to arrive"
            return {"type": "http.disconnect"}
        self._length += len(message.get("body", b""))
        if self._length > self._max_bytes:
            self.refusal = 413, _too_large(self._max_bytes)
            return {"type": "http.disconnect"}
        self._complete = not message.get("more_body", False)
        return message


def _too_large(max_bytes: int) -> str:
    return f"the request is larger than {max_bytes >> 20} MB"


def _log(error: Exception) -> None:
    """Print the kind of an error and where in the code it arose, on one line; nothing of what was sent."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    where = f"{traceback.tb_frame.f_globals.get('__name__')}:{traceback.tb_lineno}" if traceback else "?"
    print(f"salus serve: internal error, {type(error).__name__} in {where}", file=sys.stderr, flush=True)
