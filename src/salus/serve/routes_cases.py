"""The images of a session: drop, look, change the threshold, correct."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, File, Path, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, StreamingResponse

from salus.errors import SalusError
from salus.measure.lesions import Lesion
from salus.measure.tracking import track
from salus.serve.queue import TooSlow
from salus.serve.result_json import Answer
from salus.serve.routes_segment import AHEAD
from salus.serve.sessions import NotThere, OpenCase
from salus.serve.state import COOKIE, Begun, Own, Serving, Shared, while_connected

routes = APIRouter(prefix="/v1", tags=["session"])

Key = Annotated[str, Path(max_length=64)]
Number = Annotated[int, Path(ge=1, description="of the frame, from 1")]
FRAME = "/cases/{key}/frames/{number}"


@dataclass(frozen=True)
class CaseAnswer:
    """An open image.

    Attributes:
        key: its name in the interface.
        name: its name in the exported data set.
        frames: how many.
        seconds: from one frame to the next, null where the file does not say.
        dicom: whether DICOM objects can be made for it.
        work: its number in the worklist, null where it was dropped.
    """

    key: str
    name: str
    frames: int
    seconds: float | None
    dicom: bool
    work: int | None


def told(case: OpenCase) -> CaseAnswer:
    """What the interface says of a case."""
    return CaseAnswer(case.key, case.name, case.count, case.seconds, case.dicom, case.work)


@routes.post("/session", status_code=204)
async def begin_session(session: Begun) -> None:
    """Begin a session, or go on with the one of this cookie; uploads begin one where there is none."""


@dataclass(frozen=True)
class SessionAnswer:
    """How many images are open, and how many are in the session's data set."""

    cases: int
    saved: int


@routes.get("/session")
async def tell_session(session: Own) -> SessionAnswer:
    """What the session holds."""
    return SessionAnswer(len(session.cases), len(await asyncio.to_thread(session.corrected.names)))


@routes.post("/cases", status_code=201)
async def add_case(
    serving: Shared,
    session: Begun,
    file: Annotated[UploadFile, File(description="PNG, JPEG, TIFF, BMP, DICOM, NIfTI or NRRD; its name is not kept")],
) -> CaseAnswer:
    """Upload an image or a cine into the session."""
    return told(await asyncio.to_thread(serving.sessions.add, session, file.file))


@routes.get("/cases")
async def list_cases(request: Request, serving: Shared) -> list[CaseAnswer]:
    """The images of the session, in the order in which they came; none where there is no session."""
    session = serving.sessions.find(request.cookies.get(COOKIE))
    return [told(case) for case in session.cases.values()] if session else []


@routes.delete("/cases/{key}", status_code=204)
async def drop_case(serving: Shared, session: Own, key: Key) -> None:
    """Close an image; its upload is removed."""
    await asyncio.to_thread(serving.sessions.drop, session, session.case(key))


@routes.delete("/session", status_code=204)
async def end_session(serving: Shared, session: Own, response: Response) -> None:
    """End the session; all its uploads and outlines are removed."""
    await asyncio.to_thread(serving.sessions.end, session.key)
    response.delete_cookie(COOKIE, path="/")


@routes.get("/cases/{key}/frames", response_class=StreamingResponse)
async def segment_frames(serving: Shared, session: Own, key: Key) -> StreamingResponse:
    """Segment every frame of a cine. A line of JSON for each as it is done, in order: the answer, or
    `{"frame": 7, "error": "..."}`; then `{"numbers": [[1], [1, 2], ...]}`, the number that each lesion keeps through
    the cine.
    """
    return StreamingResponse(_each(serving, session.case(key)), media_type="application/x-ndjson")


