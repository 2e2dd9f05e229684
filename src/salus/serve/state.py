"""What the routes share: one network, one queue, the sessions; and how a request finds them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from weakref import WeakValueDictionary

from fastapi import Depends, Request, Response

from salus.segmentation.segmenter import Segmenter
from salus.serve.authentication import Door
from salus.serve.metrics import Figures
from salus.serve.queue import Queue
from salus.serve.result_json import Answer
from salus.serve.sessions import NotThere, OpenCase, Session, Sessions
from salus.serve.settings import ServeSettings
from salus.serve.worklist import Worklist

COOKIE = "salus_session"

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Serving:
    """What one server holds."""

    settings: ServeSettings
    segmenter: Segmenter
    queue: Queue
    sessions: Sessions
    figures: Figures
    worklist: Worklist | None
    door: Door | None
    _locks: WeakValueDictionary[tuple[str, int], asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def answer(self, case: OpenCase, number: int) -> Answer:
        """What is in force for a frame, which is segmented if it was not yet.

        Raises:
            NotThere: there is no such frame.
            SalusError: it cannot be read.
            TooSlow: it took too long.
        """
        frame = case.frame(number)
        async with self._locks.setdefault((case.key, number), asyncio.Lock()):  # who asks second waits for the first
            if not frame.made:
                await self.queue.ask(
                    lambda: case.reader().scan(number),
                    lambda scan, found: frame.keep(scan, found, self.segmenter.threshold),
                )
        return await asyncio.to_thread(frame.answer)

    def plain(self, error: Exception) -> str:
        """An error's message without the server's paths."""
        if isinstance(error, OSError):
            return f"the server cannot read or write a file ({error.strerror or type(error).__name__})"
        text = re.sub(rf"{re.escape(str(self.sessions.root))}[^\s:,;]*", "the file", str(error))
        if self.settings.folder is not None:
            text = text.replace(f"{self.settings.folder}/", "")
        return text


def serving_of(request: Request) -> Serving:
    """The server's."""
    found: Serving = request.app.state.serving
    return found


def session_of(request: Request, serving: Annotated[Serving, Depends(serving_of)]) -> Session:
    """The browser's session.

    Raises:
        NotThere: it has none.
    """
    session = serving.sessions.find(request.cookies.get(COOKIE))
    if session is None:
        raise NotThere("there is no session, or it has expired; upload an image to begin one")
    return session


def begun_session(request: Request, response: Response, serving: Annotated[Serving, Depends(serving_of)]) -> Session:
    """The browser's session; a new one, and its cookie, where it has none."""
    session = serving.sessions.find(request.cookies.get(COOKIE))
    if session is None:
        session = serving.sessions.begin()
        set_cookie(response, COOKIE, session.key, serving.settings.secure)
    return session


def set_cookie(response: Response, name: str, value: str, secure: bool) -> None:
    """A cookie that no script reads and no other site sends."""
    response.set_cookie(name, value, httponly=True, samesite="strict", secure=secure, path="/")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await some work; where the client goes meanwhile, the work is cancelled, and so is this.

    Raises:
        asyncio.CancelledError: the client went.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise Gone
        return task.result()
    finally:
        for one in (task, watch):
            one.cancel()


class Gone(Exception):
    """The client has gone; nobody waits for what was asked."""


async def _gone(request: Request) -> None:
    receive: Awaitable[Any]
    while True:
        receive = request.receive()
        if (await receive)["type"] == "http.disconnect":
            return


Shared = Annotated[Serving, Depends(serving_of)]
Own = Annotated[Session, Depends(session_of)]
Begun = Annotated[Session, Depends(begun_session)]
