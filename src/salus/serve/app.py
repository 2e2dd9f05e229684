"""The ASGI application: routes, error responses, the page, and the checks before them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Mount, get_route_path
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from salus import __version__
from salus.errors import SalusError
from salus.segmentation.segmenter import Segmenter
from salus.serve import (
    routes_all_formats,
    routes_calibration,
    routes_cases,
    routes_downloads,
    routes_notes,
    routes_outlines,
    routes_patients,
    routes_prompt,
    routes_segment,
    routes_status,
    routes_worklist,
)
from salus.serve.admission import AdmissionControl
from salus.serve.authentication import Authentication
from salus.serve.guard import RequestGuard
from salus.serve.metrics import ServerMetrics
from salus.serve.queue import QueueFull, SegmentationQueue, SegmentationTimeout
from salus.serve.routes_calibration import CalibrationConflict
from salus.serve.routes_notes import NotesConflict
from salus.serve.routes_outlines import OutlineConflict, etag
from salus.serve.sessions import LimitReached, NotFound, Sessions
from salus.serve.settings import ServeSettings
from salus.serve.state import ClientDisconnected, ServerState
from salus.serve.work_folder import WorkFolder
from salus.serve.worklist import Worklist

PAGE = Path(str(resources.files("salus"))) / "serve" / "page"

EXPIRY_SECONDS = 60.0
"""Time from one search for idle sessions to the next."""

RETRY_SECONDS = 60
"""Time after which a client that was refused by a limit should try again."""

DESCRIPTION = (
    "Outlines breast tumours in ultrasound images. Research software, not a medical device. "
    "A full queue answers 429 with Retry-After; an image that is not done in time 504; what cannot be read 422."
)

STATUS_OF_ERROR: dict[type[Exception], int] = {
    NotFound: 404,
    CalibrationConflict: 409,
    NotesConflict: 409,
    LimitReached: 429,
    QueueFull: 429,
    SegmentationTimeout: 504,
    ClientDisconnected: 499,
    ClientDisconnect: 499,
    SalusError: 422,
    OSError: 507,
}


def create_app(settings: ServeSettings, segmenter: Segmenter) -> RequestGuard:
    """Create the ASGI application.

    Args:
        settings: of the server.
        segmenter: loaded once, used by all requests.

    Raises:
        SalusError: the worklist's folder is missing or holds no image; or the work folder cannot be used.
    """
    worklist = None
    if settings.folder is not None:
        worklist = Worklist(settings.folder, settings.output or settings.folder / "reviewed")
    work = WorkFolder(settings.work, settings.port) if settings.work else None
    authentication = None
    if settings.token:
        token = work.token() if work and settings.token_made else settings.token
        authentication = Authentication(token, work.secret if work else None)
    queue = SegmentationQueue(
        segmenter,
        max_requests=settings.queue_size,
        batch_size=settings.batch_size,
        workers=settings.workers,
        timeout_seconds=settings.timeout_seconds,
    )
    sessions = Sessions(settings, work=work, work_files=worklist.files if worklist else None)
    metrics = ServerMetrics(queue, sessions)
    app = FastAPI(
        title="Salus",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
    )
    app.state.server = ServerState(settings, segmenter, queue, sessions, metrics, worklist, authentication)
    for module in (
        routes_segment,
        routes_cases,
        routes_calibration,
        routes_prompt,
        routes_notes,
        routes_outlines,
        routes_patients,
        routes_downloads,
        routes_all_formats,
        routes_worklist,
        routes_status,
    ):
        app.include_router(module.routes)
    for kind, status in STATUS_OF_ERROR.items():
        app.add_exception_handler(kind, _error_handler(status))
    app.add_exception_handler(OutlineConflict, _handle_conflict)
    app.add_exception_handler(RequestValidationError, _handle_invalid)
    app.router.routes.append(_PageMount("/", StaticFiles(directory=PAGE, html=True)))
    return RequestGuard(AdmissionControl(app, queue), settings, authentication, metrics)


class _PageMount(Mount):
    """The page's files; what begins with /v1 is left to the interface, which answers 405 to another method."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if get_route_path(scope).startswith("/v1/"):
            return Match.NONE, {}
        return super().matches(scope)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run the queue and end idle sessions while the server runs; remove temporary files when it stops."""
    state: ServerState = app.state.server
    state.queue.start()
    expiry = asyncio.create_task(_expire_sessions(state.sessions))
    try:
        yield
    finally:
        expiry.cancel()
        with suppress(asyncio.CancelledError):
            await expiry
        await state.queue.stop()
        state.sessions.close()


async def _expire_sessions(sessions: Sessions) -> None:
    while True:
        await asyncio.sleep(EXPIRY_SECONDS)
        await asyncio.to_thread(sessions.expire)


async def _handle_conflict(request: Request, error: Exception) -> JSONResponse:
    """Answer that someone saved another outline, with who, when and its version."""
    assert isinstance(error, OutlineConflict)
    record = error.record
    content = {"detail": str(error), "reader": record.reader, "saved": record.saved, "version": record.version}
    return JSONResponse(content, 409, {"etag": etag(record.version)})


async def _handle_invalid(request: Request, error: Exception) -> JSONResponse:
    """Answer what is wrong with a request; without its own values where JSON has no such number."""
    assert isinstance(error, RequestValidationError)
    errors = jsonable_encoder(error.errors())
    try:
        return JSONResponse({"detail": errors}, 422)
    except ValueError:
        named = [{name: value for name, value in one.items() if name != "input"} for one in errors]
        return JSONResponse({"detail": named}, 422)


def _error_handler(status: int) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    """Make a handler that answers with an error's message as JSON."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        state: ServerState = request.app.state.server
        headers = {"retry-after": str(getattr(error, "retry_seconds", RETRY_SECONDS))} if status == 429 else None
        return JSONResponse({"detail": state.public_message(error)}, status, headers)

    return handle
