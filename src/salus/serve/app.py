"""The application: routes, errors, the page, and the guard before them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from salus import __version__
from salus.errors import SalusError
from salus.segmentation.segmenter import Segmenter
from salus.serve import routes_cases, routes_files, routes_segment, routes_status, routes_work
from salus.serve.admission import Admission
from salus.serve.authentication import Door
from salus.serve.guard import Guard
from salus.serve.metrics import Figures
from salus.serve.queue import Busy, Queue, TooSlow
from salus.serve.sessions import Full, NotThere, Sessions
from salus.serve.settings import ServeSettings
from salus.serve.state import Gone, Serving
from salus.serve.worklist import Worklist

PAGE = Path(str(resources.files("salus"))) / "serve" / "page"
SWEEP = 60.0
"""Seconds from one look for idle sessions to the next."""

ABOUT = (
    "Outlines breast tumours in ultrasound images. Research software, not a medical device. "
    "A full queue answers 429 with Retry-After; an image that is not done in time 504; what cannot be read 422."
)


def create_app(settings: ServeSettings, segmenter: Segmenter) -> Guard:
    """The ASGI application.

    Args:
        settings: of the server.
        segmenter: loaded once, used by all.

    Raises:
        SalusError: the worklist's folder is not there or holds no image.
    """
    worklist = None
    if settings.folder is not None:
        worklist = Worklist(settings.folder, settings.output or settings.folder / "reviewed")
    door = Door(settings.token) if settings.token else None
    queue = Queue(
        segmenter,
        waiting=settings.waiting,
        batch=settings.batch,
        workers=settings.workers,
        seconds=settings.seconds,
    )
    serving = Serving(settings, segmenter, queue, Sessions(settings), Figures(), worklist, door)
    app = FastAPI(
        title="Salus",
        version=__version__,
        description=ABOUT,
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        lifespan=_life,
    )
    app.state.serving = serving
    for module in (routes_segment, routes_cases, routes_files, routes_work, routes_status):
        app.include_router(module.routes)
    for kind, status in (
        (NotThere, 404), (Full, 429), (Busy, 429), (TooSlow, 504), (Gone, 499), (SalusError, 422), (OSError, 507),
    ):  # fmt: skip
        app.add_exception_handler(kind, _teller(status))
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return Guard(Admission(app, queue), settings, door, serving.figures)


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    serving: Serving = app.state.serving
    serving.queue.start()
    sweeper = asyncio.create_task(_sweep(serving.sessions))
    try:
        yield
    finally:
        sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await sweeper
        await serving.queue.stop()
        serving.sessions.close()


async def _sweep(sessions: Sessions) -> None:
    while True:
        await asyncio.sleep(SWEEP)
        await asyncio.to_thread(sessions.expire)


def _teller(status: int) -> Any:
    """A handler that gives an error's message as JSON."""

    async def tell(request: Request, error: Exception) -> JSONResponse:
        serving: Serving = request.app.state.serving
        headers = {"retry-after": str(getattr(error, "seconds", 60))} if status == 429 else None
        return JSONResponse({"detail": serving.plain(error)}, status, headers)

    return tell
