"""Routes that measure, save and take back a reader's outline; no newer outline of someone else is replaced unseen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import FileResponse

from salus.errors import SalusError
from salus.serve.audit import append_line, now
from salus.serve.data_set import DataSetFolder
from salus.serve.open_case import NotFound, OpenCase
from salus.serve.outline_record import OutlineRecord
from salus.serve.result_json import FrameAnswer
from salus.serve.routes_cases import FRAME, Key, Number
from salus.serve.session import Session
from salus.serve.state import ServerState, SessionDep, StateDep

routes = APIRouter(prefix="/v1", tags=["session"])

PNG_BODY = {
    "requestBody": {"required": True, "content": {"image/png": {"schema": {"format": "binary", "type": "string"}}}}
}

MAX_PROMPTS = 100_000
"""Characters of the prompts that are kept with an outline."""

IfMatch = Annotated[
    str | None,
    Header(max_length=100, description='version of the outline that this one replaces; "none" for none, * for any'),
]


class OutlineConflict(SalusError):
    """Someone saved another outline meanwhile.

    Attributes:
        record: of that outline.
    """

    def __init__(self, record: OutlineRecord) -> None:
        who = record.reader or "another reader or program"
        when = f" at {record.saved}" if record.saved else ""
        text = f"{who} saved another outline of this image{when}" if record.version else "the outline was taken back"
        super().__init__(f"{text}; load it, or save again to replace it")
        self.record = record


@dataclass(frozen=True)
class VersionsAnswer:
    """The versions of a frame's outline, the oldest first; the current one is named by `current`, "" for none."""

    current: str
    versions: list[OutlineRecord]


def etag(version: str) -> str:
    """Write a version as the HTTP header ETag.

    Example:
        >>> etag("1f00"), etag("")
        ('"1f00"', '"none"')
    """
    return f'"{version or "none"}"'


@routes.post(FRAME + "/measure", openapi_extra=PNG_BODY)
async def measure_mask(request: Request, session: SessionDep, key: Key, number: Number) -> FrameAnswer:
    """Measure a drawn mask: a PNG of the frame's size, white is tumour. Nothing is kept."""
    frame = session.case(key).frame(number)
    return await asyncio.to_thread(frame.measure_drawing, await request.body())


@routes.put(FRAME + "/mask", openapi_extra=PNG_BODY)
async def save_mask(
    request: Request,
    response: Response,
    state: StateDep,
    session: SessionDep,
    key: Key,
    number: Number,
    if_match: IfMatch = None,
    threshold: Annotated[float | None, Query(gt=0, lt=1, description="at which the reader's corrections began")] = None,
    prompts: Annotated[str, Query(max_length=MAX_PROMPTS, description="JSON list of what was pointed at")] = "[]",
    derived_from: Annotated[int | None, Query(ge=1, description="frame that this outline was propagated from")] = None,
) -> FrameAnswer:
    """Save an outline, corrected or approved: it goes into the session's data set, and for an image of the worklist
    into the output folder. Where another outline was saved since the one named by If-Match (or without it, since this
    session looked), it is not replaced: 409 with its reader and version.
    """
    case, content = session.case(key), await request.body()
    frame = case.frame(number)
    asked = _read_prompts(prompts)

    def save() -> FrameAnswer:
        network, mask = frame.decode_drawing(content)
        change = _Change(state, session, case, number)
        with change.locked():
            replaced = change.check(if_match, lambda: change.holds(mask, network))
            record = OutlineRecord(
                reader=session.reader,
                saved=now(),
                threshold=threshold or network.threshold,
                origin=frame.origin(mask, asked),
                prompts=asked,
                derived_from=derived_from,
                network=network.network,
                replaced=replaced,
            )
            for data_set in change.data_sets:
                data_set.add(case.identity(change.pattern), frame, mask, record)
            record = replace(record, version=change.authority.version(change.stem))
            answer = frame.save_mask(mask, record, network)
            change.log("saved", record, lesions=len(answer.lesions))
        return answer

    answer = await asyncio.to_thread(save)
    response.headers["etag"] = etag(answer.version)
    return answer


