"""Routes of a reader's notes on an image: descriptors of lesions, which are accepted or rejected, a comment, a mark."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Body

from salus.errors import SalusError
from salus.serve.acceptance import MAX_REVIEWED
from salus.serve.audit import append_line, now
from salus.serve.notes import LEXICON, MARKS, Notes, make_notes, read_notes, write_notes
from salus.serve.open_case import NotFound, OpenCase
from salus.serve.routes_cases import FRAME, Key, Number
from salus.serve.session import Session
from salus.serve.state import ServerState, SessionDep, StateDep

routes = APIRouter(prefix="/v1", tags=["session"])


class NotesConflict(SalusError):
    """Someone else noted something of the image meanwhile."""


@dataclass(frozen=True)
class Lexicon:
    """The words that notes may have: of each descriptor of a lesion, and the marks of an image."""

    descriptors: dict[str, tuple[str, ...]]
    marks: tuple[str, ...]


@routes.get("/lexicon")
async def get_lexicon() -> Lexicon:
    """List the words of notes: descriptors of BI-RADS ultrasound (5th edition), and marks of images."""
    return Lexicon(LEXICON, MARKS)


@routes.put(FRAME + "/notes")
async def set_notes(
    state: StateDep,
    session: SessionDep,
    key: Key,
    number: Number,
    mark: Annotated[str, Body(description="unsure, skipped, poor image; empty for none")] = "",
    comment: Annotated[str, Body(description="free text")] = "",
    lesions: Annotated[
        list[dict[str, Any]] | None,
        Body(max_length=100, description="of each described lesion its box and its descriptors, see /v1/lexicon"),
    ] = None,
    accepted: Annotated[
        list[dict[str, Any]] | None,
        Body(max_length=MAX_REVIEWED, description="of each accepted lesion box, area_px, centroid; null for no change"),
    ] = None,
    rejected: Annotated[
        list[dict[str, Any]] | None,
        Body(max_length=MAX_REVIEWED, description="of each rejected lesion the same; null for no change"),
    ] = None,
    replaced: Annotated[
        str | None,
        Body(max_length=40, description="`saved` of the notes that these replace, empty for none; null for any"),
    ] = None,
) -> Notes:
    """Note descriptors, a comment or a mark of an image, and which lesions are accepted or rejected; for one of the
    worklist, into the output folder. A lesion that was accepted or rejected before keeps the reader and time of it.

    Refused with 409 where other notes were saved meanwhile.
    """
    case = session.case(key)
    if not case.frame(number).is_segmented:
        raise NotFound("this frame is not segmented yet")
    content = {"mark": mark, "comment": comment, "lesions": lesions, "accepted": accepted, "rejected": rejected}
    return await asyncio.to_thread(_store, state, session, case, number, content, replaced)


def _store(
    state: ServerState, session: Session, case: OpenCase, number: int, content: dict[str, Any], replaced: str | None
) -> Notes:
    """Check notes and write them wherever the case is kept.

    Raises:
        SalusError: they make no sense; see `make_notes`.
        NotesConflict: others than those to be replaced are there.
    """
    own, stem = case.frame(number).notes_path, case.identity().image_name(number)
    data_sets = state.data_sets_of(session, case)
    with data_sets[-1].locked():
        current = read_notes(own if case.work is None else data_sets[-1].notes_path(stem))
        notes = make_notes(content, session.reader, now(), current)
        if replaced is not None and replaced != (current.saved if current else ""):
            if current is not None and replace(notes, reader=current.reader, saved=current.saved) == current:
                return current  # sent a second time, since the answer to the first was lost
            who = (current.reader if current else "") or "another reader"
            raise NotesConflict(f"{who} described this image meanwhile; those notes are loaded now")
        for path in (own, *(data_set.notes_path(stem) for data_set in data_sets)):
            write_notes(path, notes)
        for data_set in data_sets:
            line = {"file": case.label, "frame": number if case.is_cine else None, "notes": asdict(notes)}
            actions = {"time": notes.saved, "action": "noted", "reader": notes.reader, "case": case.name}
            append_line(data_set.root / "audit.jsonl", **actions, **line)
    return notes
