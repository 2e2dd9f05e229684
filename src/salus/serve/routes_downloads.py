"""Routes of downloads: overlay, JSON and DICOM objects of a case; the session's corrected cases as a data set."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from salus.errors import SalusError
from salus.measure.lesions import Lesion
from salus.measure.tracking import assign_track_numbers
from salus.read.dicom import DicomFrames
from salus.segmentation.result import Segmentation
from salus.serve.open_case import NotFound, OpenCase
from salus.serve.result_json import FrameAnswer, add_review, answer_record, flag_calibration
from salus.serve.routes_cases import FRAME, Key, Number, ensure_segmented
from salus.serve.state import ServerState, SessionDep, StateDep, while_connected
from salus.write.overlay import QUALITY, draw_overlay
from salus.write.tables import records_json

routes = APIRouter(prefix="/v1", tags=["files"])

Fractional = Annotated[bool, Query(description="probabilities in place of masks")]
NO_LESION = "no lesion is outlined, and DICOM knows no segmentation without one"


@routes.get(FRAME + "/overlay.jpg")
async def get_overlay(request: Request, state: StateDep, session: SessionDep, key: Key, number: Number) -> Response:
    """Draw the current outline onto the frame; black outside the ultrasound regions, where they are marked."""
    case = session.case(key)
    await ensure_segmented(request, state, case, number)
    answer = await state.frame_answer(case, number)

    def draw() -> bytes:
        frame, content = case.frame(number), BytesIO()
        picture = draw_overlay(frame.pixels(), frame.mask(), answer.regions)
        picture.save(content, "JPEG", quality=QUALITY, subsampling=0)
        return content.getvalue()

    headers = {"content-disposition": f"attachment; filename*=utf-8''{quote(f'{case.file_stem}-overlay.jpg')}"}
    return Response(await asyncio.to_thread(draw), media_type="image/jpeg", headers=headers)


@routes.get("/cases/{key}/lesions.json")
async def get_lesions(request: Request, state: StateDep, session: SessionDep, key: Key) -> dict[str, Any]:
    """List the current lesions of every frame, as `salus segment` writes them."""
    case = session.case(key)
    answers = await while_connected(request, all_answers(state, case))
    numbered = [
        replace(answer, lesions=lesions) for answer, lesions in zip(answers, numbered_lesions(answers), strict=True)
    ]
    table = records_json([answer_record(flag_calibration(answer), case.name, case.label) for answer in numbered])
    for answer, image in zip(numbered, table["images"], strict=True):
        add_review(image, answer)
    return table


@routes.get("/cases/{key}/seg.dcm", response_class=FileResponse)
async def get_dicom_seg(
    request: Request, state: StateDep, session: SessionDep, key: Key, fractional: Fractional = False
) -> FileResponse:
    """Give the outlines in an image as a DICOM segmentation that refers to the uploaded DICOM file."""
    case = session.case(key)
    if case.is_cine:
        raise SalusError("a cine has a segmentation for each frame; ask for seg.zip")

    def write(path: Path, source: DicomFrames, frames: Sequence[Segmentation]) -> None:
        from salus.write.dicom_seg import write_seg

        if not write_seg(path, source, frames[0], fractional=fractional):
            raise SalusError(NO_LESION)

    return await _dicom_response(request, state, case, "seg.dcm", write)


@routes.get("/cases/{key}/seg.zip", response_class=FileResponse)
async def get_dicom_segs(
    request: Request, state: StateDep, session: SessionDep, key: Key, fractional: Fractional = False
) -> FileResponse:
    """Give the outlines in the frames of a cine as DICOM segmentations, 0001.dcm and so on, for each frame with a
    lesion.
    """

    def write(path: Path, source: DicomFrames, frames: Sequence[Segmentation]) -> None:
        from salus.write.dicom_seg import write_seg_zip

        if not write_seg_zip(path, source, frames, fractional=fractional):
            raise SalusError(NO_LESION)

    return await _dicom_response(request, state, session.case(key), "seg.zip", write)


@routes.get("/cases/{key}/sr.dcm", response_class=FileResponse)
async def get_dicom_sr(request: Request, state: StateDep, session: SessionDep, key: Key) -> FileResponse:
    """Give the measurements as a DICOM structured report (TID 1500)."""

    def write(path: Path, source: DicomFrames, frames: Sequence[Segmentation]) -> None:
        from salus.write.dicom_sr import write_sr

        write_sr(path, source, frames)

    return await _dicom_response(request, state, session.case(key), "sr.dcm", write)


@routes.get("/export.zip", response_class=FileResponse)
async def export(state: StateDep, session: SessionDep) -> FileResponse:
    """Export the outlines that were saved in this session as a data set that `salus train` takes: images/, masks/,
    manifest.csv.
    """
    if not session.data_set.names():
        raise NotFound("nothing was saved in this session yet")
    return await temporary_file_response(state, session.data_set.zip, "salus-corrected.zip", "application/zip")


async def _dicom_response(
    request: Request,
    state: ServerState,
    case: OpenCase,
    kind: str,
    write: Callable[[Path, DicomFrames, Sequence[Segmentation]], None],
) -> FileResponse:
    """Have the frames of a DICOM case written into a file, and send it.

    Args:
        request: of the client.
        state: of the server.
        case: that is written.
        kind: end of the file's name.
        write: is called with the path, the opened source and the frames.
    """
    source = await asyncio.to_thread(case.open)
    if not isinstance(source, DicomFrames):
        raise SalusError("DICOM objects need a DICOM image; this one is none")
    answers = await while_connected(request, all_answers(state, case))
    return await temporary_file_response(
        state,
        lambda path: write(path, source, _CaseSegmentations(case, numbered_lesions(answers))),
        f"{case.file_stem}-{kind}",
        "application/zip" if kind.endswith("zip") else "application/dicom",
    )


class _CaseSegmentations(Sequence[Segmentation]):
    """The frames of a case, each read when it is needed: those of a long cine do not fit into memory."""

    def __init__(self, case: OpenCase, lesions: Sequence[tuple[Lesion, ...]]) -> None:
        self._case, self._lesions = case, lesions

    def __len__(self) -> int:
        return len(self._lesions)

    def __getitem__(self, index: Any) -> Any:
        number = range(1, len(self) + 1)[index]
        return self._case.frame(number).segmentation(str(self._case.source), self._lesions[index])


async def all_answers(state: ServerState, case: OpenCase) -> list[FrameAnswer]:
    """Give the current answer of every frame; one after another, so that a long cine leaves room for others."""
    return [await state.frame_answer(case, number) for number in range(1, case.count + 1)]


def numbered_lesions(answers: Sequence[FrameAnswer]) -> Sequence[tuple[Lesion, ...]]:
    """List the lesions of each frame; those of a cine keep their numbers through it."""
    lesions = [answer.lesions for answer in answers]
    return assign_track_numbers(lesions) if len(lesions) > 1 else lesions


async def temporary_file_response(
    state: ServerState, write: Callable[[Path], None], name: str, media_type: str
) -> FileResponse:
    """Have a file written, send it under a name, and remove it."""
    with tempfile.NamedTemporaryFile(dir=state.sessions.root, delete=False) as file:
        path = Path(file.name)
    try:
        await asyncio.to_thread(write, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return _TemporaryFileResponse(path, media_type=media_type, filename=name)


class _TemporaryFileResponse(FileResponse):
    """Send a file and remove it, also where the client stalls or leaves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            Path(self.path).unlink(missing_ok=True)