async def _each(serving: Serving, case: OpenCase) -> AsyncIterator[str]:
    waiting: list[asyncio.Task[Answer]] = []
    lesions: list[tuple[Lesion, ...]] = []

    async def next_line() -> str:
        task, frame = waiting.pop(0), len(lesions) + 1
        try:
            answer = await task
        except (SalusError, TooSlow) as error:
            lesions.append(())
            return json.dumps({"frame": frame, "error": serving.plain(error)}) + "\n"
        lesions.append(answer.lesions)
        return json.dumps(asdict(answer) | {"frame": frame}) + "\n"

    try:
        for number in range(1, case.count + 1):
            waiting.append(asyncio.create_task(serving.answer(case, number)))
            if len(waiting) >= AHEAD:
                yield await next_line()
        while waiting:
            yield await next_line()
        yield json.dumps({"numbers": [[one.number for one in frame] for frame in track(lesions)]}) + "\n"
    finally:
        for task in waiting:
            task.cancel()


async def shown(request: Request, serving: Serving, case: OpenCase, number: int) -> None:
    """Have a frame segmented before a picture of it is given, if it was not yet; that alone needs to be admitted.

    Raises:
        Busy: no more may ask the network.
    """
    if not case.frame(number).made:
        with serving.queue.admit():
            await while_connected(request, serving.answer(case, number))


@routes.get(FRAME)
async def look(request: Request, serving: Shared, session: Own, key: Key, number: Number) -> Answer:
    """What is in force for a frame: the reader's saved outline, or the network's; it is asked if it was not yet."""
    return await while_connected(request, serving.answer(session.case(key), number))


@routes.get(FRAME + "/{part}.png", response_class=FileResponse)
async def picture(
    request: Request,
    serving: Shared,
    session: Own,
    key: Key,
    number: Number,
    part: Literal["image", "mask", "probability", "saliency"],
) -> FileResponse:
    """A frame's pixels, mask in force, probability or saliency as 8-bit grey PNG."""
    case = session.case(key)
    frame = case.frame(number)
    await shown(request, serving, case, number)
    return FileResponse(frame.place("corrected" if part == "mask" and frame.corrected else part))


@routes.get(FRAME + "/at")
async def at_threshold(
    serving: Shared,
    session: Own,
    key: Key,
    number: Number,
    threshold: Annotated[float, Query(gt=0, lt=1)],
) -> Answer:
    """The lesions at another threshold, also where the network does not believe in a tumour."""
    frame = session.case(key).frame(number)
    return await asyncio.to_thread(frame.at, threshold, serving.segmenter)


PNG_BODY = {
    "requestBody": {"required": True, "content": {"image/png": {"schema": {"format": "binary", "type": "string"}}}}
}


@routes.post(FRAME + "/measure", openapi_extra=PNG_BODY)
async def measure_mask(request: Request, session: Own, key: Key, number: Number) -> Answer:
    """What a drawn mask measures: a PNG of the frame's size, white is tumour. Nothing is kept."""
    frame = session.case(key).frame(number)
    return await asyncio.to_thread(frame.measured, await request.body())


@routes.put(FRAME + "/mask", openapi_extra=PNG_BODY)
async def save_mask(request: Request, serving: Shared, session: Own, key: Key, number: Number) -> Answer:
    """Save an outline, corrected or approved: it goes into the session's data set, and for an image of the worklist
    into the output folder.
    """
    case, content = session.case(key), await request.body()

    def save() -> Answer:
        frame = case.frame(number)
        answer = frame.save(content)
        session.corrected.add(case.name, frame, case.count > 1)
        if case.work is not None and serving.worklist is not None:
            serving.worklist.output.add(case.name, frame, case.count > 1)
        return answer

    return await asyncio.to_thread(save)


@routes.delete(FRAME + "/mask")
async def revert_mask(serving: Shared, session: Own, key: Key, number: Number) -> Answer:
    """Go back to the network's outline; what was saved is taken out of the data sets."""
    case = session.case(key)

    def revert() -> Answer:
        frame = case.frame(number)
        session.corrected.remove(case.name, frame, case.count > 1)
        if case.work is not None and serving.worklist is not None:
            serving.worklist.output.remove(case.name, frame, case.count > 1)
        return frame.revert()

    if not case.frame(number).made:
        raise NotThere("this frame is not segmented yet")
    return await asyncio.to_thread(revert)
