"""The application: routes, errors as JSON, and which requests are answered."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from threading import Semaphore

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from salus import __version__
from salus.errors import SalusError
from salus.monai_label.routes import LabelServer, routes
from salus.monai_label.sessions import Sessions
from salus.monai_label.store import ImageStore, UnknownImage
from salus.segmentation.segmenter import Segmenter

OPEN_PATHS = ("/auth/", "/auth/token")
"""Paths that need no token."""

OWN_NAMES = ("127.0.0.1", "localhost", "::1", "[::1]")
"""Names by which programs on this computer call the server."""

WORKERS = 2
"""Images that are worked on at a time."""


def create_app(
    segmenter: Segmenter,
    store: ImageStore,
    *,
    token: str | None = None,
    names: Sequence[str] = OWN_NAMES,
    origins: Sequence[str] = (),
    max_bytes: int = 512 << 20,
) -> FastAPI:
    """Create the ASGI application.

    Args:
        segmenter: the network.
        store: images and labels.
        token: that every request must carry; None demands none.
        names: host names by which the server is called. Others are refused, so that a page elsewhere cannot reach it
            under a name of its own.
        origins: of pages that may use the server, such as "http://localhost:3000"; a viewer in a browser is one.
        max_bytes: largest size of a file that is sent.
    """
    sessions = Sessions()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        sessions.close()

    app = FastAPI(title="Salus", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.server = LabelServer(segmenter, store, sessions, token, max_bytes, Semaphore(WORKERS))
    app.include_router(routes)
    app.add_exception_handler(SalusError, _handle_mistake)
    app.add_exception_handler(OSError, _handle_disk)

    @app.middleware("http")
    async def check(request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Refuse requests without the token, from pages that may not ask, or with too large a body."""
        origin = request.headers.get("origin")
        if origin is not None and origin not in origins:
            return JSONResponse({"detail": f"pages of {origin} may not ask; name it with --origin"}, 403)
        try:
            length = int(request.headers.get("content-length") or 0)
        except ValueError:
            return JSONResponse({"detail": "content-length is no number"}, 400)
        if length > max_bytes:
            return JSONResponse({"detail": f"the request is larger than {max_bytes >> 20} MiB"}, 413)
        if "chunked" in request.headers.get("transfer-encoding", "").lower():
            return JSONResponse({"detail": "the request does not say its size"}, 411)
        if token is not None and request.url.path not in OPEN_PATHS and not _carries(request, token):
            return JSONResponse({"detail": "a token is demanded"}, 401, {"www-authenticate": "Bearer"})
        return await call_next(request)

    app.add_middleware(
        CORSMiddleware, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"]
    )  # it answers a browser's question before the check above
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(names), www_redirect=False)
    return app


def _carries(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), token.encode())


async def _handle_mistake(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 404 if isinstance(error, UnknownImage) else 422)


async def _handle_disk(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "the disk refuses; see the space that is left"}, 507)
