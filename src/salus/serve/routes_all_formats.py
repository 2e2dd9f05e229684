"""Routes of "download all": images of a session in every format of `salus segment --output`, as one ZIP file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse

from salus.errors import SalusError
from salus.pipeline.options import DEFAULT_OUTPUTS, OUTPUTS
from salus.serve.all_formats import CaseResult, check_outputs, write_archive
from salus.serve.open_case import NotFound, OpenCase
from salus.serve.queue import SegmentationTimeout
from salus.serve.routes_downloads import all_answers, numbered_lesions, temporary_file_response
from salus.serve.state import ServerState, SessionDep, StateDep, while_connected

routes = APIRouter(prefix="/v1", tags=["files"])

DESCRIPTIONS = {
    "png": "Mask, PNG",
    "overlay": "Image with its outline, JPEG",
    "probability": "Probability map, PNG",
    "saliency": "Saliency map, PNG",
    "csv": "Table of all lesions, CSV",
    "json": "All measurements and notes, JSON",
    "nifti": "NIfTI labels",
    "labelme": "LabelMe polygons",
    "geojson": "GeoJSON polygons, for QuPath",
    "dicom-seg": "DICOM SEG, of DICOM images",
    "dicom-sr": "DICOM SR, of DICOM images",
    "dicom-sc": "DICOM secondary capture, of DICOM images",
    "coco": "COCO, all images in one file",
}
"""What each format of `OUTPUTS` is, in a few words."""


@dataclass(frozen=True)
class Format:
    """A format of downloads: its name, what it is, and whether it is chosen where nothing is."""

    name: str
    text: str
    default: bool


@routes.get("/formats")
async def list_formats() -> list[Format]:
    """List the formats of downloads: those of `salus segment --output`."""
    return [Format(name, DESCRIPTIONS[name], name in DEFAULT_OUTPUTS) for name in OUTPUTS]


@routes.get("/all.zip", response_class=FileResponse)
async def download_all(
    request: Request,
    state: StateDep,
    session: SessionDep,
    formats: Annotated[str, Query(max_length=200, description="names of /v1/formats, with commas")] = "",
    key: Annotated[str, Query(max_length=64, description="of one image; without it, all of the session")] = "",
) -> FileResponse:
    """Give the current outlines of all images, or of one, in some formats, placed as `salus segment` places them.

    A frame that was not segmented yet is. What cannot be made is listed in left-out.txt in the ZIP file.
    """
    outputs = tuple(name.strip() for name in formats.split(",") if name.strip()) or DEFAULT_OUTPUTS
    check_outputs(outputs)
    cases = [session.case(key)] if key else session.open_cases()
    if not cases:
        raise NotFound("no image is open in this session")
    results, left_out = await while_connected(request, _segment(state, cases))
    if not results:
        raise SalusError(left_out[0])

    def write(path: Path) -> None:
        write_archive(path, results, outputs, left_out)

    name = f"{cases[0].file_stem}.zip" if key else "salus.zip"
    return await temporary_file_response(state, write, name, "application/zip")


async def _segment(state: ServerState, cases: list[OpenCase]) -> tuple[list[CaseResult], list[str]]:
    """Give the answers of each case, and a line for each case that has none."""
    results, left_out = [], []
    for case in cases:
        try:
            answers = await all_answers(state, case)
        except (SalusError, SegmentationTimeout) as error:
            left_out.append(f"{case.label or case.name}: {state.public_message(error)}")
            continue
        lesions = await asyncio.to_thread(numbered_lesions, answers)
        numbered = [replace(answer, lesions=found) for answer, found in zip(answers, lesions, strict=True)]
        results.append(CaseResult(case, numbered))
    return results, left_out
