"""Routes of a session's images: upload, look at, change the threshold, correct."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Body, File, Form, Path, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, StreamingResponse

from salus.errors import SalusError
from salus.measure.lesions import Lesion
from salus.measure.tracking import assign_track_numbers
from salus.serve.open_case import OpenCase
from salus.serve.queue import SegmentationTimeout
from salus.serve.result_json import FrameAnswer
from salus.serve.routes_segment import MAX_WAITING, cancel_on_exit
from salus.serve.state import (
    ServerState,
    SessionDep,
    SessionOrNewDep,
    StateDep,
    delete_session_cookie,
    session_of,
    while_connected,
)

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
        frames: number of frames.
        seconds: from one frame to the next, null where the file does not say.
        dicom: whether DICOM objects can be made for it.
        work: its number in the worklist, null where it was uploaded.
        label: the file's own name, null where it was not sent.
        upload: the browser's own name of the upload, null where it was not sent.
        revision: of the worklist's file, another one once that is replaced; null where it was uploaded.
    """

    key: str
    name: str
    frames: int
    seconds: float | None
    dicom: bool
    work: int | None
    label: str | None
    upload: str | None
    revision: str | None


def describe_case(case: OpenCase) -> CaseAnswer:
    """Describe a case for the interface."""
    label, upload, revision = case.label or None, case.upload or None, case.revision or None
    return CaseAnswer(case.key, case.name, case.count, case.seconds, case.dicom, case.work, label, upload, revision)


@routes.post("/session", status_code=204)
async def begin_session(session: SessionOrNewDep) -> None:
    """Begin a session, or go on with the one of this cookie, which then lasts anew; uploads begin one where there is
    none.
    """


@dataclass(frozen=True)
class SessionAnswer:
    """The session.

    Attributes:
        cases: how many images are open.
        saved: how many are in the session's data set.
        reader: name of the person at the browser, "" until it is given.
        patient_pattern: where file names hold the patient, "" where they do not.
    """

    cases: int
    saved: int
    reader: str
    patient_pattern: str


@routes.get("/session")
async def describe_session(session: SessionDep) -> SessionAnswer:
    """Count the session's images, and name its reader."""
    saved = len(await asyncio.to_thread(session.data_set.names))
    return SessionAnswer(len(session.cases), saved, session.reader, session.patient_pattern)


@routes.put("/session")
async def change_session(
    state: StateDep,
    session: SessionOrNewDep,
    reader: Annotated[str | None, Body(description="name of the person at the browser")] = None,
    patient_pattern: Annotated[
        str | None, Body(description="where file names hold the patient, such as bus_{patient}-*")
    ] = None,
) -> SessionAnswer:
    """Say who reads, and where file names hold the patient. What was saved without a reader's name gets this one."""
    await asyncio.to_thread(session.change, reader, patient_pattern)
    if reader:
        await asyncio.to_thread(state.name_calibrations, session)
        await asyncio.to_thread(state.name_notes, session)
    if patient_pattern is not None:
        for data_set in state.data_sets(session):
            await asyncio.to_thread(data_set.rename_patients, patient_pattern or state.settings.patient_pattern)
    return await describe_session(session)


@routes.delete("/session", status_code=204)
async def end_session(state: StateDep, session: SessionDep, response: Response) -> None:
    """End the session; all its uploads and outlines are removed."""
    await asyncio.to_thread(state.sessions.end, session.key)
    delete_session_cookie(response, state.settings)


@routes.post("/cases", status_code=201)
async def add_case(
    state: StateDep,
    session: SessionOrNewDep,
    file: Annotated[UploadFile, File(description="PNG, JPEG, TIFF, BMP, DICOM, NIfTI or NRRD; its name is not kept")],
    label: Annotated[str, Form(max_length=1000, description="the file's name, where it is to be kept")] = "",
    upload: Annotated[str, Form(max_length=64, description="random; sent again, it gives the same image")] = "",
) -> CaseAnswer:
    """Upload an image or a cine into the session."""
    return describe_case(await asyncio.to_thread(state.sessions.add_upload, session, file.file, label, upload))


