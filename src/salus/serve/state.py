"""What the routes share: settings, network, queue and sessions; and how a request gets at them."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import re
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, TypeVar
from weakref import WeakValueDictionary

from fastapi import Depends, Request, Response

from salus.segmentation.segmenter import Segmenter
from salus.serve.authentication import Authentication, cookie_name
from salus.serve.data_set import DataSetFolder
from salus.serve.hand_calibration import read_calibration, write_calibration
from salus.serve.metrics import ServerMetrics
from salus.serve.notes import name_reader, read_notes, write_notes
from salus.serve.queue import SegmentationQueue
from salus.serve.result_json import FrameAnswer
from salus.serve.sessions import NotFound, OpenCase, Session, Sessions
from salus.serve.settings import ServeSettings
from salus.serve.work_folder import SECONDS_OF_DAY
from salus.serve.worklist import Worklist

SESSION_COOKIE = "salus_session"
"""Name of the session's cookie, without the port; see `cookie_name`."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class ServerState:
    """What one server holds.

    Attributes:
        settings: of the server.
        segmenter: the network, loaded once.
        queue: before the network.
        sessions: of all browsers.
        metrics: counts of requests.
        worklist: of the folder to review; None where there is none.
        authentication: by token; None where none is demanded.
    """

    settings: ServeSettings
    segmenter: Segmenter
    queue: SegmentationQueue
    sessions: Sessions
    metrics: ServerMetrics
    worklist: Worklist | None
    authentication: Authentication | None
    _locks: WeakValueDictionary[tuple[str, int], asyncio.Lock] = field(default_factory=WeakValueDictionary)

    @cached_property
    def segmenter_name(self) -> str:
        """Name the network with its settings: another name wherever it may give another answer."""
        segmenter = self.segmenter
        settings = (segmenter.settings, segmenter.threshold, segmenter.tta)
        weights = segmenter.path.read_bytes() if segmenter.path.is_file() else b""
        return hashlib.sha256(weights + repr(settings).encode()).hexdigest()[:16]

    async def frame_answer(self, case: OpenCase, number: int) -> FrameAnswer:
        """Give a frame's current answer; the frame is segmented first if it was not yet, or by another network or with
        other settings than those of this server.

        Raises:
            NotFound: there is no such frame.
            SalusError: it cannot be read.
            SegmentationTimeout: it took too long.
        """
        frame = case.frame(number)
        async with self._locks.setdefault((case.key, number), asyncio.Lock()):  # a second request waits for the first
            if not await asyncio.to_thread(frame.is_segmented_by, self.segmenter_name):
                await self.queue.submit(
                    lambda: case.open().scan(number),
                    lambda scan, segmentation: frame.store(scan, segmentation, self.segmenter_name),
                )
        return await asyncio.to_thread(self._current_answer, case, number)

    def _current_answer(self, case: OpenCase, number: int) -> FrameAnswer:
        """Give a segmented frame's answer; of an image of the worklist, with the outline that anyone saved last."""
        frame = case.frame(number)
        if case.work is not None and self.worklist is not None:
            self.worklist.load_outline(case, frame)
        return frame.answer()

    def data_sets(self, session: Session) -> list[DataSetFolder]:
        """List the data sets that a session's outlines go into: its own, and the output of the worklist."""
        return [session.data_set, *([self.worklist.output] if self.worklist else [])]

    def data_sets_of(self, session: Session, case: OpenCase) -> list[DataSetFolder]:
        """List the data sets that a case's outlines go into; the last one tells what is saved of it now."""
        return self.data_sets(session) if case.work is not None else [session.data_set]

    def name_calibrations(self, session: Session) -> None:
        """Write the reader's name into the session's calibrations that have none."""
        for case in list(session.cases.values()):
            own = case.frame(1).calibration_path
            calibration = read_calibration(own)
            if calibration is None or calibration.reader:
                continue
            for path in (own, *(folder.calibration_path(case.name) for folder in self.data_sets_of(session, case))):
                if path.is_file():
                    write_calibration(path, replace(calibration, reader=session.reader))

    def name_notes(self, session: Session) -> None:
        """Write the reader's name into the session's notes that have none."""
        for case in list(session.cases.values()):
            for own in case.folder.glob("*-notes.json"):
                notes, stem = read_notes(own), case.identity().image_name(int(own.name.partition("-")[0]))
                if notes is None or (named := name_reader(notes, session.reader)) == notes:
                    continue
                for path in (own, *(folder.notes_path(stem) for folder in self.data_sets_of(session, case))):
                    if read_notes(path) == notes:
                        write_notes(path, named)

    def public_message(self, error: Exception) -> str:
        """Give an error's message without the server's paths."""
        if isinstance(error, OSError):
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return "the disk of the computer that runs Salus is full; make room there, then try again"
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                return "the computer that runs Salus may not write there; have its folder made writable, then try again"
            return f"the server cannot read or write a file ({error.strerror or type(error).__name__})"
        message = str(error)
        for folder in {self.sessions.root, self.sessions.folder}:
            message = re.sub(rf"{re.escape(str(folder))}[^\s:,;]*", "the file", message)
        if self.worklist is not None:
            for folder in (self.worklist.folder, self.worklist.output.root):
                message = message.replace(f"{folder}/", "")
        return message


def get_state(request: Request) -> ServerState:
    """Get the server's state."""
    state: ServerState = request.app.state.server
    return state


def session_of(request: Request, state: ServerState) -> Session | None:
    """Find the browser's session; None where it has none."""
    return state.sessions.find(request.cookies.get(cookie_name(SESSION_COOKIE, state.settings)))


def get_session(request: Request, state: Annotated[ServerState, Depends(get_state)]) -> Session:
    """Get the browser's session.

    Raises:
        NotFound: it has none.
    """
    session = session_of(request, state)
    if session is None:
        raise NotFound("there is no session, or it has expired; upload an image to begin one")
    return session


def get_or_create_session(
    request: Request, response: Response, state: Annotated[ServerState, Depends(get_state)]
) -> Session:
    """Get the browser's session; where it has none, create one. Its cookie lasts anew, as the session does."""
    session = session_of(request, state) or state.sessions.create()
    set_cookie(response, SESSION_COOKIE, session.key, state.settings)
    return session


StateDep = Annotated[ServerState, Depends(get_state)]
SessionDep = Annotated[Session, Depends(get_session)]
SessionOrNewDep = Annotated[Session, Depends(get_or_create_session)]


def set_cookie(response: Response, name: str, value: str, settings: ServeSettings) -> None:
    """Set a cookie that no script can read and no other site can send; with a work folder it stays as long as that."""
    response.set_cookie(
        cookie_name(name, settings),
        value,
        httponly=True,
        samesite="strict",
        secure=settings.scheme == "https",
        path=f"{settings.root_path}/",
        max_age=int(settings.keep_days * SECONDS_OF_DAY) if settings.work else None,
    )


def delete_session_cookie(response: Response, settings: ServeSettings) -> None:
    """Have the browser forget its session."""
    response.delete_cookie(cookie_name(SESSION_COOKIE, settings), path=f"{settings.root_path}/")


class ClientDisconnected(Exception):
    """The client has gone; nobody waits for the response."""


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await some work; cancel it where the client disconnects meanwhile.

    Raises:
        ClientDisconnected: the client has gone.
    """
    task = asyncio.ensure_future(work)
    disconnect = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({task, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise ClientDisconnected
        return task.result()
    finally:
        task.cancel()
        disconnect.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