@routes.delete(FRAME + "/mask")
async def revert_mask(
    response: Response, state: StateDep, session: SessionDep, key: Key, number: Number, if_match: IfMatch = None
) -> FrameAnswer:
    """Go back to the network's outline; what was saved is taken out of the data sets, and kept among its versions."""
    case = session.case(key)
    frame = case.frame(number)
    if not frame.is_segmented:
        raise NotFound("this frame is not segmented yet")

    def revert() -> FrameAnswer:
        change = _Change(state, session, case, number)
        with change.locked():
            replaced = change.check(if_match, lambda: not change.authority.version(change.stem))
            for data_set in change.data_sets:
                data_set.remove(case.identity(change.pattern), frame)
            if replaced:
                change.log("taken back", OutlineRecord(reader=session.reader, saved=now(), replaced=replaced))
        return frame.revert()

    response.headers["etag"] = etag("")
    return await asyncio.to_thread(revert)


@routes.get(FRAME + "/versions")
async def list_versions(state: StateDep, session: SessionDep, key: Key, number: Number) -> VersionsAnswer:
    """List the outlines that were saved of a frame, by whom and when."""
    change = _Change(state, session, session.case(key), number)
    versions = await asyncio.to_thread(change.authority.versions, change.stem)
    return VersionsAnswer(await asyncio.to_thread(change.authority.version, change.stem), versions)


@routes.get(FRAME + "/versions/{version}.png", response_class=FileResponse)
async def get_version(
    state: StateDep,
    session: SessionDep,
    key: Key,
    number: Number,
    version: Annotated[str, Path(pattern="^[0-9a-f]{16}$")],
) -> FileResponse:
    """Give an earlier outline as PNG of the frame's size."""
    change = _Change(state, session, session.case(key), number)
    path = change.authority.version_path(change.stem, version)
    if not path.is_file():
        raise NotFound("there is no such version of this outline")
    return FileResponse(path)


class _Change:
    """A change of one frame's outline.

    Attributes:
        data_sets: that the outline goes into; the last one tells which outline is the current one.
        stem: the frame's name in them.
        pattern: where file names hold the patient.
    """

    def __init__(self, state: ServerState, session: Session, case: OpenCase, number: int) -> None:
        self.session, self.case, self.frame = session, case, case.frame(number)
        self.pattern = session.patient_pattern or state.settings.patient_pattern
        self.stem = case.identity().image_name(number)
        self.data_sets = state.data_sets_of(session, case)

    @property
    def authority(self) -> DataSetFolder:
        return self.data_sets[-1]

    def locked(self) -> ExitStack:
        """Keep all others from changing the data sets."""
        with ExitStack() as stack:
            for data_set in self.data_sets:
                stack.enter_context(data_set.locked())
            return stack.pop_all()  # where one cannot be locked, the others are free again

    def holds(self, mask: np.ndarray, network: FrameAnswer) -> bool:
        """Tell whether the outline that is saved of the frame now is this one, (height, width) bool."""
        saved = self.authority.mask(self.stem, network.parts, mask.shape)
        return saved is not None and np.array_equal(saved, mask)

    def check(self, if_match: str | None, is_done: Callable[[], bool]) -> str:
        """Check that nobody saved another outline meanwhile; give the version that is replaced.

        Args:
            if_match: version that is to be replaced, as the header has it.
            is_done: tells whether what is asked for is so already. A request whose answer was lost comes a second time.

        Raises:
            OutlineConflict: somebody did.
        """
        record = self.frame.record()
        known = record.version if record else ""
        current = known if self.case.work is None else self.authority.version(self.stem)
        if if_match == "*":
            return current
        expected = if_match.strip().removeprefix("W/").strip('"') if if_match else known
        if expected.replace("none", "") != current and not is_done():
            raise OutlineConflict(self.authority.record(self.stem))
        return current

    def log(self, action: str, record: OutlineRecord, **more: Any) -> None:
        """Append the change to the audit log of the session, and to that of the worklist's output."""
        line: dict[str, Any] = {
            "time": record.saved,
            "action": action,
            "reader": record.reader,
            "case": self.case.name,
            "file": self.case.label,
            "frame": self.frame.number if self.case.is_cine else None,
            "version": record.version,
            "replaced": record.replaced,
        }
        if action == "saved":
            line |= {"origin": record.origin, "threshold": record.threshold, "network": record.network}
            line |= {"prompts": list(record.prompts), "derived_from": record.derived_from, **more}
        for data_set in self.data_sets:
            append_line(data_set.root / "audit.jsonl", **line)


def _read_prompts(text: str) -> tuple[Any, ...]:
    try:
        prompts = json.loads(text)
    except (ValueError, RecursionError):
        prompts = None
    if not isinstance(prompts, list):
        raise SalusError("prompts: give a JSON list")
    return tuple(prompts)
