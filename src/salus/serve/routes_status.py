"""Routes of the server itself: health, network and limits, metrics; and the login page for browsers."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from salus import __version__
from salus.serve.authentication import TOKEN_COOKIE
from salus.serve.state import ServerState, StateDep, set_cookie

routes = APIRouter(tags=["server"])

LOGIN_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Salus</title><link rel="stylesheet" href="theme.css">
<link rel="stylesheet" href="style.css"><meta name="viewport" content="width=device-width">{head}</head>
<body class="login"><main><h1>Salus</h1><p>{message}</p>{form}</main></body></html>"""

TOKEN_FORM = """<form method="post" action="enter"><label>Token <input name="token" type="password" autocomplete="off"
autofocus required></label> <button>Open</button></form>"""


@dataclass(frozen=True)
class Health:
    """Whether the server can take work: "ok", or "busy" where it would refuse."""

    status: str


@dataclass(frozen=True)
class Info:
    """The server's network and limits. `worklist_id` names its worklist's folder and output, "" where it has none."""

    version: str
    network: str
    threshold: float | None
    smallest: float
    presence: float
    prompts: bool
    worklist: bool
    worklist_id: str
    request_bytes: int
    frames: int
    seconds: float
    keep_days: float


@routes.get("/v1/health")
async def health(state: StateDep) -> Health:
    """Tell whether the server can take work. Needs no token."""
    queue = state.queue
    return Health("ok" if queue.admitted < queue.max_requests else "busy")


@routes.get("/v1/info")
async def info(state: StateDep) -> Info:
    """Describe the network and the limits."""
    settings, network = state.settings, state.segmenter.settings
    return Info(
        version=__version__,
        network=network.name,
        threshold=state.segmenter.threshold,
        smallest=network.smallest,
        presence=network.presence,
        prompts=state.segmenter.takes_prompts,
        worklist=state.worklist is not None,
        worklist_id=state.worklist.id if state.worklist else "",
        request_bytes=settings.max_request_bytes,
        frames=settings.max_frames,
        seconds=settings.timeout_seconds,
        keep_days=settings.keep_days if settings.work else 0,
    )


@routes.get("/v1/metrics", response_class=PlainTextResponse)
async def metrics(state: StateDep) -> PlainTextResponse:
    """Give the metrics in the text format of Prometheus."""
    return PlainTextResponse(state.metrics.render(), media_type="text/plain; version=0.0.4")


@routes.get("/enter", include_in_schema=False)
async def enter(
    state: StateDep,
    code: Annotated[str, Query(max_length=200)] = "",
    token: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Log in by the link that was printed, or show the form for the token."""
    authentication = state.authentication
    if authentication is None:
        return _redirect_page()
    if not code and not token:
        return _token_form("")
    passed = authentication.log_in(code=code, token=token)
    return _log_in(state) if passed else _token_form("This link is spent.")


@routes.post("/enter", include_in_schema=False)
async def enter_token(state: StateDep, token: Annotated[str, Form(max_length=200)] = "") -> Response:
    """Log in by a typed token."""
    authentication = state.authentication
    if authentication is None:
        return _redirect_page()
    return _log_in(state) if authentication.log_in(token=token) else _token_form("That is not the token.")


def _token_form(error: str) -> Response:
    """Show the form for the token, with what was wrong where something was."""
    message = f"{error} Type the token that was printed where salus serve was started.".strip()
    page = LOGIN_PAGE.format(head="", message=html.escape(message), form=TOKEN_FORM)
    return HTMLResponse(page, status_code=401 if error else 200)


def _log_in(state: ServerState) -> Response:
    """Set the cookie by which the browser is let in from now on, and lead on to the page."""
    assert state.authentication is not None
    response = _redirect_page()
    set_cookie(response, TOKEN_COOKIE, state.authentication.cookie_value, state.settings)
    return response


def _redirect_page() -> Response:
    """Lead on to the page by a page, since browsers withhold strict cookies in a redirect after a foreign link."""
    head = '<meta http-equiv="refresh" content="0;url=./">'
    return HTMLResponse(LOGIN_PAGE.format(head=head, message='<a href="./">Open the page</a>', form=""))
