"""Routes of the worklist of `salus serve --folder`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query

from salus.serve.open_case import NotFound
from salus.serve.routes_cases import CaseAnswer, describe_case
from salus.serve.state import ServerState, SessionOrNewDep, StateDep
from salus.serve.worklist import WorkItem, Worklist

routes = APIRouter(prefix="/v1", tags=["worklist"])


@dataclass(frozen=True)
class WorklistAnswer:
    """The folder's images, and how many of them are done."""

    items: list[WorkItem]
    done: int


@routes.get("/worklist")
async def worklist(state: StateDep) -> WorklistAnswer:
    """List the images of the folder that the server was started with; done are those with a saved outline."""
    items = await asyncio.to_thread(_get_worklist(state).items)
    return WorklistAnswer(items, sum(item.done for item in items))


@routes.post("/worklist/{item}", status_code=201)
async def open_item(
    state: StateDep,
    session: SessionOrNewDep,
    item: Annotated[int, Path(ge=1)],
    name: Annotated[str | None, Query(description="of the item; where another has this number by now: 404")] = None,
) -> CaseAnswer:
    """Open an image of the worklist in the session, anew where its file was replaced since."""
    worklist = _get_worklist(state)
    name_and_path = worklist.find(item)
    if name_and_path is None:
        raise NotFound(f"no image {item} in the worklist")
    case_name, path = name_and_path
    label = worklist.label(path)
    if name is not None and name != label:
        raise NotFound(f"image {item} of the worklist is not the one of this name; list the worklist again")
    return describe_case(
        await asyncio.to_thread(state.sessions.open_worklist_file, session, path, item, case_name, label)
    )


def _get_worklist(state: ServerState) -> Worklist:
    if state.worklist is None:
        raise NotFound("there is no worklist; start the server with: salus serve --folder DIR")
    return state.worklist
