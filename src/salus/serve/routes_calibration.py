"""Routes of the calibration by hand: a reader says how large a pixel is, where the file does not."""

from __future__ import annotations

import asyncio
from math import isfinite
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from salus.errors import SalusError
from salus.segmentation.review import HandCalibration
from salus.serve.audit import append_line, now
from salus.serve.hand_calibration import (
    check_millimetres,
    has_square_pixels,
    lacks_scale,
    read_calibration,
    write_calibration,
)
from salus.serve.open_case import NotFound, OpenCase
from salus.serve.routes_cases import FRAME, Key, Number, ensure_segmented
from salus.serve.ruler_ticks import RulerTicks, find_ruler
from salus.serve.session import Session
from salus.serve.state import ServerState, SessionDep, StateDep

routes = APIRouter(prefix="/v1", tags=["session"])

Millimetres = Annotated[float, Body(description="side of a pixel in mm")]
Length = Annotated[float | None, Body(gt=0, le=1000, description="the known length in mm")]
Line = Annotated[
    tuple[float, float, float, float] | None, Body(description="x, y, x, y of its ends in pixels of the image")
]
Replaced = Annotated[
    str | None,
    Body(max_length=40, description="`saved` of the calibration that this one replaces, empty for none; null for any"),
]


class CalibrationConflict(SalusError):
    """Someone else calibrated the image meanwhile."""


@routes.put("/cases/{key}/calibration")
async def set_calibration(
    state: StateDep,
    session: SessionDep,
    key: Key,
    mm_per_pixel: Millimetres,
    length_mm: Length = None,
    line: Line = None,
    replaced: Replaced = None,
) -> HandCalibration:
    """Say how large a pixel is: all sizes are then in mm, and every answer and download says who calibrated it.

    It holds for all frames. Refused where the file states its scale, and with 409 where another was set meanwhile.
    """
    case = session.case(key)
    check_millimetres(mm_per_pixel)
    if line is not None and not all(map(isfinite, line)):
        raise SalusError("the ends of the line: give numbers, in pixels of the image")
    frame = case.frame(1)
    if not frame.is_segmented:
        raise NotFound("this image is not segmented yet")
    answer = frame.network_answer()
    if not lacks_scale(answer):
        raise SalusError("the file states how large its pixels are; that is not replaced by hand")
    if not has_square_pixels(answer):
        raise SalusError("the file says that its pixels are not square: one length cannot give their size in mm")
    calibration = HandCalibration(mm_per_pixel, session.reader, now(), length_mm, line)
    await asyncio.to_thread(_change, state, session, case, calibration, replaced)
    return calibration


@routes.delete("/cases/{key}/calibration", status_code=204)
async def remove_calibration(state: StateDep, session: SessionDep, key: Key) -> Response:
    """Take the calibration by hand back; sizes are in pixels again."""
    await asyncio.to_thread(_change, state, session, session.case(key), None, None)
    return Response(status_code=204)


@routes.get(FRAME + "/ruler")
async def propose_ruler(
    request: Request, state: StateDep, session: SessionDep, key: Key, number: Number
) -> RulerTicks | None:
    """Find the ticks of a ruler that the scanner burned in, for a reader who calibrates by hand; null where there is
    none or it is in doubt. How far apart they are in mm is for the reader to say.
    """
    case = session.case(key)
    frame = case.frame(number)
    await ensure_segmented(request, state, case, number)
    return await asyncio.to_thread(lambda: find_ruler(frame.pixels()))


def _change(
    state: ServerState, session: Session, case: OpenCase, calibration: HandCalibration | None, replaced: str | None
) -> None:
    """Write a calibration, or remove it, wherever the case is kept.

    Raises:
        CalibrationConflict: it is not the one to be replaced.
    """
    own = case.frame(1).calibration_path
    data_sets = state.data_sets_of(session, case)
    with data_sets[-1].locked():
        current = read_calibration(own if case.work is None else data_sets[-1].calibration_path(case.name))
        known = current.saved if current else ""
        if replaced is not None and replaced != known:
            who = (current.reader or "another reader") if current else "another reader"
            raise CalibrationConflict(f"{who} changed the calibration of this image meanwhile; it is loaded now")
        for path in (own, *(data_set.calibration_path(case.name) for data_set in data_sets)):
            if calibration is None:
                path.unlink(missing_ok=True)
            else:
                write_calibration(path, calibration)
        line: dict[str, Any] = {"reader": session.reader, "case": case.name, "file": case.label}
        if calibration is not None:
            line |= {
                "mm_per_pixel": calibration.mm_per_pixel,
                "length_mm": calibration.length_mm,
                "line": calibration.line,
            }
        for data_set in data_sets:
            action = "calibrated" if calibration else "calibration taken back"
            data_set.root.mkdir(parents=True, exist_ok=True)
            append_line(data_set.root / "audit.jsonl", time=now(), action=action, **line)