@routes.get("/cases")
async def list_cases(request: Request, state: StateDep) -> list[CaseAnswer]:
    """List the session's images in the order in which they came; none where there is no session."""
    session = session_of(request, state)
    return [describe_case(case) for case in session.open_cases()] if session else []


@routes.delete("/cases/{key}", status_code=204)
async def close_case(state: StateDep, session: SessionDep, key: Key) -> None:
    """Close an image; its upload is removed."""
    await asyncio.to_thread(state.sessions.close_case, session, session.case(key))


@routes.get("/cases/{key}/frames", response_class=StreamingResponse)
async def segment_frames(state: StateDep, session: SessionDep, key: Key) -> StreamingResponse:
    """Segment every frame of a cine. A line of JSON for each as it is done, in order: the answer, or
    `{"frame": 7, "error": "..."}`; then `{"numbers": [[1], [1, 2], ...]}`, the number that each lesion keeps through
    the cine.
    """
    return StreamingResponse(_segment_frames(state, session.case(key)), media_type="application/x-ndjson")


async def _segment_frames(state: ServerState, case: OpenCase) -> AsyncIterator[str]:
    lesions: list[tuple[Lesion, ...]] = []

    async def next_line() -> str:
        task, frame = waiting.pop(0), len(lesions) + 1
        try:
            answer = await task
        except (SalusError, SegmentationTimeout) as error:
            lesions.append(())
            return json.dumps({"frame": frame, "error": state.public_message(error)}) + "\n"
        lesions.append(answer.lesions)
        return json.dumps(asdict(answer) | {"frame": frame}) + "\n"

    waiting: list[asyncio.Task[FrameAnswer]] = []
    with cancel_on_exit(waiting):
        for number in range(1, case.count + 1):
            waiting.append(asyncio.create_task(state.frame_answer(case, number)))
            if len(waiting) >= MAX_WAITING:
                yield await next_line()
        while waiting:
            yield await next_line()
        numbers = [[lesion.number for lesion in frame] for frame in assign_track_numbers(lesions)]
        yield json.dumps({"numbers": numbers}) + "\n"


async def ensure_segmented(request: Request, state: ServerState, case: OpenCase, number: int) -> None:
    """Have a frame segmented if it was not yet by this server's network, before a picture of it is sent; only then must
    it be admitted.

    Raises:
        QueueFull: no further request is admitted.
    """
    if not await asyncio.to_thread(case.frame(number).is_segmented_by, state.segmenter_name):
        with state.queue.admit():
            await while_connected(request, state.frame_answer(case, number))


@routes.get(FRAME)
async def get_frame(
    request: Request, response: Response, state: StateDep, session: SessionDep, key: Key, number: Number
) -> FrameAnswer:
    """Give a frame's current answer, of the reader's saved outline or else the network's; the frame is segmented first
    if it was not yet. The header ETag holds the version of the saved outline.
    """
    answer = await while_connected(request, state.frame_answer(session.case(key), number))
    response.headers["etag"] = f'"{answer.version or "none"}"'
    return answer


@routes.get(FRAME + "/{part}.png", response_class=FileResponse)
async def get_picture(
    request: Request,
    state: StateDep,
    session: SessionDep,
    key: Key,
    number: Number,
    part: Literal["image", "mask", "probability", "saliency", "network"],
) -> FileResponse:
    """Give a frame's pixels, current mask, probability, saliency or the network's own mask as 8-bit grey PNG."""
    case = session.case(key)
    frame = case.frame(number)
    await ensure_segmented(request, state, case, number)
    paths = {"mask": frame.mask_path, "network": frame.picture_path("mask")}
    return FileResponse(paths.get(part) or frame.picture_path(part))


@routes.get(FRAME + "/at")
async def measure_at_threshold(
    state: StateDep,
    session: SessionDep,
    key: Key,
    number: Number,
    threshold: Annotated[float, Query(gt=0, lt=1)],
) -> FrameAnswer:
    """Measure the lesions at another threshold, also where the network does not believe in a tumour."""
    frame = session.case(key).frame(number)
    return await asyncio.to_thread(frame.answer_at, threshold, state.segmenter)
