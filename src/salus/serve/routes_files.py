"""Downloads: overlay, JSON and DICOM objects of a case; the session's corrected cases as a data set."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from salus.errors import SalusError
from salus.measure.lesions import Lesion
from salus.measure.tracking import track
from salus.segmentation.result import Segmentation
from salus.serve.result_json import Answer, record_of
from salus.serve.routes_cases import FRAME, Key, Number, shown
from salus.serve.sessions import NotThere, OpenCase
from salus.serve.state import Own, Serving, Shared, while_connected
from salus.write.overlay import QUALITY, overlay
from salus.write.tables import document

routes = APIRouter(prefix="/v1", tags=["files"])

Fractional = Annotated[bool, Query(description="probabilities in place of masks")]
NO_LESION = "no lesion is outlined, and DICOM knows no segmentation without one"


@routes.get(FRAME + "/overlay.jpg")
async def overlay_of(request: Request, serving: Shared, session: Own, key: Key, number: Number) -> Response:
    """The frame with the outline in force; black outside the ultrasound regions, where they are marked."""
    case = session.case(key)
    await shown(request, serving, case, number)
    answer = await serving.answer(case, number)

    def draw() -> bytes:
        frame, content = case.frame(number), BytesIO()
        overlay(frame.pixels(), frame.mask(), answer.regions).save(content, "JPEG", quality=QUALITY, subsampling=0)
        return content.getvalue()

    return Response(await asyncio.to_thread(draw), media_type="image/jpeg", headers=_named(f"{case.name}-overlay.jpg"))


@routes.get("/cases/{key}/lesions.json")
async def lesions_of(request: Request, serving: Shared, session: Own, key: Key) -> dict[str, Any]:
    """What is in force for every frame, as `salus segment` writes it."""
    case = session.case(key)
    answers = await while_connected(request, _all(serving, case))
    tracked = track([one.lesions for one in answers]) if case.count > 1 else [answers[0].lesions]
    return document(
        [record_of(replace(one, lesions=own), case.name) for one, own in zip(answers, tracked, strict=True)]
    )


@routes.get("/cases/{key}/seg.dcm", response_class=FileResponse)
async def dicom_seg(
    request: Request, serving: Shared, session: Own, key: Key, fractional: Fractional = False
) -> FileResponse:
    """The outlines in an image as a DICOM segmentation that refers to the uploaded DICOM file."""
    case = session.case(key)
    if case.count > 1:
        raise SalusError("a cine has a segmentation for each frame; ask for seg.zip")

    def write(path: Path, source: Path, found: Sequence[Segmentation]) -> None:
        from salus.write.dicom_seg import write_seg

        if not write_seg(path, source, found[0], fractional=fractional):
            raise SalusError(NO_LESION)

    return await _dicom(request, serving, case, "seg.dcm", write)


@routes.get("/cases/{key}/seg.zip", response_class=FileResponse)
async def dicom_segs(
    request: Request, serving: Shared, session: Own, key: Key, fractional: Fractional = False
) -> FileResponse:
    """The outlines in the frames of a cine as DICOM segmentations, 0001.dcm and so on, for each frame with a lesion."""

    def write(path: Path, source: Path, found: Sequence[Segmentation]) -> None:
        from salus.write.dicom_seg import zip_segs

        if not zip_segs(path, source, found, fractional=fractional):
            raise SalusError(NO_LESION)

    return await _dicom(request, serving, session.case(key), "seg.zip", write)


@routes.get("/cases/{key}/sr.dcm", response_class=FileResponse)
async def dicom_sr(request: Request, serving: Shared, session: Own, key: Key) -> FileResponse:
    """The measurements as a DICOM structured report (TID 1500)."""

    def write(path: Path, source: Path, found: Sequence[Segmentation]) -> None:
        from salus.write.dicom_sr import write_sr

        write_sr(path, source, found)

    return await _dicom(request, serving, session.case(key), "sr.dcm", write)


@routes.get("/export.zip", response_class=FileResponse)
async def export(serving: Shared, session: Own) -> FileResponse:
    """The outlines that were saved in this session, as a data set that `salus train` takes: images/, masks/,
    manifest.csv.
    """
    if not session.corrected.names():
        raise NotThere("nothing was saved in this session yet")
    path = _fresh(serving)
    await asyncio.to_thread(session.corrected.zip, path)
    return FileResponse(
        path, media_type="application/zip", filename="salus-corrected.zip", background=BackgroundTask(path.unlink)
    )


class _Found(Sequence[Segmentation]):
    """The frames of a case, each read when it is asked for: those of a long cine do not fit into memory."""

    def __init__(self, case: OpenCase, lesions: Sequence[tuple[Lesion, ...]]) -> None:
        self._case, self._lesions = case, lesions

    def __len__(self) -> int:
        return len(self._lesions)

    def __getitem__(self, index: Any) -> Any:
        lesions = self._lesions[index]
        return self._case.frame(range(1, len(self) + 1)[index]).segmentation(str(self._case.source), lesions)


async def _all(serving: Serving, case: OpenCase) -> list[Answer]:
    """What is in force for every frame; asked one after another, so that a long cine leaves room for others."""
    return [await serving.answer(case, number) for number in range(1, case.count + 1)]


async def _dicom(request: Request, serving: Serving, case: OpenCase, kind: str, write: Any) -> FileResponse:
    if not case.dicom:
        raise SalusError("DICOM objects need a DICOM image; this one is none")
    answers = await while_connected(request, _all(serving, case))
    path = _fresh(serving)

    def make() -> None:
        tracked = track([one.lesions for one in answers]) if case.count > 1 else [answers[0].lesions]
        write(path, case.source, _Found(case, tracked))

    try:
        await asyncio.to_thread(make)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    media = "application/zip" if kind.endswith("zip") else "application/dicom"
    return FileResponse(path, media_type=media, filename=f"{case.name}-{kind}", background=BackgroundTask(path.unlink))


def _fresh(serving: Serving) -> Path:
    """A path for a file that is sent and removed."""
    with tempfile.NamedTemporaryFile(dir=serving.sessions.root, delete=False) as file:
        return Path(file.name)


def _named(name: str) -> dict[str, str]:
    return {"content-disposition": f"attachment; filename*=utf-8''{quote(name)}"}
