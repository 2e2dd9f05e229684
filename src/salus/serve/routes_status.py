"""What the server says of itself: health, its network and limits, figures; and the door for browsers."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from salus import __version__
from salus.serve.authentication import COOKIE
from salus.serve.state import Shared, set_cookie

routes = APIRouter(tags=["server"])

ENTER = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Salus</title><link rel="stylesheet" href="/theme.css">
<link rel="stylesheet" href="/style.css"><meta name="viewport" content="width=device-width">{more}</head>
<body class="door"><main><h1>Salus</h1><p>{said}</p>{form}</main></body></html>"""

FORM = """<form method="post" action="/enter"><label>Token <input name="token" type="password" autocomplete="off"
autofocus required></label> <button>Open</button></form>"""


@dataclass(frozen=True)
class Health:
    """Whether the server can take work: "ok", or "busy" where it would refuse."""

    status: str


@dataclass(frozen=True)
class Info:
    """The server's network and limits."""

    version: str
    network: str
    threshold: float
    smallest: float
    presence: float
    worklist: bool
    request_bytes: int
    frames: int
    seconds: float


@routes.get("/v1/health")
async def health(serving: Shared) -> Health:
    """Whether the server can take work. Needs no token."""
    queue = serving.queue
    return Health("ok" if queue.admitted < queue.waiting else "busy")


@routes.get("/v1/info")
async def info(serving: Shared) -> Info:
    """The network and the limits."""
    settings, network = serving.settings, serving.segmenter.settings
    return Info(
        version=__version__,
        network=network.name,
        threshold=serving.segmenter.threshold,
        smallest=network.smallest,
        presence=network.presence,
        worklist=serving.worklist is not None,
        request_bytes=settings.request_bytes,
        frames=settings.frames,
        seconds=settings.seconds,
    )


@routes.get("/v1/metrics", response_class=PlainTextResponse)
async def metrics(serving: Shared) -> PlainTextResponse:
    """Figures in the text format of Prometheus."""
    queue = serving.queue
    text = serving.figures.text(
        [
            ("salus_requests_inside", "gauge", "Requests that are worked on or wait.", queue.admitted),
            ("salus_images_waiting", "gauge", "Images in the queue.", queue.depth),
            ("salus_images_total", "counter", "Images segmented.", queue.done),
            ("salus_batches_total", "counter", "Passes of the network.", queue.batches),
            ("salus_images_dropped_total", "counter", "Images whose asker went.", queue.dropped),
            ("salus_requests_refused_total", "counter", "Requests refused as the queue was full.", queue.refused),
            ("salus_images_late_total", "counter", "Images not done in time.", queue.late),
            ("salus_sessions", "gauge", "Open sessions.", len(serving.sessions.by_key)),
        ]
    )
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


@routes.get("/enter", include_in_schema=False)
async def enter(serving: Shared, code: Annotated[str, Query(max_length=200)] = "") -> Response:
    """The link that works once, and the form for the token."""
    if serving.door is None:
        return _opened("")
    return _judged(serving, serving.door.enter(code=code) if code else None, "This link is spent." if code else "")


@routes.post("/enter", include_in_schema=False)
async def enter_token(serving: Shared, token: Annotated[str, Form(max_length=200)] = "") -> Response:
    """The token, typed."""
    if serving.door is None:
        return _opened("")
    return _judged(serving, serving.door.enter(token=token), "That is not the token.")


def _judged(serving: Shared, ticket: str | None, otherwise: str) -> Response:
    if ticket is None:
        said = f"{otherwise} Type the token that was printed where salus serve was started.".strip()
        return HTMLResponse(
            ENTER.format(more="", said=html.escape(said), form=FORM), status_code=401 if otherwise else 200
        )
    response = _opened("")
    set_cookie(response, COOKIE, ticket, serving.settings.secure)
    return response


def _opened(said: str) -> Response:
    """Lead on to the page from a page of our own, for browsers withhold strict cookies from a redirect of another's."""
    more = '<meta http-equiv="refresh" content="0;url=/">'
    return HTMLResponse(ENTER.format(more=more, said=said or '<a href="/">Open the page</a>', form=""))
